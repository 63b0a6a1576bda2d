//! A WebAssembly component that runs a Hightouch sync to its end and reports how it ended.
//!
//! The crate is one component in three worlds (see `wit/worlds.wit`). A feature selects the world.
//! The rooms of the crate, and the only direction in which they depend on each other:
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
