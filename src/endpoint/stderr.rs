//! The host's stderr of WASI 0.2, for panic messages, and for the log in the worlds of WASI 0.2.

use std::sync::Once;

/// Maximum number of bytes of one `blocking-write-and-flush` (wasi:io/streams).
const MAX_WRITE: usize = 4096;

/// Writes a text. Returns whether the host has accepted it.
pub(super) fn write(text: &[u8]) -> bool {
    let stderr = wasi::cli::stderr::get_stderr();
    text.chunks(MAX_WRITE)
        .all(|bytes| stderr.blocking_write_and_flush(bytes).is_ok())
}

/// Makes panics write a message. By default, a panic on this target ends the component without a
/// message.
///
/// The worlds of WASI 0.3 import the stderr of WASI 0.2 for these messages alone. A write to the
/// stderr of WASI 0.3 may have to be awaited, and a component that panics cannot wait.
pub(super) fn report_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("no message");
            let text = format!("hightouch-sync panicked at {place}: {message}\n");
            // There is no other place to report an error.
            let _: bool = write(text.as_bytes());
        }));
    });
}
