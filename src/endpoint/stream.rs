//! Sends the events of a run while it is in progress.

use super::adapter::{BodyStream, ResponseOutparam};
use super::log::Log;
use super::response::Head;
use super::response::events::Events;
use super::response::presenter::Presenter;
use super::session::{Running, Session, still_running};
use crate::engine::{Goal, Report, untyped};
use crate::host::waits::Waits;
use crate::host::{Clock, Redact};

/// Carries out an operation and sends its events. Returns the run if it is still in progress.
///
/// If the caller hangs up, the operation ends as soon as its run is known.
pub(super) async fn stream<G: Goal<Report: Redact + Into<Report>>>(
    session: &mut Session<'_, G>,
    presenter: &Presenter,
    head: Head,
    to: ResponseOutparam,
    log: &mut Log,
    clock: Clock,
) -> Option<Running<G>> {
    let mut body = BodyStream::open(head, to)?;
    let mut events = Events::new(clock.now());
    let mut has_hung_up = false;
    loop {
        session.advance();
        if let Some(outcome) = session.take_outcome(0) {
            let running = still_running(0, &outcome);
            let outcome = untyped(outcome);
            log.outcome(&outcome);
            body.push(events.end(outcome, presenter));
            body.finish(clock).await;
            return running;
        }
        let driver = &session.driver;
        if has_hung_up {
            if let Some(report) = driver.report(0) {
                // A run that had ended before this request is not followed.
                let has_seen_progress = driver.has_seen_progress(0);
                let running = Running::new(0, &report).filter(|_| has_seen_progress);
                log.report(&report.into());
                return running;
            }
            session.wait(Waits::default()).await;
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
            let mut waits = Waits::default();
            waits.wake_at(Some(events.next()));
            body.watch(&mut waits);
            session.wait(waits).await;
        }
    }
}
