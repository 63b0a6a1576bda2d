//! Time, as an argument of every decision.

use core::ops::{Add, Sub};
use core::time::Duration;

/// Returns the span multiplied by a factor. The result is at most `u64::MAX` nanoseconds, and zero
/// for a negative factor.
pub(super) fn times(span: Duration, factor: f64) -> Duration {
    // `Duration::mul_f64` panics if the product is negative or too long.
    Duration::from_nanos((span.as_secs_f64() * factor * 1e9) as u64)
}

/// Returns the span in whole milliseconds.
pub fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A point in time, as the duration since a start that the driver chose. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// Returns the instant `span` after the start.
    pub fn after_start(span: Duration) -> Self {
        Self(span)
    }

    /// Returns the time from the start to this instant.
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// Returns the time from an earlier instant to this one; zero if `earlier` is later.
    pub fn duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Adds a duration. The sum is the last representable instant if it would be later.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// Subtracts a duration. The difference is the first instant if it would be earlier.
impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}
