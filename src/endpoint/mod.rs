//! The HTTP endpoint: converts HTTP requests to calls of the engine, and outcomes to HTTP
//! responses. It decides nothing about syncs.
//!
//! [`request`] decides what to do with a request, [`response`] builds the responses, and [`log`]
//! the lines of the log. These modules are pure: they compile and are tested without WASI.
//!
//! [`reporting`] builds the messages about runs to other systems.
//!
//! [`handler`] handles one request: the adapter reads it, [`request::decision`] decides,
//! [`session`] carries out the decision with the host's driver, and the adapter or [`stream`] sends
//! the response. [`courier`] sends the messages about runs, during the session and after the
//! response. These modules are async, and use one of two adapters: `p2` for WASI 0.2, whose waits
//! block, or `p3` for WASI 0.3. Both adapters have the same items.
//!
//! `openapi.json` describes the HTTP API, and the endpoint serves it.

mod courier;
mod handler;
mod log;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod reporting;
mod request;
mod response;
mod session;
mod settings;
mod stderr;
mod stream;

cfg_select! {
    feature = "async" => {
        mod p3;
        use p3 as adapter;
    }
    _ => {
        mod p2;
        use p2 as adapter;
    }
}
