//! Servers, hosts, callers and checks that the promises share.

pub mod calls;
pub mod cases;
pub mod compose;
pub mod consumer;
pub mod openapi;
pub mod raw;
pub mod reporting;
pub mod stage;
pub mod wit_compatibility;
