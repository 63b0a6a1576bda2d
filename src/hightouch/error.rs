//! What Hightouch says when it says no.

use super::Response;
use super::json::{Flaw, Json, beginning};

/// Why an answer could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The body is not JSON, or not of the form that the API promises.
    #[error("Hightouch's answer is not the JSON that its API promises ({0})")]
    Json(String),
    /// The body lacks something without which it tells nothing.
    #[error("Hightouch's answer has no usable `{0}`")]
    Missing(&'static str),
    /// The body has a field twice, so that it tells two things.
    #[error("Hightouch's answer has `{0}` twice")]
    Twice(&'static str),
    /// The connection ended in the middle of the body.
    #[error("Hightouch's answer was cut off")]
    Cut,
    /// The body is longer than this project reads.
    #[error("Hightouch's answer is longer than 1 MiB")]
    TooLong,
    /// The body has a content coding, which the request did not accept.
    #[error("Hightouch's response is encoded as `{0}`, which was not asked for")]
    Encoded(String),
    /// A list went on for too many pages.
    #[error("Hightouch's list did not end after {0} pages")]
    TooManyPages(usize),
    /// The response to a trigger names a run that was listed before the trigger was sent.
    #[error("Hightouch's response names a run that was there before")]
    OlderRun,
    /// A page without entries says that there is another page.
    #[error("Hightouch's list has an empty page before its end")]
    EmptyPage,
    /// A list did not go on where its page before ended.
    #[error("Hightouch's list changed while it was read")]
    Changed,
    /// The answer was kept somewhere on the way, where what it is to tell is what holds now.
    #[error("Hightouch's answer is an old one that was kept on the way")]
    Old,
    /// A run has too many jobs.
    #[error("Hightouch lists more than {0} jobs of the run")]
    TooManyJobs(usize),
}

impl From<Flaw> for ReadError {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::NoJson(why) => Self::Json(why),
            Flaw::Twice(name) => Self::Twice(name),
        }
    }
}

/// The most of any text of an answer that is kept, in bytes.
pub(super) const TEXT: usize = 16 * 1024;

/// The body of an error: `{"message":"…","details":…}`, `{"error":"…"}`, a JSON string, plain text, or anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiError {
    /// The message, where there is one; at most 16 KiB.
    pub message: Option<String>,
    /// `details` as they came: the text of a string, the JSON of anything else; at most 16 KiB. Where there are none, the value of `error`
    /// beside a message, or one that is no string.
    pub details: Option<String>,
}

impl ApiError {
    /// Reads what can be read; a body of another form gives neither message nor details.
    pub fn read(body: &[u8]) -> Self {
        let Ok(json) = Json::check(body) else {
            return Self::default();
        };
        match json.fields(["message", "details", "error"]) {
            Ok(Some([message, details, error])) => {
                let text =
                    |value: Option<Json<'_>>| value.and_then(|value| value.text(TEXT)).filter(said);
                let (message, details) = (text(message), details.and_then(text_of));
                if message.is_none()
                    && let Some(error) = text(error)
                {
                    return Self {
                        message: Some(error),
                        details,
                    };
                }
                Self {
                    message,
                    details: details.or_else(|| error.and_then(text_of)),
                }
            }
            _ => Self {
                message: json.text(TEXT).filter(said),
                details: None,
            },
        }
    }

    /// Reads the body of an answer. What is no error's envelope is the message where its type is plain text: the page of a proxy is not.
    pub fn of(answer: &Response) -> Self {
        let read = Self::read(&answer.body);
        if !answer.is_plain || read != Self::default() {
            return read;
        }
        let text = answer
            .body
            .utf8_chunks()
            .next()
            .map_or("", |chunk| chunk.valid())
            .trim_ascii();
        Self {
            message: Some(beginning(text, TEXT).into()).filter(said),
            details: None,
        }
    }

    /// Whether the body is an error's envelope with a message, or with an `error` that is text, and nothing beside.
    pub fn is_all_of(body: &[u8]) -> bool {
        let Ok(json) = Json::check(body) else {
            return false;
        };
        let Ok(Some([message, _, error])) = json.fields(["message", "details", "error"]) else {
            return false;
        };
        let says = [message, error]
            .into_iter()
            .flatten()
            .any(|value| value.string().is_some());
        let known = |name: Json<'_>| {
            ["message", "details", "error"]
                .iter()
                .any(|known| name.is_text(known))
        };
        says && json
            .members()
            .is_some_and(|mut members| members.all(|(name, _)| known(name)))
    }
}

/// The text of a JSON string, the JSON of anything else, up to [`TEXT`]; none where that says nothing.
pub(super) fn text_of(json: Json<'_>) -> Option<String> {
    Some(json.text_or_json(TEXT)).filter(said)
}

/// Whether a text says anything.
fn said(text: &String) -> bool {
    !text.trim_ascii().is_empty() && text != "null"
}

/// The standard reason phrase of an HTTP status; wasi:http carries none of the server's own.
pub fn reason(status: u16) -> String {
    match http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
    {
        Some(reason) => reason.into(),
        None => format!("HTTP status {}", u64::from(status)),
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
    fn plain_text_is_the_message_and_a_page_is_not() {
        let of = |body: &[u8], content_type: &str| {
            let mut answer = Response::new(502, body);
            answer.note_header("content-type", content_type.as_bytes());
            ApiError::of(&answer)
        };
        let says = |text: &str| ApiError {
            message: Some(text.into()),
            details: None,
        };
        assert_eq!(
            of(b" no healthy upstream\n", "text/plain; charset=utf-8"),
            says("no healthy upstream")
        );
        assert_eq!(of(b"no \xff upstream", "text/plain"), says("no"));
        assert_eq!(of(br#"{"error":"x"}"#, "text/plain"), says("x"));
        assert_eq!(
            of(b"x".repeat(3 * TEXT).as_slice(), "text/plain")
                .message
                .map(|text| text.len()),
            Some(TEXT)
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
    fn an_envelope_is_all_of_a_body_only_where_nothing_stands_beside() {
        for body in [
            r#"{"message":"x"}"#,
            r#"{"error":"x"}"#,
            r#"{"error":"x","details":{}}"#,
            r#"{"message":"x","error":1}"#,
        ] {
            assert!(ApiError::is_all_of(body.as_bytes()), "{body}");
        }
        for body in [
            "{}",
            r#"{"details":"x"}"#,
            r#"{"error":{}}"#,
            r#"{"error":"x","id":"42"}"#,
            r#"{"error":"x","error":"y"}"#,
        ] {
            assert!(!ApiError::is_all_of(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn any_other_body_says_nothing() {
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
                let text = format!("{}{}", "-".repeat(shift), character.repeat(7 * TEXT));
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
                            (TEXT - 3..=TEXT).contains(&text.len()),
                            "{character} {shift}: {}",
                            text.len()
                        );
                        assert!(
                            text.capacity() <= TEXT,
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
        assert_eq!(reason(404), "Not Found");
        assert_eq!(reason(502), "Bad Gateway");
        assert_eq!(reason(429), "Too Many Requests");
        assert_eq!(reason(599), "HTTP status 599");
    }
}
