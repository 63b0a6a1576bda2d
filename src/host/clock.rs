//! The monotonic clock.

use core::time::Duration;

use wasi::clocks::monotonic_clock;
use wasi::io::poll::Pollable;

use crate::engine::Instant;

/// The host's monotonic clock, read from the moment this was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// In the host's own nanoseconds.
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

    /// Becomes ready at this moment.
    pub(crate) fn wake_at(self, moment: Instant) -> Pollable {
        let nanos = u64::try_from(moment.since_start().as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::subscribe_instant(self.start.saturating_add(nanos))
    }

    /// A number that differs from call to call: the host's clock at the start, in nanoseconds.
    pub(crate) fn seed(self) -> u64 {
        self.start
    }
}
