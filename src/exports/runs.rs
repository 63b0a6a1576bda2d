//! Runs of syncs: WIT types to engine types and back.

use core::time::Duration;

use super::connection;
use crate::bindings::hightouch::sync::types as wit;
use crate::engine::{
    ANSWER_WAIT, BatchOptions, DEFAULT_WAIT, Failure, FailureKind, IfRunning, InvalidBatch,
    InvalidLimit, LIST_WAIT, Options, Outcome, RejectedLimit, RunsGoal, SyncGoal, SyncReport,
    Warnings, validate_syncs, whole_millis,
};
use crate::hightouch::{
    InvalidTimestamp, Resync, RowCounts, Run, RunId, RunRef, RunStatus, SyncId, SyncRef, Timestamp,
};
use crate::host::{Clock, Driver};

/// Carries out one operation on a sync.
pub(super) async fn call(
    connection: wit::Connection,
    goal: Result<SyncGoal, Failure<SyncReport>>,
    options: wit::RunOptions,
) -> Result<SyncReport, wit::Failure> {
    let options = read_options(options).map_err(Failure::from)?;
    Ok(connection::carry_out(&connection, goal, options).await?)
}

/// Runs several syncs.
pub(super) async fn run_all(
    connection: &wit::Connection,
    syncs: Vec<wit::SyncRef>,
    options: wit::RunOptions,
    batch: wit::BatchOptions,
) -> Vec<Result<wit::Report, wit::Failure>> {
    let count = syncs.len();
    let outcomes = read_options(options)
        .and_then(|options| Ok((read_batch_options(batch, count, &options)?, options)));
    let outcomes = match outcomes {
        Ok((batch, options)) => run_valid(connection, syncs, options, batch).await,
        Err(invalid) => (0..count)
            .map(|_| Err(Failure::invalid_input(&invalid)))
            .collect(),
    };
    let convert = |outcome: Outcome<SyncReport>| outcome.map(Into::into).map_err(Into::into);
    outcomes.into_iter().map(convert).collect()
}

/// Runs several syncs with valid options.
async fn run_valid(
    connection: &wit::Connection,
    syncs: Vec<wit::SyncRef>,
    options: Options,
    batch: BatchOptions,
) -> Vec<Outcome<SyncReport>> {
    let entries = syncs.into_iter().map(sync_ref).collect();
    let goals: Vec<SyncGoal> = match validate_syncs(entries) {
        Ok(syncs) => syncs.into_iter().map(SyncGoal::Run).collect(),
        Err(invalid) => return invalid.failures.into_iter().map(Err).collect(),
    };
    match connection::open(connection, &goals) {
        Ok(connection) => {
            let driver = Driver::batch(goals, options, batch, connection, Clock::start());
            driver.finish().await
        }
        Err(failure) => goals
            .iter()
            .map(|_| Err(Failure::unsent(failure.kind, failure.message.clone())))
            .collect(),
    }
}

/// Lists the most recent runs of a sync.
pub(super) async fn list(
    connection: &wit::Connection,
    sync: wit::SyncRef,
    limit: Option<u32>,
) -> Result<Vec<wit::Job>, wit::Failure> {
    let goal = sync_ref(sync)
        .map_err(Failure::without_report)
        .and_then(|sync| RunsGoal::new(sync, limit.map(u64::from)).map_err(Failure::invalid_input));
    let options = Options {
        max_wait: LIST_WAIT,
        ..Options::default()
    };
    match connection::carry_out(connection, goal, options).await {
        Ok(report) => Ok(report.runs.into_iter().map(Into::into).collect()),
        Err(failure) => Err(failure.without_report::<SyncReport>().into()),
    }
}

/// Options that are invalid.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidOptions {
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    #[error("`unless-run-since` must be {0}")]
    Since(#[from] InvalidTimestamp),
    #[error(transparent)]
    Batch(#[from] InvalidBatch),
}

impl<R> From<InvalidOptions> for Failure<R> {
    fn from(invalid: InvalidOptions) -> Self {
        Self::invalid_input(invalid)
    }
}

/// Reads the options of a call.
///
/// # Errors
///
/// Returns an error if the limit on rejected rows or the time is invalid.
fn read_options(options: wit::RunOptions) -> Result<Options, InvalidOptions> {
    let since = options.unless_run_since.as_deref();
    Ok(Options {
        resync: Resync {
            full: options.resync.contains(wit::Resync::FULL),
            reset_cdc: options.resync.contains(wit::Resync::RESET_CDC),
            clear_and_fill: options.resync.contains(wit::Resync::CLEAR_AND_FILL),
        },
        warnings: read_warnings(options.warnings)?,
        if_running: match options.if_running {
            wit::IfRunning::Queue => IfRunning::Queue,
            wit::IfRunning::Join => IfRunning::Join,
            wit::IfRunning::Refuse => IfRunning::Refuse,
        },
        unless_since: since.map(Timestamp::given).transpose()?,
        ..with_wait(options.max_wait_ms)
    })
}

/// Returns options with this maximum duration, in milliseconds.
pub(super) fn with_wait(max_wait_ms: Option<u64>) -> Options {
    let max_wait = max_wait_ms.map_or(DEFAULT_WAIT, Duration::from_millis);
    Options {
        max_wait,
        answer_wait: if max_wait.is_zero() {
            ANSWER_WAIT
        } else {
            Duration::ZERO
        },
        ..Options::default()
    }
}

/// Reads what to do with a run that ended as `warning`.
///
/// # Errors
///
/// Returns an error if the limit is invalid.
pub(super) fn read_warnings(warnings: wit::Warnings) -> Result<Warnings, InvalidLimit> {
    Ok(match warnings {
        wit::Warnings::Fail => Warnings::Fail,
        wit::Warnings::Accept => Warnings::Accept,
        wit::Warnings::Tolerate(limit) => Warnings::Tolerate(RejectedLimit::new(
            limit.max_rejected,
            limit.max_rejected_percent,
        )?),
    })
}

/// Reads the order in which several syncs run.
///
/// # Errors
///
/// Returns an error if the number of concurrent syncs is invalid, or if the call does not wait.
fn read_batch_options(
    batch: wit::BatchOptions,
    syncs: usize,
    options: &Options,
) -> Result<BatchOptions, InvalidOptions> {
    let batch = BatchOptions::new(batch.parallel.map(u64::from), batch.stop_on_failure)?;
    batch.check(syncs, options.max_wait)?;
    Ok(batch)
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
        let report = failure.report;
        Self {
            kind: failure.kind.into(),
            message: failure.message,
            details: failure.details,
            http_status: failure.http_status,
            run: report.as_ref().map(|report| report.run.into()),
            joined: report.as_ref().is_some_and(|report| report.joined),
            jobs: report.map_or_else(Vec::new, |report| {
                report.jobs.into_iter().map(Into::into).collect()
            }),
            retry_after_ms: failure.retry_after.map(whole_millis),
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
            added: rows.added.unwrap_or_default(),
            changed: rows.changed.unwrap_or_default(),
            removed: rows.removed.unwrap_or_default(),
        }
    }
}
