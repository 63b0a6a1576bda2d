//! What belongs to one instance: nothing is shared with another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store};
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::config::Config;
use super::fuel::Fuel;
use super::late_clock::LateClock;
use super::memory::{Memory, Peak};
use super::outbound::Allowed;
use super::outgoing::Outgoing;
use super::variables::Variables;
use super::virtual_time::VirtualTime;

/// What every instance of a component starts with.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) outbound: Allowed,
    pub(super) variables: Variables,
    pub(super) alive: Count,
    pub(super) peak: Peak,
    pub(super) fuel: Fuel,
}

impl Setup {
    /// A store for one more instance.
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
                    config.answers.clone(),
                    config.clock.as_virtual(),
                ),
                variables: self.variables.clone(),
                time: config.clock.as_virtual().cloned(),
                memory: Memory::new(config.limits.memory, self.peak.clone()),
                _alive: self.alive.one(),
            },
        );
        self.fuel.fill(&mut store);
        store.limiter(|instance| &mut instance.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

/// The host's side of an instance.
pub(super) struct Instance {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    variables: Variables,
    time: Option<VirtualTime>,
    memory: Memory,
    _alive: Counted,
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

/// How many of something there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts one more, until the guard is dropped.
    pub(super) fn one(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }
}

/// One that is counted.
#[derive(Debug)]
pub(super) struct Counted(Count);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
