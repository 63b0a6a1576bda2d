//! Runs of syncs: WIT types to engine types and back.

use core::time::Duration;

use super::connection;
use crate::bindings::hightouch::sync::types as wit;
use crate::engine::{
    ANSWER_WAIT, AllowedSyncs, DEFAULT_WAIT, Failure, FailureKind, IfRunning, Options, SyncGoal,
    SyncReport, validate_syncs, whole_millis,
};
use crate::hightouch::{Resync, RowCounts, Run, RunId, RunRef, RunStatus, SyncId, SyncRef};
use crate::host::{Clock, Driver};

/// Carries out one operation on a sync.
pub(super) fn call(
    connection: wit::Connection,
    goal: Result<SyncGoal, Failure<SyncReport>>,
    options: wit::RunOptions,
) -> Result<SyncReport, wit::Failure> {
    Ok(connection::carry_out(&connection, goal, options.into())?)
}

/// Runs several syncs.
pub(super) fn run_all(
    connection: &wit::Connection,
    syncs: Vec<wit::SyncRef>,
    options: wit::RunOptions,
) -> Vec<Result<wit::Report, wit::Failure>> {
    let entries = syncs.into_iter().map(sync_ref).collect();
    let outcomes = match validate_syncs(entries) {
        Ok(syncs) => run_valid(connection, syncs, options.into()),
        Err(invalid) => invalid.failures.into_iter().map(Err).collect(),
    };
    let convert = |outcome: Result<SyncReport, Failure<SyncReport>>| {
        outcome.map(Into::into).map_err(Into::into)
    };
    outcomes.into_iter().map(convert).collect()
}

fn run_valid(
    connection: &wit::Connection,
    syncs: Vec<SyncRef>,
    options: Options,
) -> Vec<Result<SyncReport, Failure<SyncReport>>> {
    let goals: Vec<SyncGoal> = syncs.into_iter().map(SyncGoal::Run).collect();
    match connection::open(connection, &goals) {
        Ok(connection) => Driver::new(goals, options, connection, Clock::start()).finish(),
        Err(failure) => goals
            .iter()
            .map(|_| Err(Failure::unsent(failure.kind, failure.message.clone())))
            .collect(),
    }
}

pub(super) fn sync_ref(sync: wit::SyncRef) -> Result<SyncRef, Failure<SyncReport>> {
    match sync {
        wit::SyncRef::Id(id) => SyncId::try_from(id).map(SyncRef::Id),
        wit::SyncRef::Slug(slug) => slug.parse().map(SyncRef::Slug),
    }
    .map_err(Failure::invalid_input)
}

pub(super) fn run_ref(run: wit::RunRef) -> Result<RunRef, Failure<SyncReport>> {
    Ok(RunRef {
        sync: SyncId::try_from(run.sync_id).map_err(Failure::invalid_input)?,
        run: RunId::try_from(run.run_id).map_err(Failure::invalid_input)?,
    })
}

impl From<wit::RunOptions> for Options {
    fn from(options: wit::RunOptions) -> Self {
        let max_wait = options
            .max_wait_ms
            .map_or(DEFAULT_WAIT, Duration::from_millis);
        Self {
            resync: Resync {
                full: options.resync.contains(wit::Resync::FULL),
                reset_cdc: options.resync.contains(wit::Resync::RESET_CDC),
                clear_and_fill: options.resync.contains(wit::Resync::CLEAR_AND_FILL),
            },
            accept_warnings: options.accept_warnings,
            if_running: match options.if_running {
                wit::IfRunning::Queue => IfRunning::Queue,
                wit::IfRunning::Join => IfRunning::Join,
                wit::IfRunning::Refuse => IfRunning::Refuse,
            },
            unless_since: None,
            allowed: AllowedSyncs::all(),
            max_wait,
            answer_wait: if max_wait.is_zero() {
                ANSWER_WAIT
            } else {
                Duration::ZERO
            },
        }
    }
}

impl From<RunRef> for wit::RunRef {
    fn from(run: RunRef) -> Self {
        Self {
            sync_id: run.sync.get(),
            run_id: run.run.get(),
        }
    }
}

impl From<SyncReport> for wit::Report {
    fn from(report: SyncReport) -> Self {
        Self {
            run: report.run.into(),
            status: report.status.into(),
            jobs: report.jobs.into_iter().map(Into::into).collect(),
            joined: report.joined,
            requests: report.requests,
            elapsed_ms: whole_millis(report.elapsed),
        }
    }
}

impl From<Failure<SyncReport>> for wit::Failure {
    fn from(failure: Failure<SyncReport>) -> Self {
        let (run, jobs) = failure
            .report
            .map_or((None, Vec::new()), |report| (Some(report.run), report.jobs));
        Self {
            kind: failure.kind.into(),
            message: failure.message,
            details: failure.details,
            http_status: failure.http_status,
            run: run.map(Into::into),
            jobs: jobs.into_iter().map(Into::into).collect(),
            requests: failure.requests,
            elapsed_ms: whole_millis(failure.elapsed),
        }
    }
}

impl From<FailureKind> for wit::FailureKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::InvalidInput => Self::InvalidInput,
            FailureKind::Unauthorized => Self::Unauthorized,
            FailureKind::NotFound => Self::NotFound,
            FailureKind::Api => Self::Api,
            FailureKind::Unreachable => Self::Unreachable,
            FailureKind::MalformedAnswer => Self::MalformedAnswer,
            FailureKind::TriggerUnconfirmed => Self::TriggerUnconfirmed,
            FailureKind::Busy => Self::Busy,
            FailureKind::SyncFailed => Self::SyncFailed,
            FailureKind::StillRunning => Self::StillRunning,
            FailureKind::NotStarted => Self::NotStarted,
            FailureKind::Forbidden => Self::Forbidden,
            FailureKind::NotGranted => Self::NotGranted,
            FailureKind::NotConfigured => Self::NotConfigured,
            FailureKind::Other => Self::Other,
        }
    }
}

impl From<RunStatus> for wit::RunStatus {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Queued => Self::Queued,
            RunStatus::Querying => Self::Querying,
            RunStatus::Processing => Self::Processing,
            RunStatus::Reporting => Self::Reporting,
            RunStatus::Success => Self::Success,
            RunStatus::Warning => Self::Warning,
            RunStatus::Failed => Self::Failed,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::Interrupted => Self::Interrupted,
            RunStatus::Other(word) => Self::Other(word),
        }
    }
}

impl From<Run> for wit::Job {
    fn from(run: Run) -> Self {
        Self {
            id: run.id.get(),
            status: run.status.into(),
            error: run.error,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            query_size: run.query_size,
            completion_ratio: run.completion_ratio.map(|ratio| ratio.value()),
            planned_rows: run.planned_rows.map(Into::into),
            successful_rows: run.successful_rows.map(Into::into),
            failed_rows: run.failed_rows.map(Into::into),
        }
    }
}

impl From<RowCounts> for wit::RowCounts {
    fn from(rows: RowCounts) -> Self {
        Self {
            added: rows.added,
            changed: rows.changed,
            removed: rows.removed,
        }
    }
}
