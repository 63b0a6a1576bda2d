//! The adapter for WASI 0.2, whose calls block until one of several pollables is ready.

mod exchange;
mod unsent;
mod upload;

use core::pin::pin;
use core::task::{Context, Poll, Waker};

pub(crate) use exchange::Exchange;
pub(crate) use waki::bindings::wasi::http::types as http_types;

pub(super) use waki::bindings::wasi::clocks::monotonic_clock::now;

use waki::bindings::wasi::clocks::monotonic_clock::subscribe_instant;
use waki::bindings::wasi::io::poll::{Pollable, poll};

use super::clock::Clock;
use crate::engine::Instant;

/// Everything that a call waits for.
#[derive(Default)]
pub(crate) struct Waits<'a> {
    pollables: Vec<&'a Pollable>,
    wake_at: Option<Instant>,
}

impl<'a> Waits<'a> {
    /// Adds a pollable.
    pub(crate) fn push(&mut self, pollable: &'a Pollable) {
        self.pollables.push(pollable);
    }

    /// Adds a point in time, if there is one.
    pub(crate) fn wake_at(&mut self, instant: Option<Instant>) {
        self.wake_at = self.wake_at.into_iter().chain(instant).min();
    }

    /// Returns whether there is nothing to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.pollables.is_empty() && self.wake_at.is_none()
    }

    /// Blocks until one of the pollables is ready or the first point in time has come. Does not
    /// wait if there is neither.
    pub(crate) async fn wait(mut self, clock: Clock) {
        if self.is_empty() {
            return;
        }
        let timer = self.wake_at.map(|instant| timer(clock, instant));
        self.pollables.extend(&timer);
        poll(&self.pollables);
    }
}

/// Returns a pollable that is ready at this instant.
pub(crate) fn timer(clock: Clock, instant: Instant) -> Pollable {
    subscribe_instant(clock.host_time(instant))
}

/// Completes a future. Everything that waits in WASI 0.2 blocks, so the future is complete when it
/// was polled once.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
