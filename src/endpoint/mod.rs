//! The HTTP endpoint: converts HTTP requests to calls of the engine, and outcomes to HTTP
//! responses. It decides nothing about syncs.
//!
//! [`request`] decides what to do with a request, [`response`] builds the responses, and [`log`]
//! the lines of the log. These modules are pure: they compile and are tested without WASI.
//!
//! [`reporting`] builds the messages about runs to other systems.
//!
//! The other modules are the adapter for WASI 0.2. [`handler`] handles one request: [`incoming`]
//! reads it, [`request::decision`] decides, [`session`] carries out the decision with the host's
//! driver, and [`outgoing`] or [`stream`] sends the response. [`courier`] sends the messages about
//! runs, during the session and after the response. An adapter for another version of WASI replaces
//! these modules and shares the pure ones.
//!
//! `openapi.json` describes the HTTP API, and the endpoint serves it.

mod courier;
mod handler;
mod incoming;
mod log;
mod outgoing;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod reporting;
mod request;
mod response;
mod session;
mod settings;
mod stderr;
mod stream;
