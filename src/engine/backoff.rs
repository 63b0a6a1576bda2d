//! The delay before another attempt, and the jitter that keeps callers apart.

use core::time::Duration;

use super::time::times;

/// Pseudo-random numbers that differ from caller to caller. Not for secrets.
#[derive(Clone, Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// Returns a number from `low` to `high`, by splitmix64.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let unit = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        low + (high - low) * unit
    }
}

/// Capped exponential backoff.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The first delay, before jitter.
    const FIRST: Duration = Duration::from_secs(1);
    /// Maximum delay before jitter, unless the server asks for a longer one.
    const MAX: Duration = Duration::from_secs(30);

    /// Returns the number of failed attempts since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failed attempt. Returns the delay before the next one.
    ///
    /// Without `retry_after`, the delay doubles each time, and half of it is random. With
    /// `retry_after`, the delay is a little longer than that, so that the callers that the server
    /// rejected together do not return together.
    pub(super) fn after_failure(
        &mut self,
        retry_after: Option<Duration>,
        jitter: &mut Jitter,
    ) -> Duration {
        let doubled = Self::FIRST
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(Self::MAX);
        self.failures = self.failures.saturating_add(1);
        match retry_after {
            Some(delay) => delay
                .max(doubled / 2)
                .saturating_add(times(Self::FIRST, jitter.between(0.0, 1.0))),
            None => times(doubled, jitter.between(0.5, 1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_maximum_and_are_never_zero() {
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(1));
        for expected in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.after_failure(None, &mut jitter);
            let full = Duration::from_secs(expected);
            assert!(wait >= full / 2 && wait <= full, "{wait:?} of {full:?}");
        }
        for _ in 0..100 {
            backoff.after_failure(None, &mut jitter);
        }
        assert!(backoff.after_failure(None, &mut jitter) <= Backoff::MAX);
        backoff.reset();
        assert!(backoff.after_failure(None, &mut jitter) <= Backoff::FIRST);
    }

    #[test]
    fn what_the_server_asks_for_is_obeyed_and_never_overflows() {
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(2));
        for asked in [0, 7, 3600, u64::MAX] {
            let asked = Duration::from_secs(asked);
            let wait = backoff.after_failure(Some(asked), &mut jitter);
            let least = asked.max(Backoff::FIRST / 2);
            assert!(
                wait >= least && wait <= least.saturating_add(Backoff::MAX),
                "{wait:?} for {asked:?}"
            );
        }
    }

    #[test]
    fn callers_with_different_seeds_do_not_wait_in_step() {
        let mut waits: Vec<Duration> = (0..1000)
            .map(|seed| Backoff::default().after_failure(None, &mut Jitter::new(seed)))
            .collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 990, "{}", waits.len());
    }
}
