//! An embedded wasmtime that hosts the components. It serves them over HTTP, as `wasmtime serve`
//! does, or calls the functions of `hightouch:sync/runs` or `hightouch:sync/async-runs` directly.
//!
//! It links only the imports of the worlds in `wit/`, so a component that loads here imports
//! nothing else. Each call gets a new instance. Each request to a component of WASI 0.2 gets a new
//! instance too. Requests to a component of WASI 0.3 share instances: see [`Reuse`].

mod artifact;
mod bindings;
mod calls;
mod config;
mod direct;
mod engine;
mod guest;
mod instance;
mod late_clock;
mod loaded;
mod outbound;
mod outcome;
mod outgoing;
mod reuse;
mod serving;
mod stderr;
mod usage;
mod variables;
mod virtual_time;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

pub use bindings::{
    BatchOptions, Connection, Failure, FailureKind, IfRunning, Job, RejectedLimit, Report, Resync,
    RowCounts, RunOptions, RunRef, RunStatus, SequenceFailure, SequenceOptions, SequenceReport,
    SequenceRun, SequenceStatus, SyncRef, SyncRun, Warnings,
};
pub use config::{Clock, Config, Limits, Reuse};
pub use outbound::Outbound;
pub use outgoing::GeneratedResponses;
pub use serving::Serving;
pub use stderr::{Captured, Lines, Stderr};
pub use virtual_time::{InFlight, MAX_LATENESS, SEED_VARIABLE, VirtualTime, in_virtual_time};

use instance::{Count, Setup};
use loaded::Loaded;
use usage::{Fuel, PeakMemory};
use variables::Variables;

/// A loaded component that can be instantiated. Clones share it.
#[derive(Clone)]
pub struct Host {
    component: Arc<Component>,
}

struct Component {
    loaded: Arc<Loaded>,
    setup: Setup,
}

impl Host {
    /// Loads a component. It is compiled only once: the compiled code is cached next to it as
    /// `NAME.HASH.cwasm`, if that folder is writable.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, is not a component, or imports something that this host
    /// does not link. Fails if an entry of `config.outbound` is not an origin.
    pub fn new(component: &Path, config: Config) -> anyhow::Result<Self> {
        let outbound = config.outbound.parse()?;
        let loaded = Loaded::get(component, &config)?;
        let setup = Setup {
            variables: Variables::new(config.variables.clone()),
            outbound,
            fuel: Fuel::new(config.metered),
            config,
            live: Count::default(),
            peak: PeakMemory::default(),
        };
        Ok(Self {
            component: Arc::new(Component { loaded, setup }),
        })
    }

    /// Returns the number of live instances.
    pub fn instances(&self) -> usize {
        self.component.setup.live.get()
    }

    /// Returns the peak linear memory of any instance so far, in bytes.
    pub fn peak_memory(&self) -> usize {
        self.component.setup.peak.get()
    }

    /// Returns the fuel used so far by all instances that were called directly, if
    /// [`Config::metered`] is set. One unit of fuel is about one WebAssembly instruction.
    pub fn fuel(&self) -> u64 {
        self.component.setup.fuel.used()
    }
}

/// Converts an error and keeps its causes.
fn into_anyhow(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into_boxed_dyn_error())
}
