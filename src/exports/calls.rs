//! The calls of the exported interface. Each has the name of its function in the WIT.

use super::{runs, sequences};
use crate::bindings::hightouch::sync::types as wit;
use crate::engine::{SequenceGoal, SyncGoal};

pub(super) async fn run_sync(
    connection: wit::Connection,
    sync: wit::SyncRef,
    options: wit::RunOptions,
) -> Result<wit::Report, wit::Failure> {
    let goal = runs::sync_ref(sync).map(SyncGoal::Run);
    runs::call(connection, goal, options).await.map(Into::into)
}

pub(super) async fn run_syncs(
    connection: wit::Connection,
    syncs: Vec<wit::SyncRef>,
    options: wit::RunOptions,
    batch: wit::BatchOptions,
) -> Vec<Result<wit::Report, wit::Failure>> {
    runs::run_all(&connection, syncs, options, batch).await
}

pub(super) async fn start_sync(
    connection: wit::Connection,
    sync: wit::SyncRef,
    options: wit::RunOptions,
) -> Result<wit::RunRef, wit::Failure> {
    let goal = runs::sync_ref(sync).map(SyncGoal::Start);
    runs::call(connection, goal, options)
        .await
        .map(|report| report.run.into())
}

pub(super) async fn await_run(
    connection: wit::Connection,
    run: wit::RunRef,
    options: wit::RunOptions,
) -> Result<wit::Report, wit::Failure> {
    let goal = runs::run_ref(run).map(SyncGoal::Await);
    runs::call(connection, goal, options).await.map(Into::into)
}

pub(super) async fn list_runs(
    connection: wit::Connection,
    sync: wit::SyncRef,
    limit: Option<u32>,
) -> Result<Vec<wit::Job>, wit::Failure> {
    runs::list(&connection, sync, limit).await
}

pub(super) async fn run_sequence(
    connection: wit::Connection,
    sequence_id: String,
    options: wit::SequenceOptions,
) -> Result<wit::SequenceReport, wit::SequenceFailure> {
    sequences::call(connection, &sequence_id, SequenceGoal::Run, options)
        .await
        .map(Into::into)
}

pub(super) async fn start_sequence(
    connection: wit::Connection,
    sequence_id: String,
    options: wit::SequenceOptions,
) -> Result<String, wit::SequenceFailure> {
    sequences::call(connection, &sequence_id, SequenceGoal::Start, options)
        .await
        .map(|report| report.run.id.as_str().into())
}

pub(super) async fn await_sequence_run(
    connection: wit::Connection,
    run_id: String,
    options: wit::SequenceOptions,
) -> Result<wit::SequenceReport, wit::SequenceFailure> {
    sequences::call(connection, &run_id, SequenceGoal::Await, options)
        .await
        .map(Into::into)
}
