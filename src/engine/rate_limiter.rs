//! What operations that are driven together may ask of Hightouch.

use super::poll_schedule::MIN_SPACING;
use super::time::Instant;

/// How many requests may be sent at once after nothing was sent for long.
const BURST: u32 = 100;

/// When the next request may be sent: a hundred at once, then one each [`MIN_SPACING`], so that in no ten seconds there are more than the 200 that
/// Hightouch answers a workspace.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimiter {
    /// Up to when those that were sent would take, one after the other.
    spent: Instant,
}

impl RateLimiter {
    /// From when on.
    pub fn next(&self) -> Instant {
        (self.spent + MIN_SPACING) - MIN_SPACING.saturating_mul(BURST)
    }

    /// Takes note of a request.
    pub fn take(&mut self, now: Instant) {
        self.spent = self.spent.max(now) + MIN_SPACING;
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn in_no_ten_seconds_are_there_more_requests_than_hightouch_answers() {
        let mut allowance = RateLimiter::default();
        let mut sent: Vec<Instant> = Vec::new();
        for millis in 0..60_000 {
            let now = Instant::after_start(Duration::from_millis(millis));
            // Nothing is asked for a while, and then all that may be.
            while !(20_000..40_000).contains(&millis) && now >= allowance.next() {
                allowance.take(now);
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
