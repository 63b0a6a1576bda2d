//! Times by Hightouch's clocks.

use core::ops::{Add, Sub};
use core::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time by one of Hightouch's clocks, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// The error for a string that is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an RFC 3339 time with an offset, after 1970, such as 2026-11-25T06:00:00Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// Returns the time that is this many milliseconds after 1970-01-01T00:00:00Z.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Reads a time in RFC 3339, the form that the API uses in bodies. A space may replace the `T`
    /// (RFC 3339, section 5.6). A leap second is read as the end of the second before it.
    pub fn rfc3339(text: &str) -> Option<Self> {
        // `time` accepts any separator.
        let separator = text.as_bytes().get("2023-10-17".len())?;
        b"Tt ".contains(separator).then_some(())?;
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(Self(
            time.unix_timestamp() * 1000 + i64::from(time.millisecond()),
        ))
    }

    /// Reads a time that a caller gives, in RFC 3339.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not such a time, or if the time is not after 1970-01-01.
    /// Some languages write an unset time as the beginning of the year 1 or of 1970.
    pub fn given(text: &str) -> Result<Self, InvalidTimestamp> {
        Self::rfc3339(text)
            .filter(|time| time.0 > 0)
            .ok_or(InvalidTimestamp)
    }

    /// Reads an HTTP date in the form that servers must send, `Sun, 06 Nov 1994 08:49:37 GMT`
    /// (RFC 9110, section 5.6.7). The day of the week is ignored.
    ///
    /// The date is rearranged into RFC 3339. The libraries for this form are not used: `httpdate`
    /// refuses leap seconds and dates before 1970, and `time`'s RFC 2822 also reads forms that HTTP
    /// does not have.
    pub fn http_date(text: &str) -> Option<Self> {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (_, date) = text.trim_ascii().split_once(", ")?;
        let mut parts = date.strip_suffix(" GMT")?.split(' ');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        let (time, end) = (parts.next()?, parts.next());
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        if end.is_some() || time.len() != "08:49:37".len() {
            return None;
        }
        Self::rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
    }

    /// Returns the time in RFC 3339 with `Z`; `None` if its year is not from 0 to 9999.
    pub fn to_rfc3339(self) -> Option<String> {
        let nanos = i128::from(self.0) * 1_000_000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
        time.format(&Rfc3339).ok()
    }

    /// Returns the time from `earlier` to this time; zero if `earlier` is later.
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Adds a duration. The sum is the last representable time if it would be later.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

/// Subtracts a duration. The difference is the first representable time if it would be earlier.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
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
    fn a_time_from_a_caller_needs_an_offset_and_must_be_after_1970() {
        assert_eq!(
            Timestamp::given("2023-10-17T13:06:01.713+02:00"),
            Ok(Timestamp::from_millis(1_697_540_761_713))
        );
        for text in [
            "",
            "now",
            "1697540761",
            "2023-10-17",
            "2023-10-17T11:06:01",
            "2023-10-17T11:06:01 Z",
            "0001-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "1970-01-01T01:00:00+01:00",
        ] {
            assert_eq!(Timestamp::given(text), Err(InvalidTimestamp), "{text:?}");
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
            "Sun, 06 Nov 1994 08:49:37.5 GMT",
            "Sun, 06 Nov 1994 08:49:37 x GMT",
            "Sun, 06 Nov 1994 08:49:37+01:00 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(Timestamp::http_date(text), None, "{text:?}");
        }
    }

    #[test]
    fn both_forms_are_read_as_a_library_writes_them() {
        use time::OffsetDateTime;
        use time::format_description::well_known::{Rfc2822, Rfc3339};
        // From the year 0 to 9999, in steps that reach every day of the week, of the month and of
        // the year.
        let (first, last) = (-62_167_219_200_i64, 253_402_300_799_i64);
        for second in (first..=last).step_by(86_400 * 29 + 7 * 3600 + 11) {
            let written = OffsetDateTime::from_unix_timestamp(second).unwrap();
            let time = Timestamp::from_millis(second * 1000);
            let expected = Some(time);
            let text = written.format(&Rfc3339).unwrap();
            assert_eq!(Timestamp::rfc3339(&text), expected, "{text}");
            assert_eq!(time.to_rfc3339(), Some(text));
            // RFC 2822 begins with the year 1900, and has `+0000` instead of `GMT`.
            if written.year() >= 1900 {
                let text = written.format(&Rfc2822).unwrap().replace("+0000", "GMT");
                assert_eq!(Timestamp::http_date(&text), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_leap_second_is_the_end_of_the_second_before_it() {
        let expected = Some(Timestamp::from_millis(1_341_100_799_999));
        for text in ["2012-06-30T23:59:60Z", "2012-07-01T01:59:60.5+02:00"] {
            assert_eq!(Timestamp::rfc3339(text), expected, "{text}");
        }
        assert_eq!(
            Timestamp::http_date("Sat, 30 Jun 2012 23:59:60 GMT"),
            expected
        );
        assert_eq!(Timestamp::rfc3339("2012-06-30T12:00:60Z"), None);
    }

    #[test]
    fn no_sum_overflows() {
        let last = Timestamp::from_millis(i64::MAX);
        let first = Timestamp::from_millis(i64::MIN);
        assert_eq!((last + Duration::MAX), last);
        assert_eq!((first - Duration::MAX), first);
        assert_eq!(first.duration_since(last), Duration::ZERO);
        assert!(last.duration_since(first) > Duration::ZERO);
        assert_eq!((first.to_rfc3339(), last.to_rfc3339()), (None, None));
        let millis = Timestamp::from_millis(1_697_540_761_713).to_rfc3339();
        assert_eq!(millis.as_deref(), Some("2023-10-17T11:06:01.713Z"));
    }
}
