//! Servers, hosts and callers that the promises share.

pub mod calls;
pub mod cases;
pub mod openapi;
pub mod raw;
pub mod stage;
