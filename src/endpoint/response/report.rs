//! Reports as JSON.

use serde::{Serialize, Serializer};

use crate::engine::{Report, RunsReport, SequenceReport, SyncReport, whole_millis};
use crate::hightouch::{RowCounts, Run, RunRef, SyncRun};

/// The note on a run that Hightouch has named, but not listed.
const UNLISTED: &str = "Hightouch has not listed this run.";

/// A report as JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::endpoint) enum ReportView<'a> {
    Sync(SyncView<'a>),
    Sequence(SequenceView<'a>),
}

impl<'a> ReportView<'a> {
    /// Returns the JSON view of a report. `workspace` is the slug of the run's workspace, for the
    /// URL of the run.
    pub(in crate::endpoint) fn new(report: &'a Report, workspace: Option<&str>) -> Self {
        match report {
            Report::Sync(report) => Self::Sync(SyncView::new(report, workspace)),
            Report::Sequence(report) => Self::Sequence(SequenceView::new(report)),
        }
    }
}

/// A report of a sync as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::endpoint) struct SyncView<'a> {
    sync_id: u64,
    run_id: u64,
    status: &'a str,
    jobs: Jobs<'a>,
    joined: bool,
    requests: u32,
    elapsed_ms: u64,
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

impl<'a> SyncView<'a> {
    fn new(report: &'a SyncReport, workspace: Option<&str>) -> Self {
        let SyncReport {
            run,
            status,
            jobs,
            joined,
            requests,
            elapsed,
        } = report;
        Self {
            sync_id: run.sync.get(),
            run_id: run.run.get(),
            status: status.as_str(),
            jobs: Jobs(jobs),
            joined: *joined,
            requests: *requests,
            elapsed_ms: whole_millis(*elapsed),
            url: workspace.map(|slug| url(slug, *run)),
            note: (!report.is_listed()).then_some(UNLISTED),
        }
    }
}

/// Returns the URL of a run in Hightouch's web interface.
pub(in crate::endpoint) fn url(workspace: &str, run: RunRef) -> String {
    format!(
        "https://app.hightouch.com/{workspace}/syncs/{}/runs/{}",
        run.sync, run.run
    )
}

/// A report of a sequence as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::endpoint) struct SequenceView<'a> {
    sequence_run_id: &'a str,
    status: &'a str,
    sync_runs: SyncRuns<'a>,
    requests: u32,
    elapsed_ms: u64,
}

impl<'a> SequenceView<'a> {
    fn new(report: &'a SequenceReport) -> Self {
        let SequenceReport {
            run,
            requests,
            elapsed,
        } = report;
        Self {
            sequence_run_id: run.id.as_str(),
            status: run.status.as_str(),
            sync_runs: SyncRuns(&run.sync_runs),
            requests: *requests,
            elapsed_ms: whole_millis(*elapsed),
        }
    }
}

/// The recent runs of a sync as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::endpoint) struct RunsView<'a> {
    sync_id: u64,
    runs: Vec<RunView<'a>>,
    requests: u32,
    elapsed_ms: u64,
}

/// A recent run as JSON.
#[derive(Serialize)]
struct RunView<'a> {
    #[serde(flatten)]
    job: JobView<'a>,
    url: Option<String>,
}

impl<'a> RunsView<'a> {
    /// Returns the JSON view of a list of runs. `workspace` is the slug of the runs' workspace, for
    /// their URLs.
    pub(in crate::endpoint) fn new(report: &'a RunsReport, workspace: Option<&str>) -> Self {
        let RunsReport {
            sync,
            runs,
            requests,
            elapsed,
        } = report;
        let view = |run: &'a Run| RunView {
            job: JobView::new(run),
            url: workspace.map(|slug| {
                let (sync, run) = (*sync, run.id);
                url(slug, RunRef { sync, run })
            }),
        };
        Self {
            sync_id: sync.get(),
            runs: runs.iter().map(view).collect(),
            requests: *requests,
            elapsed_ms: whole_millis(*elapsed),
        }
    }
}

/// The jobs of a run as JSON.
pub(super) struct Jobs<'a>(pub(super) &'a [Run]);

impl Serialize for Jobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(JobView::new))
    }
}

/// The sync runs of a sequence's run as JSON.
pub(super) struct SyncRuns<'a>(pub(super) &'a [SyncRun]);

impl Serialize for SyncRuns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(SyncRunView::new))
    }
}

/// A job, with the field names of Hightouch's API. An unknown value is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobView<'a> {
    id: u64,
    status: &'a str,
    error: Option<&'a str>,
    created_at: Option<&'a str>,
    started_at: Option<&'a str>,
    finished_at: Option<&'a str>,
    query_size: Option<u64>,
    completion_ratio: Option<f64>,
    planned_rows: Option<RowCountsView>,
    successful_rows: Option<RowCountsView>,
    failed_rows: Option<RowCountsView>,
}

impl<'a> JobView<'a> {
    fn new(job: &'a Run) -> Self {
        let Run {
            id,
            status,
            error,
            created_at,
            started_at,
            finished_at,
            query_size,
            completion_ratio,
            planned_rows,
            successful_rows,
            failed_rows,
        } = job;
        Self {
            id: id.get(),
            status: status.as_str(),
            error: error.as_deref(),
            created_at: created_at.as_deref(),
            started_at: started_at.as_deref(),
            finished_at: finished_at.as_deref(),
            query_size: *query_size,
            completion_ratio: completion_ratio.as_ref().map(|ratio| ratio.value()),
            planned_rows: planned_rows.map(RowCountsView::new),
            successful_rows: successful_rows.map(RowCountsView::new),
            failed_rows: failed_rows.map(RowCountsView::new),
        }
    }
}

/// Row counts, with the field names of Hightouch's API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowCountsView {
    added_count: u64,
    changed_count: u64,
    removed_count: u64,
}

impl RowCountsView {
    fn new(rows: RowCounts) -> Self {
        let RowCounts {
            added,
            changed,
            removed,
        } = rows;
        Self {
            added_count: added.unwrap_or_default(),
            changed_count: changed.unwrap_or_default(),
            removed_count: removed.unwrap_or_default(),
        }
    }
}

/// A sync run of a sequence, with the field names of Hightouch's API. An unknown value is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncRunView<'a> {
    sync_id: Option<u64>,
    sync_run_id: Option<u64>,
    status: &'a str,
    finished_at: Option<&'a str>,
}

impl<'a> SyncRunView<'a> {
    fn new(sync_run: &'a SyncRun) -> Self {
        let SyncRun {
            sync,
            run,
            status,
            finished_at,
        } = sync_run;
        Self {
            sync_id: sync.map(|sync| sync.get()),
            sync_run_id: run.map(|run| run.get()),
            status: status.as_str(),
            finished_at: finished_at.as_deref(),
        }
    }
}
