//! Reads the incoming request.

use core::time::Duration;

use waki::bindings::wasi::http::types::{IncomingRequest, Method};
use waki::bindings::wasi::io::poll::poll;
use waki::bindings::wasi::io::streams::StreamError;

use super::request::Request;
use super::request::target::Target;
use super::response::problem::Problem;
use crate::host::Clock;

/// Maximum length of a body, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Maximum time until the body has arrived.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

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

    /// Reads the body, which has to be JSON. Call this once.
    ///
    /// # Errors
    ///
    /// Returns a problem if the body has another type, is too long, or does not arrive in time.
    pub(super) fn json_body(&self) -> Result<Vec<u8>, Problem> {
        let body = self.body()?;
        if body.is_empty() || self.request.has_json_body() {
            Ok(body)
        } else {
            Err(Problem::not_json())
        }
    }

    /// Reads the body. Call this once.
    ///
    /// # Errors
    ///
    /// Returns a problem if the body is too long, or does not arrive in time.
    pub(super) fn body(&self) -> Result<Vec<u8>, Problem> {
        let unreadable = |()| Problem::invalid("the body could not be read");
        let body = self.incoming.consume().map_err(unreadable)?;
        let stream = body.stream().map_err(unreadable)?;
        let ready = stream.subscribe();
        let timeout = self.clock.wake_at(self.clock.now() + BODY_TIMEOUT);
        let mut bytes = Vec::new();
        loop {
            match stream.read(MAX_BODY as u64) {
                Ok(chunk) if chunk.is_empty() => {
                    poll(&[&ready, &timeout]);
                    if timeout.ready() && !ready.ready() {
                        return Err(Problem::invalid("the body did not arrive within 10 s"));
                    }
                }
                Ok(chunk) if bytes.len() + chunk.len() > MAX_BODY => {
                    return Err(Problem::body_too_large(MAX_BODY));
                }
                Ok(chunk) => bytes.extend(chunk),
                Err(StreamError::Closed) => return Ok(bytes),
                Err(StreamError::LastOperationFailed(_)) => {
                    return Err(Problem::invalid("the body was cut off"));
                }
            }
        }
    }
}
