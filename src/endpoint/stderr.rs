//! The host's stderr, where the log and a panic's last words go.

use std::sync::Once;

use super::chunked_buffer::ChunkedBuffer;

/// Writes a text; nobody is left to be told where that fails.
pub(super) fn write(mut text: ChunkedBuffer) {
    let stderr = wasi::cli::stderr::get_stderr();
    while let Some(piece) = text.first() {
        // The most that one call may be given.
        for chunk in piece.chunks(4096) {
            if stderr.blocking_write_and_flush(chunk).is_err() {
                return;
            }
        }
        text.drop_first();
    }
}

/// Lets a panic be written: without that, on this target, it ends without a word.
pub(super) fn report_panics() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("no message");
            write(ChunkedBuffer::of(format!(
                "hightouch-sync panicked at {place}: {message}\n"
            )));
        }));
    });
}
