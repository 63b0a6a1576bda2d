//! Carries out what the engine asks for, over wasi:http, wasi:io and wasi:clocks.
//!
//! Nothing here blocks but [`Drive::wait`]: a `poll` over everything that any operation waits for, and the
//! nearest deadline. Hosts' own timeouts are neither set nor relied upon: a host may turn one timeout into another (see `trouble`).

mod clock;
mod connection;
mod exchange;
mod task;
mod transport_error;
mod upload;

pub(crate) use clock::Clock;
pub(crate) use connection::Connection;
#[cfg(feature = "endpoint")]
pub(crate) use task::Observer;
pub(crate) use task::{Drive, Task};
