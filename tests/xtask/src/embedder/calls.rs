//! Calls the functions of `hightouch:sync/runs`. Each call uses a new instance.

use anyhow::Context as _;
use wasmtime::Store;

use super::Host;
use super::bindings::{
    BatchOptions, Connection, Failure, Hosted, Job, Report, RunOptions, RunRef, SequenceFailure,
    SequenceOptions, SequenceReport, SyncRef,
};
use super::instance::Instance;
use super::into_anyhow;

impl Host {
    /// Calls `hightouch:sync/runs.run-sync`.
    ///
    /// # Errors
    ///
    /// Fails if the component does not export the interface, cannot be instantiated, or traps. A
    /// failure that the component returns is not an error here.
    pub async fn run_sync(
        &self,
        connection: &Connection,
        sync: &SyncRef,
        options: RunOptions,
    ) -> anyhow::Result<Result<Report, Failure>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        let outcome = runs
            .call_run_sync(&mut store, connection, sync, &options)
            .await;
        self.component.setup.fuel.record(&store);
        outcome.map_err(into_anyhow)
    }

    /// Calls `hightouch:sync/runs.run-syncs`.
    ///
    /// # Errors
    ///
    /// As [`run_sync`](Self::run_sync).
    pub async fn run_syncs(
        &self,
        connection: &Connection,
        syncs: &[SyncRef],
        options: RunOptions,
        batch: BatchOptions,
    ) -> anyhow::Result<Vec<Result<Report, Failure>>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        let outcomes = runs
            .call_run_syncs(&mut store, connection, syncs, &options, batch)
            .await;
        self.component.setup.fuel.record(&store);
        outcomes.map_err(into_anyhow)
    }

    /// Calls `hightouch:sync/runs.start-sync`.
    ///
    /// # Errors
    ///
    /// As [`run_sync`](Self::run_sync).
    pub async fn start_sync(
        &self,
        connection: &Connection,
        sync: &SyncRef,
        options: RunOptions,
    ) -> anyhow::Result<Result<RunRef, Failure>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        let outcome = runs
            .call_start_sync(&mut store, connection, sync, &options)
            .await;
        self.component.setup.fuel.record(&store);
        outcome.map_err(into_anyhow)
    }

    /// Calls `hightouch:sync/runs.await-run`.
    ///
    /// # Errors
    ///
    /// As [`run_sync`](Self::run_sync).
    pub async fn await_run(
        &self,
        connection: &Connection,
        run: RunRef,
        options: RunOptions,
    ) -> anyhow::Result<Result<Report, Failure>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        let outcome = runs
            .call_await_run(&mut store, connection, run, &options)
            .await;
        self.component.setup.fuel.record(&store);
        outcome.map_err(into_anyhow)
    }

    /// Calls `hightouch:sync/runs.list-runs`.
    ///
    /// # Errors
    ///
    /// As [`run_sync`](Self::run_sync).
    pub async fn list_runs(
        &self,
        connection: &Connection,
        sync: &SyncRef,
        limit: Option<u32>,
    ) -> anyhow::Result<Result<Vec<Job>, Failure>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        runs.call_list_runs(&mut store, connection, sync, limit)
            .await
            .map_err(into_anyhow)
    }

    /// Calls `hightouch:sync/runs.run-sequence`.
    ///
    /// # Errors
    ///
    /// As [`run_sync`](Self::run_sync).
    pub async fn run_sequence(
        &self,
        connection: &Connection,
        sequence_id: &str,
        options: SequenceOptions,
    ) -> anyhow::Result<Result<SequenceReport, SequenceFailure>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        runs.call_run_sequence(&mut store, connection, sequence_id, options)
            .await
            .map_err(into_anyhow)
    }

    /// Calls `hightouch:sync/runs.start-sequence`.
    ///
    /// # Errors
    ///
    /// As [`run_sync`](Self::run_sync).
    pub async fn start_sequence(
        &self,
        connection: &Connection,
        sequence_id: &str,
        options: SequenceOptions,
    ) -> anyhow::Result<Result<String, SequenceFailure>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        runs.call_start_sequence(&mut store, connection, sequence_id, options)
            .await
            .map_err(into_anyhow)
    }

    /// Calls `hightouch:sync/runs.await-sequence-run`.
    ///
    /// # Errors
    ///
    /// As [`run_sync`](Self::run_sync).
    pub async fn await_sequence_run(
        &self,
        connection: &Connection,
        run_id: &str,
        options: SequenceOptions,
    ) -> anyhow::Result<Result<SequenceReport, SequenceFailure>> {
        let (mut store, hosted) = self.hosted().await?;
        let runs = hosted.hightouch_sync_runs();
        runs.call_await_sequence_run(&mut store, connection, run_id, options)
            .await
            .map_err(into_anyhow)
    }

    async fn hosted(&self) -> anyhow::Result<(Store<Instance>, Hosted)> {
        let pre = self
            .component
            .runs
            .as_ref()
            .context("the component does not export hightouch:sync/runs")?;
        let mut store = self.component.setup.store(&self.component.engine);
        let hosted = pre
            .instantiate_async(&mut store)
            .await
            .map_err(into_anyhow)?;
        Ok((store, hosted))
    }
}
