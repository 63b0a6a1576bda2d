//! Runs of sequences: WIT types to engine types and back.

use super::connection;
use super::runs::{read_warnings, with_wait};
use crate::bindings::hightouch::sync::types as wit;
use crate::engine::{Failure, Options, SequenceGoal, SequenceReport, whole_millis};
use crate::hightouch::{SequenceRun, SequenceStatus, SyncRun};

/// Carries out one operation on a sequence. `goal` returns the goal for the UUID.
pub(super) async fn call<T: core::str::FromStr<Err: core::fmt::Display>>(
    connection: wit::Connection,
    uuid: &str,
    goal: fn(T) -> SequenceGoal,
    options: wit::SequenceOptions,
) -> Result<SequenceReport, wit::SequenceFailure> {
    let goal = uuid.parse().map(goal).map_err(Failure::invalid_input);
    let warnings = read_warnings(options.warnings).map_err(Failure::invalid_input)?;
    let options = Options {
        warnings,
        ..with_wait(options.max_wait_ms)
    };
    Ok(connection::carry_out(&connection, goal, options).await?)
}

impl From<SequenceReport> for wit::SequenceReport {
    fn from(report: SequenceReport) -> Self {
        Self {
            run: report.run.into(),
            requests: report.requests,
            elapsed_ms: whole_millis(report.elapsed),
        }
    }
}

impl From<Failure<SequenceReport>> for wit::SequenceFailure {
    fn from(failure: Failure<SequenceReport>) -> Self {
        Self {
            kind: failure.kind.into(),
            message: failure.message,
            details: failure.details,
            http_status: failure.http_status,
            run: failure.report.map(|report| report.run.into()),
            retry_after_ms: failure.retry_after.map(whole_millis),
            requests: failure.requests,
            elapsed_ms: whole_millis(failure.elapsed),
        }
    }
}

impl From<SequenceRun> for wit::SequenceRun {
    fn from(run: SequenceRun) -> Self {
        Self {
            id: run.id.as_str().into(),
            status: run.status.into(),
            sync_runs: run.sync_runs.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<SyncRun> for wit::SyncRun {
    fn from(run: SyncRun) -> Self {
        Self {
            sync_id: run.sync.map(|sync| sync.get()),
            run_id: run.run.map(|run| run.get()),
            status: run.status.into(),
            finished_at: run.finished_at,
        }
    }
}

impl From<SequenceStatus> for wit::SequenceStatus {
    fn from(status: SequenceStatus) -> Self {
        match status {
            SequenceStatus::Pending => Self::Pending,
            SequenceStatus::Running => Self::Running,
            SequenceStatus::Done => Self::Done,
            SequenceStatus::Failed => Self::Failed,
            SequenceStatus::Cancelled => Self::Cancelled,
            SequenceStatus::Other(word) => Self::Other(word),
        }
    }
}
