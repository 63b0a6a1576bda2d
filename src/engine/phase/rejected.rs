//! Checks whether a sequence's sync runs with the status `warning` are within the limit on rejected
//! rows. A sequence's run does not show row counts, so each of these sync runs is read once.

use core::time::Duration;

use crate::engine::attempt_error::AttemptError;
use crate::engine::failure_reason::{FailureReason, enumerate, sync_run_name};
use crate::engine::job_list::{JobList, Jobs};
use crate::engine::limits::{LISTING_DELAY, MAX_NAMED};
use crate::engine::outcome::FailureKind;
use crate::engine::step::{Context, Next, Reply};
use crate::engine::time::Instant;
use crate::engine::verdict::{Verdict, verdict};
use crate::engine::warnings::{RejectedLimit, RejectedRows, Warnings};
use crate::hightouch::{Request, RunRef, SequenceRunId, SyncRun};

/// Pause before reading again a sync run that Hightouch does not list as ended yet.
const UNLISTED_PAUSE: Duration = Duration::from_secs(1);

/// Reading the rows that the destinations rejected.
#[derive(Debug)]
pub struct CheckRejected {
    sequence_run: SequenceRunId,
    limit: RejectedLimit,
    /// The sync run that is being read.
    list: JobList,
    /// When the sync run was first requested.
    since: Option<Instant>,
    /// The sync runs that are read after it.
    left: Vec<RunRef>,
    /// The sync runs beyond the limit, each with its rows. The list has at most one entry more than
    /// a message names.
    exceeded: Vec<String>,
}

impl CheckRejected {
    /// Returns the check of these sync runs.
    ///
    /// # Errors
    ///
    /// Returns the failure if none of them can be read, because none has an ID.
    pub(in crate::engine) fn new(
        sequence_run: SequenceRunId,
        warned: &[SyncRun],
        limit: RejectedLimit,
    ) -> Result<Self, FailureReason> {
        let id = |sync_run: &SyncRun| {
            let (sync, run) = (sync_run.sync?, sync_run.run?);
            Some(RunRef { sync, run })
        };
        let mut left: Vec<RunRef> = warned.iter().filter_map(id).collect();
        // They are read in Hightouch's order.
        left.reverse();
        let unknown = warned.iter().filter(|sync_run| id(sync_run).is_none());
        let exceeded: Vec<String> = unknown
            .map(|sync_run| format!("{}: an unknown number of rows", sync_run_name(sync_run)))
            .take(MAX_NAMED + 1)
            .collect();
        match left.pop() {
            Some(first) => Ok(Self {
                sequence_run,
                limit,
                list: JobList::new(first),
                since: None,
                left,
                exceeded,
            }),
            None => Err(failure(&sequence_run, limit, exceeded)),
        }
    }

    pub(in crate::engine) fn request(&self) -> Request {
        self.list.request()
    }

    /// Completes if all sync runs are within the limit.
    pub(in crate::engine) fn on_reply(&mut self, cx: &mut Context<'_>, reply: Reply) -> Next<()> {
        let since = *self.since.get_or_insert(cx.sent);
        let Jobs { jobs, .. } = match self.list.read(reply, cx.limits) {
            Ok(Some(jobs)) => jobs,
            Ok(None) => return Next::Send,
            Err(error) if error.is_final(true) => return Next::GiveUp(error),
            Err(error) => return Next::Retry(error),
        };
        let verdict = verdict(&jobs, Warnings::Tolerate(self.limit));
        let is_overdue = cx.now.duration_since(since) >= LISTING_DELAY;
        match verdict {
            Verdict::Succeeded(_) => {}
            // Another replica already knows the end of the run.
            Verdict::InProgress(_) if !is_overdue => {
                return Next::SendAfter(UNLISTED_PAUSE.max(cx.schedule.spacing()));
            }
            Verdict::InProgress(_) | Verdict::Failed(_) => {
                let rows = RejectedRows::of(&jobs);
                self.exceeded.push(format!("{}: {rows}", self.list.run()));
                self.exceeded.truncate(MAX_NAMED + 1);
            }
        }
        match self.left.pop() {
            Some(next) => {
                self.list = JobList::new(next);
                self.since = None;
                Next::Send
            }
            None if self.exceeded.is_empty() => Next::Complete(()),
            None => {
                let exceeded = core::mem::take(&mut self.exceeded);
                Next::Fail(failure(&self.sequence_run, self.limit, exceeded))
            }
        }
    }

    /// Returns the failure if the time is up. `error` is the error of the last attempt.
    pub(in crate::engine) fn on_timeout(&self, error: Option<&AttemptError>) -> FailureReason {
        let message = format!(
            "Timed out before the rejected rows of {} were read. Sequence run {} has ended. Await \
             it again to get its result",
            self.list.run(),
            self.sequence_run
        );
        FailureReason {
            retry_after: error.and_then(AttemptError::retry_after),
            ..FailureReason::new(FailureKind::StillRunning, message)
                .with_details(error.map(AttemptError::sentence))
        }
    }
}

/// Returns the failure that names the sync runs beyond the limit.
fn failure(
    sequence_run: &SequenceRunId,
    limit: RejectedLimit,
    exceeded: Vec<String>,
) -> FailureReason {
    FailureReason::new(
        FailureKind::SyncFailed,
        format!(
            "The destination rejected more rows than the limit allows. The limit is {limit} per \
             sync run. These sync runs exceed it: {}.",
            enumerate(exceeded)
        ),
    )
    .with_details(format!("sequence run {sequence_run} ended as `done`."))
}
