//! How often to look at a run.
//!
//! The pause between two looks grows with the run's age, for what a person notices of a lag is its share of the run. Nothing else is
//! needed for it to be right, and nothing else can make it wrong by much: what is known beside, how long earlier runs of the sync took and
//! how the run's completion ratio rises, only tells where looks are worth more. Long before the end is expected the pauses are up to
//! [`FAR`] times as long, and where it is expected [`NEAR`] times; a hint that is wrong costs so much and no more.
//!
//! It grows in steps, which are chosen against the fixed intervals of 1, 3, 5 and 10 s that other clients of Hightouch keep to: one of
//! these takes fewer looks *and* lags less where it lies between the mean of the pauses up to a run's end and the pause at its end. So the
//! pause stays a little below one of them for long, then rises past the next ones quickly. `cargo bench --bench polling` measures it.

use core::time::Duration;

use super::backoff::Jitter;
use super::time::{Instant, times};
use crate::hightouch::{Run, RunId, RunStatus, Timestamp};

/// The shortest pause, and the first.
const SHORTEST: Duration = Duration::from_millis(1_000);
/// By how much the first pause may be longer: the runs that one cron tick starts all begin at once.
const SPREAD: Duration = Duration::from_millis(200);
/// How far apart the looks of a crowd are: half of the 20 a second that a workspace may send, so that others come through.
pub(super) const SHARE: Duration = Duration::from_millis(100);
/// How many look at once; of a larger crowd the others wait for their turn.
pub const AT_ONCE: u32 = 50;
/// From which age of the run on a pause is which share of it, and the longest that it then is.
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
/// By what share a pause is longer or shorter by chance, so that runs that began together are not looked at together.
const JITTER: f64 = 0.05;
/// How many times as long the pauses are where the end is far, and where it is near.
const FAR: f64 = 2.5;
const NEAR: f64 = 0.5;

/// How many earlier runs tell how long a run takes.
const EARLIER: usize = 8;
/// How many times as long the longest of them may be as the shortest, for them to tell anything.
const ALIKE: f64 = 3.5;
/// How many forecasts have to agree with the one before, by what share two may differ, and by what the end may differ from them.
const FORECASTS: u32 = 2;
const AGREE: f64 = 0.1;
const SLACK: f64 = 0.05;

/// What is known of how a run goes.
#[derive(Debug, Default)]
pub(super) struct PollSchedule {
    /// The lengths of the newest earlier runs.
    earlier: Vec<(RunId, Duration)>,
    /// When the completion ratio was last seen to rise, to what, and when by its rise the run will end.
    risen: Option<(Instant, f64)>,
    forecast: Option<Instant>,
    /// How many forecasts in a row agreed with the one before.
    agreed: u32,
    /// How far apart looks are at the least: those of a crowd together are no more than Hightouch takes.
    apart: Duration,
    /// Between which moments the end is expected, as the completion ratio tells.
    expected: Option<(Instant, Instant)>,
}

impl PollSchedule {
    /// Takes note that so many operations share a workspace's rate limit.
    pub(super) fn among(&mut self, operations: u32) {
        self.apart = SHARE.saturating_mul(operations.min(AT_ONCE));
    }

    /// Minimum time between two polls of the same run, so that all runs of a call share the rate limit.
    pub(super) fn apart(&self) -> Duration {
        self.apart
    }

    /// Takes note of an earlier run of the same sync. How long one took that failed tells nothing.
    pub(super) fn note_earlier(&mut self, run: &Run) {
        let moment = |text: &Option<String>| text.as_deref().and_then(Timestamp::rfc3339);
        let (Some(created), Some(finished)) = (moment(&run.created_at), moment(&run.finished_at))
        else {
            return;
        };
        let known = self.earlier.iter().any(|(id, _)| *id == run.id);
        if known || !matches!(run.status, RunStatus::Success | RunStatus::Warning) {
            return;
        }
        self.earlier
            .push((run.id, finished.duration_since(created)));
        if self.earlier.len() > EARLIER {
            let oldest = self
                .earlier
                .iter()
                .enumerate()
                .min_by_key(|(_, (id, _))| *id)
                .map(|(place, _)| place);
            self.earlier.swap_remove(oldest.unwrap_or(0));
        }
    }

    /// Takes note of a completion ratio. It is believed where it rises so steadily that forecasts agree.
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
        let slack = |share: f64| {
            Duration::try_from_secs_f64((left + took.as_secs_f64()) * share)
                .unwrap_or(Duration::MAX)
        };
        let agrees = self.forecast.replace(end).is_some_and(|forecast| {
            let apart = end
                .duration_since(forecast)
                .max(forecast.duration_since(end));
            apart <= slack(AGREE)
        });
        self.agreed = if agrees {
            self.agreed.saturating_add(1)
        } else {
            0
        };
        self.expected =
            (self.agreed >= FORECASTS).then(|| ((end - slack(SLACK)), (end + slack(SLACK))));
    }

    /// Between which ages earlier runs ended, if they are alike.
    fn usual(&self) -> Option<(Duration, Duration)> {
        let lengths = || self.earlier.iter().map(|(_, length)| *length);
        let (shortest, longest) = (lengths().min()?, lengths().max()?);
        let alike = self.earlier.len() > 1 && longest <= times(shortest, ALIKE);
        alike.then(|| (times(shortest, 1.0 - SLACK), times(longest, 1.0 + SLACK)))
    }

    /// How long to wait before the next look at a run that is so old.
    pub(super) fn next_look(&self, now: Instant, age: Duration, jitter: &mut Jitter) -> Duration {
        let pause = pause(age);
        let around = |from: Duration, to: Duration| {
            if !from.is_zero() {
                times(pause, FAR).min(from.max(times(pause, NEAR)))
            } else if !to.is_zero() {
                times(pause, NEAR)
            } else {
                pause
            }
        };
        let pause = match (self.expected, self.usual()) {
            (Some((from, to)), _) => around(from.duration_since(now), to.duration_since(now)),
            (None, Some((from, to))) => around(from.saturating_sub(age), to.saturating_sub(age)),
            (None, None) => pause,
        };
        let pause = pause.max(self.apart);
        let first = if age < SHORTEST {
            times(SPREAD.max(self.apart), jitter.between(0.0, 1.0))
        } else {
            Duration::ZERO
        };
        times(pause, jitter.between(1.0 - JITTER, 1.0 + JITTER)).saturating_add(first)
    }
}

/// The pause after a look at a run that is so old, where nothing else is known of it.
fn pause(age: Duration) -> Duration {
    let steps = STEPS.iter().filter(|(from, ..)| age >= *from);
    steps
        .map(|(_, share, most)| times(age, *share).min(*most))
        .fold(SHORTEST, Duration::max)
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

    /// The pause after this age, whatever chance does.
    fn pause_at(pace: &PollSchedule, age: f64) -> f64 {
        let looks = 1000;
        let mut jitter = Jitter::new(7);
        (0..looks)
            .map(|_| {
                pace.next_look(at(age), seconds(age), &mut jitter)
                    .as_secs_f64()
            })
            .sum::<f64>()
            / f64::from(looks)
    }

    fn earlier(lengths: &[u64]) -> PollSchedule {
        let mut pace = PollSchedule::default();
        for (id, length) in lengths.iter().enumerate() {
            let body = format!(
                r#"{{"data":[{{"id":{},"status":"success","createdAt":"2022-02-08T16:00:00Z","finishedAt":"2022-02-08T16:{:02}:{:02}Z"}}]}}"#,
                id + 1,
                length / 60,
                length % 60
            );
            Run::read_page(body.as_bytes(), &mut |run| pace.note_earlier(&run)).unwrap();
        }
        pace
    }

    #[test]
    fn pauses_grow_with_the_age_of_the_run_up_to_a_minute() {
        let pace = PollSchedule::default();
        for (age, expected) in [
            (2.0, 1.0),
            (18.0, 2.0),
            (40.0, 2.7),
            (102.0, 6.0),
            (600.0, 9.6),
            (1800.0, 20.0),
            (20_000.0, 60.0),
        ] {
            let pause = pause_at(&pace, age);
            assert!(
                (pause - expected).abs() < expected * 0.01,
                "{age} s: {pause}"
            );
        }
    }

    #[test]
    fn a_crowd_looks_no_more_often_than_ten_times_a_second() {
        for crowd in [1, 20, 50] {
            let mut pace = PollSchedule::default();
            pace.among(crowd);
            for age in [1.0, 20.0, 100.0] {
                let together = f64::from(crowd) / pause_at(&pace, age);
                assert!(
                    together < 10.1,
                    "{crowd} runs of {age} s: {together} looks a second"
                );
            }
        }
        let mut alone = PollSchedule::default();
        alone.among(1);
        assert!(
            (pause_at(&alone, 2.0) - 1.0).abs() < 0.01,
            "one is no crowd"
        );
    }

    #[test]
    fn runs_that_begin_together_are_not_looked_at_together() {
        let mut looks: Vec<Duration> = (0..1000)
            .map(|seed| {
                PollSchedule::default().next_look(at(0.1), seconds(0.1), &mut Jitter::new(seed))
            })
            .collect();
        looks.sort();
        let (first, last) = (looks.first().unwrap(), looks.last().unwrap());
        assert!(*last - *first > seconds(0.2), "{first:?} to {last:?}");
    }

    #[test]
    fn where_earlier_runs_were_alike_looks_come_when_they_ended() {
        let pace = earlier(&[600, 630, 660]);
        assert!((pause_at(&pace, 102.0) - 15.0).abs() < 0.1, "far");
        assert!(
            (pause_at(&pace, 560.0) - 10.0).abs() < 0.1,
            "up to where it is near"
        );
        assert!((pause_at(&pace, 600.0) - 4.8).abs() < 0.1, "near");
        assert!((pause_at(&pace, 700.0) - 9.6).abs() < 0.1, "past");
        for unlike in [&[60, 600][..], &[600], &[]] {
            assert!(
                (pause_at(&earlier(unlike), 102.0) - 6.0).abs() < 0.1,
                "{unlike:?}"
            );
        }
    }

    #[test]
    fn of_many_earlier_runs_the_newest_count() {
        let mut lengths = vec![10; 20];
        lengths.extend([600; 8]);
        assert_eq!(earlier(&lengths).usual(), earlier(&[600; 8]).usual());
    }

    #[test]
    fn a_ratio_that_rises_steadily_tells_the_end_and_any_other_tells_nothing() {
        let told = |ratios: &[f64]| {
            let mut pace = PollSchedule::default();
            for (look, ratio) in ratios.iter().enumerate() {
                pace.note_ratio(at(100.0 * (look as f64 + 1.0)), *ratio);
            }
            pace.expected
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
            let pace = earlier(lengths);
            for age in [1.0, 5.0, 50.0, 500.0, 3500.0] {
                let (hinted, plain) = (
                    pause_at(&pace, age),
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
