//! Sequences: starting a run, and polling it until it has ended.
//!
//! Hightouch has no list of a sequence's runs. So nothing shows whether a trigger started a run if
//! its response was lost: the trigger is not sent again, and the operation ends at once.

use core::time::Duration;

use crate::engine::attempt_error::AttemptError;
use crate::engine::failure_reason::{
    FailureReason, enumerate, still_running, sync_run_name, unconfirmed,
};
use crate::engine::limits::LISTING_DELAY;
use crate::engine::options::Options;
use crate::engine::outcome::{FailureKind, SequenceReport};
use crate::engine::poll_schedule::RunAge;
use crate::engine::start::{TriggerError, read_response, retry_not_started};
use crate::engine::step::{Context, KnownRun, Next, Reply};
use crate::engine::time::Instant;
use crate::engine::verdict::{sequence_verdict, verdict_of_all};
use crate::engine::warnings::{RejectedLimit, Warnings};
use crate::hightouch::{
    ReadError, Request, RunStatus, SequenceId, SequenceRun, SequenceRunId, SequenceStatus, SyncRun,
    Timestamp, read_sequence_trigger,
};

/// Maximum time from the first response that says `done` until all sync runs are listed as ended.
///
/// It is shorter than the endpoint's default wait of 25 s, so that a caller that repeats `GET`
/// requests gets a result.
const DONE_TIMEOUT: Duration = Duration::from_secs(20);

/// Starting a run of a sequence.
#[derive(Debug)]
pub struct TriggerSequence {
    sequence: SequenceId,
}

impl TriggerSequence {
    pub(in crate::engine) fn new(sequence: SequenceId) -> Self {
        Self { sequence }
    }

    pub(in crate::engine) fn request(&self) -> Request {
        Request::trigger_sequence(&self.sequence)
    }

    /// Completes with the ID of the run that was started.
    pub(in crate::engine) fn on_reply(&self, reply: Reply) -> Next<SequenceRunId> {
        match read_response(reply, read_sequence_trigger) {
            Ok(run) => Next::Complete(run),
            Err(TriggerError::NotStarted(error)) => retry_not_started(error),
            Err(TriggerError::Unknown(cause)) => Next::Fail(unconfirmed(
                &cause,
                format!(
                    "The run may or may not have been started, and Hightouch has no list of a \
                     sequence's runs that would show it. The request was not sent again, because \
                     that could run the sequence twice. Check the sequence's runs before you run it \
                     again. {}",
                    cause.sentence()
                ),
            )),
        }
    }
}

/// The end of a sequence's run in which no sync run failed.
#[derive(Debug)]
pub(in crate::engine) enum SequenceEnd {
    /// The run has succeeded.
    Succeeded,
    /// The run has succeeded if these sync runs, which ended as `warning`, are within the limit.
    Warned {
        warned: Vec<SyncRun>,
        limit: RejectedLimit,
    },
}

/// Polling a run of a sequence.
#[derive(Clone, Debug)]
pub struct PollSequence {
    /// The run, as Hightouch reported it last.
    run: SequenceRun,
    /// Whether this operation started the run.
    is_started: bool,
    /// Whether the run is known to exist.
    is_confirmed: bool,
    /// When a response first said `done` before it listed all sync runs as ended.
    done_since: Option<Instant>,
    age: RunAge,
}

impl KnownRun for PollSequence {
    type Report = SequenceReport;

    fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    fn is_started_or_in_progress(&self) -> bool {
        self.is_started || self.is_confirmed && !self.run.status.ended()
    }

    fn into_report(self, _: &Options, requests: u32, elapsed: Duration) -> SequenceReport {
        SequenceReport {
            run: self.run,
            requests,
            elapsed,
        }
    }
}

impl PollSequence {
    /// Returns the phase that polls a run that this operation started.
    pub(in crate::engine) fn started(run: SequenceRunId, now: Instant) -> Self {
        Self {
            is_started: true,
            is_confirmed: true,
            ..Self::awaited(run, now)
        }
    }

    /// Returns the phase that polls a run that the caller named.
    pub(in crate::engine) fn awaited(run: SequenceRunId, now: Instant) -> Self {
        Self {
            run: SequenceRun::with_id(run),
            is_started: false,
            is_confirmed: false,
            done_since: None,
            age: RunAge::new(now),
        }
    }

    pub(in crate::engine) fn request(&self) -> Request {
        Request::sequence_run(&self.run.id)
    }

    /// Completes if the run has succeeded according to its statuses. Rejected rows may still have
    /// to be compared with a limit.
    pub(in crate::engine) fn on_reply(
        &mut self,
        cx: &mut Context<'_>,
        reply: Reply,
    ) -> Next<SequenceEnd> {
        let date = reply.as_ref().ok().and_then(|response| response.date);
        let seen = match read(reply, &self.run.id) {
            Ok(seen) => seen,
            Err(error) => return self.retry(cx.now, error),
        };
        let is_complete = update(&mut self.run, seen);
        self.is_confirmed = true;
        if !self.is_started {
            let finished = |run: &SyncRun| run.finished_at.as_deref().and_then(Timestamp::rfc3339);
            let oldest = self.run.sync_runs.iter().filter_map(finished).min();
            self.age.learn(cx.now, date, oldest);
        }
        // A list that lacks one sync run may lack others too.
        let warnings = cx.options.warnings;
        let verdict = sequence_verdict(&self.run, warnings.may_accept())
            .filter(|_| is_complete || !self.is_done());
        match verdict {
            None if self.is_done() => self.done_without_ends(cx),
            None => Next::SendAfter(self.delay(cx)),
            Some(true) => Next::Complete(self.end(warnings)),
            Some(false) => Next::Fail(self.failed(warnings)),
        }
    }

    /// Returns the pause before the next poll.
    pub(in crate::engine) fn delay(&self, cx: &mut Context<'_>) -> Duration {
        cx.schedule
            .next_poll(cx.now, self.age.at(cx.now), cx.jitter)
    }

    /// Returns the failure if the time is up. `error` is the error of the last attempt.
    pub(in crate::engine) fn on_timeout(&self, error: Option<&AttemptError>) -> FailureReason {
        match error {
            // Nothing shows that this run exists. So the error is all there is to report.
            Some(error) if !self.is_confirmed => error.clone().into(),
            error => {
                // If all sync runs were listed as ended, the operation would be over.
                let lacks = if self.is_done() {
                    ", without the ends of all its sync runs"
                } else {
                    ""
                };
                let seen = format!("`{}`{lacks}", self.run.status.as_str());
                still_running(
                    &format!("sequence run {}", self.run.id),
                    self.is_confirmed.then_some(seen),
                    error,
                )
            }
        }
    }

    /// Returns what is left to do for a run that has succeeded according to its statuses.
    fn end(&self, warnings: Warnings) -> SequenceEnd {
        let Warnings::Tolerate(limit) = warnings else {
            return SequenceEnd::Succeeded;
        };
        let warned = self.run.sync_runs.iter();
        let warned: Vec<SyncRun> = warned
            .filter(|sync_run| sync_run.status == RunStatus::Warning)
            .cloned()
            .collect();
        if warned.is_empty() {
            SequenceEnd::Succeeded
        } else {
            SequenceEnd::Warned { warned, limit }
        }
    }

    pub(in crate::engine) fn id(&self) -> &SequenceRunId {
        &self.run.id
    }

    fn is_done(&self) -> bool {
        self.run.status == SequenceStatus::Done
    }

    fn retry(&self, now: Instant, error: AttemptError) -> Next<SequenceEnd> {
        // Not every replica knows a run that was started a moment ago.
        let is_unknown = matches!(
            error,
            AttemptError::Rejected {
                status: 400 | 404 | 422,
                ..
            }
        );
        let may_appear = is_unknown && self.is_started && self.age.at(now) < LISTING_DELAY;
        if may_appear || !error.is_final(self.is_confirmed) {
            Next::Retry(error)
        } else {
            Next::GiveUp(error)
        }
    }

    /// Handles a run that is `done`, but lists no sync runs, or some that have not ended.
    fn done_without_ends(&mut self, cx: &mut Context<'_>) -> Next<SequenceEnd> {
        let since = *self.done_since.get_or_insert(cx.now);
        let left = DONE_TIMEOUT.saturating_sub(cx.now.duration_since(since));
        if !left.is_zero() {
            let delay = self.delay(cx);
            return Next::SendAfter(delay.min(left.max(cx.schedule.spacing())));
        }
        let warnings = cx.options.warnings;
        if sequence_verdict(&self.run, warnings.may_accept()) == Some(false) {
            return Next::Fail(self.failed(warnings));
        }
        let unfinished: Vec<&SyncRun> = self
            .run
            .sync_runs
            .iter()
            .filter(|sync_run| !sync_run.ended())
            .collect();
        let missing = if self.run.sync_runs.is_empty() {
            String::from("it lists no sync runs")
        } else if unfinished.is_empty() {
            String::from("it does not list all sync runs that it listed before")
        } else {
            format!(
                "it does not list {} as ended",
                enumerate(unfinished.iter().copied().map(sync_run_name))
            )
        };
        Next::Fail(
            FailureReason::new(
                FailureKind::SyncFailed,
                format!(
                    "Hightouch reports the sequence as `done`, but {missing}. Success is not \
                     proven. Check the sequence run in Hightouch before you run the sequence again."
                ),
            )
            .with_details(format!("sequence run {} is `done`.", self.run.id)),
        )
    }

    /// Returns the failure that names the sync runs without success.
    fn failed(&self, warnings: Warnings) -> FailureReason {
        let failed: Vec<&SyncRun> = self
            .run
            .sync_runs
            .iter()
            .filter(|sync_run| has_failed(sync_run, warnings.may_accept()))
            .collect();
        let only_warnings = failed
            .iter()
            .all(|sync_run| sync_run.status == RunStatus::Warning);
        let word = self.run.status.as_str();
        let message = if failed.is_empty() {
            format!("The sequence ended as `{word}`.")
        } else {
            let hint = if only_warnings && self.is_done() {
                " The destination rejected some rows. That counts as a failure unless warnings are \
                 accepted."
            } else {
                ""
            };
            format!(
                "The sequence ended as `{word}`. These sync runs did not succeed: {}.{hint}",
                enumerate(failed.iter().copied().map(sync_run_name))
            )
        };
        FailureReason::new(FailureKind::SyncFailed, message)
            .with_details(format!("sequence run {} ended as `{word}`.", self.run.id))
    }
}

/// Reads the response that shows the run.
fn read(reply: Reply, id: &SequenceRunId) -> Result<SequenceRun, AttemptError> {
    let response = reply.map_err(AttemptError::Transport)?;
    if !response.is_success() {
        return Err(AttemptError::rejected(&response));
    }
    let unreadable = |why| AttemptError::Unreadable {
        status: response.status,
        why,
    };
    let run = response
        .complete_body()
        .and_then(SequenceRun::read)
        .map_err(unreadable)?;
    // Another run says nothing about this one.
    if run.id == *id {
        Ok(run)
    } else {
        Err(unreadable(ReadError::Missing("id")))
    }
}

/// Updates the run with a response. Returns whether the response lists every sync run that an
/// earlier response listed.
///
/// A sync run that this response lacks still counts: the response may come from a replica that
/// lags, and the sync run may have failed. A failure that was seen once is kept.
fn update(run: &mut SequenceRun, seen: SequenceRun) -> bool {
    let earlier = core::mem::replace(&mut run.sync_runs, seen.sync_runs);
    run.status = seen.status;
    // A sync run without an ID cannot be found again. Only a shorter list shows that one is
    // missing.
    let is_shorter = run.sync_runs.len() < earlier.len();
    let mut is_complete = !is_shorter;
    for before in earlier {
        let has_room = run.sync_runs.len() < SequenceRun::MAX_SYNC_RUNS;
        match run
            .sync_runs
            .iter_mut()
            .find(|now| before.run.is_some() && now.run == before.run)
        {
            Some(now) if has_failed(&before, true) => *now = before,
            Some(_) => {}
            None if is_shorter || before.run.is_some() => {
                is_complete = false;
                if has_room {
                    run.sync_runs.push(before);
                }
            }
            None => {}
        }
    }
    is_complete
}

/// Returns whether a sync run ended without success.
fn has_failed(sync_run: &SyncRun, accept_warnings: bool) -> bool {
    let parts = [(&sync_run.status, sync_run.ended())];
    verdict_of_all(parts, || accept_warnings).is_failure()
}
