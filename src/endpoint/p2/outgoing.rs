//! Sends the response.

use waki::bindings::wasi::http::types::{
    ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use waki::bindings::wasi::io::poll::{Pollable, poll};
use waki::bindings::wasi::io::streams::{OutputStream, StreamError};

use crate::endpoint::response::chunked_buffer::ChunkedBuffer;
use crate::endpoint::response::{Head, READ_TIMEOUT};
use crate::host::Clock;
use crate::host::p2::timer;
use crate::host::waits::Waits;

/// A response body that is being written.
///
/// Child resources are declared before their parents, because WASI requires that they are dropped
/// first.
pub(in crate::endpoint) struct BodyStream {
    ready: Pollable,
    stream: OutputStream,
    body: OutgoingBody,
    /// The chunk that is being written.
    current: Vec<u8>,
    /// The number of its bytes that have been written.
    written: usize,
    /// The text after it.
    pending: ChunkedBuffer,
}

impl BodyStream {
    /// Sends the head and opens the body. Returns `None` if the body cannot be written.
    pub(in crate::endpoint) fn open(head: Head, to: ResponseOutparam) -> Option<Self> {
        let status = head.status;
        let fields = Fields::from_list(&head.into_fields());
        let response = fields.ok().and_then(|fields| {
            let response = OutgoingResponse::new(fields);
            response.set_status_code(status).ok()?;
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
            current: Vec::new(),
            written: 0,
            pending: ChunkedBuffer::default(),
        })
    }

    /// Appends a text to the body.
    pub(in crate::endpoint) fn push(&mut self, text: ChunkedBuffer) {
        self.pending.append(text);
    }

    /// Returns the number of bytes that have not been written.
    pub(in crate::endpoint) fn backlog(&self) -> usize {
        self.pending.len() + self.current.len() - self.written
    }

    /// Adds what shows that more can be written, if there is more.
    pub(in crate::endpoint) fn watch<'a>(&'a mut self, waits: &mut Waits<'a>) {
        if self.backlog() > 0 {
            waits.push(&self.ready);
        }
    }

    /// Writes without blocking.
    ///
    /// # Errors
    ///
    /// Returns an error if the caller has hung up.
    pub(in crate::endpoint) fn write(&mut self) -> Result<(), StreamError> {
        while self.backlog() > 0 {
            if self.current.is_empty() {
                self.current = self.pending.take_first().unwrap_or_default();
            }
            let room = usize::try_from(self.stream.check_write()?).unwrap_or(usize::MAX);
            if room == 0 {
                return Ok(());
            }
            let rest = self.current.get(self.written..).unwrap_or_default();
            let chunk = rest.get(..room).unwrap_or(rest);
            self.stream.write(chunk)?;
            self.written += chunk.len();
            if self.written == self.current.len() {
                self.current = Vec::new();
                self.written = 0;
            }
            if self.backlog() == 0 {
                self.stream.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the rest and ends the body. If the caller has hung up or reads too slowly, the rest
    /// is not sent.
    pub(in crate::endpoint) async fn finish(mut self, clock: Clock) {
        let timeout = timer(clock, clock.now() + READ_TIMEOUT);
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
        self.backlog() == 0 && !matches!(self.stream.check_write(), Ok(0))
    }
}
