//! The guest's monotonic clock. In virtual time, its timers fire late.

use std::time::Duration;

use wasmtime::component::{Accessor, HasData, Resource};
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{
    self, Duration as Nanoseconds, Instant,
};
use wasmtime_wasi::p3::bindings::clocks as p3;

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

impl LateClock<'_> {
    /// Returns the duration after which a timer for this duration fires. A time that has passed
    /// needs no timer, so nothing is late.
    fn with_lateness(&self, duration: Nanoseconds) -> Nanoseconds {
        let lateness = self
            .time
            .as_ref()
            .filter(|_| duration > 0)
            .map_or(Duration::ZERO, VirtualTime::lateness);
        let lateness = u64::try_from(lateness.as_nanos()).unwrap_or_default();
        duration.saturating_add(lateness)
    }
}

/// The clock of WASI 0.2.
impl monotonic_clock::Host for LateClock<'_> {
    fn now(&mut self) -> wasmtime::Result<Instant> {
        monotonic_clock::Host::now(&mut self.clock)
    }

    fn resolution(&mut self) -> wasmtime::Result<Instant> {
        monotonic_clock::Host::resolution(&mut self.clock)
    }

    fn subscribe_instant(&mut self, when: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        let now = monotonic_clock::Host::now(self)?;
        self.subscribe_duration(when.saturating_sub(now))
    }

    fn subscribe_duration(
        &mut self,
        duration: Nanoseconds,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let duration = self.with_lateness(duration);
        self.clock.subscribe_duration(duration)
    }
}

/// The clock of WASI 0.3.
impl<T> p3::monotonic_clock::HostWithStore<T> for LateClocks {
    async fn wait_until(
        store: &Accessor<T, Self>,
        when: p3::monotonic_clock::Mark,
    ) -> wasmtime::Result<()> {
        let duration = store.with(|mut access| {
            let mut clock = access.get();
            wasmtime::error::Ok(when.saturating_sub(monotonic_clock::Host::now(&mut clock)?))
        })?;
        Self::wait_for(store, duration).await
    }

    async fn wait_for(store: &Accessor<T, Self>, duration: Nanoseconds) -> wasmtime::Result<()> {
        let duration = store.with(|mut access| access.get().with_lateness(duration));
        if duration > 0 {
            tokio::time::sleep(Duration::from_nanos(duration)).await;
        }
        Ok(())
    }
}

impl p3::monotonic_clock::Host for LateClock<'_> {
    fn now(&mut self) -> wasmtime::Result<p3::monotonic_clock::Mark> {
        p3::monotonic_clock::Host::now(&mut self.clock)
    }

    fn get_resolution(&mut self) -> wasmtime::Result<Nanoseconds> {
        p3::monotonic_clock::Host::get_resolution(&mut self.clock)
    }
}

impl p3::types::Host for LateClock<'_> {}
