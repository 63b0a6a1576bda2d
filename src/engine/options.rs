//! The goal and the options of an operation.

use core::time::Duration;

use super::allowed_syncs::AllowedSyncs;
use super::warnings::Warnings;
use crate::hightouch::{
    MAX_PAGE_ENTRIES, Resync, RunRef, SequenceId, SequenceRunId, SyncRef, Timestamp,
};

/// Default for [`Options::max_wait`]: one hour.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(60 * 60);

/// What to do with a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncGoal {
    /// Start a run and wait for its end.
    Run(SyncRef),
    /// Start a run. The report shows the run as it was started, not its result.
    Start(SyncRef),
    /// Wait for the end of a run.
    Await(RunRef),
}

/// What to do with a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceGoal {
    /// Start a run and wait for its end.
    Run(SequenceId),
    /// Start a run. The report shows the run as it was started, not its result.
    Start(SequenceId),
    /// Wait for the end of a run.
    Await(SequenceRunId),
}

/// Lists the most recent runs of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsGoal {
    sync: SyncRef,
    limit: usize,
}

/// Default number of runs of a [`RunsGoal`].
const DEFAULT_LISTED_RUNS: u64 = 10;

/// A number of runs that is not from 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit on the number of runs must be a number from 1 to {MAX_PAGE_ENTRIES}")]
pub struct InvalidRunsLimit;

impl RunsGoal {
    /// Returns the goal to list at most `limit` runs, 10 by default.
    ///
    /// # Errors
    ///
    /// Returns an error if the limit is not from 1 to 100.
    pub fn new(sync: SyncRef, limit: Option<u64>) -> Result<Self, InvalidRunsLimit> {
        let limit = usize::try_from(limit.unwrap_or(DEFAULT_LISTED_RUNS));
        let limit = limit
            .ok()
            .filter(|limit| (1..=MAX_PAGE_ENTRIES).contains(limit))
            .ok_or(InvalidRunsLimit)?;
        Ok(Self { sync, limit })
    }

    /// Returns the sync.
    pub fn sync(&self) -> &SyncRef {
        &self.sync
    }

    /// Returns the maximum number of entries.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// What to do if a run of the sync is already in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfRunning {
    /// Start another run. Hightouch queues it.
    #[default]
    Queue,
    /// Wait for the run that is in progress.
    Join,
    /// Fail with [`FailureKind::Busy`](super::FailureKind::Busy).
    Refuse,
}

/// How to run a sync or a sequence.
///
/// `resync`, `if_running` and `unless_since` have no effect on sequences: Hightouch has one way to
/// start a sequence, and never runs it twice at the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What the run does in addition to sending the rows that changed.
    pub resync: Resync,
    /// Whether a run that ended with status `warning` counts as a success.
    pub warnings: Warnings,
    /// What to do if a run is already in progress.
    pub if_running: IfRunning,
    /// Adopt a run that began at this time or later, or that is queued, instead of starting one.
    ///
    /// Such a run reads data that is at least as new as this time. The first such run is adopted
    /// whatever its state is, and its report has `joined`. A repeated call adopts the run of the
    /// first call and starts no other. If a resync is requested, the operation ends with
    /// [`FailureKind::Busy`](super::FailureKind::Busy) instead.
    ///
    /// A run that starts before this time would not be adopted by the next call. So if this time is
    /// in the future by one of Hightouch's clocks, the operation waits for it, for up to 30 s. (The
    /// clocks may differ by one second.) If the time is further in the future, the operation ends
    /// with [`FailureKind::InvalidInput`](super::FailureKind::InvalidInput). A queued run counts
    /// only once this time has come, because it may start earlier.
    pub unless_since: Option<Timestamp>,
    /// The syncs that the operation may touch. For any other sync it ends with
    /// [`FailureKind::Forbidden`](super::FailureKind::Forbidden): at once for an ID, and after the
    /// look-up for a slug.
    ///
    /// It has no effect on sequences: the caller checks their IDs.
    pub allowed: AllowedSyncs,
    /// Maximum duration of the operation. If it is zero, each request is sent once.
    pub max_wait: Duration,
    /// Minimum time that the operation allows for responses, until one names the run or reports its
    /// state.
    ///
    /// It applies if it is longer than `max_wait`: a short wait must not cut off the response that
    /// the operation needs.
    pub answer_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resync: Resync::default(),
            warnings: Warnings::Fail,
            if_running: IfRunning::Queue,
            unless_since: None,
            allowed: AllowedSyncs::all(),
            max_wait: DEFAULT_WAIT,
            answer_wait: Duration::ZERO,
        }
    }
}

/// [`Options::answer_wait`] for calls that do not wait for the run: 10 s for the response that
/// names the run, and 1 s to read the list of runs if that response did not arrive.
pub const ANSWER_WAIT: Duration = Duration::from_secs(11);

/// Maximum duration of a call that lists runs.
pub const LIST_WAIT: Duration = Duration::from_secs(30);
