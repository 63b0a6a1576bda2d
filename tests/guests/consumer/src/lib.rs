//! Runs syncs in order, each only if the one before it succeeded.
//!
//! It is an HTTP handler, so that any host can call it. The lines of the request body are the origin of the API, the API key, and the IDs of
//! the syncs. The response has one line for each run that succeeded, and one for the failure that ended the pipeline.

// The exported symbols have names that only a linker for WebAssembly accepts.
#![cfg(target_arch = "wasm32")]

use waki::{ErrorCode, Request, Response, handler};

// Generated code. The WIT has the documentation.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package example:pipeline;
            world pipeline {
                import hightouch:sync/runs@0.1.1;
            }
        ",
        world: "example:pipeline/pipeline",
        generate_all,
    });
}

use bindings::hightouch::sync::runs::run_sync;
use bindings::hightouch::sync::types::{
    Connection, IfRunning, Resync, RunOptions, SyncRef, Warnings,
};

#[handler]
fn respond(request: Request) -> Result<Response, ErrorCode> {
    let body = request
        .body()
        .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
    let text = String::from_utf8_lossy(&body);
    let mut lines = text.lines();
    let api_origin = lines.next().map(str::to_owned);
    let connection = Connection {
        api_key: lines.next().unwrap_or_default().to_owned(),
        api_origin,
    };
    let mut results = String::new();
    let mut status = 200;
    for sync in lines {
        let (code, line) = step(&connection, sync);
        results.push_str(&format!("{line}\n"));
        if code != 200 {
            status = code;
            break;
        }
    }
    Response::builder()
        .status_code(status)
        .body(results)
        .build()
}

/// Runs one sync to its end.
fn step(connection: &Connection, sync: &str) -> (u16, String) {
    let Ok(id) = sync.parse() else {
        return (400, format!("{sync} is not the ID of a sync"));
    };
    let options = RunOptions {
        resync: Resync::empty(),
        warnings: Warnings::Fail,
        if_running: IfRunning::Queue,
        unless_run_since: None,
        max_wait_ms: None,
    };
    match run_sync(connection, &SyncRef::Id(id), &options) {
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
