//! Responds `ok` to every request.

// Symbols with WIT names are not valid for the host's linker.
#![cfg(target_arch = "wasm32")]

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Ok200;

impl Guest for Ok200 {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body();
        ResponseOutparam::set(out, Ok(response));
        // An error means that the client has disconnected.
        if let Ok(body) = body {
            if let Ok(stream) = body.write() {
                let _ = stream.blocking_write_and_flush(b"ok");
            }
            let _ = OutgoingBody::finish(body, None);
        }
    }
}

wasi::http::proxy::export!(Ok200);
