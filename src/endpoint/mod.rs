//! The HTTP endpoint: HTTP to the engine and back. It decides nothing about syncs.
//!
//! [`handler`] handles one request: [`incoming`] reads it, [`request`] interprets it, the host's
//! driver carries it out, [`response`] builds the response, and [`outgoing`] or [`stream`] sends
//! it. [`request`] and [`response`] are pure. All other modules use WASI 0.2. An endpoint for
//! another version of WASI needs these modules again, and shares the pure ones.
//!
//! `openapi.json` describes the HTTP API, and the endpoint serves it.

mod handler;
mod hook;
mod incoming;
mod log;
mod outgoing;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod request;
mod response;
mod settings;
mod stderr;
mod stream;
