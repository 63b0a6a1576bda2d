//! Reads the incoming request.

use crate::bindings::wit_future;
use crate::endpoint::handler::method_name;
use crate::endpoint::request;
use crate::endpoint::request::body::{BODY_TIMEOUT, BodyError, MAX_BODY};
use crate::host::Clock;
use crate::host::p3::body::{Body, BodyStatus};
use crate::host::p3::deadline::Deadline;
use crate::host::p3::http_types::Request;

/// A body that was not read.
pub(in crate::endpoint) struct IncomingBody {
    /// The request, until its body is read.
    incoming: Option<Request>,
    clock: Clock,
}

/// Returns the request without its body, and the body.
pub(super) fn open(incoming: Request, clock: Clock) -> (request::Request, IncomingBody) {
    let method = method_name(&incoming.get_method());
    let target = incoming.get_path_with_query();
    let headers = incoming.get_headers().copy_all();
    let body = IncomingBody {
        incoming: Some(incoming),
        clock,
    };
    (request::Request::new(method, target, headers), body)
}

impl IncomingBody {
    /// Reads the body. Call this once.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is too long, or does not arrive in time.
    pub(in crate::endpoint) async fn read(&mut self) -> Result<Vec<u8>, BodyError> {
        let incoming = self.incoming.take().ok_or(BodyError::Unreadable)?;
        let (processed, result) = wit_future::new(|| Ok(()));
        let body = Body::new(Request::consume_body(incoming, result), processed);
        let mut deadline = Deadline::new(self.clock, self.clock.now() + BODY_TIMEOUT);
        match body.read(MAX_BODY, &mut deadline).await {
            (bytes, BodyStatus::Complete) => Ok(bytes),
            (_, BodyStatus::CutOff) => Err(BodyError::CutOff),
            (_, BodyStatus::TooLong) => Err(BodyError::TooLarge),
            (_, BodyStatus::TimedOut) => Err(BodyError::TimedOut),
        }
    }
}
