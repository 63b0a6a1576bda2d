//! A long text in chunks.

use std::collections::VecDeque;
use std::io;

use serde::Serialize;

/// A text in chunks. A long text fits into fragmented memory, and its chunks are freed as they are
/// sent.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct ChunkedBuffer(VecDeque<Vec<u8>>);

impl ChunkedBuffer {
    /// Maximum length of a chunk, in bytes.
    const MAX_CHUNK: usize = 64 * 1024;

    pub(in crate::endpoint) fn of(text: impl Into<Vec<u8>>) -> Self {
        Self(VecDeque::from([text.into()]))
    }

    /// Returns a value as JSON.
    pub(in crate::endpoint) fn json(value: &impl Serialize) -> Self {
        let mut buffer = Self::default();
        buffer.push_json(value);
        buffer
    }

    /// Appends a value as JSON.
    pub(in crate::endpoint) fn push_json(&mut self, value: &impl Serialize) {
        // Writing to memory does not fail, and every value here can be serialized.
        let _: serde_json::Result<()> = serde_json::to_writer(self, value);
    }

    /// Appends a text.
    pub(in crate::endpoint) fn push(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            let chunk = match self.0.back_mut() {
                Some(last) if last.len() < Self::MAX_CHUNK => last,
                _ => self.0.push_back_mut(Vec::new()),
            };
            let room = Self::MAX_CHUNK - chunk.len();
            let (taken, left) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            chunk.extend_from_slice(taken);
            rest = left;
        }
    }

    /// Appends the chunks of another text.
    pub(in crate::endpoint) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Returns the whole text.
    pub(in crate::endpoint) fn into_bytes(self) -> Vec<u8> {
        Vec::from(self.0).concat()
    }

    /// Removes the first chunk.
    pub(in crate::endpoint) fn take_first(&mut self) -> Option<Vec<u8>> {
        self.0.pop_front()
    }

    /// Returns the length in bytes.
    pub(in crate::endpoint) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

impl io::Write for ChunkedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
