//! Runs syncs in order. It starts each sync only if the one before it succeeded.
//!
//! It is called over HTTP, so that any host can call it. Each line of the request body is a value: the API's origin, the
//! API key, then the IDs of the syncs. The response has a line for each run that succeeded, and a line for the failure that
//! ended the pipeline.

// Symbols with WIT names are not valid for the host's linker.
#![cfg(target_arch = "wasm32")]

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasi::io::streams::StreamError;

// Generated code: the WIT contains the docs.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package example:pipeline;
            world pipeline {
                import hightouch:sync/runs@0.1.0;
            }
        ",
        world: "example:pipeline/pipeline",
        generate_all,
    });
}

use bindings::hightouch::sync::runs::run_sync;
use bindings::hightouch::sync::types::{Connection, IfRunning, Resync, RunOptions, SyncRef};

struct Consumer;

impl Guest for Consumer {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (status, text) = match read(&request) {
            Some(body) => run(&String::from_utf8_lossy(&body)),
            None => (
                400,
                "The request body could not be read. No run was started.".to_owned(),
            ),
        };
        let response = OutgoingResponse::new(Fields::new());
        // The status codes in this file are valid.
        let _ = response.set_status_code(status);
        let body = response.body();
        ResponseOutparam::set(out, Ok(response));
        // An error means that the client has disconnected.
        if let Ok(body) = body {
            if let Ok(stream) = body.write() {
                for chunk in text.as_bytes().chunks(4096) {
                    let _ = stream.blocking_write_and_flush(chunk);
                }
            }
            let _ = OutgoingBody::finish(body, None);
        }
    }
}

wasi::http::proxy::export!(Consumer);

/// Reads the request body. Returns `None` if it is incomplete.
fn read(request: &IncomingRequest) -> Option<Vec<u8>> {
    let body = request.consume().ok()?;
    let stream = body.stream().ok()?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Some(bytes),
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
    }
}

/// Runs the syncs in the request body. Returns the status and the text of the response.
fn run(body: &str) -> (u16, String) {
    let mut lines = body.lines();
    let api_origin = lines.next().map(str::to_owned);
    let connection = Connection {
        api_key: lines.next().unwrap_or_default().to_owned(),
        api_origin,
    };
    let mut text = String::new();
    let mut status = 200;
    for sync in lines {
        let (code, line) = step(&connection, sync);
        text.push_str(&format!("{line}\n"));
        if code != 200 {
            status = code;
            break;
        }
    }
    (status, text)
}

/// Runs one sync. Returns a status and a line of the response.
fn step(connection: &Connection, sync: &str) -> (u16, String) {
    let Ok(id) = sync.parse() else {
        return (400, format!("{sync} is not a sync ID"));
    };
    let options = RunOptions {
        resync: Resync::empty(),
        accept_warnings: false,
        if_running: IfRunning::Queue,
        max_wait_ms: None,
    };
    match run_sync(connection, &SyncRef::Id(id), options) {
        Ok(report) => (
            200,
            format!(
                "sync {} run {}: {:?}",
                report.run.sync_id, report.run.run_id, report.status
            ),
        ),
        Err(failure) => (
            424,
            format!("sync {id}: {:?}: {}", failure.kind, failure.message),
        ),
    }
}
