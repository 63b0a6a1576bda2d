//! Finds out whether an awaited run exists after Hightouch's response about it was empty.
//!
//! An empty list means "not yet" for a run that was started a moment ago, and "never" for a wrong
//! ID. The list of all runs distinguishes the two. IDs rise, so each run has a place in this list.
//! If a run is missing from its place, and Hightouch has listed newer runs for a while, the run
//! does not exist.

use core::time::Duration;

use crate::engine::attempt_error::AttemptError;
use crate::engine::list::{ListStep, RunList};
use crate::engine::step::{Context, Reply};
use crate::hightouch::{Request, RunRef};

/// The look-up of a run's place in the list of all runs.
#[derive(Debug)]
pub struct Locate {
    run: RunRef,
    list: RunList,
    /// Whether the list shows the run.
    is_listed: bool,
}

/// What the list shows at the run's place.
#[derive(Debug)]
pub(in crate::engine) enum Located {
    /// Nothing yet: the next request of the look-up is needed.
    ReadOn,
    /// The list does not contradict the existence of the run.
    Possible,
    /// The list shows newer runs, but not the run. `newer_age` is the time since the oldest of the
    /// newer runs was created.
    Missing { newer_age: Option<Duration> },
    /// The list could not be read.
    Failed(AttemptError),
}

impl Locate {
    pub(in crate::engine) fn new(run: RunRef) -> Self {
        Self {
            run,
            list: RunList::at(run.sync, run.run),
            is_listed: false,
        }
    }

    pub(in crate::engine) fn request(&self) -> Request {
        self.list.request()
    }

    pub(in crate::engine) fn on_reply(&mut self, cx: &mut Context<'_>, reply: Reply) -> Located {
        let page = match self.list.read(reply, cx.limits) {
            Ok(ListStep::Page(page)) => page,
            Ok(ListStep::More) => return Located::ReadOn,
            Ok(ListStep::Restart) => {
                self.is_listed = false;
                return Located::ReadOn;
            }
            Err(error) => return Located::Failed(error),
        };
        let (is_complete, date) = (!page.has_unreadable && !page.is_stale, page.date);
        self.is_listed |= page.into_iter().any(|entry| entry.id == self.run.run);
        if self.is_listed || !is_complete || !self.list.newer_seen() {
            return Located::Possible;
        }
        Located::Missing {
            newer_age: date
                .zip(self.list.newer_created())
                .map(|(date, created)| date.duration_since(created)),
        }
    }
}
