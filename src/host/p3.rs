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

pub(super) use crate::bindings::wasi::clocks0_3_0::monotonic_clock::now;
pub(crate) use crate::bindings::wasi::http0_3_0::types as http_types;

use super::clock::Clock;
use crate::engine::Instant;
use deadline::Deadline;

/// Work that continues while a call waits for it.
pub(crate) trait Progress {
    /// Continues the work. Returns `Ready` if there is something for the call to do.
    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// Work in progress that a call waits for.
pub(crate) type Work<'a> = &'a mut (dyn Progress + 'static);

/// Continues all work until some of it has something to do for the call, or until this point in
/// time.
pub(super) async fn wait(mut works: Vec<Work<'_>>, wake_at: Option<Instant>, clock: Clock) {
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
