//! The monotonic clock.

use core::time::Duration;

use super::adapter;
use crate::engine::Instant;

/// The host's monotonic clock, relative to its creation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The host's time at the creation, in nanoseconds.
    start: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: adapter::now(),
        }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::after_start(Duration::from_nanos(
            adapter::now().saturating_sub(self.start),
        ))
    }

    /// Returns the host's time at an instant, in nanoseconds.
    pub(super) fn host_time(self, instant: Instant) -> u64 {
        let nanos = u64::try_from(instant.since_start().as_nanos()).unwrap_or(u64::MAX);
        self.start.saturating_add(nanos)
    }

    /// Returns a number that differs from call to call: the host's time at the creation, in
    /// nanoseconds.
    pub(crate) fn seed(self) -> u64 {
        self.start
    }
}
