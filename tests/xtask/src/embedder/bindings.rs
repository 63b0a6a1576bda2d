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
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package hightouch-sync:host;
            world hosted {
                import fermyon:spin/variables@2.0.0;
                export hightouch:sync/runs@0.1.0;
            }
        ",
        world: "hightouch-sync:host/hosted",
        exports: { default: async },
        require_store_data_send: true,
        additional_derives: [PartialEq],
    });
}

pub use generated::exports::hightouch::sync::runs::{
    Connection, Failure, Report, RunOptions, RunRef, SequenceFailure, SequenceOptions,
    SequenceReport, SyncRef,
};
pub use generated::hightouch::sync::types::{
    FailureKind, IfRunning, Job, Resync, RowCounts, RunStatus, SequenceRun, SequenceStatus, SyncRun,
};

pub(super) use generated::fermyon::spin::variables;
pub(super) use generated::{Hosted, HostedPre};

impl Default for RunOptions {
    /// Returns the options of a plain run: it is queued behind a run in progress and has the
    /// default timeout.
    fn default() -> Self {
        Self {
            resync: Resync::empty(),
            accept_warnings: false,
            if_running: IfRunning::Queue,
            max_wait_ms: None,
        }
    }
}
