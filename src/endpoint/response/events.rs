//! Server-sent events that follow a run.

use core::time::Duration;

use serde::Serialize;

use super::chunked_buffer::ChunkedBuffer;
use super::presenter::Presenter;
use crate::engine::{Instant, Outcome, Report};

/// Maximum time without an event. Gateways close a connection that is silent for a long time.
const MAX_SILENCE: Duration = Duration::from_secs(15);
/// Maximum number of bytes that wait for a slow caller. Above this number, no `progress` events are
/// sent.
const MAX_BACKLOG: usize = 64 * 1024;

/// The events of one run: `progress` each time the status, the jobs or the sync runs change, a
/// comment if nothing changes, and at the end `report` or `problem`.
pub(in crate::endpoint) struct Events {
    /// When the last event was sent.
    last: Instant,
    /// The number of steps when the report was last compared. Most steps process a part of a
    /// response and change nothing.
    shown_steps: u64,
    /// The report of the last `progress` event.
    shown: Option<Report>,
}

impl Events {
    pub(in crate::endpoint) fn new(now: Instant) -> Self {
        Self {
            last: now,
            shown_steps: 0,
            shown: None,
        }
    }

    /// Returns when [`progress`](Self::progress) has to be called at the latest.
    pub(in crate::endpoint) fn next(&self) -> Instant {
        self.last + MAX_SILENCE
    }

    /// Returns an event if the run has changed, or a comment if there was no event for a long time.
    ///
    /// `steps` is the number of steps that the operation has taken, `report` returns the state of
    /// its run, and `backlog` is the number of bytes that the caller has not read.
    pub(in crate::endpoint) fn progress(
        &mut self,
        steps: u64,
        report: impl FnOnce() -> Option<Report>,
        backlog: usize,
        presenter: &Presenter,
        now: Instant,
    ) -> Option<ChunkedBuffer> {
        let is_slow = backlog >= MAX_BACKLOG;
        let report = if steps != self.shown_steps && !is_slow {
            self.shown_steps = steps;
            report()
        } else {
            None
        };
        let changed = report.filter(|report| {
            self.shown
                .as_ref()
                .is_none_or(|shown| has_changed(shown, report))
        });
        if let Some(report) = changed {
            let text = event("progress", &presenter.view(&report));
            self.shown = Some(report);
            self.last = now;
            return Some(text);
        }
        if now.duration_since(self.last) < MAX_SILENCE {
            return None;
        }
        self.last = now;
        (!is_slow).then(|| ChunkedBuffer::of(": still here\n\n"))
    }

    /// Returns the last event.
    pub(in crate::endpoint) fn end(self, outcome: Outcome, presenter: &Presenter) -> ChunkedBuffer {
        // The copy is not needed any more, and may be large.
        drop(self);
        match outcome {
            Ok(report) => event("report", &presenter.view(&report)),
            Err(failure) => event("problem", &presenter.problem(failure)),
        }
    }
}

/// Returns an event. JSON on one line needs no further encoding.
fn event(name: &str, data: &impl Serialize) -> ChunkedBuffer {
    let mut text = ChunkedBuffer::of(format!("event: {name}\ndata: "));
    text.push_json(data);
    text.push(b"\n\n");
    text
}

/// Returns whether a run has changed, apart from the elapsed time.
fn has_changed(before: &Report, now: &Report) -> bool {
    match (before, now) {
        (Report::Sync(before), Report::Sync(now)) => {
            before.status != now.status || before.jobs != now.jobs
        }
        (Report::Sequence(before), Report::Sequence(now)) => before.run != now.run,
        _ => true,
    }
}
