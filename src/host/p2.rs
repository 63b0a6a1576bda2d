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

/// Work in progress that a call waits for: it is ready if the host has something for the call.
pub(crate) type Work<'a> = &'a Pollable;

/// Blocks until some of the work is ready, or until this point in time.
pub(super) async fn wait(mut works: Vec<Work<'_>>, wake_at: Option<Instant>, clock: Clock) {
    let timer = wake_at.map(|instant| timer(clock, instant));
    works.extend(&timer);
    poll(&works);
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
