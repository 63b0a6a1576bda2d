//! The pauses between the polls of a run.
//!
//! The pause grows with the run's age, because people notice a lag in proportion to the duration of
//! the run. The age alone gives a good schedule. Two hints improve it: how long earlier runs of the
//! sync took, and how the run's completion ratio rises. Long before the expected end, the pauses
//! are up to [`FAR_FACTOR`] times as long. Around the expected end, they are [`NEAR_FACTOR`] times
//! as long. A wrong hint costs no more than these factors.
//!
//! The pause grows in steps. Other clients of Hightouch poll at fixed intervals of 1, 3, 5 or 10 s.
//! A fixed interval that is shorter than a run's mean pause needs more polls than this schedule,
//! and one that is longer than the run's last pause has a larger lag. A fixed interval therefore
//! needs fewer polls with a smaller lag only if it lies between these two pauses. So the pause
//! stays a little below each common interval for a long time, and then rises past it quickly.
//! `cargo bench --bench polling` measures it.

use core::time::Duration;

use super::backoff::Jitter;
use super::time::{Instant, times};
use crate::hightouch::{Run, RunId, RunStatus, Timestamp};

/// The first pause, and the minimum.
const MIN_PAUSE: Duration = Duration::from_millis(1_000);
/// Maximum random extension of the first pause. It keeps runs that one cron job starts at the same
/// time from being polled together.
const FIRST_PAUSE_SPREAD: Duration = Duration::from_millis(200);
/// Minimum time between two polls of concurrent operations.
///
/// Hightouch allows each workspace 20 requests per second. Half of them are left to other clients.
pub(super) const MIN_SPACING: Duration = Duration::from_millis(100);
/// Maximum number of runs that are polled concurrently. Other runs wait for a free slot.
pub const MAX_CONCURRENT_RUNS: u32 = 50;
/// The steps of the pause, each with the minimum age of the run, the pause as a fraction of the
/// age, and the maximum pause.
const STEPS: [(Duration, f64, Duration); 3] = [
    (Duration::ZERO, 1.0 / 9.0, Duration::from_millis(2_700)),
    (
        Duration::from_secs(90),
        1.0 / 17.0,
        Duration::from_millis(9_600),
    ),
    (
        Duration::from_secs(900),
        1.0 / 90.0,
        Duration::from_secs(60),
    ),
];
/// Maximum random change of a pause, as a fraction of the pause. It keeps runs that began together
/// from being polled together.
const JITTER: f64 = 0.05;
/// Factor of the pauses long before the expected end.
const FAR_FACTOR: f64 = 2.5;
/// Factor of the pauses around the expected end.
const NEAR_FACTOR: f64 = 0.5;

/// Maximum number of earlier runs that are remembered.
const MAX_EARLIER: usize = 8;
/// The durations of earlier runs are a hint only if the longest is at most this many times the
/// shortest.
const MAX_DURATION_RATIO: f64 = 3.5;
/// Number of consecutive forecasts that have to agree with the one before.
const MIN_AGREEING_FORECASTS: u32 = 2;
/// Maximum difference of two forecasts that agree, as a fraction of the run's duration.
const FORECAST_TOLERANCE: f64 = 0.1;
/// Margin around the expected end, as a fraction of the run's duration.
const END_MARGIN: f64 = 0.05;

/// The known minimum age of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunAge {
    /// When the age was learned.
    at: Instant,
    /// The age at that time.
    age: Duration,
}

impl RunAge {
    /// Returns the age of a run that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: now,
            age: Duration::ZERO,
        }
    }

    /// Returns the age at `now`.
    pub(super) fn at(&self, now: Instant) -> Duration {
        self.age.saturating_add(now.duration_since(self.at))
    }

    /// Learns from a response which shows that the run existed at `existed`. `date` is the `Date`
    /// of the response. Both are times by the server's clock.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        date: Option<Timestamp>,
        existed: Option<Timestamp>,
    ) {
        if let Some((date, existed)) = date.zip(existed) {
            self.age = self.at(now).max(date.duration_since(existed));
            self.at = now;
        }
    }
}

/// The schedule of the polls of one run, and the hints that it uses.
#[derive(Debug, Default)]
pub(super) struct PollSchedule {
    /// The IDs and durations of the newest earlier runs.
    earlier: Vec<(RunId, Duration)>,
    /// When the completion ratio was last seen to rise, and to what value.
    risen: Option<(Instant, f64)>,
    /// The end of the run, extrapolated from the last rise of the completion ratio.
    forecast: Option<Instant>,
    /// The number of consecutive forecasts that agreed with the one before.
    agreed: u32,
    /// Minimum time between two polls.
    spacing: Duration,
    /// The earliest and the latest expected end, by the completion ratio.
    expected: Option<(Instant, Instant)>,
}

impl PollSchedule {
    /// Spaces the polls so that `operations` operations together stay within the rate limit.
    pub(super) fn share_with(&mut self, operations: u32) {
        self.spacing = MIN_SPACING.saturating_mul(operations.min(MAX_CONCURRENT_RUNS));
    }

    /// Returns the minimum time between two polls.
    pub(super) fn spacing(&self) -> Duration {
        self.spacing
    }

    /// Learns the duration of an earlier run of the same sync. The duration of a failed run is not
    /// a hint.
    pub(super) fn note_earlier(&mut self, run: &Run) {
        let is_known = self.earlier.iter().any(|(id, _)| *id == run.id);
        // Only the newest runs are kept. This is checked first, because reading a time takes
        // longer.
        let is_too_old =
            self.earlier.len() == MAX_EARLIER && self.earlier.iter().all(|(id, _)| run.id < *id);
        if is_known || is_too_old || !matches!(run.status, RunStatus::Success | RunStatus::Warning)
        {
            return;
        }
        let (Some(created), Some(finished)) = (run.created(), run.finished()) else {
            return;
        };
        self.earlier
            .push((run.id, finished.duration_since(created)));
        if self.earlier.len() > MAX_EARLIER {
            let oldest = self
                .earlier
                .iter()
                .enumerate()
                .min_by_key(|(_, (id, _))| *id)
                .map(|(index, _)| index);
            self.earlier.swap_remove(oldest.unwrap_or(0));
        }
    }

    /// Learns a completion ratio. It counts as a hint if it rises so steadily that consecutive
    /// forecasts agree.
    pub(super) fn note_ratio(&mut self, now: Instant, ratio: f64) {
        let Some((at, before)) = self.risen else {
            self.risen = Some((now, ratio));
            return;
        };
        let (rise, took) = (ratio - before, now.duration_since(at));
        if rise.abs() < f64::EPSILON {
            return;
        }
        self.risen = Some((now, ratio));
        if !(rise > 0.0 && ratio < 1.0 && before > 0.0) {
            (self.forecast, self.agreed, self.expected) = (None, 0, None);
            return;
        }
        let left = took.as_secs_f64() * (1.0 - ratio) / rise;
        let end = now + times(Duration::from_secs(1), left);
        let part = |fraction: f64| {
            Duration::try_from_secs_f64((left + took.as_secs_f64()) * fraction)
                .unwrap_or(Duration::MAX)
        };
        let agrees = self.forecast.replace(end).is_some_and(|forecast| {
            let difference = end
                .duration_since(forecast)
                .max(forecast.duration_since(end));
            difference <= part(FORECAST_TOLERANCE)
        });
        self.agreed = if agrees {
            self.agreed.saturating_add(1)
        } else {
            0
        };
        self.expected = (self.agreed >= MIN_AGREEING_FORECASTS)
            .then(|| (end - part(END_MARGIN), end + part(END_MARGIN)));
    }

    /// Returns the range of ages at which earlier runs ended, if their durations are similar.
    fn usual_end(&self) -> Option<(Duration, Duration)> {
        let durations = || self.earlier.iter().map(|(_, duration)| *duration);
        let (shortest, longest) = (durations().min()?, durations().max()?);
        let are_similar = self.earlier.len() > 1 && longest <= times(shortest, MAX_DURATION_RATIO);
        are_similar.then(|| {
            (
                times(shortest, 1.0 - END_MARGIN),
                times(longest, 1.0 + END_MARGIN),
            )
        })
    }

    /// Returns the pause before the next poll of a run of this age.
    pub(super) fn next_poll(&self, now: Instant, age: Duration, jitter: &mut Jitter) -> Duration {
        let pause = pause(age);
        // `from` and `to` are the times left until the earliest and the latest expected end.
        let adapted = |from: Duration, to: Duration| {
            if !from.is_zero() {
                times(pause, FAR_FACTOR).min(from.max(times(pause, NEAR_FACTOR)))
            } else if !to.is_zero() {
                times(pause, NEAR_FACTOR)
            } else {
                pause
            }
        };
        let pause = match (self.expected, self.usual_end()) {
            (Some((from, to)), _) => adapted(from.duration_since(now), to.duration_since(now)),
            (None, Some((from, to))) => adapted(from.saturating_sub(age), to.saturating_sub(age)),
            (None, None) => pause,
        };
        let pause = pause.max(self.spacing);
        let spread = if age < MIN_PAUSE {
            times(
                FIRST_PAUSE_SPREAD.max(self.spacing),
                jitter.between(0.0, 1.0),
            )
        } else {
            Duration::ZERO
        };
        times(pause, jitter.between(1.0 - JITTER, 1.0 + JITTER)).saturating_add(spread)
    }
}

/// Returns the pause for a run of this age, without hints.
fn pause(age: Duration) -> Duration {
    let steps = STEPS.iter().filter(|(from, ..)| age >= *from);
    steps
        .map(|(_, fraction, max)| times(age, *fraction).min(*max))
        .fold(MIN_PAUSE, Duration::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn at(age: f64) -> Instant {
        Instant::after_start(seconds(age))
    }

    /// The mean pause at this age, which averages out the jitter.
    fn pause_at(schedule: &PollSchedule, age: f64) -> f64 {
        let polls = 1000;
        let mut jitter = Jitter::new(7);
        (0..polls)
            .map(|_| {
                schedule
                    .next_poll(at(age), seconds(age), &mut jitter)
                    .as_secs_f64()
            })
            .sum::<f64>()
            / f64::from(polls)
    }

    fn earlier(lengths: &[u64]) -> PollSchedule {
        let mut schedule = PollSchedule::default();
        for (id, length) in lengths.iter().enumerate() {
            let body = format!(
                r#"{{"data":[{{"id":{},"status":"success","createdAt":"2022-02-08T16:00:00Z","finishedAt":"2022-02-08T16:{:02}:{:02}Z"}}]}}"#,
                id + 1,
                length / 60,
                length % 60
            );
            Run::read_page(body.as_bytes(), &mut |run| schedule.note_earlier(&run)).unwrap();
        }
        schedule
    }

    #[test]
    fn pauses_grow_with_the_age_of_the_run_up_to_a_minute() {
        let schedule = PollSchedule::default();
        for (age, expected) in [
            (2.0, 1.0),
            (18.0, 2.0),
            (40.0, 2.7),
            (102.0, 6.0),
            (600.0, 9.6),
            (1800.0, 20.0),
            (20_000.0, 60.0),
        ] {
            let pause = pause_at(&schedule, age);
            assert!(
                (pause - expected).abs() < expected * 0.01,
                "{age} s: {pause}"
            );
        }
    }

    #[test]
    fn many_operations_together_poll_at_most_ten_times_a_second() {
        for crowd in [1, 20, 50] {
            let mut schedule = PollSchedule::default();
            schedule.share_with(crowd);
            for age in [1.0, 20.0, 100.0] {
                let together = f64::from(crowd) / pause_at(&schedule, age);
                assert!(
                    together < 10.1,
                    "{crowd} runs of {age} s: {together} polls a second"
                );
            }
        }
        let mut alone = PollSchedule::default();
        alone.share_with(1);
        assert!(
            (pause_at(&alone, 2.0) - 1.0).abs() < 0.01,
            "a single operation keeps its pauses"
        );
    }

    #[test]
    fn runs_that_begin_together_are_not_polled_together() {
        let mut polls: Vec<Duration> = (0..1000)
            .map(|seed| {
                PollSchedule::default().next_poll(at(0.1), seconds(0.1), &mut Jitter::new(seed))
            })
            .collect();
        polls.sort();
        let (first, last) = (polls.first().unwrap(), polls.last().unwrap());
        assert!(*last - *first > seconds(0.2), "{first:?} to {last:?}");
    }

    #[test]
    fn if_earlier_runs_took_similar_times_polls_come_around_the_expected_end() {
        let schedule = earlier(&[600, 630, 660]);
        assert!((pause_at(&schedule, 102.0) - 15.0).abs() < 0.1, "far");
        assert!(
            (pause_at(&schedule, 560.0) - 10.0).abs() < 0.1,
            "up to where it is near"
        );
        assert!((pause_at(&schedule, 600.0) - 4.8).abs() < 0.1, "near");
        assert!((pause_at(&schedule, 700.0) - 9.6).abs() < 0.1, "past");
        for unlike in [&[60, 600][..], &[600], &[]] {
            assert!(
                (pause_at(&earlier(unlike), 102.0) - 6.0).abs() < 0.1,
                "{unlike:?}"
            );
        }
    }

    #[test]
    fn only_the_newest_earlier_runs_count() {
        let mut lengths = vec![10; 20];
        lengths.extend([600; 8]);
        assert_eq!(
            earlier(&lengths).usual_end(),
            earlier(&[600; 8]).usual_end()
        );
    }

    #[test]
    fn only_a_ratio_that_rises_steadily_forecasts_the_end() {
        let told = |ratios: &[f64]| {
            let mut schedule = PollSchedule::default();
            for (look, ratio) in ratios.iter().enumerate() {
                schedule.note_ratio(at(100.0 * (look as f64 + 1.0)), *ratio);
            }
            schedule.expected
        };
        let (from, to) = told(&[0.1, 0.2, 0.3, 0.4]).unwrap();
        assert!(
            from > at(940.0) && from < at(1000.0) && to > at(1000.0) && to < at(1060.0),
            "{from:?} {to:?}"
        );
        for useless in [
            &[][..],
            &[0.54, 0.54, 0.54, 0.54],
            &[0.0, 0.0, 0.0],
            &[0.1, 0.2, 0.3],
            &[0.1, 0.5, 0.51, 0.52],
            &[0.4, 0.3, 0.2, 0.1],
            &[0.1, 1.0, 1.0],
            &[f64::MIN_POSITIVE, f64::EPSILON, 0.1],
            &[-1.0, -0.5, 0.0],
        ] {
            assert_eq!(told(useless), None, "{useless:?}");
        }
    }

    #[test]
    fn a_wrong_hint_costs_a_bounded_number_of_pauses() {
        for lengths in [&[3000, 3000][..], &[20, 20]] {
            let schedule = earlier(lengths);
            for age in [1.0, 5.0, 50.0, 500.0, 3500.0] {
                let (hinted, plain) = (
                    pause_at(&schedule, age),
                    pause_at(&PollSchedule::default(), age),
                );
                assert!(
                    hinted <= plain * 2.51 && hinted >= plain * 0.39,
                    "{age}: {hinted} {plain}"
                );
            }
        }
    }
}
