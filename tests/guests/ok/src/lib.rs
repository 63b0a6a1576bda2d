//! Responds `ok` to every request.

// The exported symbols have names that only a linker for WebAssembly accepts.
#![cfg(target_arch = "wasm32")]

use waki::{ErrorCode, Request, Response, handler};

#[handler]
fn respond(_: Request) -> Result<Response, ErrorCode> {
    Response::builder().body("ok").build()
}
