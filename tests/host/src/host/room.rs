//! The linear memory of an instance: how much it may have, and how much any has had.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::{ResourceLimiter, Result, StoreLimits, StoreLimitsBuilder};

/// The most that any instance has had, in bytes. Clones are the same figure.
#[derive(Clone, Debug, Default)]
pub(super) struct Largest(Arc<AtomicUsize>);

impl Largest {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one instance may have.
pub(super) struct Room {
    limits: StoreLimits,
    largest: Largest,
}

impl Room {
    /// So many bytes of linear memory.
    pub(super) fn new(memory: usize, largest: Largest) -> Self {
        Self { limits: StoreLimitsBuilder::new().memory_size(memory).build(), largest }
    }
}

impl ResourceLimiter for Room {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let may = self.limits.memory_growing(current, desired, maximum)?;
        if may {
            self.largest.0.fetch_max(desired, Ordering::Relaxed);
        }
        Ok(may)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }
}
