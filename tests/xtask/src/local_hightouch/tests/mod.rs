//! Tests of the local Hightouch, through its API and over a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod caller;
mod calls;
mod http;
mod lists;
mod published;
mod scenarios;
