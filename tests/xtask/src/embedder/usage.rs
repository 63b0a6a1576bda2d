//! Counts and limits the resources that guests use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use wasmtime::{ResourceLimiter, Store};

/// More fuel than any guest can use.
const INITIAL_FUEL: u64 = u64::MAX;

/// Counts the fuel of all instances of a component, if `metered`. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct Fuel {
    metered: bool,
    used: Arc<AtomicU64>,
}

impl Fuel {
    pub(super) fn new(metered: bool) -> Self {
        Self {
            metered,
            used: Arc::default(),
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Adds fuel to a new store if the engine counts fuel.
    pub(super) fn fill<T>(&self, store: &mut Store<T>) {
        if self.metered {
            // This fails only if the engine does not count fuel.
            drop(store.set_fuel(INITIAL_FUEL));
        }
    }

    /// Adds the fuel that a store has used to the count. Call it once per store, at its end.
    pub(super) fn record<T>(&self, store: &Store<T>) {
        if let Ok(left) = store.get_fuel() {
            self.used
                .fetch_add(INITIAL_FUEL.saturating_sub(left), Ordering::Relaxed);
        }
    }
}

/// Peak linear memory of any instance of a component so far, in bytes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct PeakMemory(Arc<AtomicUsize>);

impl PeakMemory {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Limits each linear memory of one instance and records its peak.
#[derive(Debug)]
pub(super) struct MemoryLimit {
    max_bytes: usize,
    peak: PeakMemory,
}

impl MemoryLimit {
    pub(super) fn new(max_bytes: usize, peak: PeakMemory) -> Self {
        Self { max_bytes, peak }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.max_bytes;
        if granted {
            self.peak.0.fetch_max(desired, Ordering::Relaxed);
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
