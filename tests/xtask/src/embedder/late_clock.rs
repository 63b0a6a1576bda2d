//! The guest's monotonic clock. In virtual time, its timers fire late.

use std::time::Duration;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{
    self, Duration as Nanoseconds, Instant,
};

use super::virtual_time::VirtualTime;

/// Selects the clock of an instance for wasmtime's linker.
pub(super) struct LateClocks;

impl HasData for LateClocks {
    type Data<'a> = LateClock<'a>;
}

/// The guest's clock. It has the virtual time if the guest's clock is virtual.
pub(super) struct LateClock<'a> {
    pub(super) clock: WasiClocksCtxView<'a>,
    pub(super) time: Option<VirtualTime>,
}

impl monotonic_clock::Host for LateClock<'_> {
    fn now(&mut self) -> wasmtime::Result<Instant> {
        self.clock.now()
    }

    fn resolution(&mut self) -> wasmtime::Result<Instant> {
        monotonic_clock::Host::resolution(&mut self.clock)
    }

    fn subscribe_instant(&mut self, when: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.now()?;
        self.subscribe_duration(when.saturating_sub(now))
    }

    fn subscribe_duration(
        &mut self,
        duration: Nanoseconds,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        // A time that has passed needs no timer, so nothing is late.
        let lateness = self
            .time
            .as_ref()
            .filter(|_| duration > 0)
            .map_or(Duration::ZERO, VirtualTime::lateness);
        let lateness = u64::try_from(lateness.as_nanos()).unwrap_or_default();
        self.clock
            .subscribe_duration(duration.saturating_add(lateness))
    }
}
