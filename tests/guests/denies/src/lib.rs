//! Denies every outgoing request, like the adapter that Spin adds to a dependency that inherits no configuration.

// Symbols with WIT names are not valid for the host's linker.
#![cfg(target_arch = "wasm32")]

// Generated code: the WIT contains the docs.
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

use bindings::exports::wasi::http::outgoing_handler::{
    ErrorCode, FutureIncomingResponse, Guest, OutgoingRequest, RequestOptions,
};

struct Denies;

impl Guest for Denies {
    fn handle(
        _: OutgoingRequest,
        _: Option<RequestOptions>,
    ) -> Result<FutureIncomingResponse, ErrorCode> {
        // Spin's adapter returns this error and not `HTTP-request-denied`. Source:
        // crates/capabilities/deny-adapter/src/lib.rs in Spin 4.0.2.
        Err(ErrorCode::InternalError(Some(
            "\"wasi:http/outgoing-handler\" is not permitted".to_owned(),
        )))
    }
}

bindings::export!(Denies with_types_in bindings);
