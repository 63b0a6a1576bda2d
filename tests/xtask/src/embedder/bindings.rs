//! Bindings that wasmtime generates from `wit/`.

// Generated code: the WIT contains the docs, and the lints of this workspace do not apply.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
mod generated {
    pub mod p2 {
        wasmtime::component::bindgen!({
            path: "../../wit",
            inline: "
                package hightouch-sync:host;
                world hosted {
                    import fermyon:spin/variables@2.0.0;
                    export hightouch:sync/runs@0.1.1;
                }
            ",
            world: "hightouch-sync:host/hosted",
            exports: { default: async },
            require_store_data_send: true,
            additional_derives: [PartialEq],
        });
    }

    pub mod p3 {
        wasmtime::component::bindgen!({
            path: "../../wit",
            inline: "
                package hightouch-sync:host;
                world async-hosted {
                    import spin:variables/variables@3.0.0;
                    export hightouch:sync/async-runs@0.1.1;
                }
            ",
            world: "hightouch-sync:host/async-hosted",
            with: {
                "hightouch:sync/types": super::p2::hightouch::sync::types,
            },
            require_store_data_send: true,
        });
    }
}

pub use generated::p2::exports::hightouch::sync::runs::{
    BatchOptions, Connection, Failure, Report, RunOptions, RunRef, SequenceFailure,
    SequenceOptions, SequenceReport, SyncRef,
};
pub use generated::p2::hightouch::sync::types::{
    FailureKind, IfRunning, Job, RejectedLimit, Resync, RowCounts, RunStatus, SequenceRun,
    SequenceStatus, SyncRun, Warnings,
};

pub(super) use generated::p2::fermyon::spin::variables;
pub(super) use generated::p2::{Hosted, HostedPre};
pub(super) use generated::p3::spin::variables::variables as async_variables;
pub(super) use generated::p3::{AsyncHosted, AsyncHostedPre};

impl Default for RunOptions {
    /// Returns the options of a plain run: it is queued behind a run in progress and has the
    /// default timeout.
    fn default() -> Self {
        Self {
            resync: Resync::empty(),
            warnings: Warnings::Fail,
            if_running: IfRunning::Queue,
            unless_run_since: None,
            max_wait_ms: None,
        }
    }
}

impl Default for BatchOptions {
    /// Returns the options of a plain batch: up to 50 syncs run at a time, and a failure stops
    /// nothing.
    fn default() -> Self {
        Self {
            parallel: None,
            stop_on_failure: false,
        }
    }
}

impl Warnings {
    /// Returns `accept` or `fail`.
    pub fn accepted(accept: bool) -> Self {
        if accept { Self::Accept } else { Self::Fail }
    }
}
