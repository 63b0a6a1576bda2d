//! Awaits several runs at once, and ends waits early.
//!
//! It is an HTTP handler of WASI 0.3, so that any host can call it. The lines of the request body are the origin of the API, the API key,
//! and the IDs of the syncs. The path selects what it does:
//!
//! - `/all` runs the syncs at the same time, and waits until all runs have ended.
//! - `/first` runs the syncs at the same time. When the first run has ended, it drops the other calls. It responds a minute later.
//! - `/within/SECONDS` starts the syncs, and waits for their runs. After this time, it drops the calls that still wait. It responds a minute
//!   later.
//! - `/in-order/SECONDS` runs the syncs one after another in one call, and drops the call after this time. It responds a minute later.
//!
//! The response has one line for each sync.

// The exported symbols have names that only a linker for WebAssembly accepts.
#![cfg(target_arch = "wasm32")]

// Generated code. The WIT has the documentation.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package example:pipeline;
            world async-pipeline {
                import hightouch:sync/async-runs@0.1.1;
                import wasi:clocks/monotonic-clock@0.3.0;
                export wasi:http/handler@0.3.0;
            }
        ",
        world: "example:pipeline/async-pipeline",
        generate_all,
    });
}

use std::pin::pin;

use bindings::exports::wasi::http0_3_0::handler::Guest;
use bindings::hightouch::sync::async_runs::{await_run, run_sync, run_syncs, start_sync};
use bindings::hightouch::sync::types::{
    BatchOptions, Connection, Failure, IfRunning, Report, Resync, RunOptions, RunRef, SyncRef,
    Warnings,
};
use bindings::wasi::clocks0_3_0::monotonic_clock;
use bindings::wasi::http0_3_0::types::{ErrorCode, Fields, Request, Response};
use bindings::{wit_future, wit_stream};
use futures_util::future::{Either, join_all, select, select_all};
use wit_bindgen::rt::async_support::{StreamResult, spawn_local};

/// A duration in nanoseconds.
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

struct Pipeline;

impl Guest for Pipeline {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let text = read(request).await?;
        let mut lines = text.lines();
        let api_origin = lines.next().map(str::to_owned);
        let connection = Connection {
            api_key: lines.next().unwrap_or_default().to_owned(),
            api_origin,
        };
        let syncs: Vec<u64> = lines.filter_map(|line| line.parse().ok()).collect();
        let (way, seconds) = path.rsplit_once('/').unwrap_or_default();
        let results = match (way, seconds.parse()) {
            ("/within", Ok(seconds)) => within(&connection, syncs, seconds).await,
            ("/in-order", Ok(seconds)) => in_order(connection, syncs, seconds).await,
            _ if path == "/first" => first(&connection, syncs).await,
            _ => all(&connection, syncs).await,
        };
        Ok(respond(results.join("\n")))
    }
}

/// Runs the syncs at the same time, each to its end.
async fn all(connection: &Connection, syncs: Vec<u64>) -> Vec<String> {
    join_all(syncs.into_iter().map(|sync| run(connection, sync))).await
}

/// Runs the syncs at the same time until one has ended.
async fn first(connection: &Connection, syncs: Vec<u64>) -> Vec<String> {
    if syncs.is_empty() {
        return Vec::new();
    }
    let calls = syncs
        .into_iter()
        .map(|sync| Box::pin(run(connection, sync)));
    let (ended, _, others) = select_all(calls).await;
    drop(others);
    monotonic_clock::wait_for(MINUTE).await;
    vec![ended]
}

/// Starts the syncs, and waits for each run at most this number of seconds.
async fn within(connection: &Connection, syncs: Vec<u64>, seconds: u64) -> Vec<String> {
    let end = monotonic_clock::now().saturating_add(seconds.saturating_mul(SECOND));
    let waits = syncs.into_iter().map(|sync| async move {
        let started = start_sync(connection.clone(), SyncRef::Id(sync), options()).await;
        let run = match started {
            Ok(run) => run,
            Err(failure) => return failed(sync, &failure),
        };
        let waiting = pin!(await_run(connection.clone(), run, options()));
        let timer = pin!(monotonic_clock::wait_until(end));
        match select(waiting, timer).await {
            Either::Left((outcome, _)) => line(sync, outcome),
            Either::Right(_) => left(run),
        }
    });
    let results = join_all(waits).await;
    monotonic_clock::wait_for(MINUTE).await;
    results
}

/// Runs the syncs one after another for this number of seconds.
async fn in_order(connection: Connection, syncs: Vec<u64>, seconds: u64) -> Vec<String> {
    let batch = BatchOptions {
        parallel: Some(1),
        stop_on_failure: false,
    };
    let refs = syncs.iter().copied().map(SyncRef::Id).collect();
    let results = {
        let running = pin!(run_syncs(connection, refs, options(), batch));
        let timer = pin!(monotonic_clock::wait_for(seconds.saturating_mul(SECOND)));
        match select(running, timer).await {
            Either::Left((outcomes, _)) => {
                let outcomes = syncs.into_iter().zip(outcomes);
                outcomes
                    .map(|(sync, outcome)| line(sync, outcome))
                    .collect()
            }
            Either::Right(_) => vec!["not awaited".to_owned()],
        }
    };
    monotonic_clock::wait_for(MINUTE).await;
    results
}

async fn run(connection: &Connection, sync: u64) -> String {
    line(
        sync,
        run_sync(connection.clone(), SyncRef::Id(sync), options()).await,
    )
}

fn options() -> RunOptions {
    RunOptions {
        resync: Resync::empty(),
        warnings: Warnings::Fail,
        if_running: IfRunning::Queue,
        unless_run_since: None,
        max_wait_ms: None,
    }
}

fn line(sync: u64, outcome: Result<Report, Failure>) -> String {
    match outcome {
        Ok(report) => format!("sync {sync} run {}: {:?}", report.run.run_id, report.status),
        Err(failure) => failed(sync, &failure),
    }
}

fn failed(sync: u64, failure: &Failure) -> String {
    format!("sync {sync}: {:?}: {}", failure.kind, failure.message)
}

fn left(run: RunRef) -> String {
    format!("sync {} run {}: not awaited", run.sync_id, run.run_id)
}

/// Reads the body of a request.
async fn read(request: Request) -> Result<String, ErrorCode> {
    let (result, no_error) = wit_future::new(|| Ok(()));
    drop(result);
    let (mut body, trailers) = Request::consume_body(request, no_error);
    let mut all = Vec::new();
    loop {
        let (status, mut read) = body.read(Vec::with_capacity(4096)).await;
        all.append(&mut read);
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    trailers.await?;
    Ok(String::from_utf8_lossy(&all).into_owned())
}

fn respond(text: String) -> Response {
    let (mut body, contents) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(Fields::new(), Some(contents), no_trailers);
    spawn_local(async move {
        body.write_all(text.into_bytes()).await;
    });
    response
}

bindings::export!(Pipeline with_types_in bindings);
