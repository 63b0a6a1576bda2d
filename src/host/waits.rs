//! The things that a call waits for.

use super::adapter::{self, Work};
use super::clock::Clock;
use crate::engine::Instant;

/// Everything that a call waits for.
#[derive(Default)]
pub(crate) struct Waits<'a> {
    works: Vec<Work<'a>>,
    wake_at: Option<Instant>,
}

impl<'a> Waits<'a> {
    /// Adds work in progress.
    pub(crate) fn push(&mut self, work: Work<'a>) {
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

    /// Waits until some of the work has something to do for the call, or until the first point in
    /// time. Does not wait if there is neither.
    pub(crate) async fn wait(self, clock: Clock) {
        if !self.is_empty() {
            adapter::wait(self.works, self.wake_at, clock).await;
        }
    }
}
