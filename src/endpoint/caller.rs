//! The request, as the caller sent it.

use core::time::Duration;

use wasi::http::types::{Headers, IncomingRequest, Method};
use wasi::io::poll::poll;
use wasi::io::streams::StreamError;

use super::again;
use super::problem::Problem;
use super::target::Target;
use super::trace::trace;
use crate::hightouch::text::{cut, parts};
use crate::host::Clock;

/// The most of a body that is read, in bytes.
const MOST: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The request. Children stand before parents: they must be dropped first.
pub(super) struct Caller {
    pub(super) target: Target,
    headers: Headers,
    request: IncomingRequest,
    clock: Clock,
}

impl Caller {
    pub(super) fn new(request: IncomingRequest, clock: Clock) -> Self {
        let target = Target::new(request.path_with_query().unwrap_or_default());
        Self {
            target,
            headers: request.headers(),
            request,
            clock,
        }
    }

    pub(super) fn method(&self) -> String {
        match self.request.method() {
            Method::Get => "GET".into(),
            Method::Head => "HEAD".into(),
            Method::Post => "POST".into(),
            // Nothing here takes these, so that their names do not matter.
            _ => String::new(),
        }
    }

    /// The values of a header that are text.
    pub(super) fn header(&self, name: &str) -> Vec<String> {
        self.headers
            .get(&name.into())
            .into_iter()
            .filter_map(|value| String::from_utf8(value).ok())
            .collect()
    }

    /// The one value of `Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        let mut values = self.header("authorization");
        let value = values.pop()?;
        values.is_empty().then_some(value)
    }

    /// The one bearer token that the caller shows.
    pub(super) fn bearer(&self) -> Option<String> {
        let value = self.authorization()?;
        let (scheme, token) = cut(value.trim_ascii(), b' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim_ascii().into())
    }

    /// Whether the caller wants to follow the run by events: asks for them by name, and for a body at all.
    pub(super) fn wants_events(&self) -> bool {
        let media_type = "text/event-stream";
        let asked_for = |range: &str| {
            let mut parts = parts(range, b';').map(str::trim_ascii);
            let named = parts
                .next()
                .is_some_and(|range| range.eq_ignore_ascii_case(media_type));
            // A weight of nothing means: not this.
            named
                && !parts
                    .any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        };
        let asks = self
            .header("accept")
            .iter()
            .any(|value| parts(value, b',').any(asked_for));
        asks && !matches!(self.request.method(), Method::Head)
    }

    /// The caller's trace, to go on with the calls to Hightouch.
    pub(super) fn trace(&self) -> Vec<(&'static str, String)> {
        trace(&self.header("traceparent"), &self.header("tracestate"))
    }

    /// The path at which a proxy serves this endpoint; empty where none is named.
    pub(super) fn prefix(&self) -> String {
        again::prefix(&self.header("x-forwarded-prefix")).into()
    }

    /// The body, which has to be JSON. Called once.
    pub(super) fn body(&self) -> Result<Vec<u8>, Problem> {
        let bytes = self.body_of_any_type()?;
        if !bytes.is_empty() && !self.says_json() {
            return Err(Problem::not_json());
        }
        Ok(bytes)
    }

    /// The body, up to what is read of one. Called once.
    pub(super) fn body_of_any_type(&self) -> Result<Vec<u8>, Problem> {
        let taken = |()| Problem::invalid("the body could not be read");
        let body = self.request.consume().map_err(taken)?;
        let stream = body.stream().map_err(taken)?;
        let ready = stream.subscribe();
        let late = self.clock.wake_at(self.clock.now() + BODY_TIMEOUT);
        let mut bytes = Vec::new();
        loop {
            match stream.read(MOST as u64) {
                Ok(chunk) if chunk.is_empty() => {
                    poll(&[&ready, &late]);
                    if late.ready() && !ready.ready() {
                        return Err(Problem::invalid("the body did not arrive within 10 s"));
                    }
                }
                Ok(chunk) if bytes.len() + chunk.len() > MOST => {
                    return Err(Problem::body_too_large(MOST));
                }
                Ok(chunk) => bytes.extend(chunk),
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(_)) => {
                    return Err(Problem::invalid("the body was cut off"));
                }
            }
        }
        Ok(bytes)
    }

    /// Whether the body's type is JSON, or not said.
    fn says_json(&self) -> bool {
        self.header("content-type").iter().all(|value| {
            let essence = parts(value, b';').next().unwrap_or_default().trim_ascii();
            essence.eq_ignore_ascii_case("application/json")
        })
    }
}
