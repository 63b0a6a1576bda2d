//! Server-sent events: how a run goes, while it goes.

use core::time::Duration;

use waki::bindings::wasi::http::types::ResponseOutparam;

use super::answer::{Body, Head};
use super::json::{Object, View};
use super::log::Log;
use super::pieces::Pieces;
use super::teller::Teller;
use crate::engine::{Instant, Report};
use crate::host::{Clock, Drive};

/// How long a stream may be silent: gateways hang up on one that says nothing.
const SILENCE: Duration = Duration::from_secs(15);
/// How much may wait for a caller who reads slowly before progress is left out.
const BACKLOG: usize = 64 * 1024;

/// Carries out an operation and tells by events how it goes: `progress` each time the run's status or jobs change, a comment where nothing
/// changes, and at the end `report` or `problem`. Where the caller hangs up it ends, but not before the run is known that is being started.
pub(super) fn stream(
    mut drive: Drive,
    teller: &Teller,
    applied: Option<String>,
    to: ResponseOutparam,
    log: &mut Log,
    clock: Clock,
) {
    let mut head = Head::new(200, "text/event-stream");
    if let Some(applied) = applied {
        head.push("preference-applied", applied);
    }
    let Some(body) = head.send(to) else { return };
    let mut events = Events { body, last: clock.now(), told: None };
    // How many steps of the operation were looked at: most wakes are for a piece of an answer, and change nothing.
    let mut seen = 0;
    let mut hung_up = false;
    loop {
        let over = drive.advance();
        if over {
            // What was told and what the operation remembers are of no use any more, and may be large.
            events.told = None;
            let Some(outcome) = drive.finish().pop() else { return };
            log.outcome(&outcome);
            match outcome {
                Ok(report) => events.push("report", &teller.report(&report)),
                Err(failure) => events.push("problem", &teller.problem(failure)),
            }
            return events.body.finish(clock);
        }
        let Some(task) = drive.tasks().first() else { return };
        if hung_up {
            if let Some(report) = task.report(clock) {
                return log.report(&report);
            }
            drive.wait(None, None);
        } else {
            let news = task.steps() != seen && events.body.backlog() < BACKLOG;
            let report = if news { task.report(clock) } else { None };
            seen = if news { task.steps() } else { seen };
            events.progress(report, teller, clock);
            hung_up = events.body.write().is_err();
            drive.wait(events.body.waits_for(), Some(events.last.plus(SILENCE)));
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
    fn progress(&mut self, report: Option<Report>, teller: &Teller, clock: Clock) {
        let now = clock.now();
        let changed = |told: &Report| {
            report.as_ref().is_some_and(|report| report.status != told.status || report.jobs != told.jobs)
        };
        let news = self.told.as_ref().map_or(report.is_some(), changed);
        match report {
            Some(report) if news => {
                self.push("progress", &teller.report(&report));
                self.told = Some(report);
                self.last = now;
            }
            _ if now.since(self.last) >= SILENCE => {
                if self.body.backlog() < BACKLOG {
                    self.body.push(Pieces::of(": still here\n\n"));
                }
                self.last = now;
            }
            _ => {}
        }
    }

    /// JSON has no line breaks of its own.
    fn push(&mut self, event: &str, data: &dyn View) {
        let mut text = Pieces::of(format!("event: {event}\ndata: "));
        Object::write(data, &mut text);
        text.push("\n\n");
        self.body.push(text);
    }
}
