//! Listing the most recent runs of a sync.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BTreeSet;

use crate::engine::attempt_error::AttemptError;
use crate::engine::failure_reason::FailureReason;
use crate::engine::list::{ListStep, RunList};
use crate::engine::options::Options;
use crate::engine::outcome::{FailureKind, RunsReport};
use crate::engine::step::{Context, KnownRun, Next, Reply};
use crate::hightouch::{ReadError, Request, Run, RunId, SyncId};

/// The most recent runs of a sync, the highest ID first.
#[derive(Clone, Debug)]
pub struct RecentRuns {
    list: RunList,
    runs: Vec<Run>,
    /// Maximum number of entries.
    limit: usize,
    /// Whether a run has entries on several pages. Either it has several jobs, or a run that was
    /// inserted between two requests has moved an entry to the next page.
    is_ambiguous: bool,
    /// The IDs on the pages that were read.
    seen: BTreeSet<RunId>,
    /// The IDs of the previous reading, if that was ambiguous.
    previous: Vec<RunId>,
}

impl KnownRun for RecentRuns {
    type Report = RunsReport;

    fn is_confirmed(&self) -> bool {
        false
    }

    fn confirm(&mut self) {}

    fn is_started_or_in_progress(&self) -> bool {
        false
    }

    fn into_report(self, _: &Options, requests: u32, elapsed: Duration) -> RunsReport {
        RunsReport {
            sync: self.list.sync(),
            runs: self.runs,
            requests,
            elapsed,
        }
    }
}

impl RecentRuns {
    pub(in crate::engine) fn new(sync: SyncId, limit: usize) -> Self {
        Self {
            list: RunList::newest(sync),
            runs: Vec::new(),
            limit,
            is_ambiguous: false,
            seen: BTreeSet::new(),
            previous: Vec::new(),
        }
    }

    pub(in crate::engine) fn sync(&self) -> SyncId {
        self.list.sync()
    }

    pub(in crate::engine) fn request(&self) -> Request {
        self.list.request()
    }

    pub(in crate::engine) fn on_reply(&mut self, cx: &Context<'_>, reply: Reply) -> Next<()> {
        let page = match self.list.read(reply, cx.limits) {
            Ok(ListStep::Page(page)) => page,
            Ok(ListStep::More) => return Next::Send,
            Ok(ListStep::Restart) => {
                self.runs.clear();
                self.is_ambiguous = false;
                self.seen.clear();
                return Next::Send;
            }
            Err(error) => return self.retry(error),
        };
        // A cached list may lack the most recent runs. An entry that cannot be read may be one of
        // them.
        if let Err(error) = page.check_complete() {
            return self.retry(error);
        }
        let (has_more, newest_first) = (page.has_more, page.newest_first);
        let added = self.runs.len();
        self.runs.extend(page);
        let added = self.runs.get(added..).unwrap_or_default();
        self.is_ambiguous |= added.iter().any(|run| self.seen.contains(&run.id));
        self.seen.extend(added.iter().map(|run| run.id));
        self.runs.sort_by_key(|run| Reverse(run.id));
        self.runs.truncate(self.limit);
        let is_complete = newest_first && self.runs.len() == self.limit;
        if has_more && !is_complete {
            return Next::Send;
        }
        // Two equal readings prove that nothing was inserted in between.
        let ids = self.ids();
        if self.is_ambiguous && ids != self.previous {
            self.previous = ids;
            return self.retry(AttemptError::unreadable(ReadError::ListChanged));
        }
        Next::Complete(())
    }

    fn ids(&self) -> Vec<RunId> {
        self.runs.iter().map(|run| run.id).collect()
    }

    /// Reads the list again from its start.
    fn retry(&mut self, error: AttemptError) -> Next<()> {
        *self = Self {
            list: self.list.again(),
            previous: core::mem::take(&mut self.previous),
            ..Self::new(self.sync(), self.limit)
        };
        Next::retry_without_run(error)
    }
}

/// Returns the failure if the time is up before the list was read. `error` is the error of the last
/// attempt.
pub(in crate::engine) fn on_timeout(error: Option<&AttemptError>) -> FailureReason {
    match error {
        Some(error) => error.clone().into(),
        None => FailureReason::new(
            FailureKind::Unreachable,
            "Timed out before the list of runs was read. Retry with a longer wait.",
        ),
    }
}
