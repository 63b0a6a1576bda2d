//! The exported interface `hightouch:sync/runs`.

mod connection;
mod runs;
mod sequences;

use crate::bindings::Component;
use crate::bindings::exports::hightouch::sync::runs::Guest;
use crate::bindings::hightouch::sync::types as wit;
use crate::engine::{SequenceGoal, SyncGoal};

impl Guest for Component {
    fn run_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        let goal = runs::sync_ref(sync).map(SyncGoal::Run);
        runs::call(connection, goal, options).map(Into::into)
    }

    fn run_syncs(
        connection: wit::Connection,
        syncs: Vec<wit::SyncRef>,
        options: wit::RunOptions,
        batch: wit::BatchOptions,
    ) -> Vec<Result<wit::Report, wit::Failure>> {
        runs::run_all(&connection, syncs, options, batch)
    }

    fn start_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::RunRef, wit::Failure> {
        let goal = runs::sync_ref(sync).map(SyncGoal::Start);
        runs::call(connection, goal, options).map(|report| report.run.into())
    }

    fn await_run(
        connection: wit::Connection,
        run: wit::RunRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        let goal = runs::run_ref(run).map(SyncGoal::Await);
        runs::call(connection, goal, options).map(Into::into)
    }

    fn list_runs(
        connection: wit::Connection,
        sync: wit::SyncRef,
        limit: Option<u32>,
    ) -> Result<Vec<wit::Job>, wit::Failure> {
        runs::list(&connection, sync, limit)
    }

    fn run_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        sequences::call(connection, &sequence_id, SequenceGoal::Run, options).map(Into::into)
    }

    fn start_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<String, wit::SequenceFailure> {
        sequences::call(connection, &sequence_id, SequenceGoal::Start, options)
            .map(|report| report.run.id.as_str().into())
    }

    fn await_sequence_run(
        connection: wit::Connection,
        run_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        sequences::call(connection, &run_id, SequenceGoal::Await, options).map(Into::into)
    }
}
