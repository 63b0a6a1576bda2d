//! A report in JSON.

use serde::Serialize;

use crate::engine;
use crate::hightouch::{RowCounts, Run, RunRef};

/// Where a run stands, or how it ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View<'a> {
    sync_id: u64,
    run_id: u64,
    status: &'a str,
    jobs: Vec<Job<'a>>,
    joined: bool,
    requests: u32,
    elapsed_ms: u128,
    /// The run in Hightouch's own interface; null where the workspace's slug is not configured.
    url: Option<String>,
}

impl<'a> View<'a> {
    pub(super) fn of(report: &'a engine::Report, workspace: Option<&str>) -> Self {
        Self {
            sync_id: report.run.sync.get(),
            run_id: report.run.run.get(),
            status: report.status.as_str(),
            jobs: report.jobs.iter().map(Job::of).collect(),
            joined: report.joined,
            requests: report.requests,
            elapsed_ms: report.elapsed.as_millis(),
            url: workspace.map(|slug| url(slug, report.run)),
        }
    }
}

/// A run in Hightouch's own interface.
pub(super) fn url(workspace: &str, run: RunRef) -> String {
    format!("https://app.hightouch.com/{workspace}/syncs/{}/runs/{}", run.sync, run.run)
}

/// One job, under the API's own field names. What is unknown is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job<'a> {
    id: u64,
    status: &'a str,
    error: Option<&'a str>,
    created_at: Option<&'a str>,
    started_at: Option<&'a str>,
    finished_at: Option<&'a str>,
    query_size: Option<u64>,
    completion_ratio: Option<f64>,
    planned_rows: Option<Rows>,
    successful_rows: Option<Rows>,
    failed_rows: Option<Rows>,
}

impl<'a> Job<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        Self {
            id: run.id.get(),
            status: run.status.as_str(),
            error: run.error.as_deref(),
            created_at: run.created_at.as_deref(),
            started_at: run.started_at.as_deref(),
            finished_at: run.finished_at.as_deref(),
            query_size: run.query_size,
            completion_ratio: run.completion_ratio,
            planned_rows: run.planned_rows.map(Rows::of),
            successful_rows: run.successful_rows.map(Rows::of),
            failed_rows: run.failed_rows.map(Rows::of),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rows {
    added_count: u64,
    changed_count: u64,
    removed_count: u64,
}

impl Rows {
    fn of(rows: RowCounts) -> Self {
        Self { added_count: rows.added, changed_count: rows.changed, removed_count: rows.removed }
    }
}
