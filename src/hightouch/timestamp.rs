//! Moments, as Hightouch's clocks tell them.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment by a clock of Hightouch's, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// So many milliseconds after the beginning of 1970.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// How many milliseconds after the beginning of 1970 it is.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Reads a time as the API writes it, RFC 3339 with `Z` or an offset. A blank may stand for the `T` (RFC 3339, section 5.6).
    pub fn rfc3339(text: &str) -> Option<Self> {
        let mut text = Text(text.as_bytes());
        let (year, month, day) = (
            text.number(4)?,
            text.after(b"-")?.number(2)?,
            text.after(b"-")?.number(2)?,
        );
        let days = days(year, month, day)?;
        let second = text.after(b"Tt ")?.time_of_day()?;
        let millis = if text.after(b".").is_some() {
            text.fraction()?
        } else {
            0
        };
        let offset = match text.one(b"Zz+-")? {
            sign @ (b'+' | b'-') => {
                let (hours, minutes) = (text.number(2)?, text.after(b":")?.number(2)?);
                (hours < 24 && minutes < 60).then_some(())?;
                (hours * 60 + minutes) * if sign == b'+' { 60 } else { -60 }
            }
            _ => 0,
        };
        text.ends()
            .then_some(Self((days * DAY + second - offset) * 1000 + millis))
    }

    /// Reads an HTTP date in the form that servers must send (RFC 9110, section 5.6.7), `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http_date(text: &str) -> Option<Self> {
        let text = text.trim_ascii().as_bytes();
        // The day of the week says nothing new.
        let mut text = Text(text.get(text.iter().position(|byte| *byte == b',')?..)?);
        let day = text.after(b",")?.after(b" ")?.number(2)?;
        let month = text.after(b" ")?.month()?;
        let year = text.after(b" ")?.number(4)?;
        let days = days(year, month, day)?;
        let second = text.after(b" ")?.time_of_day()?;
        (text.0 == b" GMT").then_some(Self((days * DAY + second) * 1000))
    }

    /// The time from an earlier moment to this one; zero if it was not earlier.
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A later timestamp; the last one that can be represented if the sum cannot.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

/// An earlier timestamp; the first one that can be represented if the difference cannot.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// The days from the beginning of 1970 to a day of the Gregorian calendar; none where it has no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    const BEFORE_MONTH: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    /// From the first day of the year 1, where the reckoning below begins.
    const UP_TO_1970: i64 = 719_162;
    let leap = i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let index = usize::try_from(month).ok()?;
    let (before, next) = (
        BEFORE_MONTH.get(index.checked_sub(1)?)?,
        BEFORE_MONTH.get(index)?,
    );
    let length = next - before + if month == 2 { leap } else { 0 };
    (1..=length).contains(&day).then_some(())?;
    let past = year - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100)
        + past.div_euclid(400)
        + if month > 2 { leap } else { 0 };
    Some(past * 365 + leap_days + before + day - 1 - UP_TO_1970)
}

/// What is left to read of a text.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// The next byte, if it is one of these.
    fn one(&mut self, of: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        of.contains(first).then(|| self.0 = rest)?;
        Some(*first)
    }

    /// What follows one of these bytes, which comes next.
    fn after(&mut self, of: &[u8]) -> Option<&mut Self> {
        self.one(of)?;
        Some(self)
    }

    /// A number of so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        (0..digits).try_fold(0, |number, _| {
            Some(number * 10 + i64::from(self.one(b"0123456789")? - b'0'))
        })
    }

    /// The digits of a fraction of a second, at least one; in milliseconds, rounded down.
    fn fraction(&mut self) -> Option<i64> {
        let mut millis = self.number(1)? * 100;
        for unit in [10, 1] {
            millis += self.number(1).unwrap_or(0) * unit;
        }
        while self.number(1).is_some() {}
        Some(millis)
    }

    /// The second of the day that `hh:mm:ss` begins. A leap second is the one after it.
    fn time_of_day(&mut self) -> Option<i64> {
        let (hour, minute, second) = (
            self.number(2)?,
            self.after(b":")?.number(2)?,
            self.after(b":")?.number(2)?,
        );
        (hour < 24 && minute < 60 && second <= 60).then_some((hour * 60 + minute) * 60 + second)
    }

    /// The number of a month that is written in three letters.
    fn month(&mut self) -> Option<i64> {
        let (name, rest) = self.0.split_at_checked(3)?;
        let month = b"JanFebMarAprMayJunJulAugSepOctNovDec"
            .chunks(3)
            .zip(1..)
            .find(|(month, _)| *month == name)?;
        self.0 = rest;
        Some(month.1)
    }

    fn ends(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_read_with_z_and_with_an_offset() {
        let expected = Some(Timestamp::from_millis(1_697_540_761_713));
        assert_eq!(
            Timestamp::rfc3339("2023-10-17T11:06:01.713+00:00"),
            expected
        );
        assert_eq!(Timestamp::rfc3339("2023-10-17T11:06:01.713Z"), expected);
        assert_eq!(
            Timestamp::rfc3339("2023-10-17T13:06:01.713999+02:00"),
            expected
        );
        assert_eq!(Timestamp::rfc3339("2023-10-17t11:06:01.7130z"), expected);
        assert_eq!(
            Timestamp::rfc3339("2023-10-17 11:06:01.713+00:00"),
            expected
        );
        assert_eq!(
            Timestamp::rfc3339("2023-10-17T11:06:01Z"),
            Some(Timestamp::from_millis(1_697_540_761_000))
        );
        for text in [
            "",
            "yesterday",
            "2023-10-17",
            "2023-10-17T11:06:01",
            "2023-10-17T11:06:01.Z",
            "2023-10-17T11:06:01Z ",
            "2023-10-17T11:06Z",
            "2023-10-17  11:06:01Z",
            "2023-10-17_11:06:01Z",
            "2023-10-17 11:06:01",
            "2023-10-17 11:06:01 Z",
            "2023-02-29T11:06:01Z",
            "2023-13-01T11:06:01Z",
            "2023-00-01T11:06:01Z",
            "2023-01-00T11:06:01Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:60:00Z",
            "2023-01-01T00:00:61Z",
            "2023-01-01T00:00:00+24:00",
            "2023-01-01T00:00:00+0100",
            "+2023-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::rfc3339(text), None, "{text:?}");
        }
    }

    #[test]
    fn http_dates_are_read() {
        let expected = Some(Timestamp::from_millis(784_111_777_000));
        assert_eq!(
            Timestamp::http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            expected
        );
        assert_eq!(
            Timestamp::http_date(" Sun, 06 Nov 1994 08:49:37 GMT\t"),
            expected
        );
        for text in [
            "",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(Timestamp::http_date(text), None, "{text:?}");
        }
    }

    #[test]
    fn both_forms_are_read_as_another_library_writes_them() {
        use time::OffsetDateTime;
        use time::format_description::well_known::{Rfc2822, Rfc3339};
        // From the year 0 to 9999, at steps that meet every day of the week, of the month and of the year.
        let (first, last) = (-62_167_219_200_i64, 253_402_300_799_i64);
        for second in (first..=last).step_by(86_400 * 29 + 7 * 3600 + 11) {
            let written = OffsetDateTime::from_unix_timestamp(second).unwrap();
            let expected = Some(Timestamp::from_millis(second * 1000));
            let text = written.format(&Rfc3339).unwrap();
            assert_eq!(Timestamp::rfc3339(&text), expected, "{text}");
            // That form of mail begins with 1900, and says where HTTP says GMT.
            if written.year() >= 1900 {
                let text = written.format(&Rfc2822).unwrap().replace("+0000", "GMT");
                assert_eq!(Timestamp::http_date(&text), expected, "{text}");
            }
        }
    }

    #[test]
    fn no_moment_overflows() {
        let last = Timestamp::from_millis(i64::MAX);
        let first = Timestamp::from_millis(i64::MIN);
        assert_eq!((last + Duration::MAX), last);
        assert_eq!((first - Duration::MAX), first);
        assert_eq!(first.duration_since(last), Duration::ZERO);
        assert!(last.duration_since(first) > Duration::ZERO);
    }
}
