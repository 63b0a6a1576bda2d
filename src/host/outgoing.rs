//! Outgoing requests, independent of the version of WASI.

use crate::hightouch::{Method, Origin};

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
