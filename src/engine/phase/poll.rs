//! Polling a run until it has ended.

use core::time::Duration;

use crate::engine::attempt_error::AttemptError;
use crate::engine::failure_reason::{FailureReason, still_running};
use crate::engine::job_list::{JobList, Jobs};
use crate::engine::limits::LISTING_DELAY;
use crate::engine::options::Options;
use crate::engine::outcome::{FailureKind, SyncReport};
use crate::engine::poll_schedule::RunAge;
use crate::engine::server_clock::{ServerClock, When};
use crate::engine::step::{Context, KnownRun, Next, Reply};
use crate::engine::time::Instant;
use crate::engine::verdict::{Verdict, end, verdict};
use crate::engine::warnings::{RejectedRows, Warnings};
use crate::hightouch::{Request, Run, RunRef, RunStatus, SyncId, Timestamp, reason_phrase};

/// How the operation came to know its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// This operation started the run. `trigger_sent` is when the trigger whose response named the
    /// run was sent.
    Started { trigger_sent: Option<Instant> },
    /// The run existed before, and counts as the requested one.
    Adopted,
    /// The caller named the run.
    Awaited,
}

/// Polling one run.
#[derive(Clone, Debug)]
pub struct Poll {
    origin: Origin,
    /// The list that is read in the current poll.
    list: JobList,
    /// The jobs that an earlier poll has shown.
    jobs: Vec<Run>,
    /// Whether the run is known to exist: this operation started it, or Hightouch listed it.
    is_confirmed: bool,
    /// The number of polls of an awaited run that showed nothing.
    empty_polls: u32,
    /// When the list first showed newer runs, but not this one.
    missing_since: Option<Instant>,
    age: RunAge,
}

/// The result of a poll, unless the run is to be polled again.
#[derive(Debug)]
pub(in crate::engine) enum Polled {
    /// The run has succeeded.
    Succeeded,
    /// Hightouch does not list the run. It may not exist.
    Unlisted,
}

impl KnownRun for Poll {
    type Report = SyncReport;

    fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    fn is_started_or_in_progress(&self) -> bool {
        matches!(self.origin, Origin::Started { .. }) || self.jobs.iter().any(|job| !job.ended())
    }

    fn into_report(self, options: &Options, requests: u32, elapsed: Duration) -> SyncReport {
        SyncReport {
            run: self.run(),
            status: verdict(&self.jobs, options.warnings).status(),
            jobs: self.jobs,
            joined: self.origin == Origin::Adopted,
            requests,
            elapsed,
        }
    }
}

impl Poll {
    /// Returns the phase that polls a run that this operation started.
    pub(in crate::engine) fn started(
        run: RunRef,
        trigger_sent: Option<Instant>,
        now: Instant,
    ) -> Self {
        Self {
            is_confirmed: true,
            ..Self::new(run, Origin::Started { trigger_sent }, now)
        }
    }

    /// Returns the phase that polls a run that the list of runs shows as `job`.
    pub(in crate::engine) fn adopted(sync: SyncId, job: Run, now: Instant) -> Self {
        let run = RunRef { sync, run: job.id };
        Self {
            is_confirmed: true,
            jobs: vec![job],
            ..Self::new(run, Origin::Adopted, now)
        }
    }

    /// Returns the phase that polls a run that the caller named.
    pub(in crate::engine) fn awaited(run: RunRef, now: Instant) -> Self {
        Self::new(run, Origin::Awaited, now)
    }

    fn new(run: RunRef, origin: Origin, now: Instant) -> Self {
        Self {
            origin,
            list: JobList::new(run),
            jobs: Vec::new(),
            is_confirmed: false,
            empty_polls: 0,
            missing_since: None,
            age: RunAge::new(now),
        }
    }

    pub(in crate::engine) fn run(&self) -> RunRef {
        self.list.run()
    }

    pub(in crate::engine) fn request(&self) -> Request {
        self.list.request()
    }

    pub(in crate::engine) fn on_reply(
        &mut self,
        cx: &mut Context<'_>,
        reply: Reply,
    ) -> Next<Polled> {
        let Jobs { jobs, date } = match self.list.read(reply, cx.limits) {
            Ok(Some(jobs)) => jobs,
            Ok(None) => return Next::Send,
            Err(error) if error.is_final(self.is_confirmed) => return Next::GiveUp(error),
            Err(error) => return Next::Retry(error),
        };
        if jobs.is_empty() && self.jobs.is_empty() && self.origin == Origin::Awaited {
            self.empty_polls = self.empty_polls.saturating_add(1);
            if self.empty_polls.is_power_of_two() {
                return Next::Complete(Polled::Unlisted);
            }
        }
        self.is_confirmed = true;
        // An empty list changes nothing: the run is not listed yet, or not on this replica.
        if jobs.is_empty() {
            return Next::SendAfter(self.delay(cx));
        }
        // A shorter list is incomplete: the earlier one still counts.
        if jobs.len() >= self.jobs.len() {
            self.jobs = jobs;
        }
        self.learn_age(cx.now, date);
        match verdict(&self.jobs, cx.options.warnings) {
            Verdict::InProgress(status) => {
                let job = self.jobs.iter().find(|job| job.status == status);
                if let Some(ratio) = job.and_then(|job| job.completion_ratio.as_ref()) {
                    cx.schedule.note_ratio(cx.now, ratio.value());
                }
                Next::SendAfter(self.delay(cx))
            }
            Verdict::Succeeded(_) | Verdict::Failed(_) if self.ended_before_trigger(cx.clock) => {
                Next::Fail(self.older_run())
            }
            Verdict::Succeeded(_) => Next::Complete(Polled::Succeeded),
            Verdict::Failed(status) => Next::Fail(self.failed(&status, cx.options.warnings)),
        }
    }

    /// Handles a look-up that did not find the run at its place in the list of all runs.
    ///
    /// `newer_age` is the time since the oldest of the newer runs was created. Returns the failure
    /// if the run does not exist.
    pub(in crate::engine) fn on_missing(
        &mut self,
        now: Instant,
        newer_age: Option<Duration>,
    ) -> Option<FailureReason> {
        self.is_confirmed = true;
        let since = *self.missing_since.get_or_insert(now);
        let is_overdue = now.duration_since(since) >= LISTING_DELAY
            || newer_age.is_some_and(|age| age >= LISTING_DELAY);
        is_overdue.then(|| {
            FailureReason::new(FailureKind::NotFound, reason_phrase(404)).with_details(format!(
                "Hightouch lists newer runs of the sync, but not {}. Check the run's ID, and that \
                 the API key belongs to the run's workspace.",
                self.run()
            ))
        })
    }

    /// Handles a look-up that does not contradict the existence of the run.
    pub(in crate::engine) fn on_possible(&mut self) {
        self.is_confirmed = true;
        self.missing_since = None;
    }

    /// Returns the failure if the time is up. `error` is the error of the last attempt.
    pub(in crate::engine) fn on_timeout(
        &self,
        error: Option<&AttemptError>,
        warnings: Warnings,
    ) -> FailureReason {
        match error {
            // Nothing shows that this run exists. So the error is all there is to report.
            Some(error) if !self.is_confirmed => error.clone().into(),
            error => {
                let status = verdict(&self.jobs, warnings).status();
                let is_unseen = self.origin == Origin::Awaited && self.jobs.is_empty();
                still_running(
                    &self.run().to_string(),
                    (!is_unseen).then(|| format!("`{}`", status.as_str())),
                    error,
                )
            }
        }
    }

    /// Returns the pause before the next poll.
    pub(in crate::engine) fn delay(&self, cx: &mut Context<'_>) -> Duration {
        cx.schedule
            .next_poll(cx.now, self.age.at(cx.now), cx.jitter)
    }

    /// Learns the minimum age of a run that may have existed before this operation.
    fn learn_age(&mut self, now: Instant, date: Option<Timestamp>) {
        if matches!(self.origin, Origin::Started { .. }) {
            return;
        }
        let oldest = self.jobs.iter().filter_map(Run::created).min();
        self.age.learn(now, date, oldest);
    }

    /// Returns whether, by Hightouch's own clock, the run ended long before this operation sent the
    /// trigger whose response named it.
    fn ended_before_trigger(&self, clock: &ServerClock) -> bool {
        let Origin::Started {
            trigger_sent: Some(sent),
        } = self.origin
        else {
            return false;
        };
        clock.compare(end(&self.jobs), sent) == When::LongBefore
    }

    /// Returns the failure of a trigger whose response named a run that had ended before.
    fn older_run(&self) -> FailureReason {
        FailureReason::new(
            FailureKind::TriggerUnconfirmed,
            "Hightouch's response names a run that had ended before the request to start one was \
             sent. It is unknown whether a run was started.",
        )
        .with_details(format!(
            "The response names {}. The request was not sent again, because that could run the \
             sync twice. Check the sync's runs before you run it again.",
            self.run()
        ))
    }

    /// Returns the failure of a run that ended with this status.
    fn failed(&self, status: &RunStatus, warnings: Warnings) -> FailureReason {
        let word = status.as_str();
        let rejected = match warnings {
            Warnings::Tolerate(limit) if *status == RunStatus::Warning => Some(format!(
                "The destination rejected {}. The limit is {limit}.",
                RejectedRows::of(&self.jobs)
            )),
            _ => None,
        };
        let mut details = format!("{} ended as `{word}`.", self.run());
        if let Some(rejected) = &rejected {
            details = format!("{details} {rejected}");
        }
        let mut failed = self.jobs.iter().filter(|job| job.status == *status);
        let message = failed
            .find_map(|job| job.error.clone())
            .or(rejected)
            .unwrap_or_else(|| match status {
                RunStatus::Warning => {
                    "The destination rejected some rows (`warning`). That counts as a \
                                       failure unless warnings are accepted."
                        .into()
                }
                _ if word.is_empty() => "The run ended without a status.".into(),
                _ => format!("The run ended as `{word}`."),
            });
        FailureReason::new(FailureKind::SyncFailed, message).with_details(details)
    }
}
