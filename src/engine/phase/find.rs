//! Look-ups before a run is started: of a slug, and of the runs that already exist.

use core::time::Duration;

use crate::engine::attempt_error::AttemptError;
use crate::engine::failure_reason::FailureReason;
use crate::engine::list::{ListStep, MAX_PAGES, RunList, smaller_page};
use crate::engine::options::IfRunning;
use crate::engine::outcome::FailureKind;
use crate::engine::server_clock::MAX_SKEW;
use crate::engine::step::{Context, Next, Reply};
use crate::hightouch::{
    MAX_PAGE_ENTRIES, ReadError, Request, Run, RunRef, RunStatus, Slug, SyncEntry, SyncId,
    Timestamp, reason_phrase,
};

/// The look-up of the sync that has a slug.
#[derive(Debug)]
pub struct FindSync {
    slug: Slug,
    offset: usize,
    /// Maximum number of entries per page.
    limit: usize,
    pages: usize,
    /// Whether some entries could not be read as syncs.
    has_unreadable: bool,
}

impl FindSync {
    pub(in crate::engine) fn new(slug: Slug) -> Self {
        Self {
            slug,
            offset: 0,
            limit: MAX_PAGE_ENTRIES,
            pages: 0,
            has_unreadable: false,
        }
    }

    pub(in crate::engine) fn request(&self) -> Request {
        Request::syncs_with_slug(&self.slug, self.offset, self.limit)
    }

    pub(in crate::engine) fn on_reply(&mut self, reply: Reply) -> Next<SyncId> {
        let (found, has_more) = match self.read(reply) {
            Ok(read) => read,
            Err(error) => return self.retry(error),
        };
        match found {
            Some(sync) => Next::Complete(sync),
            None if has_more => Next::Send,
            // The sync may be among the entries that could not be read.
            None if self.has_unreadable => {
                self.retry(AttemptError::unreadable(ReadError::Missing("id")))
            }
            None => Next::Fail(
                FailureReason::new(FailureKind::NotFound, reason_phrase(404)).with_details(
                    format!(
                        "No sync of this key's workspace has the slug `{}`. No run was started.",
                        self.slug.as_str()
                    ),
                ),
            ),
        }
    }

    /// Reads a page. Returns the sync, and whether there are more pages.
    fn read(&mut self, reply: Reply) -> Result<(Option<SyncId>, bool), AttemptError> {
        let response = reply.map_err(AttemptError::Transport)?;
        if !response.is_success() {
            return Err(AttemptError::rejected(&response));
        }
        let unreadable = |why| AttemptError::Unreadable {
            status: response.status,
            why,
        };
        let body = match response.complete_body() {
            Err(ReadError::TooLong) if self.limit > 1 => {
                self.limit = smaller_page(self.limit);
                return Ok((None, true));
            }
            other => other.map_err(unreadable)?,
        };
        let mut found = None;
        // A server that ignores the filter lists other syncs too.
        let page = SyncEntry::read_page(body, &mut |sync| {
            if sync.slug == self.slug.as_str() {
                found = Some(sync.id);
            }
        })
        .map_err(unreadable)?;
        self.has_unreadable |= page.unreadable > 0;
        let has_more = page.has_more.unwrap_or(page.entries >= self.limit);
        if page.entries == 0 && has_more {
            return Err(unreadable(ReadError::EmptyPage));
        }
        self.offset += page.entries;
        self.pages += 1;
        if has_more && self.pages == MAX_PAGES {
            return Err(unreadable(ReadError::TooManyPages(MAX_PAGES)));
        }
        Ok((found, has_more))
    }

    /// Reads the list again from its start.
    fn retry(&mut self, error: AttemptError) -> Next<SyncId> {
        *self = Self {
            limit: self.limit,
            ..Self::new(self.slug.clone())
        };
        Next::retry_without_run(error)
    }
}

/// The look-up of a run that is in progress, or that began since
/// [`unless_since`](crate::engine::Options::unless_since).
#[derive(Debug)]
pub struct FindRun {
    list: RunList,
    seen: Seen,
}

/// What the list shows.
#[derive(Debug, Default)]
struct Seen {
    /// The newest run that is in progress.
    in_progress: Option<Run>,
    /// The first run that began since `unless_since`.
    since: Option<Run>,
    /// The highest ID of any run.
    highest: u64,
    /// The highest ID of a run that began before `unless_since`.
    highest_before: u64,
    /// The highest ID of a run that is neither queued nor has a readable time.
    highest_undated: u64,
}

/// What [`FindRun`] found.
#[derive(Debug)]
pub(in crate::engine) enum FoundRun {
    /// A new run can be started. `baseline` is the highest ID of the existing runs.
    None { baseline: u64 },
    /// A run to adopt instead of starting one.
    Adopt(Run),
    /// A run that prevents a new one from being started.
    Busy(Run, FailureReason),
}

impl FindRun {
    pub(in crate::engine) fn new(sync: SyncId) -> Self {
        Self {
            list: RunList::newest(sync),
            seen: Seen::default(),
        }
    }

    pub(in crate::engine) fn sync(&self) -> SyncId {
        self.list.sync()
    }

    pub(in crate::engine) fn request(&self) -> Request {
        self.list.request()
    }

    pub(in crate::engine) fn on_reply(
        &mut self,
        cx: &mut Context<'_>,
        reply: Reply,
    ) -> Next<FoundRun> {
        let page = match self.list.read(reply, cx.limits) {
            Ok(ListStep::Page(page)) => page,
            Ok(ListStep::More) => return Next::Send,
            Ok(ListStep::Restart) => {
                self.seen = Seen::default();
                return Next::Send;
            }
            Err(error) => return self.retry(error),
        };
        // The runs that a cached list shows in progress may have ended. An entry that cannot be read
        // may be the run in progress, or the first run since `unless_since`.
        if let Err(error) = page.check_complete() {
            return self.retry(error);
        }
        let (has_more, newest_first) = (page.has_more, page.newest_first);
        for run in page {
            cx.schedule.note_earlier(&run);
            self.seen.note(run, cx.options.unless_since);
        }
        let unless_since = cx.options.unless_since;
        let left = unless_since.and_then(|since| cx.clock.time_until(since, cx.now));
        if let Some(run) = self.seen.since.take() {
            return match left {
                // The queued run may begin before `unless_since`.
                Some(left) if run.status == RunStatus::Queued => self.wait_for_since(left),
                _ => Next::Complete(self.found_since(cx, run)),
            };
        }
        // The runs of a sync execute one after the other. So the runs in progress and the runs
        // since `unless_since` are among the newest.
        let all_seen = newest_first && (unless_since.is_none() || self.seen.highest_before > 0);
        if has_more && !all_seen {
            return Next::Send;
        }
        // Runs begin in the order of their IDs. So a run without a time may have begun after
        // `unless_since`.
        if unless_since.is_some() && self.seen.highest_undated > self.seen.highest_before {
            return self.retry(AttemptError::unreadable(ReadError::Missing("createdAt")));
        }
        // The next call would not adopt a run that starts before `unless_since`, and would start
        // another one.
        if let Some(left) = left {
            return self.wait_for_since(left);
        }
        Next::Complete(self.found(cx))
    }

    /// Decides what to do about the first run since `unless_since`.
    fn found_since(&self, cx: &Context<'_>, run: Run) -> FoundRun {
        if !cx.options.resync.any() {
            return FoundRun::Adopt(run);
        }
        let reason = busy(format!(
            "{} (`{}`) began at the given time or later, or is queued, and cannot be adopted: it may have \
             been started without the requested resync. No run was started.",
            self.name(&run),
            run.status.as_str()
        ));
        FoundRun::Busy(run, reason)
    }

    /// Reads the list again when `unless_since` has passed.
    fn wait_for_since(&mut self, left: Duration) -> Next<FoundRun> {
        if left > MAX_SKEW {
            return Next::Fail(FailureReason::new(
                FailureKind::InvalidInput,
                format!(
                    "The given time is {} s in the future by Hightouch's clock. \
                     No run was started. Pass a time in the past.",
                    left.as_secs()
                ),
            ));
        }
        self.restart();
        Next::SendAfter(left)
    }

    fn name(&self, run: &Run) -> RunRef {
        RunRef {
            sync: self.list.sync(),
            run: run.id,
        }
    }

    /// Decides what to do about a run in progress.
    fn found(&mut self, cx: &Context<'_>) -> FoundRun {
        let if_running = cx.options.if_running;
        let in_progress = self.seen.in_progress.take();
        let Some(run) = in_progress.filter(|_| if_running != IfRunning::Queue) else {
            return FoundRun::None {
                baseline: self.seen.highest,
            };
        };
        let (name, status) = (self.name(&run), run.status.as_str());
        if if_running == IfRunning::Refuse {
            let reason = busy(format!(
                "{name} is already in progress (`{status}`). No run was started."
            ));
            return FoundRun::Busy(run, reason);
        }
        if cx.options.resync.any() {
            let reason = busy(format!(
                "{name} is already in progress (`{status}`) and cannot be joined: it may have been \
                 started without the requested resync. No run was started."
            ));
            return FoundRun::Busy(run, reason);
        }
        FoundRun::Adopt(run)
    }

    fn retry(&mut self, error: AttemptError) -> Next<FoundRun> {
        self.restart();
        Next::retry_without_run(error)
    }

    /// Reads the list again from its start.
    fn restart(&mut self) {
        self.list = self.list.again();
        self.seen = Seen::default();
    }
}

impl Seen {
    fn note(&mut self, run: Run, unless_since: Option<Timestamp>) {
        let id = run.id.get();
        self.highest = self.highest.max(id);
        if let Some(since) = unless_since {
            match has_begun_since(&run, since) {
                Some(true) => {
                    if self.since.as_ref().is_none_or(|first| run.id < first.id) {
                        self.since = Some(run);
                    }
                    return;
                }
                Some(false) => self.highest_before = self.highest_before.max(id),
                None => self.highest_undated = self.highest_undated.max(id),
            }
        }
        let is_newest = self
            .in_progress
            .as_ref()
            .is_none_or(|newest| newest.id < run.id);
        if !run.ended() && is_newest {
            self.in_progress = Some(run);
        }
    }
}

fn busy(message: String) -> FailureReason {
    FailureReason::new(FailureKind::Busy, message)
}

/// Returns whether a run reads data that is at least as new as `since`: it began then or later, or
/// is queued.
///
/// Returns `None` if the run has no readable time.
fn has_begun_since(run: &Run, since: Timestamp) -> Option<bool> {
    if run.status == RunStatus::Queued {
        return Some(true);
    }
    Some(run.started().or_else(|| run.created())? >= since)
}
