//! The rate limit of a workspace.

use super::poll_schedule::MIN_SPACING;
use super::time::Instant;

/// Maximum number of requests that may be sent at once after a long pause.
const MAX_BURST: u32 = 100;

/// Limits the requests of a batch: [`MAX_BURST`] at once, then one per [`MIN_SPACING`].
///
/// So there are at most 200 requests in any ten seconds. That is Hightouch's limit for a workspace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RateLimiter {
    /// When all requests so far would be finished if each took [`MIN_SPACING`].
    spent: Instant,
}

impl RateLimiter {
    /// Returns when the next request may be sent.
    pub(super) fn next(&self) -> Instant {
        self.spent + MIN_SPACING - MIN_SPACING.saturating_mul(MAX_BURST)
    }

    /// Counts a request that is sent at `now`.
    pub(super) fn take(&mut self, now: Instant) {
        self.spent = self.spent.max(now) + MIN_SPACING;
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn no_ten_seconds_contain_more_requests_than_hightouch_allows() {
        let mut limiter = RateLimiter::default();
        let mut sent: Vec<Instant> = Vec::new();
        for millis in 0..60_000 {
            let now = Instant::after_start(Duration::from_millis(millis));
            // No request is taken for a while, and then as many as the limiter allows.
            while !(20_000..40_000).contains(&millis) && now >= limiter.next() {
                limiter.take(now);
                sent.push(now);
            }
        }
        let within = |from: &Instant| {
            sent.iter()
                .filter(|at| **at >= *from && **at < *from + Duration::from_secs(10))
                .count()
        };
        let most = sent.iter().map(within).max().unwrap_or_default();
        assert!((190..=200).contains(&most), "{most}");
        assert_eq!(
            sent.iter().filter(|at| **at == Instant::default()).count(),
            100,
            "at once"
        );
    }
}
