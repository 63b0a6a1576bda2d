//! The destination of a guest's stderr.

use std::fmt;
use std::io::Write as _;

use wasmtime_wasi::WasiCtxBuilder;
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
}

impl Stderr {
    /// Sets the stderr of a guest.
    pub(super) fn give_to(&self, wasi: &mut WasiCtxBuilder) {
        match self {
            Self::Inherit => wasi.stderr(std::io::stderr()),
            Self::Captured(captured) => wasi.stderr(captured.0.clone()),
        };
    }

    /// Writes a message of the host.
    pub(super) fn line(&self, line: &fmt::Arguments<'_>) {
        let line = format!("hightouch-sync host: {line}\n");
        match self {
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

#[cfg(test)]
mod tests {
    use super::*;

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
