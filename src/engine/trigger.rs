//! Starting a run: the one request that must not be repeated lightly.

use super::attempt_error::{AttemptError, TransportErrorKind};
use super::confirm::Confirm;
use super::operation::{Action, Operation, Phase, Reply, TRIES};
use super::options::Goal;
use super::poll::Poll;
use super::time::Instant;
use crate::hightouch::{
    ApiError, ReadError, Request, Response, Resync, RunId, SyncId, read_trigger, trigger_ids,
};

/// Starting a run.
#[derive(Clone, Debug)]
pub(super) struct Trigger {
    pub(super) sync: SyncId,
    /// The highest ID of any run before this one, where a look was made: a run with a higher one is newer.
    pub(super) baseline: Option<u64>,
    /// When the first one whose answer never came was sent.
    pub(super) first_sent: Option<Instant>,
    /// How often the request was sent again after one whose answer never came.
    pub(super) resent: u32,
    /// The runs that the last response names.
    pub(super) named: Vec<RunId>,
}

impl Trigger {
    pub(super) fn new(sync: SyncId, baseline: Option<u64>) -> Self {
        Self {
            sync,
            baseline,
            first_sent: None,
            resent: 0,
            named: Vec::new(),
        }
    }

    pub(super) fn request(&self, resync: Resync) -> Request {
        Request::trigger(self.sync, resync)
    }
}

/// What came of a request that starts a run, where the answer does not name one.
pub(super) enum TriggerError {
    /// No run.
    NotStarted(AttemptError),
    /// Perhaps a run.
    Unknown(AttemptError),
}

/// Reads what came of a request that starts a run.
pub(super) fn judge<T>(
    reply: Reply,
    read: fn(&[u8]) -> Result<T, ReadError>,
) -> Result<T, TriggerError> {
    let answer = accepted(reply)?;
    answer
        .whole()
        .and_then(read)
        .map_err(|why| unnamed(&answer, why))
}

/// An answer of success.
fn accepted(reply: Reply) -> Result<Response, TriggerError> {
    let answer = match reply {
        Ok(answer) if answer.ok() => return Ok(answer),
        Ok(answer) => answer,
        Err(trouble) => {
            return Err(match trouble.kind {
                TransportErrorKind::NotGranted
                | TransportErrorKind::NotSent
                | TransportErrorKind::TlsFailed => {
                    TriggerError::NotStarted(AttemptError::TransportError(trouble))
                }
                TransportErrorKind::Lost | TransportErrorKind::TimedOut => {
                    TriggerError::Unknown(AttemptError::TransportError(trouble))
                }
            });
        }
    };
    let refused = AttemptError::refused(&answer);
    Err(match answer.status {
        // The server, or a proxy before it, failed at some point: before the run was started or after.
        408 | 500..=599 => TriggerError::Unknown(refused),
        _ => TriggerError::NotStarted(refused),
    })
}

/// What an answer of success means that names no run. Hightouch documents error envelopes that come with status 200; what holds anything
/// else beside may be news of a run.
fn unnamed(answer: &Response, why: ReadError) -> TriggerError {
    if answer.coded().is_none() && ApiError::is_all_of(&answer.body) {
        let error = ApiError::read(&answer.body);
        TriggerError::NotStarted(AttemptError::Refused {
            status: answer.status,
            error,
            asked: None,
        })
    } else {
        TriggerError::Unknown(AttemptError::Unreadable {
            status: answer.status,
            why,
        })
    }
}

impl Operation {
    pub(super) fn triggered(&mut self, now: Instant, mut phase: Trigger, reply: Reply) -> Action {
        if let Ok(answer) = &reply
            && answer.ok()
            && answer.coded().is_none()
        {
            phase.named = trigger_ids(&answer.body);
        }
        match judge(reply, read_trigger) {
            // A run that was there before is not one that the trigger started.
            Ok(run) if phase.baseline.is_some_and(|baseline| run.get() <= baseline) => {
                let cause = AttemptError::Unreadable {
                    status: 200,
                    why: ReadError::OlderRun,
                };
                let sent = *phase.first_sent.get_or_insert(self.sent);
                self.go(now, Phase::Confirm(Confirm::new(phase, cause, sent, now)))
            }
            Ok(run) => {
                self.triggered_at = Some(self.sent);
                self.started(now, run)
            }
            Err(TriggerError::NotStarted(setback)) => {
                self.not_started(now, Phase::Trigger(phase), setback)
            }
            Err(TriggerError::Unknown(cause)) => {
                let sent = *phase.first_sent.get_or_insert(self.sent);
                let confirm = Confirm::new(phase, cause, sent, now);
                self.go(now, Phase::Confirm(confirm))
            }
        }
    }

    /// There is a run now.
    pub(super) fn started(&mut self, now: Instant, run: RunId) -> Action {
        self.run_is(now, run);
        if matches!(self.goal, Goal::Start(_)) {
            return self.succeed(now);
        }
        self.look_later(now, Phase::Poll(Poll::default()))
    }

    /// Whether another try of a request that only reads is pointless. Once a run is known, only what [`AttemptError::passing`] denies is: the
    /// run goes on, and whatever stands between may change.
    pub(super) fn is_final(&self, setback: &AttemptError) -> bool {
        !setback.passing() || !self.sighted() && setback.lasts()
    }

    /// There is provably none: sent again where that may help, for nothing can be started twice by it.
    pub(super) fn not_started(
        &mut self,
        now: Instant,
        phase: Phase,
        setback: AttemptError,
    ) -> Action {
        let worth_it = match &setback {
            AttemptError::TransportError(trouble) => {
                trouble.kind == TransportErrorKind::NotSent && self.backoff.setbacks() + 1 < TRIES
            }
            _ => setback.rate_limited(),
        };
        if !worth_it {
            return self.give_up(now, setback);
        }
        let delay = self
            .backoff
            .after_setback(setback.asked(), &mut self.jitter);
        self.pause(now, delay, phase, Some(setback))
    }
}
