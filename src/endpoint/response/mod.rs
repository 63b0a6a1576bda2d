//! The responses to the caller. Nothing here uses WASI.

pub(super) mod batch;
pub(super) mod chunked_buffer;
pub(super) mod events;
pub(super) mod hook;
pub(super) mod location;
pub(super) mod presenter;
pub(super) mod problem;
pub(super) mod report;
pub(super) mod retry_after;

use core::time::Duration;

use chunked_buffer::ChunkedBuffer;
use serde::Serialize;

/// Maximum time for the caller to read the rest of a response.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The OpenAPI document of the HTTP API.
const OPENAPI: &str = include_str!("../openapi.json");

/// A response with its whole body.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) head: Head,
    pub(super) body: ChunkedBuffer,
}

/// Status and headers.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Head {
    fn new(status: u16, media_type: &str) -> Self {
        Self {
            status,
            headers: vec![
                ("content-type", media_type.into()),
                ("cache-control", "no-store".into()),
            ],
        }
    }

    /// Returns the head of server-sent events.
    ///
    /// Proxies have to pass events on as they come. nginx buffers a response unless
    /// `x-accel-buffering` is `no`. Proxies that compress responses buffer a response unless it
    /// says `no-transform` (RFC 9111, section 5.2.2.6).
    pub(super) fn events() -> Self {
        let headers = [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store, no-transform"),
            ("x-accel-buffering", "no"),
        ];
        Self {
            status: 200,
            headers: headers.map(|(name, value)| (name, value.into())).into(),
        }
    }

    /// Adds the preference that was applied, if there is one.
    #[must_use]
    pub(super) fn with_preference(mut self, applied: Option<String>) -> Self {
        self.headers
            .extend(applied.map(|applied| ("preference-applied", applied)));
        self
    }

    pub(super) fn push(&mut self, name: &'static str, value: String) {
        self.headers.push((name, value));
    }

    /// Returns the headers in the form that WASI uses.
    pub(super) fn into_fields(self) -> Vec<(String, Vec<u8>)> {
        let headers = self.headers.into_iter();
        headers
            .map(|(name, value)| (name.into(), value.into_bytes()))
            .collect()
    }
}

impl Response {
    pub(super) fn json(status: u16, body: &impl Serialize) -> Self {
        Self::json_as("application/json", status, body)
    }

    fn json_as(media_type: &str, status: u16, body: &impl Serialize) -> Self {
        Self {
            head: Head::new(status, media_type),
            body: ChunkedBuffer::json(body),
        }
    }

    /// Returns the response to `GET /healthz`.
    pub(super) fn health() -> Self {
        #[derive(Serialize)]
        struct Health {
            status: &'static str,
            version: &'static str,
        }
        let health = Health {
            status: "ok",
            version: env!("CARGO_PKG_VERSION"),
        };
        Self::json(200, &health)
    }

    /// Returns the response to `GET /openapi.json`.
    pub(super) fn openapi() -> Self {
        Self {
            head: Head::new(200, "application/json"),
            body: ChunkedBuffer::of(OPENAPI),
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.head.push(name, value);
        self
    }
}
