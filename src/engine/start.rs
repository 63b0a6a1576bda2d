//! The request that starts a run, and the meaning of its response.

use super::attempt_error::{AttemptError, TransportErrorKind};
use super::step::{Next, Reply};
use super::time::Instant;
use crate::hightouch::{ApiError, ReadError, Response, RunId, SyncId};

/// A run that is being started: the trigger and what is known about it.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) sync: SyncId,
    /// The highest ID of the runs that existed before the trigger, if they were listed. A run with
    /// a higher ID is newer.
    pub(super) baseline: Option<u64>,
    /// When the first trigger with an unknown outcome was sent.
    pub(super) first_sent: Option<Instant>,
    /// How many times the trigger was sent again.
    pub(super) resends: u32,
    /// The runs that the last response names.
    pub(super) named: Vec<RunId>,
}

impl Start {
    pub(super) fn new(sync: SyncId, baseline: Option<u64>) -> Self {
        Self {
            sync,
            baseline,
            first_sent: None,
            resends: 0,
            named: Vec::new(),
        }
    }

    /// Returns whether the run existed before the trigger.
    pub(super) fn is_older(&self, run: RunId) -> bool {
        self.baseline.is_some_and(|baseline| run.get() <= baseline)
    }
}

/// A trigger whose response names no run.
#[derive(Debug)]
pub(super) enum TriggerError {
    /// No run was started.
    NotStarted(AttemptError),
    /// A run may have been started.
    Unknown(AttemptError),
}

/// Reads the response to a trigger.
///
/// # Errors
///
/// Returns an error if the response does not name a run.
pub(super) fn read_response<T>(
    reply: Reply,
    read: fn(&[u8]) -> Result<T, ReadError>,
) -> Result<T, TriggerError> {
    let response = successful(reply)?;
    response
        .complete_body()
        .and_then(read)
        .map_err(|why| without_run(&response, why))
}

/// Returns the response if its status is a success.
fn successful(reply: Reply) -> Result<Response, TriggerError> {
    let response = match reply {
        Ok(response) if response.is_success() => return Ok(response),
        Ok(response) => response,
        Err(error) => {
            return Err(match error.kind {
                TransportErrorKind::NotGranted
                | TransportErrorKind::NotSent
                | TransportErrorKind::TlsFailed => {
                    TriggerError::NotStarted(AttemptError::Transport(error))
                }
                TransportErrorKind::Lost | TransportErrorKind::TimedOut => {
                    TriggerError::Unknown(AttemptError::Transport(error))
                }
            });
        }
    };
    let rejected = AttemptError::rejected(&response);
    Err(match response.status {
        // The server or a proxy failed, before or after the run was started.
        408 | 500..=599 => TriggerError::Unknown(rejected),
        _ => TriggerError::NotStarted(rejected),
    })
}

/// Classifies a response with a success status that names no run.
///
/// Hightouch documents error envelopes with status 200: they start no run. A body that contains
/// anything else may report a run.
fn without_run(response: &Response, why: ReadError) -> TriggerError {
    if response.encoding_error().is_none() && ApiError::is_error_envelope(&response.body) {
        TriggerError::NotStarted(AttemptError::Rejected {
            status: response.status,
            error: ApiError::read(&response.body),
            retry_after: None,
        })
    } else {
        TriggerError::Unknown(AttemptError::Unreadable {
            status: response.status,
            why,
        })
    }
}

/// Retries a trigger that started nothing, if another attempt may succeed.
pub(super) fn retry_not_started<T>(error: AttemptError) -> Next<T> {
    let was_not_sent = matches!(
        &error,
        AttemptError::Transport(error) if error.kind == TransportErrorKind::NotSent
    );
    if was_not_sent || error.is_rate_limited() {
        Next::RetryLimited(error)
    } else {
        Next::GiveUp(error)
    }
}
