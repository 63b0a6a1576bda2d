//! Interprets a request and decides what to do with it. Nothing here uses WASI.

pub(super) mod access;
pub(super) mod account;
pub(super) mod allowed;
pub(super) mod body;
pub(super) mod dbt;
pub(super) mod decision;
mod fields;
pub(super) mod prefer;
pub(super) mod route;
pub(super) mod target;
mod trace;
pub(super) mod warnings;

use prefer::Prefer;
use target::Target;

use super::response::location;

/// A request, without its body.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The method; empty if no path of this endpoint allows it.
    pub(super) method: &'static str,
    pub(super) target: Target,
    /// The headers whose values are text.
    pub(super) headers: Vec<(String, String)>,
}

impl Request {
    /// Returns the request with these parts. Headers whose values are not text are left out.
    pub(super) fn new(
        method: &'static str,
        target: Option<String>,
        headers: Vec<(String, Vec<u8>)>,
    ) -> Self {
        let headers = headers.into_iter();
        Self {
            method,
            target: Target::new(target.unwrap_or_default()),
            headers: headers
                .filter_map(|(name, value)| Some((name, String::from_utf8(value).ok()?)))
                .collect(),
        }
    }

    /// Returns the values of a header.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns the value of `Authorization`, if there is exactly one.
    pub(super) fn authorization(&self) -> Option<&str> {
        let mut values = self.values("authorization");
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Returns the bearer token, if there is exactly one.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.authorization()?.trim_ascii().split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim_ascii())
    }

    /// Returns whether `Accept` names server-sent events, and the response has a body.
    pub(super) fn wants_events(&self) -> bool {
        let names_events = |range: &str| {
            let mut parts = range.split(';').map(str::trim_ascii);
            let is_named = parts
                .next()
                .is_some_and(|range| range.eq_ignore_ascii_case("text/event-stream"));
            // A weight of 0 means "not acceptable" (RFC 9110, section 12.4.2).
            let is_excluded =
                parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            is_named && !is_excluded
        };
        let mut ranges = self.values("accept").flat_map(|value| value.split(','));
        ranges.any(names_events) && self.method != "HEAD"
    }

    /// Returns whether the body is JSON, or its type is not given.
    pub(super) fn has_json_body(&self) -> bool {
        self.values("content-type").all(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence
                .trim_ascii()
                .eq_ignore_ascii_case("application/json")
        })
    }

    /// Returns how long the caller prefers to wait.
    pub(super) fn prefer(&self) -> Prefer {
        Prefer::read(self.values("prefer"))
    }

    /// Returns the trace headers to send with each request to Hightouch.
    pub(super) fn trace(&self) -> Vec<(&'static str, String)> {
        trace::trace(self.values("traceparent"), self.values("tracestate"))
    }

    /// Returns the path at which a proxy serves this endpoint; empty if there is none.
    pub(super) fn prefix(&self) -> &str {
        location::prefix(self.values("x-forwarded-prefix"))
    }
}
