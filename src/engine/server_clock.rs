//! What time it is at Hightouch: the ages of runs are told by Hightouch's own clock, never by the host's, which may be wrong by hours.

use core::time::Duration;

use super::time::Instant;
use crate::hightouch::Timestamp;

/// By how much the clocks of Hightouch's own machines differ at most where all is well, and how closely they can be read besides: what
/// happened so little before a moment counts as after it.
const SKEW: Duration = Duration::from_secs(1);
/// By how much they may differ where it is not.
const GREATEST_SKEW: Duration = Duration::from_secs(30);
/// The `Date` of an answer is the second that has begun.
const DATE_UNIT: Duration = Duration::from_secs(1);

/// Hightouch's clock, as far as the `Date` of its answers tells. Each answer bounds it from both sides: it was written after the request
/// was sent and before it came, within the second that it names. What all of them allow is known to a fraction of a second.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    /// What it showed when the driver's time began: no earlier and no later than this.
    start: Option<(Timestamp, Timestamp)>,
    /// Two answers, or an answer and what it tells, contradict each other.
    contradicts_itself: bool,
}

/// What can be told of when something happened, beside a moment of the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// So long before it that no difference between clocks makes up for it.
    LongBefore,
    /// Before it, if all is well with the clocks, of which everything so far speaks.
    Before,
    /// After it, if all is well with the clocks.
    After,
    /// It cannot be told.
    Unknown,
}

impl ServerClock {
    /// Takes note of an answer's `Date`.
    pub(super) fn note(&mut self, date: Option<Timestamp>, asked: Instant, answered: Instant) {
        let Some(date) = date else { return };
        let earliest = date - answered.since_start();
        let latest = (date + DATE_UNIT) - asked.since_start();
        let Some((low, high)) = self.start.replace((earliest, latest)) else {
            return;
        };
        let both = (low.max(earliest), high.min(latest));
        // Two that differ by little are of two machines, or one was kept for a while on the way: either may be right.
        let either = (low.min(earliest), high.max(latest));
        self.contradicts_itself |= both.0 > (both.1 + SKEW);
        self.start = Some(if both.0 <= both.1 { both } else { either });
    }

    /// Takes note that something is said to have happened by `now`.
    pub(super) fn note_past(&mut self, happened: Timestamp, now: Instant) {
        self.contradicts_itself |= self
            .start
            .is_some_and(|(_, high)| happened > (at(high, now) + SKEW));
    }

    /// Whether something happened before or after a moment of the driver's.
    pub(super) fn compare(&self, happened: Option<Timestamp>, moment: Instant) -> When {
        let Some((happened, (low, high))) = happened.zip(self.start) else {
            return When::Unknown;
        };
        if self.contradicts_itself {
            When::Unknown
        } else if happened < (at(low, moment) - GREATEST_SKEW) {
            When::LongBefore
        } else if happened < (at(low, moment) - SKEW) {
            When::Before
        } else if happened >= (at(high, moment) - SKEW) {
            When::After
        } else {
            When::Unknown
        }
    }
}

/// What a clock shows at `now` that showed `start` when the driver's time began.
fn at(start: Timestamp, now: Instant) -> Timestamp {
    start + now.since_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::after_start(Duration::from_millis(millis))
    }

    /// The moment at which the server's clock shows this, where it shows 1,000,000.4 s at the driver's beginning.
    fn shows(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_400 + millis)
    }

    fn date(millis: i64) -> Option<Timestamp> {
        Some(Timestamp::from_millis(
            (1_000_000_400 + millis) / 1000 * 1000,
        ))
    }

    #[test]
    fn answers_at_different_fractions_of_a_second_tell_the_clock_better_than_one() {
        let mut clock = ServerClock::default();
        clock.note(date(1_000), at(900), at(1_100));
        // One answer: the clock may show up to 0.7 s more than it does.
        assert_eq!(clock.compare(Some(shows(650)), at(1_000)), When::Unknown);
        clock.note(date(1_550), at(1_500), at(1_600));
        assert_eq!(clock.compare(Some(shows(650)), at(1_000)), When::After);
        assert_eq!(clock.compare(Some(shows(-1_500)), at(1_000)), When::Before);
        assert_eq!(
            clock.compare(Some(shows(-40_000)), at(1_000)),
            When::LongBefore
        );
    }

    #[test]
    fn without_a_clock_nothing_can_be_told() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.compare(Some(shows(0)), at(0)), When::Unknown);
        clock.note(date(0), at(0), at(100));
        assert_eq!(clock.compare(None, at(0)), When::Unknown);
    }

    #[test]
    fn clocks_that_contradict_each_other_tell_nothing() {
        let mut clock = ServerClock::default();
        clock.note(date(0), at(0), at(100));
        clock.note_past(shows(1_900), at(100));
        assert_eq!(
            clock.compare(Some(shows(-90_000)), at(100)),
            When::Unknown,
            "a run from the future"
        );
        let mut clock = ServerClock::default();
        clock.note(date(0), at(0), at(100));
        clock.note(date(0), at(5_000), at(5_100));
        assert_eq!(
            clock.compare(Some(shows(-90_000)), at(100)),
            When::Unknown,
            "an answer from the past"
        );
    }
}
