//! The thin HTTP trigger: HTTP to the engine and back. It decides nothing about syncs.
//!
//! What it answers to is in `openapi.json` beside this file, which it serves itself.

#[cfg(feature = "endpoint")]
mod access;
mod account;
mod again;
mod call;
mod caller;
mod chunked_buffer;
#[cfg(any(test, feature = "endpoint"))]
mod dbt;
#[cfg(feature = "endpoint")]
mod events;
#[cfg(feature = "endpoint")]
mod handler;
#[cfg(feature = "endpoint")]
mod hook;
mod json;
#[cfg(feature = "endpoint")]
mod log;
mod prefer;
#[cfg(feature = "endpoint")]
mod presenter;
mod problem;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod report;
mod response;
mod route;
#[cfg(feature = "endpoint")]
mod settings;
#[cfg(feature = "endpoint")]
mod several;
#[cfg(feature = "endpoint")]
mod stderr;
mod target;
mod trace;
