//! Calls the functions of `hightouch:sync/runs`, or those of `hightouch:sync/async-runs` if the
//! component exports that interface. Each call uses a new instance.

use wasmtime::Store;

use super::Host;
use super::bindings::{
    AsyncHosted, BatchOptions, Connection, Failure, Hosted, Job, Report, RunOptions, RunRef,
    SequenceFailure, SequenceOptions, SequenceReport, SyncRef,
};
use super::instance::Instance;
use super::into_anyhow;

/// A new instance whose functions can be called.
enum Callable {
    Sync(Store<Instance>, Hosted),
    Async(Store<Instance>, AsyncHosted),
}

/// Calls a function with references to these arguments on a new instance.
macro_rules! call {
    ($host:expr, $function:ident($($argument:expr),*)) => {{
        let (store, outcome) = match $host.callable().await? {
            Callable::Sync(mut store, hosted) => {
                let outcome = hosted
                    .hightouch_sync_runs()
                    .$function(&mut store $(, $argument)*)
                    .await;
                (store, outcome)
            }
            Callable::Async(mut store, hosted) => {
                let outcome = store
                    .run_concurrent(async |accessor| {
                        hosted
                            .hightouch_sync_async_runs()
                            .$function(accessor $(, $argument.to_owned())*)
                            .await
                    })
                    .await
                    .flatten();
                (store, outcome)
            }
        };
        $host.component.setup.fuel.record(&store);
        outcome.map_err(into_anyhow)
    }};
}

impl Host {
    /// Calls the function `run-sync`.
    ///
    /// # Errors
    ///
    /// Fails if the component does not export the interfaces, cannot be instantiated, or traps. A
    /// failure that the component returns is not an error here.
    pub async fn run_sync(
        &self,
        connection: &Connection,
        sync: &SyncRef,
        options: RunOptions,
    ) -> anyhow::Result<Result<Report, Failure>> {
        call!(self, call_run_sync(connection, sync, &options))
    }

    /// Calls the function `run-syncs`.
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
        call!(self, call_run_syncs(connection, syncs, &options, batch))
    }

    /// Calls the function `start-sync`.
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
        call!(self, call_start_sync(connection, sync, &options))
    }

    /// Calls the function `await-run`.
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
        call!(self, call_await_run(connection, run, &options))
    }

    /// Calls the function `list-runs`.
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
        call!(self, call_list_runs(connection, sync, limit))
    }

    /// Calls the function `run-sequence`.
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
        call!(self, call_run_sequence(connection, sequence_id, options))
    }

    /// Calls the function `start-sequence`.
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
        call!(self, call_start_sequence(connection, sequence_id, options))
    }

    /// Calls the function `await-sequence-run`.
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
        call!(self, call_await_sequence_run(connection, run_id, options))
    }

    async fn callable(&self) -> anyhow::Result<Callable> {
        let component = &self.component;
        let mut store = component.setup.store(&component.loaded.engine);
        if let Some(pre) = &component.loaded.runs {
            let hosted = pre.instantiate_async(&mut store).await;
            return Ok(Callable::Sync(store, hosted.map_err(into_anyhow)?));
        }
        if let Some(pre) = &component.loaded.async_runs {
            let hosted = pre.instantiate_async(&mut store).await;
            return Ok(Callable::Async(store, hosted.map_err(into_anyhow)?));
        }
        anyhow::bail!(
            "the component exports neither hightouch:sync/runs nor hightouch:sync/async-runs"
        )
    }
}
