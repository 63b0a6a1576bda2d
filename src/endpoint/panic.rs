//! The last words of a component that traps.

use std::sync::Once;

/// Lets a panic be written to the host's stderr: without that, on this target, it ends without a word.
pub(super) fn report_to_stderr() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("no message");
            let line = format!("hightouch-sync panicked at {place}: {message}\n");
            let stderr = wasi::cli::stderr::get_stderr();
            for chunk in line.as_bytes().chunks(4096) {
                if stderr.blocking_write_and_flush(chunk).is_err() {
                    return;
                }
            }
        }));
    });
}
