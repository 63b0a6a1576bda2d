//! Time as an argument.

use core::ops::{Add, Sub};
use core::time::Duration;

/// So many times a span, which is never negative; the longest that there is where it would be longer than five centuries.
pub(super) fn times(span: Duration, factor: f64) -> Duration {
    // `Duration::mul_f64` panics where this ends, and is ten times as large.
    Duration::from_nanos((span.as_secs_f64() * factor * 1e9) as u64)
}

/// A moment, as the time since some beginning that the driver chose. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// The moment so long after the beginning.
    pub fn after_start(since: Duration) -> Self {
        Self(since)
    }

    /// How long after the beginning this is.
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// The time from an earlier moment to this one; zero if it was not earlier.
    pub fn duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A later instant; the last one that can be represented if the sum cannot.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// An earlier instant; the first one if the difference lies before it.
impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}
