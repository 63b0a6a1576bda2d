//! The response to `POST /runs`.

use core::time::Duration;

use serde::{Serialize, Serializer};

use super::Response;
use super::presenter::Presenter;
use super::problem::Problem;
use super::report::ReportView;
use super::retry_after::{retry_after, seconds};
use crate::engine::{Failure, FailureKind, Outcome, Report, whole_millis};
use crate::hightouch::SyncRef;

/// The result of a batch.
pub(in crate::endpoint) enum BatchResult {
    /// The response, and the kinds and statuses of the problems in it.
    Response {
        response: Response,
        counts: Counts,
        problems: Vec<(u16, &'static str)>,
    },
    /// Hightouch rejected the API key for every sync.
    Rejected(Problem),
}

/// The number of syncs by result.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(in crate::endpoint) struct Counts {
    pub(in crate::endpoint) succeeded: u64,
    pub(in crate::endpoint) running: u64,
    pub(in crate::endpoint) failed: u64,
}

/// A batch as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchView<'a> {
    #[serde(flatten)]
    counts: Counts,
    runs: Vec<EntryView<'a>>,
    requests: u64,
    elapsed_ms: u64,
}

/// The result of one sync as JSON.
#[derive(Serialize)]
struct EntryView<'a> {
    #[serde(serialize_with = "name")]
    sync: &'a SyncRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ReportView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

/// Writes a sync as the caller named it: a number or a text.
fn name<S: Serializer>(sync: &SyncRef, serializer: S) -> Result<S::Ok, S::Error> {
    match sync {
        SyncRef::Id(id) => serializer.serialize_u64(id.get()),
        SyncRef::Slug(slug) => serializer.serialize_str(slug.as_str()),
    }
}

/// The result of one sync.
enum Entry {
    Succeeded(Report),
    Running(Report),
    Failed(Problem),
}

/// Returns the response to a batch: 200 if all syncs have succeeded, 424 if a sync has failed, and
/// 202 if none has failed and some are still running.
///
/// If Hightouch rejected the API key for every sync, the response is the same as for one sync.
pub(in crate::endpoint) fn respond(
    syncs: &[SyncRef],
    mut outcomes: Vec<Outcome>,
    presenter: &Presenter,
    requests: u64,
    elapsed: Duration,
) -> BatchResult {
    if outcomes.iter().all(key_is_rejected)
        && let Some(Err(mut failure)) = outcomes.pop()
    {
        failure.requests = u32::try_from(requests).unwrap_or(u32::MAX);
        return BatchResult::Rejected(presenter.problem(failure));
    }
    let mut counts = Counts::default();
    let mut problems = Vec::new();
    // The longest delay that Hightouch asked for, among the runs in progress.
    let mut hightouch_retry_after = None;
    let mut entries = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        entries.push(match outcome {
            Ok(report) => {
                counts.succeeded += 1;
                Entry::Succeeded(report)
            }
            Err(Failure {
                kind: FailureKind::StillRunning,
                report: Some(report),
                retry_after,
                ..
            }) => {
                counts.running += 1;
                hightouch_retry_after = hightouch_retry_after.max(retry_after);
                Entry::Running(report)
            }
            Err(failure) => {
                counts.failed += 1;
                let problem = presenter.problem(failure).in_batch();
                problems.push((problem.status, problem.kind));
                Entry::Failed(problem)
            }
        });
    }
    let view = BatchView {
        counts,
        runs: syncs
            .iter()
            .zip(&entries)
            .map(|(sync, entry)| EntryView::new(sync, entry, presenter))
            .collect(),
        requests,
        elapsed_ms: whole_millis(elapsed),
    };
    let response = match (counts.failed, counts.running) {
        (0, 0) => Response::json(200, &view),
        (0, _) => {
            let delay = retry_after(elapsed, hightouch_retry_after);
            Response::json(202, &view).with("retry-after", seconds(delay))
        }
        _ => Response::json(424, &view),
    };
    BatchResult::Response {
        response,
        counts,
        problems,
    }
}

/// Returns whether Hightouch rejected the API key before a run was known.
fn key_is_rejected(outcome: &Outcome) -> bool {
    outcome
        .as_ref()
        .is_err_and(|failure| failure.kind == FailureKind::Unauthorized && failure.report.is_none())
}

impl<'a> EntryView<'a> {
    fn new(sync: &'a SyncRef, entry: &'a Entry, presenter: &'a Presenter) -> Self {
        let (report, location, problem) = match entry {
            Entry::Succeeded(report) => (Some(presenter.view(report)), None, None),
            Entry::Running(report) => (
                Some(presenter.view(report)),
                Some(presenter.location(report)),
                None,
            ),
            Entry::Failed(problem) => (None, None, Some(problem)),
        };
        Self {
            sync,
            report,
            location,
            problem,
        }
    }
}
