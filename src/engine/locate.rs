//! Whether an awaited run exists, if Hightouch's answer about it is empty.
//!
//! An empty list means "not yet" for a run that was started a moment ago, and "never" for a wrong ID. The list of all runs tells the two
//! apart: IDs rise, so a run that is missing from its place, between or before runs that Hightouch has listed for a while, does not exist.

use super::confirm::SETTLE;
use super::list::RunList;
use super::operation::{Action, Operation, Phase, Reply};
use super::outcome::FailureKind;
use super::poll::Poll;
use super::time::Instant;
use crate::hightouch::{Request, RunRef, reason};

/// Looking for a run's place in the list of all runs.
#[derive(Debug)]
pub(super) struct Locate {
    run: RunRef,
    list: RunList,
    /// Whether the list shows the run.
    is_listed: bool,
    /// The phase to continue with.
    poll: Poll,
}

impl Locate {
    pub(super) fn new(run: RunRef, poll: Poll) -> Self {
        Self {
            run,
            list: RunList::at(run.sync, run.run),
            is_listed: false,
            poll,
        }
    }

    pub(super) fn request(&self) -> Request {
        self.list.request()
    }
}

impl Operation {
    pub(super) fn located(&mut self, now: Instant, mut phase: Locate, reply: Reply) -> Action {
        let answer = reply.as_ref().ok();
        let (date, is_old) = (
            answer.and_then(|answer| answer.date),
            answer.is_some_and(|answer| answer.is_old),
        );
        let Locate {
            run,
            list,
            is_listed,
            ..
        } = &mut phase;
        let page = match list.read(reply, is_listed, |is_listed, entry| {
            *is_listed |= entry.id == run.run
        }) {
            Ok(Some(page)) => page,
            Ok(None) => return self.go(now, Phase::Locate(phase)),
            // Nothing depends on this list: the run is polled all the same.
            Err(setback) => {
                let delay = self
                    .backoff
                    .after_setback(setback.asked(), &mut self.jitter);
                return self.pause(now, delay, Phase::Poll(phase.poll), Some(setback));
            }
        };
        self.backoff.reset();
        self.sighted = true;
        let is_missing =
            phase.list.newer_seen() && !phase.is_listed && !page.has_unreadable && !is_old;
        if is_missing {
            let since = *self.missing_since.get_or_insert(now);
            let listed_for = date
                .zip(phase.list.newer_created())
                .map(|(date, created)| date.duration_since(created));
            if now.duration_since(since) >= SETTLE
                || listed_for.is_some_and(|listed_for| listed_for >= SETTLE)
            {
                let details = format!(
                    "Hightouch lists newer runs of the sync, but not {}. Check the run's ID, and that the API key belongs to the run's \
                     workspace.",
                    phase.run
                );
                return self.fail(now, FailureKind::NotFound, reason(404), Some(details));
            }
        } else {
            self.missing_since = None;
        }
        self.look_later(now, Phase::Poll(phase.poll))
    }
}
