//! The answer to the caller.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;

use serde::Serialize;
use waki::bindings::wasi::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use waki::bindings::wasi::io::poll::{Pollable, poll};
use waki::bindings::wasi::io::streams::{OutputStream, StreamError};

use crate::host::Clock;

/// How long a caller may take to read what is left of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// An answer with a whole body.
#[derive(Debug)]
pub(super) struct Answer {
    head: Head,
    body: Pieces,
}

impl Answer {
    pub(super) fn json(status: u16, view: &impl Serialize) -> Self {
        Self::json_as("application/json", status, view)
    }

    pub(super) fn json_as(media_type: &str, status: u16, view: &impl Serialize) -> Self {
        Self { head: Head::new(status, media_type), body: Pieces::written("", view, "") }
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

    /// `GET /openapi.json`.
    pub(super) fn openapi() -> Self {
        Self { head: Head::new(200, "application/json"), body: Pieces::of(include_bytes!("openapi.json")) }
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
        self.head.push("content-length", self.body.len().to_string());
        if let Some(mut body) = self.head.send(to) {
            body.push(self.body);
            body.finish(clock);
        }
    }
}

/// A text in pieces: what is long fits into whatever memory there is, and goes back to it as it is sent.
#[derive(Debug, Default)]
pub(super) struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    /// How long a piece may become, in bytes.
    const MOST: usize = 64 * 1024;

    pub(super) fn of(text: impl Into<Vec<u8>>) -> Self {
        Self(VecDeque::from([text.into()]))
    }

    /// A view in JSON, between two texts.
    pub(super) fn written(before: &str, view: &impl Serialize, after: &str) -> Self {
        let mut text = Self::of(before);
        // Views hold text and numbers only, which can always be written.
        let _: serde_json::Result<()> = serde_json::to_writer(&mut text, view);
        text.0.push_back(after.into());
        text
    }

    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = |piece: &Vec<u8>| Self::MOST.saturating_sub(piece.len());
        if self.0.back().is_none_or(|last| room(last) == 0) {
            self.0.push_back(Vec::new());
        }
        let Some(last) = self.0.back_mut() else { return Ok(0) };
        let taken = bytes.get(..room(last)).unwrap_or(bytes);
        last.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
        Self { status, headers: vec![("content-type", media_type.into()), ("cache-control", "no-store".into())] }
    }

    pub(super) fn push(&mut self, name: &'static str, value: String) {
        self.headers.push((name, value));
    }

    /// Sends the head; the body follows. None where there is no way to write one.
    pub(super) fn send(self, to: ResponseOutparam) -> Option<Body> {
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
            return None;
        };
        ResponseOutparam::set(to, Ok(response));
        let stream = body.write().ok()?;
        Some(Body { ready: stream.subscribe(), stream, body, pending: Pieces::default(), written: 0 })
    }
}

/// A body on its way out. Children stand before parents: they must be dropped first.
pub(super) struct Body {
    ready: Pollable,
    stream: OutputStream,
    body: OutgoingBody,
    /// What is being written, and how much has been of the first of it.
    pending: Pieces,
    written: usize,
}

impl Body {
    pub(super) fn push(&mut self, mut text: Pieces) {
        text.0.retain(|piece| !piece.is_empty());
        self.pending.0.append(&mut text.0);
    }

    /// How much has not been written yet, in bytes.
    pub(super) fn backlog(&self) -> usize {
        self.pending.len() - self.written
    }

    /// What to wait for, if there is anything to write.
    pub(super) fn waits_for(&self) -> Option<&Pollable> {
        (!self.pending.0.is_empty()).then_some(&self.ready)
    }

    /// Writes what can be written now. An error where the caller has gone.
    pub(super) fn write(&mut self) -> Result<(), StreamError> {
        while let Some(first) = self.pending.0.front() {
            let room = usize::try_from(self.stream.check_write()?).unwrap_or(usize::MAX);
            if room == 0 {
                return Ok(());
            }
            let rest = first.get(self.written..).unwrap_or_default();
            let chunk = rest.get(..room).unwrap_or(rest);
            self.stream.write(chunk)?;
            self.written += chunk.len();
            if self.written == first.len() {
                (self.written, _) = (0, self.pending.0.pop_front());
                if self.pending.0.is_empty() {
                    self.stream.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Writes the rest and ends the body. A caller that has gone, or reads too slowly, gets no more of it, and nobody is told.
    pub(super) fn finish(mut self, clock: Clock) {
        let late = clock.wake_at(clock.now().plus(READ_TIMEOUT));
        let mut gone = self.write().is_err();
        while !gone && !self.gone_out() && !late.ready() {
            poll(&[&self.ready, &late]);
            gone = self.write().is_err();
        }
        let Self { ready, stream, body, .. } = self;
        drop(ready);
        drop(stream);
        let _: Result<(), ErrorCode> = OutgoingBody::finish(body, None);
    }

    /// Whether all of it was written and flushed, or nobody takes it.
    fn gone_out(&self) -> bool {
        self.pending.0.is_empty() && !matches!(self.stream.check_write(), Ok(0))
    }
}
