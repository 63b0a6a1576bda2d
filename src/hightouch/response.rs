//! An answer, before anyone asks what it means.

use core::time::Duration;

use super::text::parts;
use super::{ReadError, Timestamp};

/// How the body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// As it should.
    Complete,
    /// The connection ended, or the wait for it did, before the body.
    Cut,
    /// It went on past what is read.
    TooLong,
}

/// What `Retry-After` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long from now.
    Delay(Duration),
    /// Until then, by the server's clock.
    Timestamp(Timestamp),
}

/// The most of a content coding's name that is repeated, in bytes.
const MOST_OF_A_CODING: usize = 20;

impl RetryAfter {
    /// Reads the header's value: whole seconds, or an HTTP date.
    pub fn read(value: &str) -> Option<Self> {
        let value = value.trim_ascii();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // More seconds than 64 bits hold are as good as the most that they hold.
            return Some(Self::Delay(Duration::from_secs(
                value.parse().unwrap_or(u64::MAX),
            )));
        }
        Timestamp::http_date(value).map(Self::Timestamp)
    }
}

/// An answer of Hightouch, or of whatever stands between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header, where it could be read.
    pub retry_after: Option<RetryAfter>,
    /// The `Date` header: the server's clock when it answered, to the second.
    pub date: Option<Timestamp>,
    /// Whether a cache on the way kept it for a second or more, as `Age` tells (RFC 9111, section 5.1).
    pub is_old: bool,
    /// The content codings of the body other than `identity`, as `Content-Encoding` names them; none was asked for.
    pub coding: Option<String>,
    /// Whether `Content-Type` says that the body is plain text.
    pub is_plain: bool,
    /// The body, or what came of it.
    pub body: Vec<u8>,
    /// How the body ended.
    pub end: BodyEnd,
}

impl Response {
    /// An answer with a whole body and no headers that matter.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            retry_after: None,
            date: None,
            is_old: false,
            coding: None,
            is_plain: false,
            body: body.into(),
            end: BodyEnd::Complete,
        }
    }

    /// The headers that matter.
    pub const HEADERS: &[&str] = &[
        "retry-after",
        "date",
        "age",
        "content-encoding",
        "content-type",
    ];

    /// Takes note of a header, if it is one that matters.
    pub fn note_header(&mut self, name: &str, value: &[u8]) {
        let Ok(value) = core::str::from_utf8(value) else {
            return;
        };
        if name.eq_ignore_ascii_case("retry-after") {
            self.retry_after = RetryAfter::read(value);
        } else if name.eq_ignore_ascii_case("date") {
            self.date = Timestamp::http_date(value);
        } else if name.eq_ignore_ascii_case("age") {
            self.is_old = value.trim_ascii() != "0";
        } else if name.eq_ignore_ascii_case("content-encoding") {
            for coding in value.split(',').map(str::trim_ascii) {
                self.note_coding(coding);
            }
        } else if name.eq_ignore_ascii_case("content-type") {
            let essence = parts(value, b';').next().unwrap_or_default();
            self.is_plain = essence.trim_ascii().eq_ignore_ascii_case("text/plain");
        }
    }

    /// Takes note of one content coding.
    fn note_coding(&mut self, coding: &str) {
        if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
            return;
        }
        // A name of an HTTP token, and no longer than any that is registered.
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let named = coding.len() <= MOST_OF_A_CODING && coding.bytes().all(name);
        let coding = if named { coding } else { "an unknown coding" };
        match &mut self.coding {
            Some(codings) if codings.len() <= MOST_OF_A_CODING => {
                codings.push_str(", ");
                codings.push_str(coding);
            }
            Some(_) => {}
            None => self.coding = Some(coding.into()),
        }
    }

    /// Why the body cannot be read, if it has a content coding that nobody asked for.
    pub fn coded(&self) -> Option<ReadError> {
        // A body without a byte has no coding.
        let coding = self.coding.clone().filter(|_| !self.body.is_empty())?;
        Some(ReadError::Encoded(coding))
    }

    /// Whether the status is one of success.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, if it is whole.
    pub fn whole(&self) -> Result<&[u8], ReadError> {
        if let Some(why) = self.coded() {
            return Err(why);
        }
        match self.end {
            // 206: a part of what there is (RFC 9110, section 15.3.7).
            BodyEnd::Complete if self.status == 206 => Err(ReadError::Cut),
            BodyEnd::Complete => Ok(&self.body),
            BodyEnd::Cut => Err(ReadError::Cut),
            BodyEnd::TooLong => Err(ReadError::TooLong),
        }
    }

    /// How long the server asks to be left alone. A date is counted from the server's own `Date`, so that clocks need not agree;
    /// without one it tells nothing.
    pub fn wait_asked(&self) -> Option<Duration> {
        match self.retry_after? {
            RetryAfter::Delay(delay) => Some(delay),
            RetryAfter::Timestamp(moment) => Some(moment.duration_since(self.date?)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut answer = Response::new(429, "");
        answer.note_header("Retry-After", retry_after.as_bytes());
        if let Some(date) = date {
            answer.note_header("DATE", date.as_bytes());
        }
        answer.wait_asked()
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked("7", None), Some(Duration::from_secs(7)));
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:49:47 GMT", date),
            Some(Duration::from_secs(10))
        );
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:49:30 GMT", date),
            Some(Duration::ZERO)
        );
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:47 GMT", None), None);
        assert_eq!(
            asked("99999999999999999999999", None),
            Some(Duration::from_secs(u64::MAX))
        );
    }

    #[test]
    fn a_body_with_a_content_coding_is_not_read_and_the_coding_is_named() {
        for (values, named) in [
            (&[][..], None),
            (&["identity"], None),
            (&["", "Identity , "], None),
            (&["gzip"], Some("gzip")),
            (&["identity, x-gzip"], Some("x-gzip")),
            (&["gzip, br", "zstd"], Some("gzip, br, zstd")),
            (&["gz`ip\u{1}"], Some("an unknown coding")),
        ] {
            let mut answer = Response::new(200, "{}");
            for value in values {
                answer.note_header("Content-Encoding", value.as_bytes());
            }
            let expected = match named {
                Some(named) => Err(ReadError::Encoded(named.into())),
                None => Ok(&b"{}"[..]),
            };
            assert_eq!(answer.whole(), expected, "{values:?}");
        }
        let mut empty = Response::new(204, "");
        empty.note_header("content-encoding", b"gzip");
        assert_eq!(empty.whole(), Ok(&b""[..]));
    }

    #[test]
    fn many_codings_are_cut_short() {
        let mut answer = Response::new(200, "{}");
        answer.note_header("content-encoding", "gzip,".repeat(10_000).as_bytes());
        assert!(answer.coding.is_some_and(|coding| coding.len() < 100));
    }

    #[test]
    fn plain_text_is_told_from_other_types() {
        let plain = |value: &str| {
            let mut answer = Response::new(502, "");
            answer.note_header("Content-Type", value.as_bytes());
            answer.is_plain
        };
        for value in [
            "text/plain",
            "Text/Plain; charset=utf-8",
            " text/plain ;x=y",
        ] {
            assert!(plain(value), "{value:?}");
        }
        for value in [
            "",
            "text/html",
            "text/plainer",
            "application/json",
            "text/html; text/plain",
        ] {
            assert!(!plain(value), "{value:?}");
        }
    }

    #[test]
    fn a_retry_after_that_makes_no_sense_is_none() {
        for value in [
            "",
            "-1",
            "1.5",
            "soon",
            "1 s",
            "0x10",
            "Sun, 99 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(asked(value, None), None, "{value:?}");
        }
    }
}
