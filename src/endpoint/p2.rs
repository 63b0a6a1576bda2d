//! The adapter for WASI 0.2: the export `wasi:http/incoming-handler`.

mod incoming;
mod outgoing;

pub(super) use incoming::IncomingBody;
pub(super) use outgoing::BodyStream;
pub(super) use waki::bindings::wasi::http::types::ResponseOutparam;

use waki::bindings::wasi::http::types::IncomingRequest;

use super::response::chunked_buffer::ChunkedBuffer;
use super::{handler, stderr};
use crate::bindings::Component;
use crate::bindings::exports::wasi::http0_2_2::incoming_handler::Guest;
use crate::host::Clock;
use crate::host::p2::block_on;

impl Guest for Component {
    fn handle(request: IncomingRequest, to: ResponseOutparam) {
        stderr::report_panics();
        let clock = Clock::start();
        let (request, body) = incoming::open(request, clock);
        block_on(handler::handle(request, body, to, clock));
    }
}

/// Writes a line of the log. An error is ignored, because there is no other place to report it.
pub(super) fn write_log(mut line: ChunkedBuffer) {
    while let Some(chunk) = line.take_first() {
        if !stderr::write(&chunk) {
            return;
        }
    }
}
