//! Sends the response.

use core::time::Duration;

use waki::bindings::wasi::http::types::{
    ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use waki::bindings::wasi::io::poll::{Pollable, poll};
use waki::bindings::wasi::io::streams::{OutputStream, StreamError};

use super::response::chunked_buffer::ChunkedBuffer;
use super::response::{Head, Response};
use crate::host::Clock;

/// Maximum time for the caller to read the rest of a response.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a response. If the caller has hung up or reads too slowly, the rest is not sent.
pub(super) fn send(response: Response, to: ResponseOutparam, clock: Clock) {
    let Response { mut head, body } = response;
    head.push("content-length", body.len().to_string());
    if let Some(mut stream) = BodyStream::open(head, to) {
        stream.push(body);
        stream.finish(clock);
    }
}

/// A response body that is being written.
///
/// Child resources are declared before their parents, because WASI requires that they are dropped
/// first.
pub(super) struct BodyStream {
    ready: Pollable,
    stream: OutputStream,
    body: OutgoingBody,
    /// The text to write.
    pending: ChunkedBuffer,
    /// The number of bytes of the first chunk that have been written.
    written: usize,
}

impl BodyStream {
    /// Sends the head and opens the body. Returns `None` if the body cannot be written.
    pub(super) fn open(head: Head, to: ResponseOutparam) -> Option<Self> {
        let headers: Vec<(String, Vec<u8>)> = head
            .headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into_bytes()))
            .collect();
        let response = Fields::from_list(&headers).ok().and_then(|fields| {
            let response = OutgoingResponse::new(fields);
            response.set_status_code(head.status).ok()?;
            let body = response.body().ok()?;
            Some((response, body))
        });
        let Some((response, body)) = response else {
            let text = String::from("the response could not be built");
            ResponseOutparam::set(to, Err(ErrorCode::InternalError(Some(text))));
            return None;
        };
        ResponseOutparam::set(to, Ok(response));
        let stream = body.write().ok()?;
        Some(Self {
            ready: stream.subscribe(),
            stream,
            body,
            pending: ChunkedBuffer::default(),
            written: 0,
        })
    }

    /// Appends a text to the body.
    pub(super) fn push(&mut self, text: ChunkedBuffer) {
        self.pending.append(text);
    }

    /// Returns the number of bytes that have not been written.
    pub(super) fn backlog(&self) -> usize {
        self.pending.len() - self.written
    }

    /// Returns the pollable that is ready when more can be written, if there is more.
    pub(super) fn pollable(&self) -> Option<&Pollable> {
        (!self.pending.is_empty()).then_some(&self.ready)
    }

    /// Writes without blocking.
    ///
    /// # Errors
    ///
    /// Returns an error if the caller has hung up.
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

    /// Writes the rest and ends the body. If the caller has hung up or reads too slowly, the rest
    /// is not sent.
    pub(super) fn finish(mut self, clock: Clock) {
        let timeout = clock.wake_at(clock.now() + READ_TIMEOUT);
        let mut has_hung_up = self.write().is_err();
        while !has_hung_up && !self.is_flushed() && !timeout.ready() {
            poll(&[&self.ready, &timeout]);
            has_hung_up = self.write().is_err();
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

    /// Returns whether everything has been written and flushed, or can no longer be written.
    fn is_flushed(&self) -> bool {
        self.pending.is_empty() && !matches!(self.stream.check_write(), Ok(0))
    }
}
