//! Writes the body of a request while the response is awaited.

use waki::bindings::wasi::http::types::{ErrorCode, OutgoingBody};
use waki::bindings::wasi::io::poll::Pollable;
use waki::bindings::wasi::io::streams::{OutputStream, StreamError};

/// A body that is being written.
///
/// Child resources are declared before their parents, because WASI requires that they are dropped
/// first.
pub(super) struct Upload {
    ready: Pollable,
    stream: OutputStream,
    body: OutgoingBody,
    bytes: Vec<u8>,
    written: usize,
    flushed: bool,
}

impl Upload {
    /// Starts to write. Returns `None` if there is nothing to write. If writing fails, the response
    /// contains the error.
    pub(super) fn start(body: OutgoingBody, bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() {
            let _: Result<(), ErrorCode> = OutgoingBody::finish(body, None);
            return None;
        }
        let stream = body.write().ok()?;
        Some(Self {
            ready: stream.subscribe(),
            stream,
            body,
            bytes,
            written: 0,
            flushed: false,
        })
    }

    /// Returns the pollable that shows progress.
    pub(super) fn pollable(&self) -> &Pollable {
        &self.ready
    }

    /// Writes without blocking. Returns `None` if everything is written, or if the peer accepts no
    /// more; the response then contains the reason.
    pub(super) fn advance(mut self) -> Option<Self> {
        match self.write() {
            Ok(false) => Some(self),
            Ok(true) => {
                let Self {
                    ready,
                    stream,
                    body,
                    ..
                } = self;
                drop(ready);
                drop(stream);
                let _: Result<(), ErrorCode> = OutgoingBody::finish(body, None);
                None
            }
            Err(_) => None,
        }
    }

    fn write(&mut self) -> Result<bool, StreamError> {
        loop {
            let room = usize::try_from(self.stream.check_write()?).unwrap_or(usize::MAX);
            let rest = self.bytes.get(self.written..).unwrap_or_default();
            if room == 0 {
                return Ok(false);
            }
            if rest.is_empty() {
                if self.flushed {
                    return Ok(true);
                }
                self.stream.flush()?;
                self.flushed = true;
                continue;
            }
            let chunk = rest.get(..room).unwrap_or(rest);
            self.stream.write(chunk)?;
            self.written += chunk.len();
        }
    }
}
