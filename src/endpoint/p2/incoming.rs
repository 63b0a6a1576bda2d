//! Reads the incoming request.

use waki::bindings::wasi::http::types::IncomingRequest;
use waki::bindings::wasi::io::poll::poll;
use waki::bindings::wasi::io::streams::StreamError;

use crate::endpoint::handler::method_name;
use crate::endpoint::request::Request;
use crate::endpoint::request::body::{BODY_TIMEOUT, BodyError, MAX_BODY};
use crate::host::Clock;
use crate::host::p2::timer;

/// A body that was not read.
pub(in crate::endpoint) struct IncomingBody {
    incoming: IncomingRequest,
    clock: Clock,
}

/// Returns the request without its body, and the body.
pub(super) fn open(incoming: IncomingRequest, clock: Clock) -> (Request, IncomingBody) {
    let method = method_name(&incoming.method());
    let target = incoming.path_with_query();
    let headers = incoming.headers().entries();
    let request = Request::new(method, target, headers);
    (request, IncomingBody { incoming, clock })
}

impl IncomingBody {
    /// Reads the body. Call this once.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is too long, or does not arrive in time.
    pub(in crate::endpoint) async fn read(&mut self) -> Result<Vec<u8>, BodyError> {
        let body = self
            .incoming
            .consume()
            .map_err(|()| BodyError::Unreadable)?;
        let stream = body.stream().map_err(|()| BodyError::Unreadable)?;
        let ready = stream.subscribe();
        let timeout = timer(self.clock, self.clock.now() + BODY_TIMEOUT);
        let mut bytes = Vec::new();
        loop {
            match stream.read(MAX_BODY as u64) {
                Ok(chunk) if chunk.is_empty() => {
                    poll(&[&ready, &timeout]);
                    if timeout.ready() && !ready.ready() {
                        return Err(BodyError::TimedOut);
                    }
                }
                Ok(chunk) if bytes.len() + chunk.len() > MAX_BODY => {
                    return Err(BodyError::TooLarge);
                }
                Ok(chunk) => bytes.extend(chunk),
                Err(StreamError::Closed) => return Ok(bytes),
                Err(StreamError::LastOperationFailed(_)) => return Err(BodyError::CutOff),
            }
        }
    }
}
