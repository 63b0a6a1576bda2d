//! How often to look at a run.

use core::time::Duration;

use super::backoff::Jitter;

/// The shortest time between two looks: a run of 2 s is reported in under half a second.
const SHORTEST: Duration = Duration::from_millis(500);
/// The longest, so that a run of many hours is reported within half a minute.
const LONGEST: Duration = Duration::from_secs(60);
/// In between, a look each time the run has grown by this share of its age: the lag stays the same small share of the run whatever
/// its length, and the looks grow only with its logarithm. A fixed interval either lags behind short runs or hammers long ones.
const SHARE: f64 = 0.05;

/// How long to wait before the next look at a run that is so old: a twentieth of its age, by chance up to a tenth less or more.
pub(super) fn next_look(age: Duration, jitter: &mut Jitter) -> Duration {
    age.mul_f64(SHARE).clamp(SHORTEST, LONGEST).mul_f64(jitter.between(0.9, 1.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the looks at a run of this length come, the last of them being the first after its end.
    fn looks(length: Duration) -> Vec<Duration> {
        let mut jitter = Jitter::new(7);
        let mut at = Duration::ZERO;
        let mut looks = Vec::new();
        while at < length {
            at += next_look(at, &mut jitter);
            looks.push(at);
        }
        looks
    }

    #[test]
    fn short_runs_are_reported_promptly_and_long_ones_cost_few_looks() {
        for (seconds, most_looks, most_lag) in [(2, 5, 0.6), (60, 60, 3.3), (3600, 170, 66.0), (21600, 500, 66.0)] {
            let length = Duration::from_secs(seconds);
            let looks = looks(length);
            let lag = looks.last().map_or(Duration::ZERO, |at| *at - length).as_secs_f64();
            assert!(looks.len() <= most_looks, "{seconds} s: {} looks", looks.len());
            assert!(lag <= most_lag, "{seconds} s: lag {lag}");
        }
    }
}
