//! A WebAssembly component that runs a Hightouch sync to its end and reports how it ended.
//!
//! The crate is one component in six worlds (see `wit/worlds.wit`). A feature selects the world.
//! The main modules of the crate depend on each other in one direction only:
//!
//! `exports`, `endpoint` → `host` → [`engine`] → [`hightouch`]
//!
//! `src/README.md` says what each of them does and where new code goes.

mod bindings;
#[cfg(feature = "endpoint")]
mod endpoint;
pub mod engine;
mod exports;
pub mod hightouch;
mod host;
#[cfg(any(test, fuzzing))]
pub mod properties;
