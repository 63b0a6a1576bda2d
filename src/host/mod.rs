//! Carries out what the engine asks for, over wasi:http and wasi:clocks.
//!
//! [`Driver`] drives a batch with either version of WASI. A feature selects the adapter: `p2` for
//! WASI 0.2, which blocks while it waits, or `p3` for WASI 0.3, which is async. Both have the same
//! items, and all code outside of them is written once, as async code.
//!
//! This component does not set the host's timeouts and does not rely on them, because a host may
//! apply one timeout as another (see [`transport_error`]).

mod clock;
mod connection;
mod driver;
pub(crate) mod outgoing;
mod reply;
mod transport_error;
pub(crate) mod waits;

cfg_select! {
    feature = "async" => {
        pub(crate) mod p3;
        pub(crate) use p3 as adapter;
    }
    _ => {
        pub(crate) mod p2;
        pub(crate) use p2 as adapter;
    }
}

pub(crate) use clock::Clock;
pub(crate) use connection::{Connection, Redact};
pub(crate) use driver::Driver;
