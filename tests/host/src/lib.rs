//! What hightouch-sync is built, run and tested with: the component build, an embedded wasmtime host, a local Hightouch and the commands.

pub mod build;
pub mod commands;
mod dice;
pub mod hightouch;
pub mod host;
mod listen;
pub mod load;
pub mod wit;
