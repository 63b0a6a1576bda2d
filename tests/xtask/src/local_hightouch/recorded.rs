//! What arrived, for tests to look at.

use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::http::request::Parts;

use super::mishap::Mishap;
use super::request::Request;

/// A request that arrived. The key it came with is in none of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When, since the server started, in whole milliseconds.
    pub at: Duration,
    /// The account that its key belongs to: 1 or 2, or `None` for a wrong key or none.
    pub account: Option<u32>,
    /// `GET`, `POST` …
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query as it was written, without its question mark; `None` if there was no question mark.
    pub query: Option<String>,
    /// All headers but `Authorization`, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; what is not UTF-8 is replaced.
    pub body: String,
    /// What went wrong with it by chance or by the rate limit.
    pub mishap: Option<Mishap>,
}

impl Recorded {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A request to carry out, and the same to look at later. Its time, account and mishap are not known here.
pub(super) fn read(head: &Parts, body: &[u8]) -> (Request, Recorded) {
    let body = String::from_utf8_lossy(body).into_owned();
    let request = Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: header(&head.headers, &AUTHORIZATION),
        content_type: header(&head.headers, &CONTENT_TYPE),
        body: body.clone(),
    };
    let recorded = Recorded {
        at: Duration::ZERO,
        account: None,
        method: request.method.clone(),
        path: request.path.clone(),
        query: head.uri.query().map(str::to_owned),
        headers: head
            .headers
            .iter()
            .filter(|(name, _)| *name != AUTHORIZATION)
            .map(|(name, value)| (name.to_string(), lossy(value.as_bytes())))
            .collect(),
        body,
        mishap: None,
    };
    (request, recorded)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| lossy(value.as_bytes()))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
