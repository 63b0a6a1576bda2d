//! Builds, runs and tests hightouch-sync: the component build, an embedded wasmtime host, a local
//! mock of the Hightouch API ("local Hightouch"), and the command line.

pub mod build;
pub mod cli;
pub mod embedder;
mod listen;
pub mod load;
pub mod local_hightouch;
mod seeded_random;
pub mod wit;
