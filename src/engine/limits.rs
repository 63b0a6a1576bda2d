//! Limits that several parts of the engine share.

use core::time::Duration;

/// Maximum time until Hightouch lists a run that it has started.
///
/// Hightouch does not document this time. A list that is requested after this time shows every run.
/// Only such a list proves that no run exists.
pub(super) const LISTING_DELAY: Duration = Duration::from_secs(8);

/// Maximum number of runs that a message names.
pub(super) const MAX_NAMED: usize = 10;

/// Maximum number of attempts for a request before a run is known.
///
/// A longer outage ends the operation, because nothing has been started yet, and because a wrong
/// origin looks like an outage.
pub(super) const MAX_ATTEMPTS: u32 = 4;

/// Maximum number of jobs of a run that is awaited alone.
const MAX_JOBS: usize = 1000;

/// Number of jobs that every run may have, however many runs are awaited together.
const MIN_JOBS_SHARE: usize = 100;

/// Maximum length of all error texts together, in bytes, of runs that are awaited together.
const MAX_ERROR_BYTES: usize = 128 * 1024;

/// Length that every error text may have, in bytes, even if the sum exceeds [`MAX_ERROR_BYTES`].
const MIN_ERROR_BYTES: usize = 128;

/// The part of a run that is kept in memory.
///
/// All runs that are awaited together have to fit into the memory of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JobLimits {
    /// Maximum number of jobs.
    pub(super) jobs: usize,
    /// Maximum length of all error texts together, in bytes.
    errors: usize,
}

impl JobLimits {
    /// Returns the limits of each run if `runs` are awaited together.
    pub(super) fn sharing_with(runs: u32) -> Self {
        let share = |limit: usize| limit / usize::try_from(runs.max(1)).unwrap_or(limit);
        Self {
            jobs: share(MAX_JOBS).max(MIN_JOBS_SHARE),
            errors: share(MAX_ERROR_BYTES),
        }
    }

    /// Returns the maximum length of the next error text, in bytes, after texts of `used` bytes.
    pub(super) fn next_error(self, used: usize) -> usize {
        self.errors.saturating_sub(used).max(MIN_ERROR_BYTES)
    }
}
