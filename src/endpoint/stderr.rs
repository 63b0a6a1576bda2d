//! The host's stderr, for the log and for panic messages.

use std::sync::Once;

use super::response::chunked_buffer::ChunkedBuffer;

/// Maximum number of bytes of one `blocking-write-and-flush` (wasi:io/streams).
const MAX_WRITE: usize = 4096;

/// Writes a text. An error is ignored, because there is no other place to report it.
pub(super) fn write(mut text: ChunkedBuffer) {
    let stderr = wasi::cli::stderr::get_stderr();
    while let Some(chunk) = text.first() {
        for bytes in chunk.chunks(MAX_WRITE) {
            if stderr.blocking_write_and_flush(bytes).is_err() {
                return;
            }
        }
        text.drop_first();
    }
}

/// Makes panics write a message. By default, a panic on this target ends the component without a
/// message.
pub(super) fn report_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("no message");
            write(ChunkedBuffer::of(format!(
                "hightouch-sync panicked at {place}: {message}\n"
            )));
        }));
    });
}
