//! The interface `runs`, as far as it speaks of sequences: WIT's types to the engine's and back.

use core::time::Duration;

use crate::bindings::hightouch::sync::types as wit;
use crate::calls::{carry_out, invalid, millis, of_sequence};
use crate::engine::{ANSWER_WAIT, DEFAULT_WAIT, Failure, Goal, Options, SequenceReport};
use crate::hightouch::{SequenceRun, SequenceStatus, SyncRun};

/// Runs a sequence, starts a run of one, or awaits one, to its end.
pub(crate) fn call(
    connection: wit::Connection,
    goal: Result<Goal, Failure>,
    options: wit::SequenceOptions,
) -> Result<SequenceReport, wit::SequenceFailure> {
    let max_wait = options
        .max_wait_ms
        .map_or(DEFAULT_WAIT, Duration::from_millis);
    let options = Options {
        accept_warnings: options.accept_warnings,
        max_wait,
        answer_wait: if max_wait.is_zero() {
            ANSWER_WAIT
        } else {
            Duration::ZERO
        },
        ..Options::default()
    };
    of_sequence(carry_out(connection, goal, options)).map_err(Into::into)
}

/// The goal that a UUID makes.
pub(crate) fn goal<T: core::str::FromStr<Err: core::fmt::Display>>(
    uuid: &str,
    goal: fn(T) -> Goal,
) -> Result<Goal, Failure> {
    uuid.parse().map(goal).map_err(invalid)
}

impl From<SequenceReport> for wit::SequenceReport {
    fn from(report: SequenceReport) -> Self {
        Self {
            run: report.run.into(),
            requests: report.requests,
            elapsed_ms: millis(report.elapsed),
        }
    }
}

impl From<Failure> for wit::SequenceFailure {
    fn from(failure: Failure) -> Self {
        Self {
            kind: failure.kind.into(),
            message: failure.message,
            details: failure.details,
            http_status: failure.http_status,
            run: failure.sequence.map(|run| (*run).into()),
            requests: failure.requests,
            elapsed_ms: millis(failure.elapsed),
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
