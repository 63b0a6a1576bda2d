//! The expected jobs in the report of a finished run.
//!
//! This module implements the rule independently of the component, so that an error in either
//! implementation is found.

use serde_json::{Value, json};

use super::caller::Caller;
use crate::local_hightouch::{RowCounts, RunSnapshot, Status, Timeline};

/// Returns the timelines of a caller's jobs, as its sync defines them.
fn timelines(caller: &Caller) -> impl Iterator<Item = &Timeline> {
    std::iter::once(&caller.sync.timeline).chain(&caller.sync.further_jobs)
}

fn end(timeline: &Timeline) -> Option<Status> {
    timeline.steps().last().map(|(_, status)| *status)
}

/// Returns the expected result of a caller's run: success if every job succeeds, otherwise the
/// status of the worst job.
pub(super) fn verdict(caller: &Caller) -> (Option<Status>, bool) {
    let badness = |status: &Status| match status {
        Status::Success => 0,
        Status::Warning => 1,
        Status::Interrupted => 2,
        Status::Cancelled => 3,
        _ => 4,
    };
    let worst = timelines(caller).filter_map(end).max_by_key(badness);
    let good = match worst {
        Some(Status::Success) => true,
        Some(Status::Warning) => caller.accept_warnings,
        _ => false,
    };
    (worst, good)
}

/// Returns the expected jobs in the endpoint's final report, without times.
pub(super) fn expected(caller: &Caller, run: &RunSnapshot) -> Vec<Value> {
    let job = |timeline: &Timeline| {
        json!({
            "id": run.id,
            "createdAt": run.created_at,
            "status": end(timeline).map(Status::as_str),
            "error": timeline.error,
            "querySize": timeline.query_size,
            "completionRatio": timeline.completion_ratio,
            "plannedRows": rows(timeline.planned),
            "successfulRows": rows(timeline.successful),
            "failedRows": rows(timeline.failed),
        })
    };
    sorted(timelines(caller).map(job).collect())
}

/// Returns the reported jobs, without times.
pub(super) fn reported(body: &Value) -> Vec<Value> {
    let mut jobs = body
        .get("jobs")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for job in jobs.iter_mut().filter_map(Value::as_object_mut) {
        job.remove("startedAt");
        job.remove("finishedAt");
    }
    sorted(jobs)
}

/// Sorts jobs by their unique properties, because their order in lists is undefined.
fn sorted(mut jobs: Vec<Value>) -> Vec<Value> {
    jobs.sort_by_key(|job| {
        job.pointer("/plannedRows/changedCount")
            .and_then(Value::as_u64)
    });
    jobs
}

fn rows(counts: RowCounts) -> Value {
    json!({"addedCount": counts.added, "changedCount": counts.changed, "removedCount": counts.removed})
}
