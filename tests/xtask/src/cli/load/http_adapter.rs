//! An HTTP adapter for the library component. Each request becomes a call on a new instance.
//! Responses have the parts of the endpoint's format that the callers of the load test read.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::embedder::{
    Connection, Failure, FailureKind, Host, Job, Report, RowCounts, RunOptions, RunRef, RunStatus,
    SyncRef, Warnings,
};
use crate::listen::listen;

/// Default timeout of a call in seconds, like the endpoint's.
const WAIT: u64 = 25;
/// Minimum timeout of a call in seconds. The endpoint applies such a minimum itself. A caller of
/// the library must request it.
const LEAST_WAIT: u64 = 10;

/// The query of a caller that accepts warnings.
const ACCEPT_WARNINGS: &str = "acceptWarnings=true";

/// A running adapter. Dropping it stops it.
pub(super) struct HttpAdapter {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl HttpAdapter {
    /// Returns `http://ADDRESS:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpAdapter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Starts an adapter for this component, which calls the Hightouch API at this origin.
pub(super) async fn open(
    host: Host,
    origin: String,
    address: SocketAddr,
) -> io::Result<HttpAdapter> {
    let listener = listen(address)?;
    let address = listener.local_addr()?;
    Ok(HttpAdapter {
        address,
        serving: tokio::spawn(serve(listener, Arc::new(Shared { host, origin }))),
    })
}

/// State that all connections share.
struct Shared {
    host: Host,
    origin: String,
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely, too many files are open. Wait for other tasks to close some.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.response(request).await) }
            });
            // Ignore an error here: a client that disconnects does not need the response.
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

impl Shared {
    async fn response(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, location, body) = self.call(request).await.unwrap_or_else(|error| {
            let detail = format!("{error:#}");
            (500, None, json!({"kind": "other", "detail": detail}))
        });
        let mut response = Response::builder().status(status);
        if let Some(location) = location {
            response = response
                .header("location", location)
                .header("retry-after", "1");
        }
        response
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap_or_default()
    }

    /// Returns the status, `Location` and body.
    async fn call(
        &self,
        request: Request<Incoming>,
    ) -> anyhow::Result<(u16, Option<String>, Value)> {
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let api_key = header("authorization")
            .trim_start_matches("Bearer ")
            .to_owned();
        let wait = match header("prefer") {
            "" => WAIT,
            prefer => prefer
                .trim_start_matches("wait=")
                .parse()
                .unwrap_or_default(),
        };
        let connection = Connection {
            api_key,
            api_origin: Some(self.origin.clone()),
        };
        let max_wait_ms = Some(wait.max(LEAST_WAIT) * 1000);
        let path = request.uri().path().to_owned();
        let ids: Vec<u64> = path
            .split('/')
            .filter_map(|segment| segment.parse().ok())
            .collect();
        let mut accept_warnings = request.uri().query() == Some(ACCEPT_WARNINGS);
        let options = |accept_warnings| RunOptions {
            warnings: Warnings::accepted(accept_warnings),
            max_wait_ms,
            ..RunOptions::default()
        };
        let outcome = match (request.method(), ids.as_slice()) {
            (&Method::POST, [sync]) => {
                let body: Value =
                    serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
                accept_warnings = body
                    .get("acceptWarnings")
                    .and_then(Value::as_bool)
                    .unwrap_or_default();
                self.host
                    .run_sync(&connection, &SyncRef::Id(*sync), options(accept_warnings))
                    .await?
            }
            (&Method::GET, [sync_id, run_id]) => {
                let run = RunRef {
                    sync_id: *sync_id,
                    run_id: *run_id,
                };
                self.host
                    .await_run(&connection, run, options(accept_warnings))
                    .await?
            }
            (method, _) => anyhow::bail!("the adapter does not support {method} {path}"),
        };
        let options_query = if accept_warnings {
            format!("?{ACCEPT_WARNINGS}")
        } else {
            String::new()
        };
        Ok(match outcome {
            Ok(report) => (200, None, reported(&report)),
            Err(failure) => failed(&failure, &options_query),
        })
    }
}

fn reported(report: &Report) -> Value {
    json!({
        "syncId": report.run.sync_id,
        "runId": report.run.run_id,
        "status": status(&report.status),
        "jobs": report.jobs.iter().map(job).collect::<Vec<_>>(),
        "requests": report.requests,
    })
}

/// `options_query` is the query of the URL at which the caller polls the run.
fn failed(failure: &Failure, options_query: &str) -> (u16, Option<String>, Value) {
    let (http, kind) = match failure.kind {
        FailureKind::StillRunning => (202, "still-running"),
        FailureKind::SyncFailed => (424, "sync-failed"),
        FailureKind::TriggerUnconfirmed => (502, "trigger-unconfirmed"),
        FailureKind::Api if failure.http_status == Some(429) => (503, "api"),
        FailureKind::Api => (502, "api"),
        FailureKind::Unreachable => (502, "unreachable"),
        FailureKind::MalformedAnswer => (502, "malformed-answer"),
        _ => (500, "other"),
    };
    let location = failure
        .run
        .filter(|_| http == 202)
        .map(|run| format!("/syncs/{}/runs/{}{options_query}", run.sync_id, run.run_id));
    let body = json!({
        "kind": kind,
        "detail": failure.message,
        "details": failure.details,
        "syncId": failure.run.map(|run| run.sync_id),
        "runId": failure.run.map(|run| run.run_id),
        "jobs": failure.jobs.iter().map(job).collect::<Vec<_>>(),
        "requests": failure.requests,
    });
    (http, location, body)
}

fn job(job: &Job) -> Value {
    json!({
        "id": job.id,
        "status": status(&job.status),
        "error": job.error,
        "createdAt": job.created_at,
        "startedAt": job.started_at,
        "finishedAt": job.finished_at,
        "querySize": job.query_size,
        "completionRatio": job.completion_ratio,
        "plannedRows": job.planned_rows.as_ref().map(rows),
        "successfulRows": job.successful_rows.as_ref().map(rows),
        "failedRows": job.failed_rows.as_ref().map(rows),
    })
}

fn rows(rows: &RowCounts) -> Value {
    json!({"addedCount": rows.added, "changedCount": rows.changed, "removedCount": rows.removed})
}

fn status(status: &RunStatus) -> &str {
    match status {
        RunStatus::Queued => "queued",
        RunStatus::Querying => "querying",
        RunStatus::Processing => "processing",
        RunStatus::Reporting => "reporting",
        RunStatus::Success => "success",
        RunStatus::Warning => "warning",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Interrupted => "interrupted",
        RunStatus::Other(other) => other,
    }
}
