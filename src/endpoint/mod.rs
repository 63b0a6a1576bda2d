//! The HTTP endpoint: converts HTTP requests to calls of the engine, and outcomes to HTTP
//! responses. It decides nothing about syncs.
//!
//! [`request`] decides what to do with a request, [`response`] builds the responses, and [`log`]
//! the lines of the log. These modules are pure: they compile and are tested without WASI.
//!
//! The other modules are the adapter for WASI 0.2. [`handler`] handles one request: [`incoming`]
//! reads it, [`request::decision`] decides, the host's driver carries out the decision, and
//! [`outgoing`] or [`stream`] sends the response. An adapter for another version of WASI replaces
//! these modules and shares the pure ones.
//!
//! `openapi.json` describes the HTTP API, and the endpoint serves it.

mod handler;
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
