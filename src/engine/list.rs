//! Reads Hightouch's list of a sync's runs, starting with the newest run or at the place of one
//! run.
//!
//! Hightouch lists runs by ID. The API does not document whether the newest run comes first. The
//! first page shows the order. If a list begins with the oldest run, its end is found by a search:
//! the offset is multiplied by four until a page lies past the target, and then the range is halved
//! repeatedly. In a list of 100,000 runs, the search takes at most 20 requests.

use super::attempt_error::AttemptError;
use super::limits::JobLimits;
use super::step::Reply;
use crate::hightouch::{MAX_PAGE_ENTRIES, ReadError, Request, Run, RunId, SyncId, Timestamp};

/// Maximum number of requests for one list.
const MAX_REQUESTS: usize = 40;
/// Maximum number of pages that are read one after the other.
pub(super) const MAX_PAGES: usize = 20;
/// Maximum number of runs on a page of the list of all runs. A server that ignores the requested
/// page size must not fill the memory.
const MAX_LISTED: usize = 10 * MAX_PAGE_ENTRIES;
/// Factor by which the offset of a search grows while no page lies past the target.
const GALLOP_FACTOR: usize = 4;
/// Page sizes to ask for, one after the other, after responses over the size limit.
const SMALLER_PAGES: [usize; 3] = [20, 4, 1];

/// Returns the page size to ask for after a page of `limit` entries was over the size limit.
pub(super) fn smaller_page(limit: usize) -> usize {
    SMALLER_PAGES
        .into_iter()
        .find(|smaller| *smaller < limit)
        .unwrap_or(1)
}

/// The part of a list that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The newest runs.
    Newest,
    /// The place of this run in the list of all runs.
    Place(RunId),
    /// The entries of this run: the list is filtered by the run's ID.
    Jobs(RunId),
}

/// How far a list has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The pages are read from the beginning, one after the other.
    Forward,
    /// Every entry before `low` lies before the target. The target lies before `high`, once that is
    /// known.
    Search { low: usize, high: Option<usize> },
    /// An earlier search found the end of the list at `end`. The last page is read next.
    LastPage { end: usize },
    /// Everything from `from` to the end has been read. The page before `from` is read next.
    Backward { from: usize },
}

/// A list of runs that is read page by page.
#[derive(Clone, Debug)]
pub(super) struct RunList {
    sync: SyncId,
    target: Target,
    stage: Stage,
    order: Order,
    /// Maximum number of entries per page. Less than [`MAX_PAGE_ENTRIES`] after a response over the
    /// size limit.
    limit: usize,
    offset: usize,
    requests: usize,
    pages: usize,
    /// The total length of the error texts so far, in bytes.
    error_bytes: usize,
    /// The end of the list, if the list begins with the oldest run.
    end: Option<usize>,
    /// Whether a run with a higher ID than the target was seen.
    newer_seen: bool,
    /// When the oldest run with a higher ID than the target was created.
    newer_created: Option<Timestamp>,
}

/// What a response contributes to the list.
#[derive(Debug)]
pub(super) enum ListStep {
    /// Nothing. Send the next request.
    More,
    /// Nothing, and the earlier pages are not part of the target. Forget them and send the next
    /// request.
    Restart,
    /// A page of the target.
    Page(RunPage),
}

/// A page of a list. Iterate over it to get its runs.
#[derive(Debug)]
pub(super) struct RunPage {
    runs: Vec<Run>,
    /// Whether some entries could not be read as runs.
    pub(super) has_unreadable: bool,
    /// Whether there are more pages.
    pub(super) has_more: bool,
    /// Whether the pages so far contain the newest runs without a gap. The other pages then contain
    /// older runs.
    pub(super) newest_first: bool,
    /// Whether the response came from a cache.
    pub(super) is_stale: bool,
    /// The server's time, from the `Date` of the response.
    pub(super) date: Option<Timestamp>,
}

impl RunPage {
    /// Checks that the page shows all of its runs in their current states.
    ///
    /// # Errors
    ///
    /// Returns an error if the response came from a cache, or if an entry could not be read as a run.
    pub(super) fn check_complete(&self) -> Result<(), AttemptError> {
        if self.is_stale {
            Err(AttemptError::unreadable(ReadError::FromCache))
        } else if self.has_unreadable {
            Err(AttemptError::unreadable(ReadError::Missing("id")))
        } else {
            Ok(())
        }
    }

    /// Returns the IDs of the first and the last run of the page.
    fn ends(&self) -> Option<(RunId, RunId)> {
        Some((self.runs.first()?.id, self.runs.last()?.id))
    }
}

impl IntoIterator for RunPage {
    type Item = Run;
    type IntoIter = std::vec::IntoIter<Run>;

    fn into_iter(self) -> Self::IntoIter {
        self.runs.into_iter()
    }
}

impl RunList {
    /// Returns the list, to be read starting with the newest run.
    pub(super) fn newest(sync: SyncId) -> Self {
        Self::new(sync, Target::Newest)
    }

    /// Returns the list, to be read at the place of this run.
    pub(super) fn at(sync: SyncId, run: RunId) -> Self {
        Self::new(sync, Target::Place(run))
    }

    /// Returns the list of this run's entries.
    pub(super) fn of_run(sync: SyncId, run: RunId) -> Self {
        Self::new(sync, Target::Jobs(run))
    }

    fn new(sync: SyncId, target: Target) -> Self {
        Self {
            sync,
            target,
            stage: Stage::Forward,
            order: Order::default(),
            limit: MAX_PAGE_ENTRIES,
            offset: 0,
            requests: 0,
            pages: 0,
            error_bytes: 0,
            end: None,
            newer_seen: false,
            newer_created: None,
        }
    }

    /// Returns the same list, to be read from the start. The page size and the end of the list are
    /// remembered.
    pub(super) fn again(&self) -> Self {
        let mut list = Self {
            limit: self.limit,
            end: self.end,
            ..Self::new(self.sync, self.target)
        };
        if let Some(end) = self.end {
            list.stage = Stage::LastPage { end };
            list.place();
        }
        list
    }

    pub(super) fn sync(&self) -> SyncId {
        self.sync
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// Returns the number of pages that were read.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    pub(super) fn request(&self) -> Request {
        match self.target {
            Target::Newest | Target::Place(_) => {
                Request::runs(self.sync, self.offset, self.page_size())
            }
            Target::Jobs(run) => Request::run(self.sync, run, self.offset, self.page_size()),
        }
    }

    /// Returns whether a run with a higher ID than the target was seen.
    pub(super) fn newer_seen(&self) -> bool {
        self.newer_seen
    }

    /// Returns when the oldest run with a higher ID than the target was created, among those that
    /// were seen.
    pub(super) fn newer_created(&self) -> Option<Timestamp> {
        self.newer_created
    }

    /// Returns the number of entries to ask for.
    fn page_size(&self) -> usize {
        match self.stage {
            Stage::Backward { from } => self.limit.min(from.saturating_sub(self.offset)).max(1),
            Stage::Forward | Stage::Search { .. } | Stage::LastPage { .. } => self.limit,
        }
    }

    /// Sets the offset of the next page if the stage determines it.
    fn place(&mut self) {
        match self.stage {
            Stage::LastPage { end: before } | Stage::Backward { from: before } => {
                self.offset = before.saturating_sub(self.limit);
            }
            Stage::Forward | Stage::Search { .. } => {}
        }
    }

    /// Reads the response to [`request`](Self::request).
    ///
    /// # Errors
    ///
    /// Returns an error if the request failed, if the response cannot be read, or if it proves that
    /// the list changed while it was read. The list then has to be read [`again`](Self::again).
    pub(super) fn read(
        &mut self,
        reply: Reply,
        limits: JobLimits,
    ) -> Result<ListStep, AttemptError> {
        let response = reply.map_err(AttemptError::Transport)?;
        if !response.is_success() {
            return Err(AttemptError::rejected(&response));
        }
        let unreadable = |why| AttemptError::Unreadable {
            status: response.status,
            why,
        };
        self.requests += 1;
        if self.requests > MAX_REQUESTS {
            return Err(unreadable(ReadError::TooManyPages(MAX_REQUESTS)));
        }
        let body = match response.complete_body() {
            Err(ReadError::TooLong) if self.limit > 1 => {
                self.limit = smaller_page(self.limit);
                self.place();
                return Ok(ListStep::More);
            }
            other => other.map_err(unreadable)?,
        };
        let asked = self.page_size();
        let mut runs = Vec::new();
        let page = Run::read_page(body, &mut |mut run| {
            self.error_bytes += run.truncate_error(limits.next_error(self.error_bytes));
            if self.stage == Stage::Forward {
                self.order.note(run.id);
            }
            if let Target::Place(target) = self.target
                && run.id > target
            {
                self.newer_seen = true;
                self.newer_created = self.newer_created.into_iter().chain(run.created()).min();
            }
            let is_kept = match self.target {
                Target::Jobs(target) => run.id == target && runs.len() <= limits.jobs,
                Target::Newest | Target::Place(_) => runs.len() <= MAX_LISTED,
            };
            if is_kept {
                runs.push(run);
            }
        })
        .map_err(unreadable)?;
        if !matches!(self.target, Target::Jobs(_)) && runs.len() > MAX_LISTED {
            return Err(unreadable(ReadError::TooManyEntries(MAX_LISTED)));
        }
        let has_more = page.has_more.unwrap_or(page.entries >= asked);
        if page.entries == 0 && has_more {
            return Err(unreadable(ReadError::EmptyPage));
        }
        // The server puts fewer entries on a page than it was asked for.
        let is_short = has_more && page.entries < asked && !matches!(self.target, Target::Jobs(_));
        if is_short {
            self.limit = page.entries;
        }
        let mut found = RunPage {
            runs,
            has_unreadable: page.unreadable > 0,
            has_more,
            newest_first: false,
            is_stale: response.is_from_cache,
            date: response.date,
        };
        Ok(match self.stage {
            Stage::Forward => self.forward(found, page.entries).map_err(unreadable)?,
            Stage::Search { low, high } => self.search(found, page.entries, low, high),
            Stage::LastPage { .. } if page.entries == 0 && self.offset > 0 => {
                // The list has become shorter.
                *self = Self {
                    limit: self.limit,
                    requests: self.requests,
                    ..Self::new(self.sync, self.target)
                };
                ListStep::Restart
            }
            Stage::LastPage { .. } if has_more => {
                // The list has become longer.
                let low = self.offset.saturating_add(page.entries);
                self.stage = Stage::Search { low, high: None };
                self.offset = low;
                ListStep::Restart
            }
            Stage::LastPage { .. } => self.found_end(found, page.entries),
            Stage::Backward { .. } if is_short => {
                self.place();
                ListStep::More
            }
            Stage::Backward { .. } => {
                // A server that ignores the requested page size repeats entries of the page that
                // was read before.
                found.runs.truncate(asked);
                self.backward(found).map_err(unreadable)?
            }
        })
    }

    /// Continues with a page that follows the page that was read before it.
    fn forward(&mut self, mut page: RunPage, entries: usize) -> Result<ListStep, ReadError> {
        if let Target::Place(_) = self.target {
            if self.order.newest_first() || self.order.oldest_first() {
                return Ok(self.search(page, entries, 0, None));
            }
            if self.order.is_mixed() {
                return Err(ReadError::ListChanged);
            }
        }
        self.offset = self.offset.saturating_add(entries);
        self.pages += 1;
        if page.has_more && self.pages == MAX_PAGES {
            return Err(ReadError::TooManyPages(MAX_PAGES));
        }
        if page.has_more {
            match self.target {
                Target::Place(_) => return Ok(ListStep::Restart),
                Target::Newest if self.order.oldest_first() => {
                    self.stage = Stage::Search {
                        low: self.offset,
                        high: None,
                    };
                    return Ok(ListStep::Restart);
                }
                Target::Newest | Target::Jobs(_) => {}
            }
        }
        page.newest_first = self.order.newest_first();
        Ok(ListStep::Page(page))
    }

    /// Continues with a page of a search.
    fn search(
        &mut self,
        page: RunPage,
        entries: usize,
        low: usize,
        high: Option<usize>,
    ) -> ListStep {
        let (begin, end) = (self.offset, self.offset.saturating_add(entries));
        let (low, high) = match self.compare(&page, entries, begin == low) {
            Side::Here => {
                if matches!(self.target, Target::Place(_)) {
                    return ListStep::Page(page);
                }
                if entries >= self.limit || begin == 0 {
                    return self.found_end(page, entries);
                }
                self.stage = Stage::LastPage { end };
                self.place();
                return ListStep::Restart;
            }
            Side::Before => (end, high.filter(|high| *high > end)),
            Side::After => (low, Some(begin)),
        };
        self.stage = Stage::Search { low, high };
        self.offset = match high {
            None => low.saturating_mul(GALLOP_FACTOR),
            Some(high) if high - low <= self.limit => low,
            Some(high) => low + (high - low) / 2,
        };
        ListStep::Restart
    }

    /// Compares a page with the target. `is_next`: everything before the page lies before the
    /// target.
    fn compare(&self, page: &RunPage, entries: usize, is_next: bool) -> Side {
        let precedes = |run: RunId, target: RunId| {
            if self.order.newest_first() {
                run > target
            } else {
                run < target
            }
        };
        let (ends_before, begins_after) = match (self.target, page.ends()) {
            (Target::Place(target), Some((first, last))) => (
                precedes(last, target),
                first != target && !precedes(first, target),
            ),
            (Target::Place(_), None) => (true, true),
            (Target::Newest | Target::Jobs(_), _) => (true, entries == 0),
        };
        if page.has_more && ends_before {
            Side::Before
        } else if begins_after && !is_next {
            Side::After
        } else {
            Side::Here
        }
    }

    /// Continues with the last page of a list that begins with the oldest run.
    fn found_end(&mut self, mut page: RunPage, entries: usize) -> ListStep {
        self.end = Some(self.offset.saturating_add(entries));
        self.stage = Stage::Backward { from: self.offset };
        page.has_more = self.offset > 0;
        page.newest_first = true;
        self.pages = 1;
        self.place();
        ListStep::Page(page)
    }

    /// Continues with a page that precedes the page that was read before it.
    fn backward(&mut self, mut page: RunPage) -> Result<ListStep, ReadError> {
        self.pages += 1;
        self.stage = Stage::Backward { from: self.offset };
        page.has_more = self.offset > 0;
        page.newest_first = true;
        if page.has_more && self.pages == MAX_PAGES {
            return Err(ReadError::TooManyPages(MAX_PAGES));
        }
        self.place();
        Ok(ListStep::Page(page))
    }
}

/// The position of a page relative to the target, in the order of the list.
enum Side {
    Before,
    Here,
    After,
}

/// The order of the runs that were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    last: Option<RunId>,
    rises: bool,
    falls: bool,
}

impl Order {
    fn note(&mut self, run: RunId) {
        if let Some(last) = self.last.replace(run) {
            self.rises |= last < run;
            self.falls |= last > run;
        }
    }

    /// Returns the run that was read last.
    pub(super) fn last(&self) -> Option<RunId> {
        self.last
    }

    /// Returns whether the IDs both rise and fall.
    pub(super) fn is_mixed(&self) -> bool {
        self.falls && self.rises
    }

    /// Returns whether the list begins with the oldest run.
    pub(super) fn oldest_first(&self) -> bool {
        self.rises && !self.falls
    }

    /// Returns whether the list begins with the newest run, so that the following runs are older.
    pub(super) fn newest_first(&self) -> bool {
        self.falls && !self.rises
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_list_that_falls_throughout_is_newest_first() {
        for (ids, expected) in [
            (&[3, 2, 1][..], true),
            (&[1, 2, 3][..], false),
            (&[3, 1, 2][..], false),
            (&[1][..], false),
            (&[][..], false),
        ] {
            let mut order = Order::default();
            for id in ids {
                order.note(RunId::try_from(*id).unwrap());
            }
            assert_eq!(order.newest_first(), expected, "{ids:?}");
        }
    }
}
