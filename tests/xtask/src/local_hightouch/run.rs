//! A run of a sync. Its state depends only on the time.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::clock::with_z;
use super::status::Status;
use super::timeline::{RowCounts, Timeline};

/// The options of a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `fullResync`: send all rows again.
    pub full_resync: bool,
    /// `resetCDC`: mark all rows as already sent.
    pub reset_cdc: bool,
    /// `clearAndFill`: empty the audience, then fill it.
    pub clear_and_fill: bool,
}

/// The current state of a run that was started, whatever the response to its trigger was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSnapshot {
    /// The run's ID.
    pub id: u64,
    /// The ID of its sync.
    pub sync_id: u64,
    /// The account of its workspace: 1 or 2.
    pub account: u32,
    /// The options of its trigger.
    pub flags: Flags,
    /// The status of its first job.
    pub status: Status,
    /// The status of each job.
    pub jobs: Vec<Status>,
    /// Time of the trigger, RFC 3339.
    pub created_at: String,
    /// Time at which it left the queue, RFC 3339. `None` while it is queued.
    pub started_at: Option<String>,
    /// Time at which it ended, RFC 3339. `None` while it is in progress.
    pub finished_at: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) sync_id: u64,
    pub(super) created_at: OffsetDateTime,
    pub(super) flags: Flags,
    /// Whether it was triggered before the server started.
    pub(super) earlier: bool,
    timeline: Arc<Timeline>,
    further_jobs: Vec<Timeline>,
    /// Time at which the timelines begin. `None` if it waits for a run that never ends.
    begins_at: Option<OffsetDateTime>,
}

/// The figures of a run at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) status: Status,
    pub(super) started_at: Option<OffsetDateTime>,
    pub(super) finished_at: Option<OffsetDateTime>,
    pub(super) query_size: Option<u64>,
    pub(super) planned: RowCounts,
    pub(super) successful: RowCounts,
    pub(super) failed: RowCounts,
    pub(super) completion_ratio: f64,
    pub(super) error: Option<String>,
}

/// The state of the previous run of the same sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    Nothing,
    RunUntil(OffsetDateTime),
    EndlessRun,
}

impl Run {
    pub(super) fn new(
        id: u64,
        sync_id: u64,
        created_at: OffsetDateTime,
        ahead: Ahead,
        timeline: impl Into<Arc<Timeline>>,
        flags: Flags,
    ) -> Self {
        let timeline = timeline.into();
        let begins_at = match ahead {
            Ahead::Nothing => Some(created_at),
            // The run has waited long enough in the queue, so its timeline begins immediately.
            Ahead::RunUntil(end) => {
                let queue = timeline.first(|status| status != Status::Queued);
                let queue = time::Duration::try_from(queue.unwrap_or_default());
                queue.ok().and_then(|queue| end.checked_sub(queue))
            }
            Ahead::EndlessRun => None,
        };
        Self {
            id,
            sync_id,
            created_at,
            flags,
            earlier: false,
            timeline,
            further_jobs: Vec::new(),
            begins_at,
        }
    }

    /// Adds these jobs.
    pub(super) fn with_further_jobs(mut self, timelines: Vec<Timeline>) -> Self {
        self.further_jobs = timelines;
        self
    }

    fn timelines(&self) -> impl Iterator<Item = &Timeline> {
        std::iter::once(&*self.timeline).chain(&self.further_jobs)
    }

    /// Returns the time at which the run's last job ends, or `None` if a job never ends.
    pub(super) fn ends_at(&self) -> Option<OffsetDateTime> {
        let ends: Option<Vec<_>> = self
            .timelines()
            .map(|job| self.first_time(job, Status::has_ended))
            .collect();
        ends?.into_iter().max()
    }

    /// Returns the first time at which the job's status satisfies `is`.
    fn first_time(&self, job: &Timeline, is: impl Fn(Status) -> bool) -> Option<OffsetDateTime> {
        let offset = job.first(is)?.try_into().ok()?;
        self.begins_at?.checked_add(offset)
    }

    pub(super) fn status(&self, now: OffsetDateTime) -> Status {
        self.offset(now)
            .map_or(Status::Queued, |offset| self.timeline.status_at(offset))
    }

    /// Returns the time since the run's timeline began.
    fn offset(&self, now: OffsetDateTime) -> Option<Duration> {
        (now - self.begins_at?).try_into().ok()
    }

    /// Returns the figures of its first job.
    pub(super) fn figures(&self, now: OffsetDateTime) -> Figures {
        self.figures_of(&self.timeline, now)
    }

    /// Returns the figures of each job.
    pub(super) fn jobs(&self, now: OffsetDateTime) -> impl Iterator<Item = Figures> {
        self.timelines().map(move |job| self.figures_of(job, now))
    }

    /// Returns the number of jobs.
    pub(super) fn job_count(&self) -> usize {
        self.further_jobs.len() + 1
    }

    /// Returns the figures of one job, counted from zero.
    pub(super) fn job(&self, index: usize, now: OffsetDateTime) -> Option<Figures> {
        self.timelines()
            .nth(index)
            .map(|job| self.figures_of(job, now))
    }

    fn figures_of(&self, timeline: &Timeline, now: OffsetDateTime) -> Figures {
        let offset = self.offset(now);
        let status = offset.map_or(Status::Queued, |offset| timeline.status_at(offset));
        let offset = offset.unwrap_or_default();
        let known = status.knows_rows();
        let progress = if known {
            timeline.progress_at(offset)
        } else {
            0.0
        };
        let by_now = |moment: &OffsetDateTime| *moment <= now;
        Figures {
            status,
            started_at: self
                .first_time(timeline, |status| status != Status::Queued)
                .filter(by_now),
            finished_at: self.first_time(timeline, Status::has_ended).filter(by_now),
            query_size: timeline.query_size.filter(|_| known),
            planned: if known {
                timeline.planned
            } else {
                RowCounts::default()
            },
            successful: timeline.successful.share(progress),
            failed: timeline.failed.share(progress),
            // Two decimals, as in recorded responses.
            completion_ratio: (timeline.completion_ratio * progress * 100.0).round() / 100.0,
            error: timeline.error.clone().filter(|_| status.has_ended()),
        }
    }

    pub(super) fn snapshot(&self, account: u32, now: OffsetDateTime) -> RunSnapshot {
        let figures = self.figures(now);
        RunSnapshot {
            id: self.id,
            sync_id: self.sync_id,
            account,
            flags: self.flags,
            status: figures.status,
            jobs: self.jobs(now).map(|job| job.status).collect(),
            created_at: with_z(self.created_at),
            started_at: figures.started_at.map(with_z),
            finished_at: figures.finished_at.map(with_z),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use time::ext::NumericalDuration;
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn run(ahead: Ahead) -> Run {
        let timeline = Timeline::over(Duration::from_secs(12), Status::Success)
            .with_rows(RowCounts::new(100, 0, 0));
        Run::new(1, 1, START, ahead, timeline, Flags::default())
    }

    #[test]
    fn what_is_not_known_yet_is_absent() {
        let figures = run(Ahead::Nothing).figures(START);
        assert_eq!(figures.status, Status::Queued);
        assert_eq!(
            (figures.started_at, figures.finished_at, figures.query_size),
            (None, None, None)
        );
        assert_eq!(figures.planned, RowCounts::default());
    }

    #[test]
    fn the_figures_grow_to_those_of_the_end() {
        let run = run(Ahead::Nothing);
        let ratios: Vec<_> = (0..13)
            .map(|second| run.figures(START + second.seconds()).completion_ratio)
            .collect();
        assert!(ratios.is_sorted(), "{ratios:?}");
        assert!(ratios.iter().any(|ratio| *ratio > 0.0 && *ratio < 1.0));
        let end = run.figures(START + 12.seconds());
        assert_eq!(end.successful, RowCounts::new(100, 0, 0));
        assert_eq!(end.completion_ratio, 1.0);
        assert_eq!(end.finished_at, Some(START + 12.seconds()));
    }

    #[test]
    fn a_run_that_waited_starts_as_soon_as_the_one_ahead_ends() {
        let run = run(Ahead::RunUntil(START + 60.seconds()));
        assert_eq!(run.status(START + 59.9.seconds()), Status::Queued);
        let figures = run.figures(START + 60.seconds());
        assert_eq!(figures.status, Status::Querying);
        assert_eq!(figures.started_at, Some(START + 60.seconds()));
        assert!(run.created_at < figures.started_at.unwrap());
    }

    #[test]
    fn an_end_beyond_all_time_never_comes() {
        let timeline = Timeline::over(Duration::MAX, Status::Success);
        let endless = Run::new(1, 1, START, Ahead::Nothing, timeline, Flags::default());
        assert_eq!(endless.ends_at(), None);
        assert_eq!(endless.status(START + 1_000.days()), Status::Querying);
        assert_eq!(endless.figures(START + 1_000.days()).finished_at, None);
    }

    #[test]
    fn behind_an_endless_run_a_run_waits_for_ever() {
        let run = run(Ahead::EndlessRun);
        assert_eq!(run.status(START + 1_000.days()), Status::Queued);
        assert_eq!(run.ends_at(), None);
    }
}
