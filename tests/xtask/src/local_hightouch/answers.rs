//! Answers, and the error bodies that Hightouch is known to give.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

/// An answer with all that a client can see of it, apart from the `Date`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<&'static str>,
    pub(super) retry_after: Option<String>,
    pub(super) body: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is answered.
    Answered(Answer),
    /// It is answered, but the connection closes in the middle of the body.
    CutOff(Answer),
    /// The connection closes without an answer.
    Closed,
    /// The connection is reset without an answer.
    Reset,
    /// It is answered, but so much later.
    Late(Answer, Duration),
    /// Nothing ever comes.
    Silence,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self {
            status,
            content_type: Some("application/json; charset=utf-8"),
            retry_after: None,
            body: body.to_string(),
        }
    }

    pub(super) fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            retry_after: None,
            body: String::new(),
        }
    }

    /// The page of a proxy in front of Hightouch.
    pub(super) fn page(status: StatusCode) -> Self {
        let title = format!(
            "{} {}",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default()
        );
        Self {
            status,
            content_type: Some("text/html"),
            retry_after: None,
            body: format!(
                "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
                 <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            ),
        }
    }

    pub(super) fn not_found() -> Self {
        Self::empty(StatusCode::NOT_FOUND)
    }

    pub(super) fn unauthorized(details: &str) -> Self {
        Self::json(
            StatusCode::UNAUTHORIZED,
            &json!({"message": "Authentication error", "details": details}),
        )
    }

    /// `wrong` has an entry for each thing that is wrong, by its name.
    pub(super) fn validation_failed(wrong: Value) -> Self {
        Self::json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!({"message": "Validation failed", "details": wrong}),
        )
    }

    pub(super) fn too_many_requests(retry_after: Option<String>) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            content_type: Some("text/plain; charset=utf-8"),
            retry_after,
            body: "Too many requests, please try again later.".to_owned(),
        }
    }

    pub(super) fn internal_server_error() -> Self {
        Self::json(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!("Internal Server Error"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_bodies_are_those_on_record() {
        assert_eq!(
            Answer::internal_server_error().body,
            r#""Internal Server Error""#
        );
        let body = Answer::unauthorized("Token is invalid").body;
        assert_eq!(
            serde_json::from_str::<Value>(&body).ok(),
            Some(json!({"message": "Authentication error", "details": "Token is invalid"}))
        );
        assert_eq!(Answer::not_found().body, "");
    }
}
