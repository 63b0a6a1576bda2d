//! Futures with a deadline.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use crate::bindings::wasi::clocks0_3_0::monotonic_clock::wait_until;
use crate::engine::Instant;
use crate::host::clock::Clock;

/// A timer of the host. It is set when it is polled first.
pub(crate) struct Deadline {
    timer: Pin<Box<dyn Future<Output = ()>>>,
    has_passed: bool,
}

impl Deadline {
    pub(crate) fn new(clock: Clock, instant: Instant) -> Self {
        Self {
            timer: Box::pin(wait_until(clock.host_time(instant))),
            has_passed: false,
        }
    }

    /// Awaits a future. Returns `None` if the deadline passes before the future is complete.
    pub(crate) async fn before<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Pin::new(&mut *self).poll(context).map(|()| None),
        })
        .await
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_passed {
            self.has_passed = self.timer.as_mut().poll(context).is_ready();
        }
        if self.has_passed {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Awaits `main`. Until it is complete, also continues `background`, then drops it. `main` begins
/// first.
pub(super) async fn alongside<T>(
    background: impl Future<Output = ()>,
    main: impl Future<Output = T>,
) -> T {
    let mut background = pin!(background);
    let mut main = pin!(main);
    let mut is_done = false;
    poll_fn(|context| {
        let poll = main.as_mut().poll(context);
        if poll.is_pending() && !is_done {
            is_done = background.as_mut().poll(context).is_ready();
        }
        poll
    })
    .await
}
