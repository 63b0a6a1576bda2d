//! Runs syncs in order, each only if the one before it succeeded.
//!
//! Asked over HTTP, so that any host can ask it. The body has a line each for the origin of the API, the key, and the IDs of the syncs; the
//! answer has a line for each run that succeeded, and one for the failure that ended the pipeline.

// Symbols named as WIT names them mean nothing to another linker.
#![cfg(target_arch = "wasm32")]

use waki::{ErrorCode, Request, Response, handler};

// Generated: the WIT holds the docs.
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
use bindings::hightouch::sync::types::{
    Connection, IfRunning, Resync, RunOptions, SyncRef, Warnings,
};

#[handler]
fn answer(request: Request) -> Result<Response, ErrorCode> {
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
    let mut told = String::new();
    let mut status = 200;
    for sync in lines {
        let (code, line) = step(&connection, sync);
        told.push_str(&format!("{line}\n"));
        if code != 200 {
            status = code;
            break;
        }
    }
    Response::builder().status_code(status).body(told).build()
}

/// Runs one sync to its end.
fn step(connection: &Connection, sync: &str) -> (u16, String) {
    let Ok(id) = sync.parse() else {
        return (400, format!("{sync} is no ID of a sync"));
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
