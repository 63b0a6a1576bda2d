//! Responses, including Hightouch's known error bodies.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

/// A response with everything that a client can observe, except the `Date` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiResponse {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<&'static str>,
    pub(super) retry_after: Option<String>,
    pub(super) body: String,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server responds.
    Responded(ApiResponse),
    /// The server responds, but the connection closes in the middle of the body.
    Truncated(ApiResponse),
    /// The connection closes without a response.
    Closed,
    /// The connection is reset without a response.
    Reset,
    /// The server responds after this additional delay.
    Late(ApiResponse, Duration),
    /// The server never responds.
    Silence,
}

impl ApiResponse {
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

    /// Returns the error page of a proxy in front of Hightouch.
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

    /// `wrong` has an entry for each invalid value, by name.
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
            ApiResponse::internal_server_error().body,
            r#""Internal Server Error""#
        );
        let body = ApiResponse::unauthorized("Token is invalid").body;
        assert_eq!(
            serde_json::from_str::<Value>(&body).ok(),
            Some(json!({"message": "Authentication error", "details": "Token is invalid"}))
        );
        assert_eq!(ApiResponse::not_found().body, "");
    }
}
