//! Before a run is started: which sync a slug names, and whether a run of it is going or has come since.

use super::attempt_error::AttemptError;
use super::list::RunList;
use super::operation::{Operation, Phase, Reply};
use super::options::{Goal, IfRunning};
use super::outcome::FailureKind;
use super::pages::Pages;
use super::time::Instant;
use super::trigger::Trigger;
use super::{Action, poll};
use crate::hightouch::{
    ReadError, Request, Run, RunRef, RunStatus, Slug, SyncEntry, SyncId, Timestamp,
};

/// Looking up a slug.
#[derive(Debug)]
pub(super) struct FindSync {
    slug: Slug,
    pages: Pages,
    /// Whether the list has entries that could not be read as syncs.
    has_unreadable: bool,
}

impl FindSync {
    pub(super) fn new(slug: Slug) -> Self {
        Self {
            slug,
            pages: Pages::default(),
            has_unreadable: false,
        }
    }

    /// The same, with the list to be read from its start.
    fn again(self) -> Self {
        Self {
            pages: self.pages.again(),
            ..Self::new(self.slug)
        }
    }

    pub(super) fn request(&self) -> Request {
        Request::syncs_with_slug(&self.slug, self.pages.offset, self.pages.limit)
    }
}

/// Looking for a run that is going, or that came since.
#[derive(Debug)]
pub(super) struct FindGoing {
    list: RunList,
    notes: Notes,
}

/// What the list shows.
#[derive(Clone, Debug, Default)]
struct Notes {
    /// The newest run that is going, by ID; or the first that came since, as soon as there is one.
    found: Option<Run>,
    came_since: bool,
    /// The highest ID of any run.
    highest: u64,
    /// The highest ID of a run that began before, and of one of which it cannot be told.
    before: u64,
    untold: u64,
}

impl FindGoing {
    pub(super) fn new(sync: SyncId) -> Self {
        Self::reading(RunList::newest(sync))
    }

    fn reading(list: RunList) -> Self {
        Self {
            list,
            notes: Notes::default(),
        }
    }

    /// The same, with the list to be read from its start.
    fn again(&self) -> Self {
        Self::reading(self.list.again())
    }

    pub(super) fn request(&self) -> Request {
        self.list.request()
    }

    /// Why the list does not show that no run came since. Runs of one sync begin in the order of their IDs.
    fn hides(&self) -> Option<AttemptError> {
        let why = ReadError::Missing("createdAt");
        (self.notes.untold > self.notes.before)
            .then_some(AttemptError::Unreadable { status: 200, why })
    }
}

impl Notes {
    fn note(&mut self, run: Run) {
        self.highest = self.highest.max(run.id.get());
        if !run.ended() && self.found.as_ref().is_none_or(|going| going.id < run.id) {
            self.found = Some(run);
        }
    }

    /// Takes note of a run, where one that came since is as good as a new one.
    fn note_since(&mut self, run: Run, moment: Timestamp) {
        let id = run.id.get();
        match came_since(&run, moment) {
            Some(true) => {
                if !self.came_since || self.found.as_ref().is_none_or(|first| run.id < first.id) {
                    (self.found, self.came_since) = (Some(run), true);
                }
                return;
            }
            Some(false) => self.before = self.before.max(id),
            None => self.untold = self.untold.max(id),
        }
        if !self.came_since {
            self.note(run);
        }
    }
}

/// Whether a run reads what was there at a moment: it began then or later, or has yet to begin. None where that cannot be told.
fn came_since(run: &Run, moment: Timestamp) -> Option<bool> {
    if run.status == RunStatus::Queued {
        return Some(true);
    }
    let time = |text: &Option<String>| text.as_deref().and_then(Timestamp::rfc3339);
    Some(time(&run.started_at).or_else(|| time(&run.created_at))? >= moment)
}

impl Operation {
    pub(super) fn sync_found(&mut self, now: Instant, mut phase: FindSync, reply: Reply) -> Action {
        let mut found = None;
        let mut has_unreadable = phase.has_unreadable;
        let slug = phase.slug.as_str();
        // A server that ignores the filter lists other syncs too.
        let page = phase.pages.note(reply, |body| {
            let page = SyncEntry::read_page(body, &mut |sync| {
                if sync.slug == slug {
                    found = Some(sync.id);
                }
            })?;
            has_unreadable |= page.unreadable > 0;
            Ok(page)
        });
        let more = match page {
            Ok(more) => more,
            Err(setback) => return self.retry(now, Phase::FindSync(phase.again()), setback),
        };
        phase.has_unreadable = has_unreadable;
        if found.is_none() && !more && has_unreadable {
            let setback = AttemptError::Unreadable {
                status: 200,
                why: ReadError::Missing("id"),
            };
            return self.retry(now, Phase::FindSync(phase.again()), setback);
        }
        self.backoff.reset();
        match found {
            Some(sync) => {
                self.sync = Some(sync);
                let next = self.first_for(sync);
                self.go(now, next)
            }
            None if more => self.go(now, Phase::FindSync(phase)),
            None => {
                let details = format!(
                    "No sync of this key's workspace has the slug `{slug}`. No run was started."
                );
                self.fail(
                    now,
                    FailureKind::NotFound,
                    crate::hightouch::reason(404),
                    Some(details),
                )
            }
        }
    }

    pub(super) fn going_found(
        &mut self,
        now: Instant,
        mut phase: FindGoing,
        reply: Reply,
    ) -> Action {
        let since = self.options.unless_since;
        // What went when it was kept on the way may have ended.
        let is_old = reply.as_ref().is_ok_and(|answer| answer.is_old);
        let FindGoing { list, notes, .. } = &mut phase;
        let mut read = list.read(reply, notes, |notes, run| {
            self.pace.note_earlier(&run);
            match since {
                Some(moment) => notes.note_since(run, moment),
                None => notes.note(run),
            }
        });
        if is_old && read.is_ok() {
            read = Err(AttemptError::Unreadable {
                status: 200,
                why: ReadError::Old,
            });
        }
        let page = match read {
            Ok(Some(page)) => page,
            Ok(None) => return self.go(now, Phase::FindGoing(phase)),
            Err(setback) => return self.retry(now, Phase::FindGoing(phase.again()), setback),
        };
        // An entry that cannot be read may be the run in progress, or the first that came since.
        if page.has_unreadable {
            let setback = AttemptError::Unreadable {
                status: 200,
                why: ReadError::Missing("id"),
            };
            return self.retry(now, Phase::FindGoing(phase.again()), setback);
        }
        if phase.notes.came_since
            && let Some(run) = phase.notes.found
        {
            self.take_up(now, run);
            return self.go_on(now);
        }
        // Runs of one sync go one after the other: what goes is among the newest, and so is what came since.
        let all_seen = page.newest_first && (since.is_none() || phase.notes.before > 0);
        if page.has_more && !all_seen {
            self.backoff.reset();
            return self.go(now, Phase::FindGoing(phase));
        }
        if since.is_some()
            && let Some(setback) = phase.hides()
        {
            return self.retry(now, Phase::FindGoing(phase.again()), setback);
        }
        self.backoff.reset();
        let going = phase
            .notes
            .found
            .filter(|_| self.options.if_running != IfRunning::Queue);
        let Some(going) = going else {
            return self.go(
                now,
                Phase::Trigger(Trigger::new(phase.list.sync(), Some(phase.notes.highest))),
            );
        };
        let run = RunRef {
            sync: phase.list.sync(),
            run: going.id,
        };
        let status = going.status.clone();
        self.take_up(now, going);
        if self.options.if_running == IfRunning::Refuse {
            let message = format!(
                "{run} is already going (`{}`), so no run was started.",
                status.as_str()
            );
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
        self.go_on(now)
    }

    /// This run stands for the one that was asked for.
    fn take_up(&mut self, now: Instant, run: Run) {
        self.run_is(now, run.id);
        self.joined = true;
        self.jobs = vec![run];
    }

    /// What is left to do with a run that was taken up.
    fn go_on(&mut self, now: Instant) -> Action {
        if matches!(self.goal, Goal::Start(_)) {
            return self.succeed(now);
        }
        self.go(now, Phase::Poll(poll::Poll::default()))
    }
}
