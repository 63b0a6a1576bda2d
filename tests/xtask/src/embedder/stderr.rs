//! The destination of a guest's stderr.

use std::fmt;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::OutputStream as _;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// The destination of a guest's stderr and of the host's messages about guests that failed.
#[derive(Clone, Debug, Default)]
pub enum Stderr {
    /// The stderr of this process.
    #[default]
    Inherit,
    /// A buffer.
    Captured(Captured),
    /// A function that is called with each line.
    Lines(Lines),
}

impl Stderr {
    /// Sets the stderr of a guest.
    pub(super) fn give_to(&self, wasi: &mut WasiCtxBuilder) {
        match self {
            Self::Inherit => wasi.stderr(std::io::stderr()),
            Self::Captured(captured) => wasi.stderr(captured.0.clone()),
            Self::Lines(lines) => wasi.stderr(lines.clone()),
        };
    }

    /// Writes a message of the host.
    pub(super) fn line(&self, line: &fmt::Arguments<'_>) {
        let line = format!("hightouch-sync host: {line}\n");
        match self {
            Self::Lines(lines) => (lines.0)(line.trim_end()),
            // Ignore an error here: there is no other place to report it.
            Self::Inherit => drop(std::io::stderr().write_all(line.as_bytes())),
            Self::Captured(captured) => drop(captured.0.clone().write(line.into())),
        }
    }
}

/// A buffer of the guests' stderr. Clones share it.
#[derive(Clone, Debug)]
pub struct Captured(MemoryOutputPipe);

impl Captured {
    /// Creates an empty buffer.
    pub fn new() -> Self {
        Self(MemoryOutputPipe::new(usize::MAX))
    }

    /// Returns everything written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.contents()).into_owned()
    }
}

impl Default for Captured {
    fn default() -> Self {
        Self::new()
    }
}

/// A function that is called with each line, without the line's end. Clones share it.
#[derive(Clone)]
pub struct Lines(Arc<dyn Fn(&str) + Send + Sync>);

impl Lines {
    /// Calls `each` with each line, as soon as the line is complete.
    pub fn new(each: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(each))
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Lines")
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LineStream {
            lines: self.clone(),
            incomplete: Vec::new(),
        })
    }
}

/// One stream of a guest. Each has its own incomplete line, so that the lines of guests that run at
/// the same time are not mixed.
struct LineStream {
    lines: Lines,
    incomplete: Vec<u8>,
}

impl LineStream {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.incomplete.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.incomplete);
        (self.lines.0)(String::from_utf8_lossy(&line).trim_end());
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for LineStream {
    fn drop(&mut self) {
        if !self.incomplete.is_empty() {
            self.end_line();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_of_different_streams_are_not_mixed() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let lines = Lines::new(move |line| kept.lock().unwrap().push(line.to_owned()));
        let stream = || LineStream {
            lines: lines.clone(),
            incomplete: Vec::new(),
        };
        let (mut one, mut other) = (stream(), stream());
        one.write(b"first ");
        other.write(b"a\nb");
        one.write(b"line\n");
        drop((one, other));
        Stderr::Lines(lines).line(&format_args!("of the host"));
        let expected = ["a", "first line", "b", "hightouch-sync host: of the host"];
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    #[test]
    fn clones_share_the_buffer() {
        let captured = Captured::new();
        Stderr::Captured(captured.clone()).line(&format_args!("first"));
        Stderr::Captured(captured.clone()).line(&format_args!("second"));
        assert_eq!(
            captured.text(),
            "hightouch-sync host: first\nhightouch-sync host: second\n"
        );
    }
}
