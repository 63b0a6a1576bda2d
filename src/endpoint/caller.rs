//! The request, as the caller sent it.

use core::time::Duration;

use waki::bindings::wasi::http::types::{Headers, IncomingRequest, Method};
use waki::bindings::wasi::io::poll::poll;
use waki::bindings::wasi::io::streams::StreamError;

use super::problem::Problem;
use crate::hightouch::ApiKey;
use crate::host::Clock;

/// The most of a body that is read, in bytes.
const MOST: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The request. Children stand before parents: they must be dropped first.
pub(super) struct Caller {
    headers: Headers,
    request: IncomingRequest,
    clock: Clock,
}

impl Caller {
    pub(super) fn new(request: IncomingRequest, clock: Clock) -> Self {
        Self { headers: request.headers(), request, clock }
    }

    pub(super) fn method(&self) -> String {
        match self.request.method() {
            Method::Get => "GET".into(),
            Method::Head => "HEAD".into(),
            Method::Post => "POST".into(),
            Method::Other(other) => other,
            other => format!("{other:?}"),
        }
    }

    pub(super) fn path(&self) -> String {
        let target = self.request.path_with_query().unwrap_or_default();
        target.split_once('?').map_or(target.as_str(), |(path, _)| path).into()
    }

    /// The values of a header that are text.
    pub(super) fn header(&self, name: &str) -> Vec<String> {
        self.headers.get(&name.into()).into_iter().filter_map(|value| String::from_utf8(value).ok()).collect()
    }

    /// A truth value in the query; false where it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        let target = self.request.path_with_query().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let value =
            query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).find(|(key, _)| *key == name);
        match value {
            None | Some((_, "false")) => Ok(false),
            Some((_, "true")) => Ok(true),
            Some(_) => Err(Problem::invalid(format!("the query's `{name}` must be true or false"))),
        }
    }

    /// The Hightouch key that the caller brought along.
    pub(super) fn key(&self) -> Result<ApiKey, Problem> {
        let values = self.header("authorization");
        let [value] = values.as_slice() else { return Err(Problem::unauthenticated()) };
        match value.trim().split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
                ApiKey::new(key.trim()).map_err(|_| Problem::unauthenticated())
            }
            _ => Err(Problem::unauthenticated()),
        }
    }

    /// The body, up to what is read of one. Called once.
    pub(super) fn body(&self) -> Result<Vec<u8>, Problem> {
        let taken = |()| Problem::invalid("the body could not be read");
        let body = self.request.consume().map_err(taken)?;
        let stream = body.stream().map_err(taken)?;
        let ready = stream.subscribe();
        let late = self.clock.wake_at(self.clock.now().plus(BODY_TIMEOUT));
        let mut bytes = Vec::new();
        loop {
            match stream.read(MOST as u64) {
                Ok(chunk) if chunk.is_empty() => {
                    poll(&[&ready, &late]);
                    if late.ready() && !ready.ready() {
                        return Err(Problem::invalid("the body did not arrive within 10 s"));
                    }
                }
                Ok(chunk) if bytes.len() + chunk.len() > MOST => return Err(Problem::body_too_large(MOST)),
                Ok(chunk) => bytes.extend(chunk),
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(_)) => return Err(Problem::invalid("the body was cut off")),
            }
        }
        if !bytes.is_empty() && !self.says_json() {
            return Err(Problem::not_json());
        }
        Ok(bytes)
    }

    /// Whether the body's type is JSON, or not said.
    fn says_json(&self) -> bool {
        self.header("content-type").iter().all(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/json")
        })
    }
}
