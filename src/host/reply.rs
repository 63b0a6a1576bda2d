//! The parts of a reply that do not depend on the version of WASI.

use core::time::Duration;

use super::transport_error::lost;
use crate::engine::{Event, TransportError, TransportErrorKind};
use crate::hightouch::Response;

/// Returns a response with this status and without a body. `values` returns the values of a header.
///
/// # Errors
///
/// Returns an error if the status is informational. Such a response is never the final one.
pub(super) fn head(
    status: u16,
    values: impl Fn(&str) -> Vec<Vec<u8>>,
) -> Result<Response, TransportError> {
    if status < 200 {
        return Err(lost(format!(
            "an informational status ({status}) instead of a final response"
        )));
    }
    let mut response = Response::new(status, "");
    for name in Response::HEADERS {
        for value in values(name) {
            response.record_header(name, &value);
        }
    }
    Ok(response)
}

/// Returns the reply to a request whose response has not begun within this time.
pub(super) fn timed_out(waited: Duration) -> Event {
    let text = format!(
        "no response arrived within {}.{} s",
        waited.as_secs(),
        waited.subsec_millis() / 100
    );
    Event::TransportError(TransportError {
        kind: TransportErrorKind::TimedOut,
        text,
    })
}
