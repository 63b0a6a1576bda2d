//! A WebAssembly component that runs a Hightouch sync to its end and says truly how it ended.
//!
//! The crate is one component in three worlds (see `wit/worlds.wit`); its features choose which. What the world sees is `wit/`. Inside,
//! arrows point one way: the exports here call [`endpoint`], it calls `host`, that drives [`engine`], which reads and writes what
//! [`hightouch`] knows of the API. The engine and the wire format are plain Rust and are tested natively.

// TEMP mod bindings;
// What only the endpoint calls is tested natively all the same.
#[cfg_attr(not(feature = "endpoint"), allow(dead_code))]
// TEMP mod calls;
// The world `library` has no endpoint and needs less of the host; what is pure in them is tested natively all the same.
#[cfg_attr(not(feature = "endpoint"), allow(dead_code))]
// TEMP mod endpoint;
pub mod engine;
pub mod hightouch;
#[cfg_attr(not(feature = "endpoint"), allow(dead_code))]
// TEMP mod host;
#[cfg(any(test, fuzzing))]
pub mod properties;
// TEMP mod runs;
// TEMP mod sequences;

// Symbols named as WIT names them mean nothing to another linker.
#[cfg(target_arch = "wasm32")]
bindings::export!(Component with_types_in bindings);
#[cfg(target_arch = "wasm32")]
use runs::Component;
