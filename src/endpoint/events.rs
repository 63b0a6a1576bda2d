//! Server-sent events: how a run goes, while it goes.

use core::time::Duration;

use wasi::http::types::ResponseOutparam;

use super::chunked_buffer::ChunkedBuffer;
use super::json::{Object, View};
use super::log::Log;
use super::presenter::Presenter;
use super::response::{Body, Head};
use crate::engine::{Instant, Report};
use crate::host::{Clock, Drive};

/// How long a stream may be silent: gateways hang up on one that says nothing.
const SILENCE: Duration = Duration::from_secs(15);
/// How much may wait for a caller who reads slowly before progress is left out.
const BACKLOG: usize = 64 * 1024;

/// Carries out an operation and tells by events how it goes: `progress` each time the run's status, jobs or sync runs change, a comment where nothing
/// changes, and at the end `report` or `problem`. Where the caller hangs up it ends, but not before the run is known that is being started.
pub(super) fn stream(
    mut drive: Drive,
    teller: &Presenter,
    applied: Option<String>,
    to: ResponseOutparam,
    log: &mut Log,
    clock: Clock,
) {
    let mut head = Head::events();
    if let Some(applied) = applied {
        head.push("preference-applied", applied);
    }
    let Some(body) = head.send(to) else { return };
    let mut events = Events {
        body,
        last: clock.now(),
        told: None,
    };
    // How many steps of the operation were looked at: most wakes are for a piece of an answer, and change nothing.
    let mut seen = 0;
    let mut hung_up = false;
    loop {
        let over = drive.advance();
        if over {
            // What was told and what the operation remembers are of no use any more, and may be large.
            events.told = None;
            let Some(outcome) = drive.finish().pop() else {
                return;
            };
            log.outcome(&outcome);
            match outcome {
                Ok(standing) => events.push("report", &teller.view(&standing)),
                Err(failure) => events.push("problem", &teller.problem(failure)),
            }
            return events.body.finish(clock);
        }
        let Some(task) = drive.tasks().first() else {
            return;
        };
        if hung_up {
            if let Some(standing) = task.standing(clock) {
                return log.standing(&standing);
            }
            drive.wait(None, None);
        } else {
            let news = task.steps() != seen && events.body.backlog() < BACKLOG;
            let standing = if news { task.standing(clock) } else { None };
            seen = if news { task.steps() } else { seen };
            events.progress(standing, teller, clock);
            hung_up = events.body.write().is_err();
            drive.wait(events.body.waits_for(), Some(events.last + SILENCE));
        }
    }
}

struct Events {
    body: Body,
    /// When something was last said.
    last: Instant,
    /// The run as it was last told.
    told: Option<Report>,
}

impl Events {
    fn progress(&mut self, standing: Option<Report>, teller: &Presenter, clock: Clock) {
        let now = clock.now();
        match standing {
            Some(standing)
                if self
                    .told
                    .as_ref()
                    .is_none_or(|told| differ(told, &standing)) =>
            {
                self.push("progress", &teller.view(&standing));
                self.told = Some(standing);
                self.last = now;
            }
            _ if now.duration_since(self.last) >= SILENCE => {
                if self.body.backlog() < BACKLOG {
                    self.body.push(ChunkedBuffer::of(": still here\n\n"));
                }
                self.last = now;
            }
            _ => {}
        }
    }

    /// JSON has no line breaks of its own.
    fn push(&mut self, event: &str, data: &dyn View) {
        let mut text = ChunkedBuffer::of(format!("event: {event}\ndata: "));
        Object::write(data, &mut text);
        text.push("\n\n");
        self.body.push(text);
    }
}

/// Whether a run stands elsewhere than before, whatever time has passed.
fn differ(before: &Report, now: &Report) -> bool {
    match (before, now) {
        (Report::Sync(before), Report::Sync(now)) => {
            before.status != now.status || before.jobs != now.jobs
        }
        (Report::Sequence(before), Report::Sequence(now)) => before.run != now.run,
        _ => true,
    }
}
