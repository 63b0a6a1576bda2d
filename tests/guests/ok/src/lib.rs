//! Answers `ok` to every request.

// Symbols named as WIT names them mean nothing to another linker.
#![cfg(target_arch = "wasm32")]

use waki::{ErrorCode, Request, Response, handler};

#[handler]
fn answer(_: Request) -> Result<Response, ErrorCode> {
    Response::builder().body("ok").build()
}
