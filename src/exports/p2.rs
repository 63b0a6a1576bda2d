//! The interface `runs`, for WASI 0.2. Each call blocks until it is complete.

use super::calls;
use crate::bindings::Component;
use crate::bindings::exports::hightouch::sync::runs::Guest;
use crate::bindings::hightouch::sync::types as wit;
use crate::host::p2::block_on;

impl Guest for Component {
    fn run_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        block_on(calls::run_sync(connection, sync, options))
    }

    fn run_syncs(
        connection: wit::Connection,
        syncs: Vec<wit::SyncRef>,
        options: wit::RunOptions,
        batch: wit::BatchOptions,
    ) -> Vec<Result<wit::Report, wit::Failure>> {
        block_on(calls::run_syncs(connection, syncs, options, batch))
    }

    fn start_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::RunRef, wit::Failure> {
        block_on(calls::start_sync(connection, sync, options))
    }

    fn await_run(
        connection: wit::Connection,
        run: wit::RunRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        block_on(calls::await_run(connection, run, options))
    }

    fn list_runs(
        connection: wit::Connection,
        sync: wit::SyncRef,
        limit: Option<u32>,
    ) -> Result<Vec<wit::Job>, wit::Failure> {
        block_on(calls::list_runs(connection, sync, limit))
    }

    fn run_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        block_on(calls::run_sequence(connection, sequence_id, options))
    }

    fn start_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<String, wit::SequenceFailure> {
        block_on(calls::start_sequence(connection, sequence_id, options))
    }

    fn await_sequence_run(
        connection: wit::Connection,
        run_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        block_on(calls::await_sequence_run(connection, run_id, options))
    }
}
