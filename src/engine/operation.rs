//! The state machine of one call.

use core::time::Duration;
use std::mem;

use super::attempt_error::{AttemptError, TransportError};
use super::backoff::{Backoff, Jitter};
use super::confirm::{Confirm, SETTLE};
use super::find::{FindGoing, FindSync};
use super::locate::Locate;
use super::options::{Goal, IfRunning, Options};
use super::outcome::{Failure, FailureKind, Outcome, Report, SequenceReport, SyncReport};
use super::poll::{JobLimits, Poll};
use super::poll_schedule::PollSchedule;
use super::server_clock::ServerClock;
use super::time::{Instant, times};
use super::trigger::Trigger;
use super::verdict::verdict;
use crate::hightouch::{
    Request, Response, Run, RunId, RunRef, SequenceId, SequenceRun, SequenceStatus, SyncId, SyncRef,
};

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The operation begins, or the moment came for which it wanted to be woken.
    Woke,
    /// An answer to the request came.
    Response(Response),
    /// None came, or not in time.
    TransportError(TransportError),
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send this, and come back with the answer or the trouble; at `give_up` at the latest, whatever the peer does.
    Send {
        /// The request.
        request: Request,
        /// When to give it up.
        give_up: Instant,
    },
    /// Come back then.
    Wait {
        /// The moment.
        until: Instant,
    },
    /// It is over. Do not come back.
    Done(Box<Outcome>),
}

/// How long one request that reads may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the request that starts a run may take.
const TRIGGER_TIMEOUT: Duration = Duration::from_secs(15);
/// The share of a long wait that a trigger may take.
const TRIGGER_SHARE: f64 = 0.6;
/// What is left of a short wait to read the list once after a trigger without a response: a share of the wait, and its maximum.
const LIST_SHARE: f64 = 0.2;
const LIST_ROOM: Duration = Duration::from_secs(1);
/// How much of the wait must be left for a trigger to be sent after something else was. One whose answer finds nobody waiting starts a run
/// that nobody knows of.
const TRIGGER_ROOM: Duration = Duration::from_secs(2);
/// What share of the wait may have passed before an operation begins without having waited for its turn: clocks do not stand still.
const PROMPT: f64 = 0.1;
/// How often a request is sent in all where something passing stands in its way before there is a run to wait for. An outage that
/// lasts longer is reported, not sat out: nothing has been started yet, and a wrong origin looks like an outage.
pub(super) const TRIES: u32 = 4;
/// Minimum and maximum time that is kept for a last request before the deadline.
const RESERVE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How late a host may wake an operation. Every real clock wakes a little late.
const WAKE_SLACK: Duration = Duration::from_millis(50);

/// Where an operation is: which request is under way, or will be sent at the next wake.
#[derive(Debug)]
pub(super) enum Phase {
    FindSync(FindSync),
    FindGoing(FindGoing),
    Trigger(Trigger),
    Confirm(Confirm),
    Poll(Poll),
    Locate(Locate),
    TriggerSequence(SequenceId),
    PollSequence,
    Over,
}

/// What came back for a request.
pub(super) type Reply = Result<Response, TransportError>;

/// How long a trigger may take if so much of the wait is left.
///
/// A long wait leaves time to find out what came of a trigger without a response. A short one has no time for that: there, only the response
/// can name the run, so it gets nearly all.
fn trigger_timeout(left: Duration) -> Duration {
    let rest = times(left, 1.0 - TRIGGER_SHARE);
    let timeout = if rest >= SETTLE {
        times(left, TRIGGER_SHARE)
    } else {
        left.saturating_sub(times(left, LIST_SHARE).min(LIST_ROOM))
    };
    timeout.min(TRIGGER_TIMEOUT)
}

/// One call: run a sync or a sequence, start one, or await a run.
#[derive(Debug)]
pub struct Operation {
    pub(super) goal: Goal,
    pub(super) options: Options,
    began: Instant,
    phase: Phase,
    /// The sync, once its ID is known.
    pub(super) sync: Option<SyncId>,
    /// The run, once its ID is known. It never becomes unknown again.
    pub(super) run: Option<RunId>,
    /// The sequence's run as it was last seen, once its ID is known. The ID never becomes unknown again.
    pub(super) sequence_run: Option<SequenceRun>,
    /// How old the run was at a moment, as far as this operation knows.
    pub(super) run_age: (Instant, Duration),
    pub(super) joined: bool,
    /// The run's jobs as they were last seen.
    pub(super) jobs: Vec<Run>,
    /// Whether anything told where the run stands: this operation started it, or has seen Hightouch's list of it.
    pub(super) sighted: bool,
    /// The error after which the operation pauses: what to report if no request fits any more when it wakes.
    pending: Option<AttemptError>,
    /// How many polls of an awaited run found an empty list.
    pub(super) empty_polls: u32,
    /// Since when newer runs are listed, and the awaited one is not.
    pub(super) missing_since: Option<Instant>,
    /// When the trigger was sent whose response named the run.
    pub(super) triggered_at: Option<Instant>,
    /// When a sequence's run was first seen to be `done` without the ends of all its sync runs.
    pub(super) done_since: Option<Instant>,
    requests: u32,
    /// When the request under way was sent, and how long the one before took.
    pub(super) sent: Instant,
    round_trip: Duration,
    pub(super) clock: ServerClock,
    pub(super) pace: PollSchedule,
    /// How much of the run is kept.
    pub(super) room: JobLimits,
    pub(super) backoff: Backoff,
    pub(super) jitter: Jitter,
}

impl Operation {
    /// An operation that begins now. Operations with different seeds do not wait in step.
    pub fn new(goal: Goal, options: Options, now: Instant, seed: u64) -> Self {
        let (sync, run, phase) = match &goal {
            Goal::Await(run) => (Some(run.sync), Some(run.run), Phase::Poll(Poll::default())),
            Goal::Run(SyncRef::Slug(slug)) | Goal::Start(SyncRef::Slug(slug)) => {
                (None, None, Phase::FindSync(FindSync::new(slug.clone())))
            }
            Goal::Run(SyncRef::Id(sync)) | Goal::Start(SyncRef::Id(sync)) => {
                (Some(*sync), None, Phase::Over)
            }
            Goal::RunSequence(sequence) | Goal::StartSequence(sequence) => {
                (None, None, Phase::TriggerSequence(sequence.clone()))
            }
            Goal::AwaitSequence(_) => (None, None, Phase::PollSequence),
        };
        let sequence_run = match &goal {
            Goal::AwaitSequence(run) => Some(SequenceRun::unseen(run.clone())),
            _ => None,
        };
        let mut operation = Self {
            goal,
            options,
            began: now,
            phase,
            sync,
            run,
            sequence_run,
            run_age: (now, Duration::ZERO),
            joined: false,
            jobs: Vec::new(),
            sighted: false,
            pending: None,
            empty_polls: 0,
            missing_since: None,
            triggered_at: None,
            done_since: None,
            requests: 0,
            sent: now,
            round_trip: Duration::ZERO,
            clock: ServerClock::default(),
            pace: PollSchedule::default(),
            room: JobLimits::among(1),
            backoff: Backoff::default(),
            jitter: Jitter::new(seed),
        };
        if let (Phase::Over, Some(sync)) = (&operation.phase, sync) {
            operation.phase = operation.first_for(sync);
        }
        operation
    }

    /// The same where there are so many operations at once with one key: each looks the more rarely, so that together they stay within the
    /// workspace's rate limit, and keeps less of what it is told, so that together they fit into one memory.
    #[must_use]
    pub fn among(mut self, operations: u32) -> Self {
        self.pace.among(operations);
        self.room = JobLimits::among(operations);
        self
    }

    /// The sync that is to run, once its ID is known.
    pub fn sync(&self) -> Option<SyncId> {
        self.sync
    }

    /// How it ends where another operation has the same sync, before anything was started.
    pub fn twin(&mut self, now: Instant) -> Failure {
        // The request that would have started a run is not sent.
        self.requests = self.requests.saturating_sub(1);
        let message = "The sync is named twice, by its ID and by its slug: it is run once. Nothing was started for this one.";
        self.failure(now, FailureKind::InvalidInput, message.into(), None)
    }

    /// What to do before a run of this sync is started.
    pub(super) fn first_for(&self, sync: SyncId) -> Phase {
        match self.options.if_running {
            IfRunning::Queue if self.options.unless_since.is_none() => {
                Phase::Trigger(Trigger::new(sync, None))
            }
            _ => Phase::FindGoing(FindGoing::new(sync)),
        }
    }

    /// Takes what happened and says what to do.
    pub fn step(&mut self, now: Instant, event: Event) -> Action {
        let reply = match event {
            Event::Woke => return self.send(now),
            Event::Response(answer) => {
                self.round_trip = now.duration_since(self.sent);
                self.clock.note(answer.date, self.sent, now);
                Ok(answer)
            }
            Event::TransportError(trouble) => Err(trouble),
        };
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::FindSync(phase) => self.sync_found(now, phase, reply),
            Phase::FindGoing(phase) => self.going_found(now, phase, reply),
            Phase::Trigger(phase) => self.triggered(now, phase, reply),
            Phase::Confirm(phase) => self.confirmed(now, phase, reply),
            Phase::Poll(phase) => self.looked(now, phase, reply),
            Phase::Locate(phase) => self.located(now, phase, reply),
            Phase::TriggerSequence(sequence) => self.sequence_triggered(now, sequence, reply),
            Phase::PollSequence => self.sequence_looked(now, reply),
            Phase::Over => self.fail(
                now,
                FailureKind::Other,
                "The operation was stepped after its end.",
                None,
            ),
        }
    }

    /// Where the run stands, as soon as its ID is known.
    pub fn report(&self, now: Instant) -> Option<SyncReport> {
        self.report_with(now, self.jobs.clone())
    }

    /// The same where it is over, with the jobs taken out.
    fn last_report(&mut self, now: Instant) -> Option<SyncReport> {
        let jobs = mem::take(&mut self.jobs);
        self.report_with(now, jobs)
    }

    fn report_with(&self, now: Instant, jobs: Vec<Run>) -> Option<SyncReport> {
        Some(SyncReport {
            run: self.run_ref()?,
            status: verdict(&jobs, self.options.accept_warnings).status(),
            jobs,
            joined: self.joined,
            requests: self.requests,
            elapsed: now.duration_since(self.began),
        })
    }

    /// Where the sequence's run stands, as soon as its ID is known.
    pub fn sequence_report(&self, now: Instant) -> Option<SequenceReport> {
        self.sequence_run
            .clone()
            .map(|run| self.sequence_report_of(run, now))
    }

    /// The sequence's run where it is over, with the sync runs taken out.
    fn last_sequence_run(&mut self) -> Option<SequenceRun> {
        let run = self.sequence_run.as_mut()?;
        let sync_runs = mem::take(&mut run.sync_runs);
        Some(SequenceRun {
            sync_runs,
            ..run.clone()
        })
    }

    fn sequence_report_of(&self, run: SequenceRun, now: Instant) -> SequenceReport {
        SequenceReport {
            run,
            requests: self.requests,
            elapsed: now.duration_since(self.began),
        }
    }

    /// Where the run stands, of whichever kind it is, as soon as its ID is known.
    pub fn standing(&self, now: Instant) -> Option<Report> {
        match self.sequence_report(now) {
            Some(report) => Some(Report::Sequence(report)),
            None => self.report(now).map(Report::Sync),
        }
    }

    /// The run, once its ID is known.
    pub(super) fn run_ref(&self) -> Option<RunRef> {
        Some(RunRef {
            sync: self.sync?,
            run: self.run?,
        })
    }

    /// Whether Hightouch has told of the run: its ID, when it was started, or where it stands.
    pub fn sighted(&self) -> bool {
        self.sighted
    }

    /// When the wait is over: from then on a step sends nothing and ends the operation.
    pub fn deadline(&self) -> Instant {
        let wait = self.options.max_wait;
        self.began
            + if self.sighted {
                wait
            } else {
                wait.max(self.options.answer_wait)
            }
    }

    /// Goes on to a phase and sends its request at once.
    pub(super) fn go(&mut self, now: Instant, phase: Phase) -> Action {
        self.phase = phase;
        self.send(now)
    }

    /// Sends the request of the phase.
    fn send(&mut self, now: Instant) -> Action {
        let left = self.deadline().duration_since(now);
        let pending = self.pending.take();
        let is_trigger = matches!(self.phase, Phase::Trigger(_) | Phase::TriggerSequence(_));
        if left.is_zero() || is_trigger && !self.has_room_for_trigger(now) {
            return self.time_is_up(now, pending);
        }
        let (request, timeout) = match &self.phase {
            Phase::FindSync(phase) => (phase.request(), READ_TIMEOUT),
            Phase::FindGoing(phase) => (phase.request(), READ_TIMEOUT),
            Phase::Trigger(phase) => (phase.request(self.options.resync), trigger_timeout(left)),
            Phase::Confirm(phase) => (phase.request(), READ_TIMEOUT),
            Phase::Poll(phase) => match (self.sync, self.run) {
                (Some(sync), Some(run)) => (phase.request(sync, run), READ_TIMEOUT),
                _ => {
                    return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
                }
            },
            Phase::Locate(phase) => (phase.request(), READ_TIMEOUT),
            Phase::TriggerSequence(sequence) => {
                (Request::trigger_sequence(sequence), TRIGGER_TIMEOUT)
            }
            Phase::PollSequence => match &self.sequence_run {
                Some(run) => (Request::sequence_run(&run.id), READ_TIMEOUT),
                None => {
                    return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
                }
            },
            Phase::Over => {
                return self.fail(
                    now,
                    FailureKind::Other,
                    "The operation was woken after its end.",
                    None,
                );
            }
        };
        self.requests = self.requests.saturating_add(1);
        self.sent = now;
        Action::Send {
            request,
            give_up: (now + timeout.min(left)),
        }
    }

    /// Whether so much of the wait is left that an answer to a trigger may be hoped for. The first request of all is always sent, unless the
    /// operation had to wait for its turn: how short a wait makes sense is the caller's to decide.
    pub(super) fn has_room_for_trigger(&self, now: Instant) -> bool {
        let had_to_wait = now.duration_since(self.began)
            > times(self.deadline().duration_since(self.began), PROMPT);
        self.requests == 0 && !had_to_wait || self.deadline().duration_since(now) >= TRIGGER_ROOM
    }

    /// Waits, then sends the request of the phase: after `delay`, or in time for one last request before the deadline. `setback` is
    /// what to report where no request fits any more.
    pub(super) fn pause(
        &mut self,
        now: Instant,
        delay: Duration,
        phase: Phase,
        setback: Option<AttemptError>,
    ) -> Action {
        self.phase = phase;
        let reserve = self
            .round_trip
            .saturating_mul(2)
            .clamp(RESERVE.0, RESERVE.1);
        // What leads to a trigger must leave room for it: its answer must not find nobody waiting.
        let kept = match self.phase {
            Phase::FindSync(_) | Phase::FindGoing(_) => TRIGGER_ROOM
                .saturating_add(reserve)
                .saturating_add(WAKE_SLACK),
            Phase::Trigger(_) | Phase::TriggerSequence(_) => {
                TRIGGER_ROOM.saturating_add(WAKE_SLACK)
            }
            Phase::Confirm(_)
            | Phase::Poll(_)
            | Phase::Locate(_)
            | Phase::PollSequence
            | Phase::Over => reserve,
        };
        let last = self.deadline() - kept;
        let unsaid_too_long = !self.sighted && now >= (self.began + self.options.max_wait);
        if unsaid_too_long || last <= now {
            return self.time_is_up(now, setback);
        }
        self.pending = setback;
        Action::Wait {
            until: (now + delay).min(last),
        }
    }

    /// Pauses after a setback on a request that reads, before there is a run to wait for; gives up after [`TRIES`] in a row, but sits
    /// out a rate limit.
    pub(super) fn retry(&mut self, now: Instant, phase: Phase, setback: AttemptError) -> Action {
        if self.is_final(&setback)
            || !setback.rate_limited() && self.backoff.setbacks() + 1 >= TRIES
        {
            self.phase = phase;
            return self.give_up(now, setback);
        }
        let delay = self
            .backoff
            .after_setback(setback.asked(), &mut self.jitter);
        self.pause(now, delay, phase, Some(setback))
    }

    /// The run is known from now on.
    pub(super) fn run_is(&mut self, now: Instant, run: RunId) {
        self.run = Some(run);
        self.begun(now);
    }

    /// The run, whose ID is known from now on, begins.
    pub(super) fn begun(&mut self, now: Instant) {
        self.run_age = (now, Duration::ZERO);
        self.sighted = true;
        self.backoff.reset();
    }

    /// How old the run is as far as this operation knows.
    pub(super) fn run_age(&self, now: Instant) -> Duration {
        let (at, age) = self.run_age;
        age.saturating_add(now.duration_since(at))
    }

    /// Ends in success.
    pub(super) fn succeed(&mut self, now: Instant) -> Action {
        let standing = match self.last_sequence_run() {
            Some(run) => Some(Report::Sequence(self.sequence_report_of(run, now))),
            None => self.last_report(now).map(Report::Sync),
        };
        match standing {
            Some(standing) => Action::Done(Box::new(Ok(standing))),
            None => self.fail(now, FailureKind::Other, "There is no run to report.", None),
        }
    }

    /// Ends in a failure of this kind.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        kind: FailureKind,
        message: impl Into<String>,
        details: Option<String>,
    ) -> Action {
        Action::Done(Box::new(Err(self.failure(
            now,
            kind,
            message.into(),
            details,
        ))))
    }

    /// Ends in the failure that a setback is where it is the last word.
    pub(super) fn give_up(&mut self, now: Instant, setback: AttemptError) -> Action {
        let mut message = setback.message();
        if self.run.is_none() && self.sequence_run.is_none() && setback.status().is_none() {
            message += ". No run was started.";
        }
        let failure = Failure {
            http_status: setback.status(),
            retry_after: setback.asked(),
            ..self.failure(now, setback.kind(), message, setback.details())
        };
        Action::Done(Box::new(Err(failure)))
    }

    fn failure(
        &mut self,
        now: Instant,
        kind: FailureKind,
        message: String,
        details: Option<String>,
    ) -> Failure {
        self.phase = Phase::Over;
        Failure {
            message,
            details,
            sync: self.sync,
            report: self.last_report(now),
            sequence: self.last_sequence_run().map(Box::new),
            requests: self.requests,
            elapsed: now.duration_since(self.began),
            ..Failure::unsent(kind, "")
        }
    }

    /// The wait is over.
    fn time_is_up(&mut self, now: Instant, setback: Option<AttemptError>) -> Action {
        if let Phase::Confirm(phase) = mem::replace(&mut self.phase, Phase::Over) {
            return self.unconfirmed(now, phase, setback);
        }
        let Some((run, seen)) = self.last_seen() else {
            return match setback {
                Some(setback) => self.give_up(now, setback),
                None if self.requests == 0 => {
                    let message = "Its turn did not come within the wait, for other runs went first: wait longer. No run was started.";
                    self.fail(now, FailureKind::Other, message, None)
                }
                None => {
                    let message =
                        "Too little of the wait was left to start a run. No run was started.";
                    self.fail(now, FailureKind::Unreachable, message, None)
                }
            };
        };
        let unseen = match self.goal {
            Goal::Await(_) => self.jobs.is_empty(),
            Goal::AwaitSequence(_) => !self.sighted,
            _ => false,
        };
        match setback {
            // Nothing told that this run exists: what stood in the way is what there is to say.
            Some(setback) if !self.sighted => self.give_up(now, setback),
            setback => {
                let message = if unseen {
                    format!(
                        "The wait is over and Hightouch has not shown {run}: look whether its ID is right, and whether the key is that of \
                         its workspace"
                    )
                } else {
                    format!(
                        "The wait is over and {run} is not: it was last seen {seen}. It goes on at Hightouch; await it again to learn how \
                         it ends"
                    )
                };
                let retry_after = setback.as_ref().and_then(AttemptError::asked);
                let details = setback.map(|setback| setback.sentence());
                let failure = self.failure(now, FailureKind::StillRunning, message, details);
                Action::Done(Box::new(Err(Failure {
                    retry_after,
                    ..failure
                })))
            }
        }
    }

    /// What the run is called and where it was last seen, for a person, once its ID is known.
    fn last_seen(&self) -> Option<(String, String)> {
        if let Some(run) = &self.sequence_run {
            // With the ends of all its sync runs it would be over.
            let lacks = if run.status == SequenceStatus::Done {
                " without the ends of all its sync runs"
            } else {
                ""
            };
            return Some((
                format!("sequence run {}", run.id),
                format!("`{}`{lacks}", run.status.as_str()),
            ));
        }
        let status = verdict(&self.jobs, self.options.accept_warnings).status();
        Some((
            self.run_ref()?.to_string(),
            format!("`{}`", status.as_str()),
        ))
    }
}
