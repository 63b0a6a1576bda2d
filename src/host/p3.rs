//! The adapter for WASI 0.3, whose calls are futures.
//!
//! A future that is dropped cancels its call to the host. So an exchange that is dropped closes its
//! connection, and a call of this component that is cancelled sends nothing more.
//!
//! Callers share an instance. A waker of one caller must not be woken by another, because the
//! executor of wit-bindgen ends the instance then. Here, callers share only the number of large
//! buffers.

pub(crate) mod body;
pub(crate) mod deadline;
mod exchange;

use core::future::{pending, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

pub(crate) use exchange::Exchange;

pub(crate) use crate::bindings::wasi::http0_3_0::types as http_types;
pub(super) use crate::bindings::wasi::clocks0_3_0::monotonic_clock::now;

use super::clock::Clock;
use crate::engine::Instant;
use deadline::Deadline;

/// Work in progress that a call waits for.
pub(crate) trait Progress {
    /// Continues the work. Returns `Ready` if there is something for the call to do.
    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// Everything that a call waits for.
#[derive(Default)]
pub(crate) struct Waits<'a> {
    works: Vec<&'a mut (dyn Progress + 'static)>,
    wake_at: Option<Instant>,
}

impl<'a> Waits<'a> {
    /// Adds work.
    pub(crate) fn push(&mut self, work: &'a mut (dyn Progress + 'static)) {
        self.works.push(work);
    }

    /// Adds a point in time, if there is one.
    pub(crate) fn wake_at(&mut self, instant: Option<Instant>) {
        self.wake_at = self.wake_at.into_iter().chain(instant).min();
    }

    /// Returns whether there is nothing to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.works.is_empty() && self.wake_at.is_none()
    }

    /// Continues all work until there is something to do, or until the first point in time. Does
    /// not wait if there is neither.
    pub(crate) async fn wait(self, clock: Clock) {
        if self.is_empty() {
            return;
        }
        let Self { mut works, wake_at } = self;
        let mut timer = pin!(async {
            match wake_at {
                Some(instant) => Deadline::new(clock, instant).await,
                None => pending().await,
            }
        });
        poll_fn(|context| {
            let mut is_ready = false;
            for work in &mut works {
                is_ready |= work.poll_progress(context).is_ready();
            }
            if is_ready {
                Poll::Ready(())
            } else {
                timer.as_mut().poll(context)
            }
        })
        .await;
    }
}
