//! Before a run is started: which sync a slug names, and whether a run of it is going.

use super::operation::{Operation, Phase, Reply};
use super::options::{Goal, IfRunning};
use super::outcome::FailureKind;
use super::pages::{Order, Pages};
use super::time::Instant;
use super::trigger::Trigger;
use super::{Action, look};
use crate::hightouch::{Request, Run, RunRef, Slug, SyncEntry, SyncId};

/// Looking up a slug.
#[derive(Debug)]
pub(super) struct FindSync {
    slug: Slug,
    pages: Pages,
}

impl FindSync {
    pub(super) fn new(slug: Slug) -> Self {
        Self { slug, pages: Pages::default() }
    }

    pub(super) fn request(&self) -> Request {
        Request::syncs_with_slug(&self.slug, self.pages.offset)
    }
}

/// Looking for a run that is going.
#[derive(Debug)]
pub(super) struct FindGoing {
    sync: SyncId,
    pages: Pages,
    order: Order,
    /// The newest run that is going, by ID.
    going: Option<Run>,
    /// The highest ID of any run.
    highest: u64,
}

impl FindGoing {
    pub(super) fn new(sync: SyncId) -> Self {
        Self { sync, pages: Pages::default(), order: Order::default(), going: None, highest: 0 }
    }

    pub(super) fn request(&self) -> Request {
        Request::runs(self.sync, self.pages.offset)
    }

    fn note(&mut self, run: Run) {
        self.order.note(run.id);
        self.highest = self.highest.max(run.id.get());
        if !run.status.ended() && self.going.as_ref().is_none_or(|going| going.id < run.id) {
            self.going = Some(run);
        }
    }
}

impl Operation {
    pub(super) fn sync_found(&mut self, now: Instant, mut phase: FindSync, reply: Reply) -> Action {
        let mut found = None;
        let slug = phase.slug.as_str();
        // A server that ignores the filter lists other syncs too.
        let page = phase.pages.note(reply, |body| {
            SyncEntry::read_page(body, &mut |sync| {
                if sync.slug == slug {
                    found = Some(sync.id);
                }
            })
        });
        let more = match page {
            Ok(more) => more,
            Err(setback) => return self.retry(now, Phase::FindSync(FindSync::new(phase.slug)), setback),
        };
        self.backoff.reset();
        match found {
            Some(sync) => {
                self.sync = Some(sync);
                let next = self.first_for(sync);
                self.go(now, next)
            }
            None if more => self.go(now, Phase::FindSync(phase)),
            None => {
                let details = format!("No sync of this key's workspace has the slug `{slug}`. No run was started.");
                self.fail(now, FailureKind::NotFound, crate::hightouch::reason(404), Some(details))
            }
        }
    }

    pub(super) fn going_found(&mut self, now: Instant, mut phase: FindGoing, reply: Reply) -> Action {
        let mut pages = std::mem::take(&mut phase.pages);
        let pace = &mut self.pace;
        let mut note = |run: Run| {
            pace.note_earlier(&run);
            phase.note(run);
        };
        let more = match pages.note(reply, |body| Run::read_page(body, &mut note)) {
            Ok(more) => more,
            Err(setback) => return self.retry(now, Phase::FindGoing(FindGoing::new(phase.sync)), setback),
        };
        phase.pages = pages;
        self.backoff.reset();
        // Runs of one sync go one after the other: what goes is among the newest.
        if more && !phase.order.newest_first() {
            return self.go(now, Phase::FindGoing(phase));
        }
        let Some(going) = phase.going else {
            return self.go(now, Phase::Trigger(Trigger::new(phase.sync, Some(phase.highest))));
        };
        let run = RunRef { sync: phase.sync, run: going.id };
        let status = going.status.clone();
        self.run_is(now, going.id);
        self.joined = true;
        self.jobs = vec![going];
        if self.options.if_running == IfRunning::Refuse {
            let message = format!("{run} is already going (`{}`), so no run was started.", status.as_str());
            return self.fail(now, FailureKind::Busy, message, None);
        }
        if self.options.resync.any() {
            let message = format!(
                "{run} is already going (`{}`) and cannot be joined: it may have been started without the resync that was asked for. No run \
                 was started.",
                status.as_str()
            );
            return self.fail(now, FailureKind::Busy, message, None);
        }
        if matches!(self.goal, Goal::Start(_)) {
            return self.succeed(now);
        }
        self.go(now, Phase::Look(look::Look::default()))
    }
}
