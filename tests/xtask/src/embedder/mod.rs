//! An embedded wasmtime that hosts the components: over HTTP as `wasmtime serve` does, or by calling
//! `hightouch:sync/runs` directly.
//!
//! It links what the worlds in `wit/` name and nothing else, so a component that loads here imports nothing else. Each
//! request and each call gets a fresh instance.

mod answers;
mod artifact;
mod bindings;
mod calls;
mod config;
mod direct;
mod engine;
mod error;
mod fuel;
mod guest;
mod instance;
mod late_clock;
mod linker;
mod memory;
mod outbound;
mod outcome;
mod outgoing;
mod serving;
mod stderr;
mod tasks;
mod variables;
mod virtual_time;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use wasmtime::Engine;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

pub use answers::Answers;
pub use bindings::{
    Connection, Failure, FailureKind, IfRunning, Job, Report, Resync, RowCounts, RunOptions,
    RunRef, RunStatus, SequenceFailure, SequenceOptions, SequenceReport, SequenceRun,
    SequenceStatus, SyncRef, SyncRun,
};
pub use config::{Clock, Config, Limits};
pub use outbound::Outbound;
pub use serving::Serving;
pub use stderr::{Captured, Stderr};
pub use virtual_time::{InFlight, MAX_LATENESS, SEED_VARIABLE, VirtualTime, in_virtual_time};

use bindings::HostedPre;
use error::into_anyhow;
use fuel::Fuel;
use instance::{Count, Instance, Setup};
use memory::Peak;
use variables::Variables;

/// A component, ready to be instantiated. Clones share it.
#[derive(Clone)]
pub struct Host {
    component: Arc<Component>,
}

struct Component {
    engine: Engine,
    setup: Setup,
    pre: InstancePre<Instance>,
    runs: Option<HostedPre<Instance>>,
    handler: Option<ProxyPre<Instance>>,
}

impl Host {
    /// Loads a component. It is compiled only once: the result lies beside it as `NAME.HASH.cwasm`, where it may.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no component, or imports what this host does not have; when `config` allows requests
    /// to what is no origin.
    pub fn new(component: &Path, config: Config) -> anyhow::Result<Self> {
        let outbound = config.outbound.parse()?;
        let engine =
            engine::engine(config.limits.instances, config.metered).map_err(into_anyhow)?;
        let linker = linker::linker(&engine).map_err(into_anyhow)?;
        let pre = artifact::load(&engine, component)
            .and_then(|loaded| linker.instantiate_pre(&loaded).map_err(into_anyhow))
            .with_context(|| format!("cannot host {}", component.display()))?;
        let setup = Setup {
            variables: Variables::new(config.variables.clone()),
            outbound,
            fuel: Fuel::new(config.metered),
            config,
            alive: Count::default(),
            peak: Peak::default(),
        };
        Ok(Self {
            component: Arc::new(Component {
                runs: HostedPre::new(pre.clone()).ok(),
                handler: ProxyPre::new(pre.clone()).ok(),
                pre,
                engine,
                setup,
            }),
        })
    }

    /// How many instances are alive.
    pub fn instances(&self) -> usize {
        self.component.setup.alive.get()
    }

    /// The most linear memory that any instance has had so far, in bytes.
    pub fn peak_memory(&self) -> usize {
        self.component.setup.peak.get()
    }

    /// The fuel that all instances have burnt so far that were called directly, where [`Config::metered`] says that it is counted:
    /// about one for each WebAssembly instruction.
    pub fn fuel(&self) -> u64 {
        self.component.setup.fuel.burnt()
    }
}
