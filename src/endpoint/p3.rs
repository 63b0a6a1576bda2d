//! The adapter for WASI 0.3: the export `wasi:http/handler`.
//!
//! Callers share an instance, and their calls take turns whenever one of them waits. Here, the only
//! state that they share are the lines of the log that wait to be written, and the hook for panics.

mod incoming;
mod log_lines;
mod outgoing;

pub(super) use incoming::IncomingBody;
pub(super) use log_lines::write_log;
pub(super) use outgoing::{BodyStream, ResponseOutparam};

use core::future::poll_fn;
use core::task::Poll;

use wit_bindgen::spawn_local;

use super::{handler, stderr};
use crate::bindings::Component;
use crate::bindings::exports::wasi::http0_3_0::handler::Guest;
use crate::host::Clock;
use crate::host::p3::http_types::{ErrorCode, Request, Response};

impl Guest for Component {
    /// Returns the response as soon as there is one. The rest of the work, which includes writing
    /// the body of the response, is continued afterwards.
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        stderr::report_panics();
        let clock = Clock::start();
        let (to, response) = ResponseOutparam::new();
        let (request, body) = incoming::open(request, clock);
        let mut work = Box::pin(handler::handle(request, body, to, clock));
        let mut is_done = false;
        let response = poll_fn(|context| {
            is_done = work.as_mut().poll(context).is_ready();
            match response.take() {
                Some(response) => Poll::Ready(response),
                // Every request gets a response, so this does not happen.
                None if is_done => Poll::Ready(Err(ErrorCode::InternalError(None))),
                None => Poll::Pending,
            }
        })
        .await;
        if !is_done {
            spawn_local(work);
        }
        response
    }
}
