//! Reads Hightouch's list of a sync's runs: from its newest end, or where one run belongs in it.
//!
//! Hightouch lists runs by ID. Whether the newest comes first is not documented, so the first page shows it. In a list that begins with
//! the oldest run, the newest end is searched for: the offset grows fourfold until a page lies past the target, then the range is halved.
//! A list of 100,000 runs takes at most 20 requests that way.

use super::attempt_error::AttemptError;
use super::operation::Reply;
use super::pages::{Order, smaller_page};
use crate::hightouch::{PAGE, ReadError, Request, Run, RunId, SyncId, Timestamp};

/// Maximum number of requests for one list.
const MAX_REQUESTS: usize = 40;
/// Maximum number of pages that are read one after the other.
const MAX_PAGES: usize = 20;
/// Factor by which a search moves on while no page lies past the target.
const GALLOP: usize = 4;

/// What is looked for in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The newest runs.
    Newest,
    /// The place of this run.
    Run(RunId),
}

/// How far a list has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// One page after the other, from the beginning.
    Forward,
    /// Every entry before `low` lies before the target. The target lies before `high`, once that is known.
    Search { low: usize, high: Option<usize> },
    /// The list ended at `end` when it was searched: its last page is read next.
    LastPage { end: usize },
    /// Everything from `from` to the end has been read: the page before it is read next.
    Backward { from: usize },
}

/// A list of runs that is read page by page.
#[derive(Clone, Debug)]
pub(super) struct RunList {
    sync: SyncId,
    target: Target,
    stage: Stage,
    order: Order,
    /// Entries that a page may hold: fewer than [`PAGE`] after a response over the size limit.
    limit: usize,
    offset: usize,
    requests: usize,
    pages: usize,
    /// Where the list ended, if it begins with the oldest run.
    end: Option<usize>,
    /// Whether a run with a higher ID than the target was seen, and when the first such run was created.
    newer_seen: bool,
    newer_created: Option<Timestamp>,
}

/// What a response means for reading the list.
#[derive(Debug)]
enum Progress {
    /// Send the next request. Nothing changes for what was read so far.
    Again,
    /// Send the next request. What was read so far is not part of what is looked for.
    Searching,
    /// A page of what is looked for.
    Page(RunPage),
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct RunPage {
    /// The first run on the page, and the last.
    ends: Option<(RunId, RunId)>,
    /// Whether entries could not be read as runs.
    pub(super) has_unreadable: bool,
    /// Whether there are further pages.
    pub(super) has_more: bool,
    /// Whether the pages so far are the newest runs without a gap, so that further pages hold older ones.
    pub(super) newest_first: bool,
}

impl RunList {
    /// Reads from the newest run on.
    pub(super) fn newest(sync: SyncId) -> Self {
        Self::new(sync, Target::Newest)
    }

    /// Reads the page on which a run belongs.
    pub(super) fn at(sync: SyncId, run: RunId) -> Self {
        Self::new(sync, Target::Run(run))
    }

    fn new(sync: SyncId, target: Target) -> Self {
        Self {
            sync,
            target,
            stage: Stage::Forward,
            order: Order::default(),
            limit: PAGE,
            offset: 0,
            requests: 0,
            pages: 0,
            end: None,
            newer_seen: false,
            newer_created: None,
        }
    }

    /// The same list, to be read from the start. The page size and the end of the list are remembered.
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

    pub(super) fn request(&self) -> Request {
        Request::runs(self.sync, self.offset, self.count())
    }

    /// Whether a run with a higher ID than the target was seen.
    pub(super) fn newer_seen(&self) -> bool {
        self.newer_seen
    }

    /// When the first run with a higher ID than the target was created, of those that were seen.
    pub(super) fn newer_created(&self) -> Option<Timestamp> {
        self.newer_created
    }

    /// How many entries the next page may hold.
    fn count(&self) -> usize {
        match self.stage {
            Stage::Backward { from } => self.limit.min(from.saturating_sub(self.offset)).max(1),
            _ => self.limit,
        }
    }

    /// Sets the offset of the next page, where the stage determines it.
    fn place(&mut self) {
        match self.stage {
            Stage::LastPage { end: before } | Stage::Backward { from: before } => {
                self.offset = before.saturating_sub(self.limit);
            }
            Stage::Forward | Stage::Search { .. } => {}
        }
    }

    /// Reads the response to [`request`](Self::request), and takes note of each run with `note`. Returns the page, or `None` if the next
    /// request is to be sent first.
    ///
    /// `notes` hold what was noted of the runs that are looked for. Runs that a search passes on its way leave nothing in them.
    pub(super) fn read<N: Clone + Default>(
        &mut self,
        reply: Reply,
        notes: &mut N,
        mut note: impl FnMut(&mut N, Run),
    ) -> Result<Option<RunPage>, AttemptError> {
        let mut noted = notes.clone();
        match self.read_page(reply, &mut |run| note(&mut noted, run))? {
            Progress::Page(page) => {
                *notes = noted;
                Ok(Some(page))
            }
            Progress::Again => Ok(None),
            Progress::Searching => {
                *notes = N::default();
                Ok(None)
            }
        }
    }

    fn read_page(
        &mut self,
        reply: Reply,
        each: &mut dyn FnMut(Run),
    ) -> Result<Progress, AttemptError> {
        let answer = reply.map_err(AttemptError::TransportError)?;
        if !answer.ok() {
            return Err(AttemptError::refused(&answer));
        }
        let unreadable = |why| AttemptError::Unreadable {
            status: answer.status,
            why,
        };
        self.requests += 1;
        if self.requests > MAX_REQUESTS {
            return Err(unreadable(ReadError::TooManyPages(MAX_REQUESTS)));
        }
        let body = match answer.whole() {
            Err(ReadError::TooLong) if self.limit > 1 => {
                self.limit = smaller_page(self.limit);
                self.place();
                return Ok(Progress::Again);
            }
            other => other.map_err(unreadable)?,
        };
        let asked = self.count();
        let mut ends: Option<(RunId, RunId)> = None;
        let page = Run::read_page(body, &mut |run| {
            ends = Some((ends.map_or(run.id, |(first, _)| first), run.id));
            if self.stage == Stage::Forward {
                self.order.note(run.id);
            }
            if let Target::Run(target) = self.target
                && run.id > target
            {
                self.newer_seen = true;
                let created = run.created_at.as_deref().and_then(Timestamp::rfc3339);
                self.newer_created = self.newer_created.into_iter().chain(created).min();
            }
            each(run);
        })
        .map_err(unreadable)?;
        let has_more = page.has_more.unwrap_or(page.entries >= asked);
        if page.entries == 0 && has_more {
            return Err(unreadable(ReadError::EmptyPage));
        }
        // The server puts fewer entries on a page than it was asked for.
        let is_short = has_more && page.entries < asked;
        if is_short {
            self.limit = page.entries;
        }
        let found = RunPage {
            has_unreadable: page.unreadable > 0,
            has_more,
            newest_first: false,
            ends,
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
                Progress::Searching
            }
            Stage::LastPage { .. } if has_more => {
                // The list has become longer.
                let low = self.offset.saturating_add(page.entries);
                self.stage = Stage::Search { low, high: None };
                self.offset = low;
                Progress::Searching
            }
            Stage::LastPage { .. } => self.found_end(found, page.entries),
            Stage::Backward { .. } if is_short => {
                self.place();
                Progress::Again
            }
            Stage::Backward { .. } => self.backward(found).map_err(unreadable)?,
        })
    }

    /// A page after the one before.
    fn forward(&mut self, mut page: RunPage, entries: usize) -> Result<Progress, ReadError> {
        let is_sorted = self.order.newest_first() || self.order.oldest_first();
        if self.target != Target::Newest {
            if is_sorted {
                return Ok(self.search(page, entries, 0, None));
            }
            if self.order.is_mixed() {
                return Err(ReadError::Changed);
            }
        }
        self.offset = self.offset.saturating_add(entries);
        self.pages += 1;
        if page.has_more && self.pages == MAX_PAGES {
            return Err(ReadError::TooManyPages(MAX_PAGES));
        }
        if page.has_more && self.target != Target::Newest {
            return Ok(Progress::Searching);
        }
        if page.has_more && self.order.oldest_first() {
            self.stage = Stage::Search {
                low: self.offset,
                high: None,
            };
            return Ok(Progress::Searching);
        }
        page.newest_first = self.order.newest_first();
        Ok(Progress::Page(page))
    }

    /// A page of a search.
    fn search(
        &mut self,
        page: RunPage,
        entries: usize,
        low: usize,
        high: Option<usize>,
    ) -> Progress {
        let (begin, end) = (self.offset, self.offset.saturating_add(entries));
        let (low, high) = match self.compare(&page, entries, begin == low) {
            Side::Here => {
                return match self.target {
                    Target::Run(_) => Progress::Page(page),
                    Target::Newest if entries >= self.limit || begin == 0 => {
                        self.found_end(page, entries)
                    }
                    Target::Newest => {
                        self.stage = Stage::LastPage { end };
                        self.place();
                        Progress::Searching
                    }
                };
            }
            Side::Before => (end, high.filter(|high| *high > end)),
            Side::After => (low, Some(begin)),
        };
        self.stage = Stage::Search { low, high };
        self.offset = match high {
            None => low.saturating_mul(GALLOP),
            Some(high) if high - low <= self.limit => low,
            Some(high) => low + (high - low) / 2,
        };
        Progress::Searching
    }

    /// Where a page lies relative to the target. `is_next`: everything before the page lies before the target.
    fn compare(&self, page: &RunPage, entries: usize, is_next: bool) -> Side {
        let precedes = |run: RunId, target: RunId| {
            if self.order.newest_first() {
                run > target
            } else {
                run < target
            }
        };
        let (ends_before, begins_after) = match (self.target, page.ends) {
            (Target::Newest, _) => (true, entries == 0),
            (Target::Run(target), Some((first, last))) => (
                precedes(last, target),
                first != target && !precedes(first, target),
            ),
            (Target::Run(_), None) => (true, true),
        };
        if page.has_more && ends_before {
            Side::Before
        } else if begins_after && !is_next {
            Side::After
        } else {
            Side::Here
        }
    }

    /// This is the last page of a list that begins with the oldest run.
    fn found_end(&mut self, mut page: RunPage, entries: usize) -> Progress {
        self.end = Some(self.offset.saturating_add(entries));
        self.stage = Stage::Backward { from: self.offset };
        page.has_more = self.offset > 0;
        page.newest_first = true;
        self.pages = 1;
        self.place();
        Progress::Page(page)
    }

    /// A page before the one that was read last.
    fn backward(&mut self, mut page: RunPage) -> Result<Progress, ReadError> {
        self.pages += 1;
        self.stage = Stage::Backward { from: self.offset };
        page.has_more = self.offset > 0;
        page.newest_first = true;
        if page.has_more && self.pages == MAX_PAGES {
            return Err(ReadError::TooManyPages(MAX_PAGES));
        }
        self.place();
        Ok(Progress::Page(page))
    }
}

/// Where a page lies relative to the target, in the order of the list.
enum Side {
    Before,
    Here,
    After,
}
