//! Errors that Hightouch reports, and responses that cannot be read.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient::{self, MAX_TEXT_LEN, as_free_text, as_text, has_content, prefix};
use super::{MAX_BODY_LEN, Response};

/// The reason why a response cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The body is not JSON, or not of the form that the API documents.
    #[error("Hightouch's response is not the JSON that its API documents ({0})")]
    Json(String),
    /// The body lacks a field that it must have.
    #[error("Hightouch's response has no usable `{0}`")]
    Missing(&'static str),
    /// The body has a field twice, so that its value is ambiguous.
    #[error("Hightouch's response has `{0}` twice")]
    Duplicate(String),
    /// The connection ended before the body did.
    #[error("Hightouch's response was cut off")]
    Incomplete,
    /// The body is longer than this project reads.
    #[error("Hightouch's response is longer than {} MiB", MAX_BODY_LEN >> 20)]
    TooLong,
    /// The body has a content coding, although the request accepts none.
    #[error("Hightouch's response is encoded as `{0}`, which was not requested")]
    Encoded(String),
    /// A list has too many pages.
    #[error("Hightouch's list did not end after {0} pages")]
    TooManyPages(usize),
    /// The response to a trigger names a run that was listed before the trigger was sent.
    #[error("Hightouch's response names a run that existed before the request")]
    OlderRun,
    /// A page without entries claims that there is another page.
    #[error("Hightouch's list has an empty page before its end")]
    EmptyPage,
    /// A page does not continue where the previous page ended.
    #[error("Hightouch's list changed while it was being read")]
    ListChanged,
    /// The response comes from a cache, but the current state is needed.
    #[error("Hightouch's response came from a cache and may be out of date")]
    FromCache,
    /// A page of the list of runs has too many entries.
    #[error("Hightouch lists more than {0} runs on one page")]
    TooManyEntries(usize),
    /// A run has too many jobs.
    #[error("Hightouch lists more than {0} jobs of the run")]
    TooManyJobs(usize),
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            // serde names the duplicate field only in its message.
            serde_json::error::Category::Data => match duplicate_field(&error.to_string()) {
                Some(name) => return Self::Duplicate(name.into()),
                None => "its structure is different",
            },
            serde_json::error::Category::Eof => "it ends too early",
            _ => "it is not JSON",
        };
        // serde's message is left out, because it can quote the body.
        let (line, column) = (error.line(), error.column());
        Self::Json(format!("{what}, line {line} column {column}"))
    }
}

/// Returns the name of the field in the message of [`serde::de::Error::duplicate_field`].
fn duplicate_field(message: &str) -> Option<&str> {
    let (name, _) = message.strip_prefix("duplicate field `")?.split_once('`')?;
    Some(name)
}

/// The error that a response reports: `{"message":"…","details":…}`, `{"error":"…"}`, a JSON string
/// or plain text. Both fields are `None` for a body of any other form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiError {
    /// The message, cut to 16 KiB.
    pub message: Option<String>,
    /// `details`: the text of a string or the JSON of any other value, cut to 16 KiB. Without
    /// `details`, this is the value of `error`, unless that is already the message.
    pub details: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl ApiError {
    /// Reads the body of an error.
    pub fn read(body: &[u8]) -> Self {
        if let Ok(Some(envelope)) = lenient::read_object(body) {
            return Self::from_envelope(&envelope);
        }
        let message = core::str::from_utf8(body)
            .ok()
            .and_then(|body| serde_json::from_str::<&RawValue>(body).ok())
            .and_then(text);
        Self {
            message,
            details: None,
        }
    }

    fn from_envelope(envelope: &Envelope<'_>) -> Self {
        let details = envelope.details.and_then(as_free_text);
        let error = envelope.error;
        match (envelope.message.and_then(text), error.and_then(text)) {
            (None, Some(message)) => Self {
                message: Some(message),
                details,
            },
            (message, _) => Self {
                message,
                details: details.or_else(|| error.and_then(as_free_text)),
            },
        }
    }

    /// Reads the error of a response. A body of plain text that is not JSON is the message. An HTML
    /// page is not, because proxies send such pages.
    pub fn from_response(response: &Response) -> Self {
        let error = Self::read(&response.body);
        if !response.is_plain_text || error != Self::default() {
            return error;
        }
        let text = response
            .body
            .utf8_chunks()
            .next()
            .map_or("", |chunk| chunk.valid())
            .trim_ascii();
        Self {
            message: Some(prefix(text, MAX_TEXT_LEN))
                .filter(|text| has_content(text))
                .map(Into::into),
            details: None,
        }
    }

    /// Whether the body is an error envelope: it has a `message` or an `error` that is a string,
    /// and no field beyond `message`, `error` and `details`.
    pub fn is_error_envelope(body: &[u8]) -> bool {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "camelCase")]
        enum Field {
            Message,
            Details,
            Error,
            #[serde(other)]
            Other,
        }

        let Ok(Some(envelope)) = lenient::read_object::<Envelope<'_>>(body) else {
            return false;
        };
        let has_text = [envelope.message, envelope.error]
            .into_iter()
            .flatten()
            .any(|value| as_text(value, MAX_TEXT_LEN).is_some());
        // Not `deny_unknown_fields`, because its error would copy the name, which can be 1 MiB
        // long.
        let mut has_others = false;
        let json = lenient::body_text(body).unwrap_or_default();
        let read = lenient::for_each_member(json, |field, _| {
            has_others |= matches!(field, Field::Other);
        });
        has_text && read.is_ok() && !has_others
    }
}

/// Returns the text of a string; `None` for any other value and for a text without content.
fn text(value: &RawValue) -> Option<String> {
    let text = as_text(value, MAX_TEXT_LEN)?;
    has_content(&text).then(|| text.into_owned())
}

/// Returns the standard reason phrase of an HTTP status. wasi:http does not pass on the server's
/// own phrase.
pub fn reason_phrase(status: u16) -> String {
    match http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
    {
        Some(reason) => reason.into(),
        None => format!("HTTP status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Option<String>, Option<String>) {
        let error = ApiError::read(body.as_bytes());
        (error.message, error.details)
    }

    #[test]
    fn message_and_details_are_read_from_every_recorded_form() {
        let text = |text: &str| Some(String::from(text));
        assert_eq!(
            read(r#"{"message":"Authentication error","details":"Token is invalid"}"#),
            (text("Authentication error"), text("Token is invalid"))
        );
        assert_eq!(
            read(r#"{"message":"Validation failed","details":{"syncId":{"message":"invalid"}}}"#),
            (
                text("Validation failed"),
                text(r#"{"syncId":{"message":"invalid"}}"#)
            )
        );
        assert_eq!(
            read(r#""Internal Server Error""#),
            (text("Internal Server Error"), None)
        );
        assert_eq!(
            read(r#"{"error":"Plan limit"}"#),
            (text("Plan limit"), None)
        );
        assert_eq!(
            read(r#"{"details":null,"error":"Plan limit"}"#),
            (text("Plan limit"), None)
        );
        assert_eq!(
            read(r#"{"error":"Plan limit","details":[1]}"#),
            (text("Plan limit"), text("[1]"))
        );
        assert_eq!(
            read(r#"{"message":"No","error":"Bad Request"}"#),
            (text("No"), text("Bad Request"))
        );
        assert_eq!(
            read(r#"{"error":{"code":7}}"#),
            (None, text(r#"{"code":7}"#))
        );
    }

    #[test]
    fn a_plain_text_body_is_the_message_and_an_html_page_is_not() {
        let of = |body: &[u8], content_type: &str| {
            let mut response = Response::new(502, body);
            response.record_header("content-type", content_type.as_bytes());
            ApiError::from_response(&response)
        };
        let message = |text: &str| ApiError {
            message: Some(text.into()),
            details: None,
        };
        assert_eq!(
            of(b" no healthy upstream\n", "text/plain; charset=utf-8"),
            message("no healthy upstream")
        );
        assert_eq!(of(b"no \xff upstream", "text/plain"), message("no"));
        assert_eq!(of(br#"{"error":"x"}"#, "text/plain"), message("x"));
        assert_eq!(
            of(b"x".repeat(3 * MAX_TEXT_LEN).as_slice(), "text/plain")
                .message
                .map(|text| text.len()),
            Some(MAX_TEXT_LEN)
        );
        for (body, content_type) in [
            (&b"<html>x"[..], "text/html"),
            (b"no healthy upstream", ""),
            (b" \n", "text/plain"),
            (b"\xff", "text/plain"),
        ] {
            assert_eq!(of(body, content_type), ApiError::default(), "{body:?}");
        }
    }

    #[test]
    fn an_envelope_has_no_other_fields() {
        for body in [
            r#"{"message":"x"}"#,
            r#"{"error":"x"}"#,
            r#"{"error":"x","details":{}}"#,
            r#"{"message":"x","error":1}"#,
        ] {
            assert!(ApiError::is_error_envelope(body.as_bytes()), "{body}");
        }
        for body in [
            "{}",
            r#"{"details":"x"}"#,
            r#"{"error":{}}"#,
            r#"{"error":"x","id":"42"}"#,
            r#"{"error":"x","error":"y"}"#,
        ] {
            assert!(!ApiError::is_error_envelope(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn any_other_body_has_no_message() {
        for body in [
            "",
            "<html><h1>Bad Gateway</h1>",
            "{",
            "null",
            "[]",
            "7",
            r#"{"message":7}"#,
            r#"{"message":""}"#,
            "\u{0}",
        ] {
            assert_eq!(read(body), (None, None), "{body:?}");
        }
        assert_eq!(read(r#"{"details":null,"error":null}"#), (None, None));
        assert_eq!(ApiError::read(&[0xff, 0xfe]), ApiError::default());
    }

    #[test]
    fn long_texts_are_cut_between_characters_however_they_are_written() {
        for character in [
            "x",
            "\u{e4}",
            "\u{1f980}",
            r#"\""#,
            r"\u00e4",
            r"\ud83e\udd80",
            r"\\",
        ] {
            for shift in 0..13 {
                let text = format!(
                    "{}{}",
                    "-".repeat(shift),
                    character.repeat(7 * MAX_TEXT_LEN)
                );
                for (body, parts) in [
                    (format!(r#"{{"message":"{text}"}}"#), (true, false)),
                    (format!(r#"{{"details":"{text}"}}"#), (false, true)),
                    (format!(r#"{{"details":["{text}"]}}"#), (false, true)),
                    (format!(r#""{text}""#), (true, false)),
                ] {
                    let (message, details) = read(&body);
                    assert_eq!(
                        (message.is_some(), details.is_some()),
                        parts,
                        "{character} {shift}"
                    );
                    for text in [message, details].into_iter().flatten() {
                        assert!(
                            (MAX_TEXT_LEN - 3..=MAX_TEXT_LEN).contains(&text.len()),
                            "{character} {shift}: {}",
                            text.len()
                        );
                        assert!(
                            text.capacity() <= MAX_TEXT_LEN,
                            "{character} {shift}: {}",
                            text.capacity()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_reason_is_the_standard_phrase() {
        assert_eq!(reason_phrase(404), "Not Found");
        assert_eq!(reason_phrase(502), "Bad Gateway");
        assert_eq!(reason_phrase(429), "Too Many Requests");
        assert_eq!(reason_phrase(599), "HTTP status 599");
    }
}
