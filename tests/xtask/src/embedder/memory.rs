//! How much linear memory guests may have, and how much they had.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::ResourceLimiter;

/// The most linear memory that any instance of a component has had so far, in bytes. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Peak(Arc<AtomicUsize>);

impl Peak {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Keeps each linear memory of one instance under a limit, and notes how large it became.
#[derive(Debug)]
pub(super) struct Memory {
    most: usize,
    peak: Peak,
}

impl Memory {
    pub(super) fn new(most: usize, peak: Peak) -> Self {
        Self { most, peak }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = desired <= self.most;
        if granted {
            self.peak.0.fetch_max(desired, Ordering::Relaxed);
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
