//! Looking at a run until it has ended.

use super::attempt_error::AttemptError;
use super::locate::Locate;
use super::operation::{Action, Operation, Phase, Reply};
use super::options::Goal;
use super::outcome::FailureKind;
use super::pages::{Order, Pages};
use super::server_clock::When;
use super::time::Instant;
use super::verdict::{Verdict, verdict};
use crate::hightouch::{ReadError, Request, Run, RunId, SyncId, Timestamp};

/// The most jobs that one run can have: of one that is waited for alone, and of each of any number.
const JOBS: (usize, usize) = (1000, 100);

/// How much of their error texts is kept in all, in bytes, where the run is waited for alone; how much of each in any case.
const ERRORS: usize = 128 * 1024;
const ERROR: usize = 128;

/// How much of a run is kept. What is waited for at once has to fit into one instance's memory together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JobLimits {
    jobs: usize,
    errors: usize,
}

impl JobLimits {
    /// The room for each of so many runs.
    pub(super) fn among(runs: u32) -> Self {
        let share = |of: usize| of / usize::try_from(runs.max(1)).unwrap_or(of);
        Self {
            jobs: share(JOBS.0).max(JOBS.1),
            errors: share(ERRORS),
        }
    }
}

/// Looking at a run.
#[derive(Debug, Default)]
pub(super) struct Poll {
    pages: Pages,
    jobs: Vec<Run>,
    /// How many bytes of error texts the jobs have.
    errors: usize,
    order: Order,
    /// Whether there are entries that could not be read as runs.
    has_unreadable: bool,
}

impl Poll {
    pub(super) fn request(&self, sync: SyncId, run: RunId) -> Request {
        Request::run(sync, run, self.pages.offset, self.pages.limit)
    }

    /// The next poll, which asks for pages of the same size.
    fn again(&self) -> Self {
        Self {
            pages: self.pages.again(),
            ..Self::default()
        }
    }

    /// Reads a page; true where the next one is to be read. A server that ignores the filter lists other runs too: the list is in order of
    /// IDs, so it has been read far enough once the entries of this run have come and gone.
    fn note(&mut self, reply: Reply, run: RunId, room: JobLimits) -> Result<bool, AttemptError> {
        let Self {
            pages,
            jobs,
            errors,
            order,
            has_unreadable,
        } = self;
        let was_mixed = order.is_mixed();
        let more = pages.note(reply, |body| {
            let page = Run::read_page(body, &mut |mut entry| {
                order.note(entry.id);
                if entry.id == run && jobs.len() <= room.jobs {
                    *errors += entry.shorten_error(room.errors.saturating_sub(*errors).max(ERROR));
                    jobs.push(entry);
                }
            })?;
            *has_unreadable |= page.unreadable > 0;
            Ok(page)
        })?;
        // A run that comes into the list moves entries to a page that has been read; some of its own may be among them.
        if pages.several() && order.is_mixed() && !was_mixed {
            return Err(AttemptError::Unreadable {
                status: 200,
                why: ReadError::Changed,
            });
        }
        if jobs.len() > room.jobs {
            return Err(AttemptError::Unreadable {
                status: 200,
                why: ReadError::TooManyJobs(room.jobs),
            });
        }
        // Each may be a job of this run, and the one that failed.
        if *has_unreadable {
            return Err(AttemptError::Unreadable {
                status: 200,
                why: ReadError::Missing("id"),
            });
        }
        let passed = order.newest_first() && order.last().is_some_and(|last| last < run);
        let in_midst = order.last() == Some(run);
        // Without an order, a job may stand anywhere.
        let read_far_enough = passed || !jobs.is_empty() && !in_midst && !order.is_mixed();
        Ok(more && !read_far_enough)
    }
}

impl Operation {
    pub(super) fn looked(&mut self, now: Instant, mut phase: Poll, reply: Reply) -> Action {
        let Some(run) = self.run else {
            return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
        };
        let date = reply.as_ref().ok().and_then(|answer| answer.date);
        match phase.note(reply, run, self.room) {
            Ok(true) => return self.go(now, Phase::Poll(phase)),
            Ok(false) => {}
            Err(setback) if self.is_final(&setback) => return self.give_up(now, setback),
            Err(setback) => {
                let delay = self
                    .backoff
                    .after_setback(setback.asked(), &mut self.jitter);
                return self.pause(now, delay, Phase::Poll(phase.again()), Some(setback));
            }
        }
        self.backoff.reset();
        if phase.jobs.is_empty()
            && self.jobs.is_empty()
            && let (Goal::Await(_), Some(run)) = (&self.goal, self.run_ref())
        {
            self.empty_polls = self.empty_polls.saturating_add(1);
            if self.empty_polls.is_power_of_two() {
                return self.go(now, Phase::Locate(Locate::new(run, phase.again())));
            }
        }
        self.sighted = true;
        // Not listed (yet, or not on this replica): nothing has changed, and of a run that was taken up not all its jobs need be known.
        if phase.jobs.is_empty() {
            return self.look_later(now, Phase::Poll(phase.again()));
        }
        let next = phase.again();
        // Not all of it: what was seen before still stands.
        if phase.jobs.len() >= self.jobs.len() {
            self.jobs = phase.jobs;
        }
        let created = |job: &Run| job.created_at.as_deref().and_then(Timestamp::rfc3339);
        let oldest = self.jobs.iter().filter_map(created).min();
        self.learn_age(now, date, oldest);
        match verdict(&self.jobs, self.options.accept_warnings) {
            Verdict::Going(status) => {
                let going = self.jobs.iter().find(|job| job.status == status);
                if let Some(ratio) = going.and_then(|job| job.completion_ratio.as_ref()) {
                    self.pace.note_ratio(now, ratio.value());
                }
                self.look_later(now, Phase::Poll(next))
            }
            Verdict::Succeeded(_) | Verdict::Failed(_) if self.ended_before_trigger() => {
                let run = self
                    .run_ref()
                    .map(|run| run.to_string())
                    .unwrap_or_default();
                let message = "Hightouch's response names a run that had ended before the request to start one was sent. Whether a run was \
                               started is not known.";
                let details = format!(
                    "The response names {run}. The request was not sent again, for that could run the sync twice: look at the sync's runs \
                     first."
                );
                self.fail(now, FailureKind::TriggerUnconfirmed, message, Some(details))
            }
            Verdict::Succeeded(_) => self.succeed(now),
            Verdict::Failed(status) => {
                let word = status.as_str();
                let text = self
                    .jobs
                    .iter()
                    .filter(|job| job.status == status)
                    .find_map(|job| job.error.clone());
                let message = text.unwrap_or_else(|| match status {
                    crate::hightouch::RunStatus::Warning => {
                        "Some rows were rejected (`warning`), which counts as a failure unless warnings are accepted."
                            .into()
                    }
                    _ if word.is_empty() => "The run ended without a status.".into(),
                    _ => format!("The run ended as `{word}`."),
                });
                let details = self
                    .run_ref()
                    .map(|run| format!("{run} ended as `{word}`."));
                self.fail(now, FailureKind::SyncFailed, message, details)
            }
        }
    }

    /// Learns the minimum age of a run that may have been there before this operation: from the server's own clock, and the first thing that
    /// is known to have happened. A run that this operation started is not older than the operation, whatever the run's times say.
    pub(super) fn learn_age(
        &mut self,
        now: Instant,
        date: Option<Timestamp>,
        first: Option<Timestamp>,
    ) {
        let may_be_older =
            self.joined || matches!(self.goal, Goal::Await(_) | Goal::AwaitSequence(_));
        if let Some((date, first)) = date.zip(first).filter(|_| may_be_older) {
            let age = date.duration_since(first);
            self.run_age = (now, self.run_age(now).max(age));
        }
    }

    /// Whether the run that the response to the trigger names had ended long before the trigger was sent, by Hightouch's own clock.
    fn ended_before_trigger(&self) -> bool {
        let finished = |job: &Run| job.finished_at.as_deref().and_then(Timestamp::rfc3339);
        let Some(sent) = self.triggered_at else {
            return false;
        };
        let Some(ends) = self
            .jobs
            .iter()
            .map(finished)
            .collect::<Option<Vec<Timestamp>>>()
        else {
            return false;
        };
        self.clock.compare(ends.into_iter().max(), sent) == When::LongBefore
    }

    /// Waits until the next look is due.
    pub(super) fn look_later(&mut self, now: Instant, look: Phase) -> Action {
        let delay = self
            .pace
            .next_look(now, self.run_age(now), &mut self.jitter);
        self.pause(now, delay, look, None)
    }
}
