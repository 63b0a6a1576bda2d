//! Writes the lines of the log to stderr, which is a stream in WASI 0.3.
//!
//! Several callers write lines at once. Their lines wait in one queue, and one caller at a time
//! writes them, each line as a whole. So the lines keep their order, and no line is inside another.

use core::cell::RefCell;
use std::collections::VecDeque;

use wit_bindgen::spawn_local;

use crate::bindings::wasi::cli0_3_0::stderr::write_via_stream;
use crate::bindings::wit_stream;
use crate::endpoint::response::chunked_buffer::ChunkedBuffer;

/// Maximum number of bytes of the lines that wait. Lines above it are dropped: a host that accepts
/// no lines must not fill the memory that all callers share.
const MAX_WAITING: usize = 256 * 1024;

thread_local! {
    static LINES: RefCell<Lines> = const { RefCell::new(Lines::new()) };
}

/// The lines that wait to be written.
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    is_being_written: bool,
}

impl Lines {
    const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            is_being_written: false,
        }
    }

    /// Appends a line, unless too many bytes wait. Returns whether the caller has to write the
    /// lines, because nobody writes them.
    fn push(&mut self, line: Vec<u8>) -> bool {
        let waiting: usize = self.waiting.iter().map(Vec::len).sum();
        if waiting + line.len() > MAX_WAITING {
            return false;
        }
        self.waiting.push_back(line);
        !core::mem::replace(&mut self.is_being_written, true)
    }
}

/// The right to write the lines. There is one at a time. If its call ends early, the next line gives
/// it to another call.
struct Writing;

impl Writing {
    /// Returns the next line; `None` if no line waits.
    fn next(&self) -> Option<Vec<u8>> {
        LINES.with_borrow_mut(|lines| lines.waiting.pop_front())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        LINES.with_borrow_mut(|lines| lines.is_being_written = false);
    }
}

/// Writes a line of the log, after the lines before it. Returns at once.
pub(in crate::endpoint) fn write_log(line: ChunkedBuffer) {
    let line = line.into_bytes();
    if LINES.with_borrow_mut(|lines| lines.push(line)) {
        let writing = Writing;
        spawn_local(async move {
            let (mut writer, lines) = wit_stream::new();
            // The result says no more than the end of a write.
            drop(write_via_stream(lines));
            while let Some(line) = writing.next() {
                // A line that the host does not accept is lost, because there is no other place to
                // report it.
                writer.write_all(line).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_at_a_time_writes_the_lines() {
        let mut lines = Lines::new();
        assert!(lines.push(b"first\n".into()), "nobody writes");
        assert!(!lines.push(b"second\n".into()), "the first caller writes");
        lines.is_being_written = false;
        assert!(lines.push(b"third\n".into()), "its call has ended early");
        let order: Vec<&[u8]> = lines.waiting.iter().map(Vec::as_slice).collect();
        assert_eq!(order, [&b"first\n"[..], b"second\n", b"third\n"]);
    }

    #[test]
    fn lines_that_nobody_accepts_take_a_limited_amount_of_memory() {
        let mut lines = Lines::new();
        for _ in 0..1000 {
            lines.push(vec![b'x'; 1024]);
        }
        assert_eq!(lines.waiting.len(), MAX_WAITING / 1024);
    }
}
