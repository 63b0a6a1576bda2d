//! The interface `runs`: WIT's types to the engine's and back.

use core::time::Duration;

use crate::bindings::exports::hightouch::sync::runs::Guest;
use crate::bindings::hightouch::sync::types as wit;
use crate::calls::{
    carry_out, connect, invalid, millis, named_by_secret, of_sync, run_all, several,
};
use crate::engine::{
    ANSWER_WAIT, DEFAULT_WAIT, Failure, FailureKind, Goal, IfRunning, Options, SyncReport,
};
use crate::hightouch::{Resync, RowCounts, Run, RunId, RunRef, RunStatus, SyncId, SyncRef};
use crate::host::Clock;
use crate::sequences;

/// The component.
pub(crate) struct Component;

impl Guest for Component {
    fn run_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        call(connection, sync_ref(sync).map(Goal::Run), options).map(Into::into)
    }

    fn run_syncs(
        connection: wit::Connection,
        syncs: Vec<wit::SyncRef>,
        options: wit::RunOptions,
    ) -> Vec<Result<wit::Report, wit::Failure>> {
        let read = syncs.into_iter().map(sync_ref).collect();
        let outcomes = match several(read) {
            Ok(syncs) => match connect(&connection) {
                Ok(connection)
                    if syncs
                        .iter()
                        .any(|sync| connection.key.is(&sync.to_string())) =>
                {
                    syncs.iter().map(|_| Err(named_by_secret())).collect()
                }
                Ok(connection) => run_all(syncs, options.into(), &connection, Clock::start()),
                // Nothing but why was said yet.
                Err(Failure { kind, message, .. }) => syncs
                    .iter()
                    .map(|_| Err(Failure::unsent(kind, message.clone())))
                    .collect(),
            },
            Err(wrong) => wrong.of_each.into_iter().map(Err).collect(),
        };
        outcomes
            .into_iter()
            .map(|outcome| of_sync(outcome).map(Into::into).map_err(Into::into))
            .collect()
    }

    fn start_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::RunRef, wit::Failure> {
        call(connection, sync_ref(sync).map(Goal::Start), options).map(|report| report.run.into())
    }

    fn await_run(
        connection: wit::Connection,
        run: wit::RunRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        call(connection, run_ref(run).map(Goal::Await), options).map(Into::into)
    }

    fn run_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        sequences::call(
            connection,
            sequences::goal(&sequence_id, Goal::RunSequence),
            options,
        )
        .map(Into::into)
    }

    fn start_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<String, wit::SequenceFailure> {
        let report = sequences::call(
            connection,
            sequences::goal(&sequence_id, Goal::StartSequence),
            options,
        )?;
        Ok(report.run.id.as_str().into())
    }

    fn await_sequence_run(
        connection: wit::Connection,
        run_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        sequences::call(
            connection,
            sequences::goal(&run_id, Goal::AwaitSequence),
            options,
        )
        .map(Into::into)
    }
}

/// Runs a sync, starts a run of one, or awaits one, to its end.
fn call(
    connection: wit::Connection,
    goal: Result<Goal, Failure>,
    options: wit::RunOptions,
) -> Result<SyncReport, wit::Failure> {
    of_sync(carry_out(connection, goal, options.into())).map_err(Into::into)
}

fn sync_ref(sync: wit::SyncRef) -> Result<SyncRef, Failure> {
    match sync {
        wit::SyncRef::Id(id) => SyncId::try_from(id).map(SyncRef::Id),
        wit::SyncRef::Slug(slug) => slug.parse().map(SyncRef::Slug),
    }
    .map_err(invalid)
}

fn run_ref(run: wit::RunRef) -> Result<RunRef, Failure> {
    Ok(RunRef {
        sync: SyncId::try_from(run.sync_id).map_err(invalid)?,
        run: RunId::try_from(run.run_id).map_err(invalid)?,
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
            elapsed_ms: millis(report.elapsed),
        }
    }
}

impl From<Failure> for wit::Failure {
    fn from(failure: Failure) -> Self {
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
            elapsed_ms: millis(failure.elapsed),
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
