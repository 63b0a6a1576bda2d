//! The answer to the caller.

use core::time::Duration;

use wasi::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasi::io::poll::{Pollable, poll};
use wasi::io::streams::{OutputStream, StreamError};

use super::chunked_buffer::ChunkedBuffer;
use super::json::{Object, View};
use crate::host::Clock;

/// How long a caller may take to read what is left of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The OpenAPI document, as `build.rs` has packed it.
#[cfg(feature = "endpoint")]
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.lz4"));

/// An answer with a whole body.
#[derive(Debug)]
pub(super) struct Response {
    head: Head,
    body: ChunkedBuffer,
}

impl Response {
    pub(super) fn json(status: u16, view: &dyn View) -> Self {
        Self::json_as("application/json", status, view)
    }

    pub(super) fn json_as(media_type: &str, status: u16, view: &dyn View) -> Self {
        let mut body = ChunkedBuffer::default();
        Object::write(view, &mut body);
        Self {
            head: Head::new(status, media_type),
            body,
        }
    }

    /// `GET /healthz`.
    pub(super) fn health() -> Self {
        struct Health;
        impl View for Health {
            fn fields(&self, object: &mut Object<'_>) {
                object.text("status", "ok");
                object.text("version", env!("CARGO_PKG_VERSION"));
            }
        }
        Self::json(200, &Health)
    }

    /// `GET /openapi.json`.
    #[cfg(feature = "endpoint")]
    pub(super) fn openapi() -> Self {
        let document = lz4_flex::decompress_size_prepended(OPENAPI).unwrap_or_default();
        Self {
            head: Head::new(200, "application/json"),
            body: ChunkedBuffer::of(document),
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> Self {
        self.head.push(name, value);
        self
    }

    pub(super) fn status(&self) -> u16 {
        self.head.status
    }

    /// Sends it. A caller that has gone, or reads too slowly, gets no more of it.
    pub(super) fn send(mut self, to: ResponseOutparam, clock: Clock) {
        self.head
            .push("content-length", self.body.len().to_string());
        if let Some(mut body) = self.head.send(to) {
            body.push(self.body);
            body.finish(clock);
        }
    }
}

/// Status and headers.
#[derive(Debug)]
pub(super) struct Head {
    status: u16,
    headers: Vec<(&'static str, String)>,
}

impl Head {
    pub(super) fn new(status: u16, media_type: &str) -> Self {
        Self {
            status,
            headers: vec![
                ("content-type", media_type.into()),
                ("cache-control", "no-store".into()),
            ],
        }
    }

    /// The head of server-sent events, which proxies are to pass on as they come: nginx buffers an answer unless `x-accel-buffering` says no, and
    /// what compresses answers, and so collects them, leaves alone those that say `no-transform` (RFC 9111, section 5.2.2.6).
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

    pub(super) fn push(&mut self, name: &'static str, value: String) {
        self.headers.push((name, value));
    }

    /// Sends the head; the body follows. None where there is no way to write one.
    pub(super) fn send(self, to: ResponseOutparam) -> Option<Body> {
        let headers: Vec<(String, Vec<u8>)> = self
            .headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into_bytes()))
            .collect();
        let whole = Fields::from_list(&headers).ok().and_then(|fields| {
            let response = OutgoingResponse::new(fields);
            response.set_status_code(self.status).ok()?;
            let body = response.body().ok()?;
            Some((response, body))
        });
        let Some((response, body)) = whole else {
            let text = String::from("the answer could not be put together");
            ResponseOutparam::set(to, Err(ErrorCode::InternalError(Some(text))));
            return None;
        };
        ResponseOutparam::set(to, Ok(response));
        let stream = body.write().ok()?;
        Some(Body {
            ready: stream.subscribe(),
            stream,
            body,
            pending: ChunkedBuffer::default(),
            written: 0,
        })
    }
}

/// A body on its way out. Children stand before parents: they must be dropped first.
pub(super) struct Body {
    ready: Pollable,
    stream: OutputStream,
    body: OutgoingBody,
    /// What is being written, and how much has been of the first of it.
    pending: ChunkedBuffer,
    written: usize,
}

impl Body {
    pub(super) fn push(&mut self, text: ChunkedBuffer) {
        self.pending.append(text);
    }

    /// How much has not been written yet, in bytes.
    pub(super) fn backlog(&self) -> usize {
        self.pending.len() - self.written
    }

    /// What to wait for, if there is anything to write.
    pub(super) fn waits_for(&self) -> Option<&Pollable> {
        (!self.pending.is_empty()).then_some(&self.ready)
    }

    /// Writes what can be written now. An error where the caller has gone.
    pub(super) fn write(&mut self) -> Result<(), StreamError> {
        while let Some(first) = self.pending.first() {
            let room = usize::try_from(self.stream.check_write()?).unwrap_or(usize::MAX);
            if room == 0 {
                return Ok(());
            }
            let rest = first.get(self.written..).unwrap_or_default();
            let chunk = rest.get(..room).unwrap_or(rest);
            self.stream.write(chunk)?;
            self.written += chunk.len();
            if self.written == first.len() {
                self.written = 0;
                self.pending.drop_first();
                if self.pending.is_empty() {
                    self.stream.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Writes the rest and ends the body. A caller that has gone, or reads too slowly, gets no more of it, and nobody is told.
    pub(super) fn finish(mut self, clock: Clock) {
        let late = clock.wake_at(clock.now() + READ_TIMEOUT);
        let mut gone = self.write().is_err();
        while !gone && !self.gone_out() && !late.ready() {
            poll(&[&self.ready, &late]);
            gone = self.write().is_err();
        }
        let Self {
            ready,
            stream,
            body,
            ..
        } = self;
        drop(ready);
        drop(stream);
        let _: Result<(), ErrorCode> = OutgoingBody::finish(body, None);
    }

    /// Whether all of it was written and flushed, or nobody takes it.
    fn gone_out(&self) -> bool {
        self.pending.is_empty() && !matches!(self.stream.check_write(), Ok(0))
    }
}
