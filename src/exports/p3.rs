//! The interface `async-runs`, for WASI 0.3.
//!
//! If the caller drops the future of a call, the host cancels the call, and the future here is
//! dropped. This cancels its requests and its timer, and nothing more is sent.

use super::calls;
use crate::bindings::Component;
use crate::bindings::exports::hightouch::sync::async_runs::Guest;
use crate::bindings::hightouch::sync::types as wit;

impl Guest for Component {
    async fn run_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        calls::run_sync(connection, sync, options).await
    }

    async fn run_syncs(
        connection: wit::Connection,
        syncs: Vec<wit::SyncRef>,
        options: wit::RunOptions,
        batch: wit::BatchOptions,
    ) -> Vec<Result<wit::Report, wit::Failure>> {
        calls::run_syncs(connection, syncs, options, batch).await
    }

    async fn start_sync(
        connection: wit::Connection,
        sync: wit::SyncRef,
        options: wit::RunOptions,
    ) -> Result<wit::RunRef, wit::Failure> {
        calls::start_sync(connection, sync, options).await
    }

    async fn await_run(
        connection: wit::Connection,
        run: wit::RunRef,
        options: wit::RunOptions,
    ) -> Result<wit::Report, wit::Failure> {
        calls::await_run(connection, run, options).await
    }

    async fn list_runs(
        connection: wit::Connection,
        sync: wit::SyncRef,
        limit: Option<u32>,
    ) -> Result<Vec<wit::Job>, wit::Failure> {
        calls::list_runs(connection, sync, limit).await
    }

    async fn run_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        calls::run_sequence(connection, sequence_id, options).await
    }

    async fn start_sequence(
        connection: wit::Connection,
        sequence_id: String,
        options: wit::SequenceOptions,
    ) -> Result<String, wit::SequenceFailure> {
        calls::start_sequence(connection, sequence_id, options).await
    }

    async fn await_sequence_run(
        connection: wit::Connection,
        run_id: String,
        options: wit::SequenceOptions,
    ) -> Result<wit::SequenceReport, wit::SequenceFailure> {
        calls::await_sequence_run(connection, run_id, options).await
    }
}
