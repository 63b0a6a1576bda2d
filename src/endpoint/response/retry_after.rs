//! When to send the next request.

use core::time::Duration;

/// Returns the delay for `Retry-After`.
///
/// It is short, because the next request waits for the run too. It is longer for a caller who
/// waited long, and not shorter than the delay that Hightouch asked for.
pub(in crate::endpoint) fn retry_after(
    waited: Duration,
    hightouch_retry_after: Option<Duration>,
) -> Duration {
    let delay = Duration::from_secs((waited.as_secs() / 20).clamp(1, 60));
    hightouch_retry_after.unwrap_or_default().max(delay)
}

/// Returns the span in whole seconds, rounded up.
pub(in crate::endpoint) fn seconds(span: Duration) -> String {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_the_two_waits_counts() {
        let wait = |waited, asked: Option<u64>| {
            retry_after(Duration::from_secs(waited), asked.map(Duration::from_secs))
        };
        for (waited, asked, expected) in [
            (0, None, 1),
            (60, None, 3),
            (100_000, None, 60),
            (60, Some(2), 3),
            (60, Some(30), 30),
            (100_000, Some(90), 90),
        ] {
            assert_eq!(
                wait(waited, asked),
                Duration::from_secs(expected),
                "{waited} {asked:?}"
            );
        }
        assert_eq!(seconds(Duration::from_millis(1500)), "2");
        assert_eq!(seconds(Duration::from_secs(3)), "3");
    }
}
