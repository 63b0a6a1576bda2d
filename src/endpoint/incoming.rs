//! Reads the incoming request.

use waki::bindings::wasi::http::types::{IncomingRequest, Method};
use waki::bindings::wasi::io::poll::poll;
use waki::bindings::wasi::io::streams::StreamError;

use super::request::Request;
use super::request::body::{BODY_TIMEOUT, BodyError, MAX_BODY};
use super::request::target::Target;
use crate::host::Clock;

/// An incoming request, whose body has not been read.
pub(super) struct Incoming {
    pub(super) request: Request,
    incoming: IncomingRequest,
    clock: Clock,
}

impl Incoming {
    pub(super) fn new(incoming: IncomingRequest, clock: Clock) -> Self {
        let method = match incoming.method() {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            _ => "",
        };
        let headers = incoming
            .headers()
            .entries()
            .into_iter()
            .filter_map(|(name, value)| Some((name, String::from_utf8(value).ok()?)))
            .collect();
        Self {
            request: Request {
                method,
                target: Target::new(incoming.path_with_query().unwrap_or_default()),
                headers,
            },
            incoming,
            clock,
        }
    }

    /// Reads the body. Call this once.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is too long, or does not arrive in time.
    pub(super) fn body(&self) -> Result<Vec<u8>, BodyError> {
        let body = self
            .incoming
            .consume()
            .map_err(|()| BodyError::Unreadable)?;
        let stream = body.stream().map_err(|()| BodyError::Unreadable)?;
        let ready = stream.subscribe();
        let timeout = self.clock.wake_at(self.clock.now() + BODY_TIMEOUT);
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
