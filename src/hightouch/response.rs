//! Responses, before they are interpreted.

use core::time::Duration;

use super::{ReadError, Timestamp};

/// How the body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// The body is complete.
    Complete,
    /// The connection ended, or the time limit passed, before the end of the body.
    Incomplete,
    /// The body is longer than this project reads.
    TooLong,
}

/// The value of a `Retry-After` header (RFC 9110, section 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A delay after the response.
    Delay(Duration),
    /// A time by the server's clock.
    Timestamp(Timestamp),
}

/// Maximum length in bytes of a body that this project reads: 1 MiB. A page of 100 runs has about
/// 60 KB.
pub const MAX_BODY_LEN: usize = 1 << 20;

/// Maximum length in bytes of the name of a content coding that error messages repeat. Registered
/// names have at most 13 (<https://www.iana.org/assignments/http-parameters>).
const MAX_CODING_LEN: usize = 20;

impl RetryAfter {
    /// Reads the header's value: whole seconds or an HTTP date. `None` if it is neither.
    pub fn read(value: &str) -> Option<Self> {
        let value = value.trim_ascii();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // A number that does not fit into 64 bits counts as the highest one that does. Either
            // delay is longer than any wait.
            return Some(Self::Delay(Duration::from_secs(
                value.parse().unwrap_or(u64::MAX),
            )));
        }
        Timestamp::http_date(value).map(Self::Timestamp)
    }
}

/// A response of Hightouch or of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header, if it could be read.
    pub retry_after: Option<RetryAfter>,
    /// The `Date` header: the server's clock at the time of the response, in whole seconds.
    pub date: Option<Timestamp>,
    /// Whether a cache stored the response for at least a second, according to its `Age` (RFC 9111,
    /// section 5.1).
    pub is_from_cache: bool,
    /// The content codings of the body other than `identity`, according to `Content-Encoding`.
    /// Requests accept none.
    pub coding: Option<String>,
    /// Whether the body is plain text, according to `Content-Type`.
    pub is_plain_text: bool,
    /// The body, or the part of it that was received.
    pub body: Vec<u8>,
    /// How the body ended.
    pub end: BodyEnd,
}

impl Response {
    /// Returns a response with a complete body and without relevant headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            retry_after: None,
            date: None,
            is_from_cache: false,
            coding: None,
            is_plain_text: false,
            body: body.into(),
            end: BodyEnd::Complete,
        }
    }

    /// The names of the relevant headers.
    pub const HEADERS: &[&str] = &[
        "retry-after",
        "date",
        "age",
        "content-encoding",
        "content-type",
    ];

    /// Records a header if it is relevant. A value that is not UTF-8 is ignored.
    pub fn record_header(&mut self, name: &str, value: &[u8]) {
        let Ok(value) = core::str::from_utf8(value) else {
            return;
        };
        if name.eq_ignore_ascii_case("retry-after") {
            self.retry_after = RetryAfter::read(value);
        } else if name.eq_ignore_ascii_case("date") {
            self.date = Timestamp::http_date(value);
        } else if name.eq_ignore_ascii_case("age") {
            self.is_from_cache = value.trim_ascii() != "0";
        } else if name.eq_ignore_ascii_case("content-encoding") {
            for coding in value.split(',').map(str::trim_ascii) {
                self.note_coding(coding);
            }
        } else if name.eq_ignore_ascii_case("content-type") {
            let media_type = value.split(';').next().unwrap_or_default();
            self.is_plain_text = media_type.trim_ascii().eq_ignore_ascii_case("text/plain");
        }
    }

    /// Records one content coding.
    fn note_coding(&mut self, coding: &str) {
        if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
            return;
        }
        // Error messages repeat the name, so it must be a short HTTP token.
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_known = coding.len() <= MAX_CODING_LEN && coding.bytes().all(is_name);
        let coding = if is_known {
            coding
        } else {
            "an unknown coding"
        };
        match &mut self.coding {
            Some(codings) if codings.len() <= MAX_CODING_LEN => {
                codings.push_str(", ");
                codings.push_str(coding);
            }
            Some(_) => {}
            None => self.coding = Some(coding.into()),
        }
    }

    /// Returns the error of a body with a content coding; `None` if the body has no coding or is
    /// empty.
    pub fn encoding_error(&self) -> Option<ReadError> {
        let coding = self.coding.clone().filter(|_| !self.body.is_empty())?;
        Some(ReadError::Encoded(coding))
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the complete body.
    ///
    /// # Errors
    /// The body has a content coding, is incomplete, or is too long.
    pub fn complete_body(&self) -> Result<&[u8], ReadError> {
        if let Some(error) = self.encoding_error() {
            return Err(error);
        }
        match self.end {
            // 206 Partial Content (RFC 9110, section 15.3.7).
            BodyEnd::Complete if self.status == 206 => Err(ReadError::Incomplete),
            BodyEnd::Complete => Ok(&self.body),
            BodyEnd::Incomplete => Err(ReadError::Incomplete),
            BodyEnd::TooLong => Err(ReadError::TooLong),
        }
    }

    /// Returns the delay that `Retry-After` requests. The delay until a date is counted from the
    /// server's own `Date`, because the two clocks may differ; without a `Date` it is `None`.
    pub fn retry_delay(&self) -> Option<Duration> {
        match self.retry_after? {
            RetryAfter::Delay(delay) => Some(delay),
            RetryAfter::Timestamp(until) => Some(until.duration_since(self.date?)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn delay(retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let mut response = Response::new(429, "");
        response.record_header("Retry-After", retry_after.as_bytes());
        if let Some(date) = date {
            response.record_header("DATE", date.as_bytes());
        }
        response.retry_delay()
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(delay("7", None), Some(Duration::from_secs(7)));
        assert_eq!(
            delay("Sun, 06 Nov 1994 08:49:47 GMT", date),
            Some(Duration::from_secs(10))
        );
        assert_eq!(
            delay("Sun, 06 Nov 1994 08:49:30 GMT", date),
            Some(Duration::ZERO)
        );
        assert_eq!(delay("Sun, 06 Nov 1994 08:49:47 GMT", None), None);
        assert_eq!(
            delay("99999999999999999999999", None),
            Some(Duration::from_secs(u64::MAX))
        );
    }

    #[test]
    fn a_body_with_a_content_coding_is_not_read_and_the_error_names_the_coding() {
        for (values, expected_name) in [
            (&[][..], None),
            (&["identity"], None),
            (&["", "Identity , "], None),
            (&["gzip"], Some("gzip")),
            (&["identity, x-gzip"], Some("x-gzip")),
            (&["gzip, br", "zstd"], Some("gzip, br, zstd")),
            (&["gz`ip\u{1}"], Some("an unknown coding")),
        ] {
            let mut response = Response::new(200, "{}");
            for value in values {
                response.record_header("Content-Encoding", value.as_bytes());
            }
            let expected = match expected_name {
                Some(expected_name) => Err(ReadError::Encoded(expected_name.into())),
                None => Ok(&b"{}"[..]),
            };
            assert_eq!(response.complete_body(), expected, "{values:?}");
        }
        let mut empty = Response::new(204, "");
        empty.record_header("content-encoding", b"gzip");
        assert_eq!(empty.complete_body(), Ok(&b""[..]));
    }

    #[test]
    fn a_long_list_of_codings_is_cut() {
        let mut response = Response::new(200, "{}");
        response.record_header("content-encoding", "gzip,".repeat(10_000).as_bytes());
        assert!(response.coding.is_some_and(|coding| coding.len() < 100));
    }

    #[test]
    fn only_plain_text_counts_as_plain() {
        let plain = |value: &str| {
            let mut response = Response::new(502, "");
            response.record_header("Content-Type", value.as_bytes());
            response.is_plain_text
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
    fn an_invalid_retry_after_is_ignored() {
        for value in [
            "",
            "-1",
            "1.5",
            "soon",
            "1 s",
            "0x10",
            "Sun, 99 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(delay(value, None), None, "{value:?}");
        }
    }
}
