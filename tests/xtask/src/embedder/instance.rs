//! State of one instance. Instances share nothing with each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store};
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::config::Config;
use super::late_clock::LateClock;
use super::outbound::Allowed;
use super::outgoing::Outgoing;
use super::usage::{Fuel, MemoryLimit, PeakMemory};
use super::variables::Variables;
use super::virtual_time::VirtualTime;

/// The settings and counters of a component, used for each of its instances.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) outbound: Allowed,
    pub(super) variables: Variables,
    pub(super) live: Count,
    pub(super) peak: PeakMemory,
    pub(super) fuel: Fuel,
}

impl Setup {
    /// Creates the store for a new instance.
    pub(super) fn store(&self, engine: &Engine) -> Store<Instance> {
        let config = &self.config;
        let mut wasi = WasiCtx::builder();
        wasi.envs(&config.environment);
        config.stderr.give_to(&mut wasi);
        if let Some(time) = config.clock.as_virtual() {
            wasi.monotonic_clock(time.clone());
        }
        let mut store = Store::new(
            engine,
            Instance {
                table: ResourceTable::new(),
                wasi: wasi.build(),
                http: WasiHttpCtx::new(),
                outgoing: Outgoing::new(
                    self.outbound.clone(),
                    config.generated_responses.clone(),
                    config.clock.as_virtual(),
                ),
                variables: self.variables.clone(),
                time: config.clock.as_virtual().cloned(),
                memory: MemoryLimit::new(config.limits.memory, self.peak.clone()),
                _live: self.live.one(),
            },
        );
        self.fuel.fill(&mut store);
        store.limiter(|instance| &mut instance.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

/// The host's state of an instance.
pub(super) struct Instance {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    variables: Variables,
    time: Option<VirtualTime>,
    memory: MemoryLimit,
    _live: Counted,
}

impl Instance {
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    pub(super) fn variables(&mut self) -> &mut Variables {
        &mut self.variables
    }

    pub(super) fn late_clock(&mut self) -> LateClock<'_> {
        let time = self.time.clone();
        LateClock {
            clock: self.clocks(),
            time,
        }
    }
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outgoing,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// A shared counter of live objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Increments the counter until the returned guard is dropped.
    pub(super) fn one(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }
}

/// A guard that decrements the counter when it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Count);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
