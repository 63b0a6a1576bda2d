//! A long text that needs no room of its length in one piece.

use std::collections::VecDeque;

/// A text in pieces: what is long fits into whatever memory there is, and goes back to it as it is sent.
#[derive(Debug, Default)]
pub(super) struct ChunkedBuffer(VecDeque<Vec<u8>>);

impl ChunkedBuffer {
    /// How long a piece may become, in bytes.
    const MOST: usize = 64 * 1024;

    pub(super) fn of(text: impl Into<Vec<u8>>) -> Self {
        Self(VecDeque::from([text.into()]))
    }

    /// Adds a text to the end.
    pub(super) fn push(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let room = |piece: &Vec<u8>| Self::MOST.saturating_sub(piece.len());
            if self.0.back().is_none_or(|last| room(last) == 0) {
                self.0.push_back(Vec::new());
            }
            let Some(last) = self.0.back_mut() else {
                return;
            };
            let (taken, left) = rest.split_at_checked(room(last)).unwrap_or((rest, &[]));
            last.extend_from_slice(taken);
            rest = left;
        }
    }

    /// Adds the pieces of another to the end.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The first of what is left.
    pub(super) fn first(&self) -> Option<&[u8]> {
        self.0.front().map(Vec::as_slice)
    }

    /// Gives the first back to the memory.
    pub(super) fn drop_first(&mut self) {
        self.0.pop_front();
    }

    /// How long it is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it in one.
    #[cfg(any(test, fuzzing))]
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.0.into_iter().flatten().collect()).unwrap_or_default()
    }
}
