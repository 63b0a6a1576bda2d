//! Received requests, for inspection by tests.

use std::time::Duration;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::http::request::Parts;

use super::mishap::Mishap;
use super::request::Request;

/// A received request. It does not contain the API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Time since the server started, in whole milliseconds.
    pub at: Duration,
    /// The account of its key: 1 or 2, or `None` if the key is wrong or missing.
    pub account: Option<u32>,
    /// The index of its key in [`Options::further_keys`](super::Options::further_keys).
    pub further_key: Option<usize>,
    /// The method, such as `GET` or `POST`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The raw query without its question mark, or `None` if there was no question mark.
    pub query: Option<String>,
    /// All headers except `Authorization`, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body. Invalid UTF-8 is replaced.
    pub body: String,
    /// The random mishap or the rate limiting that affected it.
    pub mishap: Option<Mishap>,
}

impl Recorded {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Parses a request, and returns it for handling and for inspection. The caller fills in the time,
/// account and mishap.
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
        further_key: None,
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
