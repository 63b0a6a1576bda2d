//! Outgoing requests, independent of the version of WASI.

use super::adapter::http_types;
use crate::engine::{TransportError, TransportErrorKind};
use crate::hightouch::{Method, Origin, Scheme};

/// A request to Hightouch or to another server.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) origin: &'a Origin,
    /// The path and the query.
    pub(crate) target: String,
    /// The headers that depend on the server.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body, which is JSON or empty.
    pub(crate) body: Vec<u8>,
    /// Whether the body of the response is read. If it is not, the response is complete with its
    /// head.
    pub(crate) reads_body: bool,
}

impl Outgoing<'_> {
    /// Returns all headers.
    pub(super) fn all_headers(&self) -> Vec<(String, Vec<u8>)> {
        let length = (self.method == Method::Post).then(|| self.body.len().to_string());
        let is_json = !self.body.is_empty();
        let agent = concat!("hightouch-sync/", env!("CARGO_PKG_VERSION"));
        let given = self.headers.iter();
        given
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("user-agent", agent)])
            .chain(length.as_deref().map(|length| ("content-length", length)))
            .chain(is_json.then_some(("content-type", "application/json")))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }
}

/// Returns a method as wasi:http has it.
pub(super) fn wasi_method(method: Method) -> http_types::Method {
    match method {
        Method::Get => http_types::Method::Get,
        Method::Post => http_types::Method::Post,
    }
}

/// Returns the scheme of an origin as wasi:http has it.
pub(super) fn wasi_scheme(origin: &Origin) -> http_types::Scheme {
    match origin.scheme() {
        Scheme::Http => http_types::Scheme::Http,
        Scheme::Https => http_types::Scheme::Https,
    }
}

/// Returns the error of a request that the host rejected before anything was sent.
///
/// The origin, the path and the headers were validated when they were read, so no host rejects
/// them.
pub(super) fn rejected() -> TransportError {
    TransportError {
        kind: TransportErrorKind::NotSent,
        text: "the host rejected the request".into(),
    }
}
