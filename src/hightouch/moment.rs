//! Moments, as Hightouch's clocks tell them.

use core::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// A moment by a clock of Hightouch's, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// So many milliseconds after the beginning of 1970.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// How many milliseconds after the beginning of 1970 it is.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Reads a time as the API writes it, RFC 3339 with `Z` or an offset.
    pub fn rfc3339(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self::of)
    }

    /// Reads an HTTP date in the form that servers must send (RFC 9110, section 5.6.7), `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http_date(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text.trim(), &Rfc2822).ok().map(Self::of)
    }

    fn of(time: OffsetDateTime) -> Self {
        Self(time.unix_timestamp() * 1000 + i64::from(time.millisecond()))
    }

    /// The moment so much later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment so much earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// The time from an earlier moment to this one; zero if it was not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_z_and_with_an_offset() {
        let expected = Some(Moment::from_millis(1_697_540_761_713));
        assert_eq!(Moment::rfc3339("2023-10-17T11:06:01.713+00:00"), expected);
        assert_eq!(Moment::rfc3339("2023-10-17T11:06:01.713Z"), expected);
        assert_eq!(Moment::rfc3339("2023-10-17T13:06:01.713999+02:00"), expected);
        assert_eq!(Moment::rfc3339("yesterday"), None);
    }

    #[test]
    fn http_dates_are_read() {
        let expected = Some(Moment::from_millis(784_111_777_000));
        assert_eq!(Moment::http_date("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        assert_eq!(Moment::http_date("Sun, 99 Nov 1994 08:49:37 GMT"), None);
    }

    #[test]
    fn no_moment_overflows() {
        let last = Moment::from_millis(i64::MAX);
        let first = Moment::from_millis(i64::MIN);
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(first.minus(Duration::MAX), first);
        assert_eq!(first.since(last), Duration::ZERO);
        assert!(last.since(first) > Duration::ZERO);
    }
}
