//! Server-sent events: follows a run while it is in progress.

use core::time::Duration;

use serde::Serialize;
use waki::bindings::wasi::http::types::ResponseOutparam;

use super::log::Log;
use super::outgoing::BodyStream;
use super::response::Head;
use super::response::chunked_buffer::ChunkedBuffer;
use super::response::presenter::Presenter;
use crate::engine::{Goal, Instant, Report, untyped};
use crate::host::{Clock, Driver, Redact};

/// Maximum time without an event. Gateways close a connection that is silent for long.
const MAX_SILENCE: Duration = Duration::from_secs(15);
/// Maximum number of bytes that wait for a slow caller. Above it, progress is left out.
const MAX_BACKLOG: usize = 64 * 1024;

/// Carries out an operation and sends events: `progress` each time the status, the jobs or the sync
/// runs change, a comment if nothing changes, and at the end `report` or `problem`.
///
/// If the caller hangs up, the operation ends, but not before the run that it starts is known.
pub(super) fn stream<G: Goal<Report: Redact>>(
    mut driver: Driver<G>,
    presenter: &Presenter,
    applied: Option<String>,
    to: ResponseOutparam,
    log: &mut Log,
    clock: Clock,
) {
    let mut head = Head::events();
    if let Some(applied) = applied {
        head.push("preference-applied", applied);
    }
    let Some(body) = BodyStream::open(head, to) else {
        return;
    };
    let mut events = Events {
        body,
        last: clock.now(),
        shown: None,
    };
    // The number of steps that the events show. Most wakes are for a part of a response and change
    // nothing.
    let mut shown_steps = 0;
    let mut has_hung_up = false;
    loop {
        driver.advance();
        if let Some(outcome) = driver.take_outcome(0) {
            // The copy is not needed any more, and may be large.
            events.shown = None;
            let outcome = untyped(outcome);
            log.outcome(&outcome);
            match outcome {
                Ok(report) => events.push("report", &presenter.view(&report)),
                Err(failure) => events.push("problem", &presenter.problem(failure)),
            }
            return events.body.finish(clock);
        }
        if has_hung_up {
            if let Some(report) = driver.report(0) {
                return log.report(&report.into());
            }
            driver.wait(None, None);
        } else {
            let steps = driver.steps(0);
            let has_news = steps != shown_steps && events.body.backlog() < MAX_BACKLOG;
            let report = if has_news { driver.report(0) } else { None };
            if has_news {
                shown_steps = steps;
            }
            events.progress(report.map(Into::into), presenter, clock);
            has_hung_up = events.body.write().is_err();
            driver.wait(events.body.pollable(), Some(events.last + MAX_SILENCE));
        }
    }
}

struct Events {
    body: BodyStream,
    /// When the last event was sent.
    last: Instant,
    /// The report of the last `progress` event.
    shown: Option<Report>,
}

impl Events {
    /// Sends an event if the run has changed, or a comment if there was no event for long.
    fn progress(&mut self, report: Option<Report>, presenter: &Presenter, clock: Clock) {
        let now = clock.now();
        match report {
            Some(report)
                if self
                    .shown
                    .as_ref()
                    .is_none_or(|shown| has_changed(shown, &report)) =>
            {
                self.push("progress", &presenter.view(&report));
                self.shown = Some(report);
                self.last = now;
            }
            _ if now.duration_since(self.last) >= MAX_SILENCE => {
                if self.body.backlog() < MAX_BACKLOG {
                    self.body.push(ChunkedBuffer::of(": still here\n\n"));
                }
                self.last = now;
            }
            _ => {}
        }
    }

    /// Sends an event. JSON on one line needs no further encoding.
    fn push(&mut self, event: &str, data: &impl Serialize) {
        let mut text = ChunkedBuffer::of(format!("event: {event}\ndata: "));
        text.push_json(data);
        text.push(b"\n\n");
        self.body.push(text);
    }
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
