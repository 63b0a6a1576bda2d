//! Everything that hightouch-sync is built, run and tested with: the component build, an embedded wasmtime host, a local Hightouch and the
//! command line.

pub mod build;
pub mod cli;
pub mod embedder;
mod listen;
pub mod load;
pub mod local_hightouch;
mod seeded_random;
pub mod wit;
