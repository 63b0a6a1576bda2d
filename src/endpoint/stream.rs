//! Sends the events of a run while it is in progress.

use waki::bindings::wasi::http::types::ResponseOutparam;

use super::log::Log;
use super::outgoing::BodyStream;
use super::response::Head;
use super::response::events::Events;
use super::response::presenter::Presenter;
use crate::engine::{Goal, Report, untyped};
use crate::host::{Clock, Driver, Redact};

/// Carries out an operation and sends its events.
///
/// If the caller hangs up, the operation ends as soon as its run is known.
pub(super) fn stream<G: Goal<Report: Redact + Into<Report>>>(
    mut driver: Driver<G>,
    presenter: &Presenter,
    head: Head,
    to: ResponseOutparam,
    log: &mut Log,
    clock: Clock,
) {
    let Some(mut body) = BodyStream::open(head, to) else {
        return;
    };
    let mut events = Events::new(clock.now());
    let mut has_hung_up = false;
    loop {
        driver.advance();
        if let Some(outcome) = driver.take_outcome(0) {
            let outcome = untyped(outcome);
            log.outcome(&outcome);
            body.push(events.end(outcome, presenter));
            return body.finish(clock);
        }
        if has_hung_up {
            if let Some(report) = driver.report(0) {
                return log.report(&report.into());
            }
            driver.wait(None, None);
        } else {
            let event = events.progress(
                driver.steps(0),
                || driver.report(0).map(Into::into),
                body.backlog(),
                presenter,
                clock.now(),
            );
            if let Some(event) = event {
                body.push(event);
            }
            has_hung_up = body.write().is_err();
            driver.wait(body.pollable(), Some(events.next()));
        }
    }
}
