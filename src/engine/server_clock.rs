//! Hightouch's clock. Hightouch's times are compared with Hightouch's own clock only: the host's
//! clock may be wrong by hours.

use core::time::Duration;

use super::time::Instant;
use crate::hightouch::Timestamp;

/// Maximum difference between the clocks of Hightouch's own machines in normal operation, plus the
/// precision at which they can be read. An event whose time is this much earlier than an instant
/// may still have happened after it.
const NORMAL_SKEW: Duration = Duration::from_secs(1);
/// Maximum difference between the clocks of Hightouch's own machines during a malfunction.
pub(super) const MAX_SKEW: Duration = Duration::from_secs(30);
/// Precision of the `Date` header (RFC 9110, section 5.6.7). It is rounded down.
const DATE_PRECISION: Duration = Duration::from_secs(1);

/// Hightouch's clock, as the `Date` headers of its responses determine it.
///
/// A `Date` was written between the request and the response, within the second that it names. So
/// each response bounds the clock from both sides, and all responses together determine it to a
/// fraction of a second.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    /// The earliest and the latest possible time of Hightouch's clock at the driver's start.
    start: Option<(Timestamp, Timestamp)>,
    /// Whether two responses contradict each other, so that no time can be compared.
    is_inconsistent: bool,
}

/// When an event happened, relative to an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Before the instant, even if Hightouch's clocks differ by [`MAX_SKEW`].
    LongBefore,
    /// Before the instant, if Hightouch's clocks differ by [`NORMAL_SKEW`] at most.
    Before,
    /// After the instant, if Hightouch's clocks differ by [`NORMAL_SKEW`] at most.
    After,
    /// Unknown.
    Unknown,
}

impl ServerClock {
    /// Learns from the `Date` of a response.
    pub(super) fn note(&mut self, date: Option<Timestamp>, sent: Instant, received: Instant) {
        let Some(date) = date else { return };
        let earliest = date - received.since_start();
        let latest = date + DATE_PRECISION - sent.since_start();
        let Some((low, high)) = self.start.replace((earliest, latest)) else {
            return;
        };
        let intersection = (low.max(earliest), high.min(latest));
        // Two dates that differ a little come from two machines or from a cache. Either may be
        // right.
        let union = (low.min(earliest), high.max(latest));
        self.is_inconsistent |= intersection.0 > intersection.1 + NORMAL_SKEW;
        self.start = Some(if intersection.0 <= intersection.1 {
            intersection
        } else {
            union
        });
    }

    /// Learns that a response at `now` reports this event. The event must therefore have happened
    /// by then.
    pub(super) fn note_past(&mut self, event: Timestamp, now: Instant) {
        self.is_inconsistent |= self
            .start
            .is_some_and(|(_, high)| event > at(high, now) + NORMAL_SKEW);
    }

    /// Returns the maximum time until all of Hightouch's clocks show `time`; `None` if the time has
    /// passed, or if the clock is unknown.
    ///
    /// The machine that dates runs may be [`NORMAL_SKEW`] behind the one that writes `Date`.
    pub(super) fn time_until(&self, time: Timestamp, now: Instant) -> Option<Duration> {
        let (low, _) = self.start.filter(|_| !self.is_inconsistent)?;
        let left = (time + NORMAL_SKEW).duration_since(at(low, now));
        (!left.is_zero()).then_some(left)
    }

    /// Returns the time that Hightouch's clock shows at `now`: the earliest possible one. `None` if
    /// no response had a `Date`.
    pub(super) fn time(&self, now: Instant) -> Option<Timestamp> {
        let (low, _) = self.start?;
        Some(at(low, now))
    }

    /// Compares the time of an event with an instant.
    pub(super) fn compare(&self, event: Option<Timestamp>, instant: Instant) -> When {
        let Some((event, (low, high))) = event.zip(self.start) else {
            return When::Unknown;
        };
        if self.is_inconsistent {
            When::Unknown
        } else if event < at(low, instant) - MAX_SKEW {
            When::LongBefore
        } else if event < at(low, instant) - NORMAL_SKEW {
            When::Before
        } else if event >= at(high, instant) - NORMAL_SKEW {
            When::After
        } else {
            When::Unknown
        }
    }
}

/// Returns the time that a clock shows at `now` if it showed `start` at the driver's start.
fn at(start: Timestamp, now: Instant) -> Timestamp {
    start + now.since_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::after_start(Duration::from_millis(millis))
    }

    /// The time that the server's clock shows `millis` after the driver's start; at the start it
    /// shows 1,000,000.4 s.
    fn shows(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_400 + millis)
    }

    fn date(millis: i64) -> Option<Timestamp> {
        Some(Timestamp::from_millis(
            (1_000_000_400 + millis) / 1000 * 1000,
        ))
    }

    #[test]
    fn several_responses_determine_the_clock_better_than_one() {
        let mut clock = ServerClock::default();
        clock.note(date(1_000), at(900), at(1_100));
        // After one response, the upper bound of the clock is 0.7 s too high.
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
    fn a_time_has_come_when_every_clock_shows_it() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.time_until(shows(0), at(0)), None);
        // The lower bound of the clock is `shows(600)`, and another machine may be up to one second
        // behind.
        clock.note(date(1_000), at(900), at(1_100));
        assert_eq!(clock.time(at(1_100)), Some(shows(600)));
        let left = |millis| clock.time_until(shows(millis), at(1_100));
        assert_eq!(left(-400), None);
        assert_eq!(left(-300), Some(Duration::from_millis(100)));
        assert_eq!(left(600), Some(Duration::from_millis(1_000)));
    }

    #[test]
    fn without_a_date_header_no_time_can_be_compared() {
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
