//! Carries out what the engine asks for, over wasi:http, wasi:io and wasi:clocks.
//!
//! Only [`Driver::wait`] blocks: it polls everything that the operations wait for, and a timer for
//! the next deadline. This component does not set the host's timeouts and does not rely on them,
//! because a host may apply one timeout as another (see [`transport_error`]).

mod clock;
mod connection;
pub(crate) mod exchange;
pub(crate) mod outgoing;
pub(crate) mod p2;
mod transport_error;
mod upload;

pub(crate) use clock::Clock;
pub(crate) use connection::{Connection, Redact};
pub(crate) use p2::Driver;
