//! Denies every outgoing request, like the adapter that Spin composes with a dependency that inherits nothing.

// The exported symbols have names that only a linker for WebAssembly accepts.
#![cfg(target_arch = "wasm32")]

// Generated code. The WIT has the documentation.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package example:denies;
            world denies {
                export wasi:http/outgoing-handler@0.2.2;
            }
        ",
        world: "example:denies/denies",
        generate_all,
    });
}

use bindings::exports::wasi::http0_2_2::outgoing_handler::{
    ErrorCode, FutureIncomingResponse, Guest, OutgoingRequest, RequestOptions,
};

struct Denies;

impl Guest for Denies {
    fn handle(
        _: OutgoingRequest,
        _: Option<RequestOptions>,
    ) -> Result<FutureIncomingResponse, ErrorCode> {
        // What Spin's adapter says, in place of `HTTP-request-denied`: crates/capabilities/deny-adapter/src/lib.rs of Spin 4.0.2.
        Err(ErrorCode::InternalError(Some(
            "\"wasi:http/outgoing-handler\" is not permitted".to_owned(),
        )))
    }
}

bindings::export!(Denies with_types_in bindings);
