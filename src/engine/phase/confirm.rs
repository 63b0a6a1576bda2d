//! After a trigger with an unknown outcome: did it start a run?
//!
//! Hightouch has no idempotency key. So the list of runs is polled until enough time has passed for
//! it to show every run that the trigger may have started.
//!
//! A run is a candidate if it was created after the trigger was sent, by Hightouch's own clock. The
//! candidate may be somebody else's run that was started at the same moment. Without a resync that
//! run does the same work on the same data, so it is accepted. If a resync was requested, if there
//! are several candidates, or if the time of a run is unknown, the operation ends with
//! `trigger-unconfirmed` and names the candidates.

use core::time::Duration;

use crate::engine::attempt_error::AttemptError;
use crate::engine::failure_reason::{FailureReason, enumerate, unconfirmed};
use crate::engine::limits::{LISTING_DELAY, MAX_NAMED};
use crate::engine::list::{ListStep, RunList};
use crate::engine::server_clock::{ServerClock, When};
use crate::engine::start::Start;
use crate::engine::step::{Context, Next, Reply};
use crate::engine::time::Instant;
use crate::hightouch::{Request, Run, RunId, Timestamp};

/// The times at which the list is fetched again, counted from when the outcome became unknown.
///
/// Each time falls on a different fraction of the server's second. So the server's clock is known
/// to a quarter of a second, although `Date` shows whole seconds only.
const FETCH_TIMES: [Duration; 4] = [
    Duration::from_millis(1250),
    Duration::from_millis(3500),
    Duration::from_millis(5750),
    LISTING_DELAY,
];
/// Maximum time to retry a list that cannot be read, unless the rate limit is the cause.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum number of times that a trigger is sent again.
const MAX_RESENDS: u32 = 2;

/// The search for the run of a trigger with an unknown outcome.
#[derive(Debug)]
pub struct Confirm {
    pub(in crate::engine) start: Start,
    /// Why the outcome is unknown.
    cause: AttemptError,
    /// When the first trigger with an unknown outcome was sent.
    sent: Instant,
    /// When the outcome became unknown.
    since: Instant,
    /// When the first request for the current listing was sent. The listing may lack runs that
    /// Hightouch listed after this time.
    fetched: Option<Instant>,
    list: RunList,
    seen: Seen,
    /// The candidates of the previous listing.
    previous: Vec<Candidate>,
    /// Whether the listing has unreadable entries or came from a cache. A run may be missing.
    is_incomplete: bool,
}

/// What the list shows.
#[derive(Debug, Default)]
struct Seen {
    /// The runs that the trigger may have started.
    candidates: Vec<Candidate>,
    /// Whether the list shows a run that existed before the trigger.
    older: bool,
}

/// A run that the trigger may have started.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    run: RunId,
    created: Option<Timestamp>,
}

/// What one listing proves.
#[derive(Debug)]
enum Finding {
    /// The list shows no run of the trigger.
    NoRun,
    /// The list shows exactly one run of the trigger.
    Run(RunId),
    /// No later list will decide.
    Ambiguous,
    /// A later list may decide.
    Inconclusive,
}

/// The outcome of the trigger.
#[derive(Debug)]
pub(in crate::engine) enum Confirmed {
    /// The trigger started this run.
    Started(RunId),
    /// The trigger started no run and can be sent again.
    Resend,
}

impl Confirm {
    pub(in crate::engine) fn new(
        start: Start,
        cause: AttemptError,
        sent: Instant,
        now: Instant,
    ) -> Self {
        Self {
            list: RunList::newest(start.sync),
            start,
            cause,
            sent,
            since: now,
            fetched: None,
            seen: Seen::default(),
            previous: Vec::new(),
            is_incomplete: false,
        }
    }

    pub(in crate::engine) fn request(&self) -> Request {
        self.list.request()
    }

    pub(in crate::engine) fn on_reply(
        &mut self,
        cx: &mut Context<'_>,
        reply: Reply,
    ) -> Next<Confirmed> {
        let fetched = *self.fetched.get_or_insert(cx.sent);
        let page = match self.list.read(reply, cx.limits) {
            Ok(ListStep::Page(page)) => page,
            Ok(ListStep::More) => return Next::Send,
            Ok(ListStep::Restart) => {
                self.seen = Seen::default();
                return Next::Send;
            }
            Err(error) => return self.list_failed(cx, error),
        };
        self.is_incomplete |= page.has_unreadable || page.is_stale;
        let (has_more, newest_first) = (page.has_more, page.newest_first);
        for run in page {
            cx.schedule.note_earlier(&run);
            self.note(cx, &run);
        }
        // The run of the trigger is newer than every run that existed before.
        let has_all_newer = self.seen.older || self.seen.candidates.len() > MAX_NAMED;
        if has_more && !(newest_first && has_all_newer) {
            return Next::Send;
        }
        let finding = self.finding(cx.clock, cx.options.resync.any());
        if matches!(finding, Finding::Ambiguous) {
            return Next::Fail(self.unconfirmed(None));
        }
        if fetched.duration_since(self.since) < LISTING_DELAY {
            self.restart();
            let delays = FETCH_TIMES.map(|time| (self.since + time).duration_since(cx.now));
            return match delays.into_iter().find(|delay| !delay.is_zero()) {
                Some(delay) => Next::SendAfter(delay),
                None => Next::Send,
            };
        }
        match finding {
            Finding::Run(run) => Next::Complete(Confirmed::Started(run)),
            Finding::NoRun => self.not_started(cx),
            Finding::Ambiguous | Finding::Inconclusive => Next::Fail(self.unconfirmed(None)),
        }
    }

    /// Ends the search because the time is up.
    pub(in crate::engine) fn on_timeout(&mut self, error: Option<&AttemptError>) -> FailureReason {
        self.unconfirmed(error)
    }

    /// Reads the list again from its start.
    fn restart(&mut self) {
        let Seen { candidates, .. } = core::mem::take(&mut self.seen);
        if !candidates.is_empty() {
            self.previous = candidates;
        }
        self.list = self.list.again();
        self.fetched = None;
        self.is_incomplete = false;
    }

    /// Retries a list that could not be read.
    fn list_failed(&mut self, cx: &Context<'_>, error: AttemptError) -> Next<Confirmed> {
        self.restart();
        let timed_out =
            cx.now.duration_since(self.since) >= LIST_TIMEOUT && !error.is_rate_limited();
        // A server that encodes both the trigger's response and the list does not stop doing so.
        let is_encoded = error.is_encoded() && self.cause.is_encoded();
        if !error.is_transient() || is_encoded || timed_out {
            Next::Fail(self.unconfirmed(Some(&error)))
        } else {
            Next::Retry(error)
        }
    }

    fn note(&mut self, cx: &mut Context<'_>, run: &Run) {
        let created = run.created();
        if let Some(created) = created {
            cx.clock.note_past(created, cx.now);
        }
        if self.start.is_older(run.id) {
            self.seen.older = true;
            return;
        }
        let when = cx.clock.compare(created, self.sent);
        self.seen.older |= when == When::LongBefore;
        let candidates = &mut self.seen.candidates;
        let is_known = candidates.iter().any(|candidate| candidate.run == run.id);
        if when != When::LongBefore && !is_known {
            candidates.push(Candidate {
                run: run.id,
                created,
            });
            // One candidate more than a message names is kept, so that the message can say "and
            // more".
            candidates.truncate(MAX_NAMED + 1);
        }
    }

    /// Evaluates a listing that was read to its end.
    fn finding(&mut self, clock: &ServerClock, resync: bool) -> Finding {
        let when = |candidate: &Candidate| clock.compare(candidate.created, self.sent);
        let candidates = &mut self.seen.candidates;
        candidates.retain(|candidate| when(candidate) != When::LongBefore);
        let mut new = candidates
            .iter()
            .filter(|candidate| when(candidate) == When::After);
        let has_unknown = candidates
            .iter()
            .any(|candidate| when(candidate) == When::Unknown);
        match (new.next(), new.next()) {
            _ if self.is_incomplete && !resync => Finding::Inconclusive,
            _ if candidates.is_empty() => Finding::NoRun,
            _ if resync => Finding::Ambiguous,
            (Some(_), Some(_)) => Finding::Ambiguous,
            (Some(new), None) if !has_unknown => Finding::Run(new.run),
            _ => Finding::Inconclusive,
        }
    }

    /// Decides what to do after the last listing shows no run of the trigger.
    fn not_started(&mut self, cx: &Context<'_>) -> Next<Confirmed> {
        // A response with a success status says that there is a run, whatever the list shows.
        let is_success = matches!(self.cause, AttemptError::Unreadable { .. });
        // A server that is slow may still start the run. A resync costs too much to risk running it
        // twice.
        if is_success || self.cause.server_may_continue() || cx.options.resync.any() {
            return Next::Fail(self.unconfirmed(None));
        }
        // An error status is Hightouch's decision, so the trigger is not sent again. A lost
        // response decides nothing, so the trigger may be sent again.
        let is_lost = matches!(self.cause, AttemptError::Transport(_));
        if is_lost && self.start.resends < MAX_RESENDS && cx.has_time_for_trigger {
            self.start.resends += 1;
            Next::Complete(Confirmed::Resend)
        } else {
            Next::GiveUp(self.cause.clone())
        }
    }

    /// Returns the `trigger-unconfirmed` failure. `error` is the reason why the list cannot be
    /// read.
    fn unconfirmed(&mut self, error: Option<&AttemptError>) -> FailureReason {
        self.restart();
        let named = match self.start.named.as_slice() {
            [] => String::new(),
            named => {
                let ids: Vec<String> = named.iter().map(ToString::to_string).collect();
                format!("Hightouch's response names run {}. ", ids.join(" and run "))
            }
        };
        let why = match (self.previous.as_slice(), error) {
            ([], Some(error)) => {
                format!(
                    "Hightouch's list of runs could not be read: {}",
                    error.sentence()
                )
            }
            ([], None) => "Hightouch's list of runs does not show the run so far.".into(),
            (candidates, _) => {
                let ids = candidates.iter().map(|candidate| candidate.run.to_string());
                format!(
                    "The request may have started one of these runs: {}.",
                    enumerate(ids)
                )
            }
        };
        unconfirmed(
            &self.cause,
            format!(
                "The run may or may not have been started. {named}{why} The request was not sent \
                 again, because that could run the sync twice. Check the sync's runs before you \
                 run it again. {}",
                self.cause.sentence()
            ),
        )
    }
}
