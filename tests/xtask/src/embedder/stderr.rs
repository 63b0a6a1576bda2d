//! Where a guest's standard error goes.

use std::fmt;
use std::io::Write as _;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::OutputStream as _;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// Where a guest's standard error goes, and what the host says of guests that failed.
#[derive(Clone, Debug, Default)]
pub enum Stderr {
    /// To this process's standard error.
    #[default]
    Inherit,
    /// Into a buffer.
    Captured(Captured),
}

impl Stderr {
    /// Gives it to a guest.
    pub(super) fn give_to(&self, wasi: &mut WasiCtxBuilder) {
        match self {
            Self::Inherit => wasi.stderr(std::io::stderr()),
            Self::Captured(captured) => wasi.stderr(captured.0.clone()),
        };
    }

    /// Writes a line of the host's own.
    pub(super) fn line(&self, line: &fmt::Arguments<'_>) {
        let line = format!("hightouch-sync host: {line}\n");
        match self {
            // Nowhere is left to say that standard error is closed.
            Self::Inherit => drop(std::io::stderr().write_all(line.as_bytes())),
            Self::Captured(captured) => drop(captured.0.clone().write(line.into())),
        }
    }
}

/// A buffer that holds what guests wrote to their standard error. Clones share it.
#[derive(Clone, Debug)]
pub struct Captured(MemoryOutputPipe);

impl Captured {
    /// An empty buffer.
    pub fn new() -> Self {
        Self(MemoryOutputPipe::new(usize::MAX))
    }

    /// All that was written so far.
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
