//! The monotonic clock.

use core::time::Duration;

use waki::bindings::wasi::clocks::monotonic_clock;
use waki::bindings::wasi::io::poll::Pollable;

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
            start: monotonic_clock::now(),
        }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::after_start(Duration::from_nanos(
            monotonic_clock::now().saturating_sub(self.start),
        ))
    }

    /// Returns a pollable that is ready at this instant.
    pub(crate) fn wake_at(self, instant: Instant) -> Pollable {
        let nanos = u64::try_from(instant.since_start().as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::subscribe_instant(self.start.saturating_add(nanos))
    }

    /// Returns a number that differs from call to call: the host's time at the creation, in
    /// nanoseconds.
    pub(crate) fn seed(self) -> u64 {
        self.start
    }
}
