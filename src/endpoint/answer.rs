//! The answer to the caller.

use core::time::Duration;

use serde::Serialize;
use waki::bindings::wasi::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use waki::bindings::wasi::io::poll::poll;
use waki::bindings::wasi::io::streams::{OutputStream, StreamError};

use crate::host::Clock;

/// How long a caller may take to read an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer with a whole body.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(status: u16, view: &impl Serialize) -> Self {
        Self::json_as("application/json", status, view)
    }

    pub(super) fn json_as(media_type: &str, status: u16, view: &impl Serialize) -> Self {
        // The views hold text and numbers only, which can always be written.
        let body = serde_json::to_vec(view).unwrap_or_default();
        let headers = vec![("content-type", media_type.into()), ("cache-control", "no-store".into())];
        Self { status, headers, body }
    }

    /// `GET /healthz`.
    pub(super) fn health() -> Self {
        #[derive(Serialize)]
        struct Health {
            status: &'static str,
            version: &'static str,
        }
        Self::json(200, &Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends it. A caller that has gone, or reads too slowly, gets no more of it.
    pub(super) fn send(mut self, to: ResponseOutparam, clock: Clock) {
        self.headers.push(("content-length", self.body.len().to_string()));
        let headers: Vec<(String, Vec<u8>)> =
            self.headers.into_iter().map(|(name, value)| (name.into(), value.into_bytes())).collect();
        let whole = Fields::from_list(&headers).ok().and_then(|fields| {
            let response = OutgoingResponse::new(fields);
            response.set_status_code(self.status).ok()?;
            let body = response.body().ok()?;
            Some((response, body))
        });
        let Some((response, body)) = whole else {
            let text = String::from("the answer could not be put together");
            ResponseOutparam::set(to, Err(ErrorCode::InternalError(Some(text))));
            return;
        };
        ResponseOutparam::set(to, Ok(response));
        if let Ok(stream) = body.write() {
            // Nobody is left to be told what failed here.
            let _: Result<(), StreamError> = write(&stream, &self.body, clock);
        }
        let _: Result<(), ErrorCode> = OutgoingBody::finish(body, None);
    }
}

/// Writes all of it and waits until it has gone, but not for ever.
fn write(stream: &OutputStream, mut rest: &[u8], clock: Clock) -> Result<(), StreamError> {
    let ready = stream.subscribe();
    let late = clock.wake_at(clock.now().plus(READ_TIMEOUT));
    let mut flushed = false;
    loop {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            poll(&[&ready, &late]);
            if late.ready() && !ready.ready() {
                return Err(StreamError::Closed);
            }
        } else if rest.is_empty() {
            if flushed {
                return Ok(());
            }
            stream.flush()?;
            flushed = true;
        } else {
            let (chunk, after) = rest.split_at(room.min(rest.len()));
            stream.write(chunk)?;
            rest = after;
        }
    }
}
