//! Reads the jobs of one run, page by page.

use super::attempt_error::AttemptError;
use super::limits::JobLimits;
use super::list::{ListStep, RunList, RunPage};
use super::step::Reply;
use crate::hightouch::{ReadError, Request, Run, RunRef, Timestamp};

/// The list of a run's jobs.
#[derive(Clone, Debug)]
pub(super) struct JobList {
    run: RunRef,
    list: RunList,
    /// The jobs so far.
    jobs: Vec<Run>,
}

/// The jobs of a run, as one complete list shows them.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) jobs: Vec<Run>,
    /// The server's time, from the `Date` of the last page.
    pub(super) date: Option<Timestamp>,
}

impl JobList {
    pub(super) fn new(run: RunRef) -> Self {
        Self {
            run,
            list: RunList::of_run(run.sync, run.run),
            jobs: Vec::new(),
        }
    }

    pub(super) fn run(&self) -> RunRef {
        self.run
    }

    pub(super) fn request(&self) -> Request {
        self.list.request()
    }

    /// Reads the response to [`request`](Self::request). Returns the jobs once the list is
    /// complete; the next request then reads the list from its start. Returns `None` if another
    /// page is needed.
    ///
    /// # Errors
    ///
    /// Returns an error if the request failed, or if the list cannot be read. The next request then
    /// reads the list from its start.
    pub(super) fn read(
        &mut self,
        reply: Reply,
        limits: JobLimits,
    ) -> Result<Option<Jobs>, AttemptError> {
        let result = self.read_response(reply, limits);
        if !matches!(result, Ok(None)) {
            self.restart();
        }
        result
    }

    fn restart(&mut self) {
        self.list = self.list.again();
        self.jobs.clear();
    }

    fn read_response(
        &mut self,
        reply: Reply,
        limits: JobLimits,
    ) -> Result<Option<Jobs>, AttemptError> {
        let was_mixed = self.list.order().is_mixed();
        let page = match self.list.read(reply, limits)? {
            ListStep::Page(page) => page,
            ListStep::More | ListStep::Restart => return Ok(None),
        };
        let date = page.date;
        if self.read_page(page, was_mixed, limits)? {
            return Ok(None);
        }
        let jobs = core::mem::take(&mut self.jobs);
        Ok(Some(Jobs { jobs, date }))
    }

    /// Reads a page. Returns whether the next one is needed.
    ///
    /// A server that ignores the filter lists other runs too. Lists are sorted by ID, so nothing
    /// more can follow once the entries of this run have begun and ended.
    fn read_page(
        &mut self,
        page: RunPage,
        was_mixed: bool,
        limits: JobLimits,
    ) -> Result<bool, AttemptError> {
        let (has_more, has_unreadable) = (page.has_more, page.has_unreadable);
        let room = limits.jobs + 1 - self.jobs.len().min(limits.jobs);
        self.jobs.extend(page.into_iter().take(room));
        let order = self.list.order();
        // A run that is inserted between two requests moves entries to a page that was read before.
        if self.list.pages() > 1 && order.is_mixed() && !was_mixed {
            return Err(AttemptError::unreadable(ReadError::ListChanged));
        }
        if self.jobs.len() > limits.jobs {
            return Err(AttemptError::unreadable(ReadError::TooManyJobs(
                limits.jobs,
            )));
        }
        // An entry that cannot be read may be a job of this run, and may have failed.
        if has_unreadable {
            return Err(AttemptError::unreadable(ReadError::Missing("id")));
        }
        let run = self.run.run;
        let is_past = order.newest_first() && order.last().is_some_and(|last| last < run);
        let is_within = order.last() == Some(run);
        // In a list without an order, a job may be anywhere.
        let is_complete = is_past || !self.jobs.is_empty() && !is_within && !order.is_mixed();
        Ok(has_more && !is_complete)
    }
}
