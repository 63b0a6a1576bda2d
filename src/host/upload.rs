//! A request's body on its way out, while the answer is watched.

use wasi::http::types::{ErrorCode, OutgoingBody};
use wasi::io::poll::Pollable;
use wasi::io::streams::{OutputStream, StreamError};

/// A body that is being written. Children stand before parents: they must be dropped first.
pub(super) struct Upload {
    ready: Pollable,
    stream: OutputStream,
    body: OutgoingBody,
    bytes: Vec<u8>,
    written: usize,
    flushed: bool,
}

impl Upload {
    /// Begins to write, if there is anything to write; whatever fails here shows in the answer.
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

    /// What to wait for.
    pub(super) fn pollable(&self) -> &Pollable {
        &self.ready
    }

    /// Writes what can be written now. None when it is over: all is written, or the peer takes no more, of which the answer tells why.
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
