//! What guests execute, counted by wasmtime as fuel: the same each time, whatever else the machine does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Store;

/// More than any guest uses up.
const ENOUGH: u64 = u64::MAX;

/// Counts the fuel of all instances of a component, if it is to. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Fuel {
    metered: bool,
    burnt: Arc<AtomicU64>,
}

impl Fuel {
    pub(super) fn new(metered: bool) -> Self {
        Self {
            metered,
            burnt: Arc::default(),
        }
    }

    pub(super) fn burnt(&self) -> u64 {
        self.burnt.load(Ordering::Relaxed)
    }

    /// Gives a store, whose engine counts if this does, all it needs.
    pub(super) fn fill<T>(&self, store: &mut Store<T>) {
        if self.metered {
            // It fails only for an engine that does not count.
            drop(store.set_fuel(ENOUGH));
        }
    }

    /// Takes note of what a store has burnt since it was filled. Once for each store, at its end.
    pub(super) fn note<T>(&self, store: &Store<T>) {
        if let Ok(left) = store.get_fuel() {
            self.burnt
                .fetch_add(ENOUGH.saturating_sub(left), Ordering::Relaxed);
        }
    }
}
