//! One call: running, starting or awaiting a run.
//!
//! This file is the only place that knows the order of the phases. [`SyncPhase::on_reply`] and
//! [`SequencePhase::on_reply`] show all transitions; everything else here is what the phases share:
//! deadlines, pauses, backoff, and the end.

use core::fmt::Debug;
use core::time::Duration;

use super::attempt_error::AttemptError;
use super::backoff::{Backoff, Jitter};
use super::failure_reason::FailureReason;
use super::limits::{JobLimits, LISTING_DELAY, MAX_ATTEMPTS};
use super::options::{IfRunning, Options, RunsGoal, SequenceGoal, SyncGoal};
use super::outcome::{Failure, FailureKind, RunsReport, SequenceReport, SyncReport};
use super::phase::confirm::{Confirm, Confirmed};
use super::phase::find::{FindRun, FindSync, FoundRun};
use super::phase::locate::{Locate, Located};
use super::phase::poll::{Poll, Polled};
use super::phase::rejected::CheckRejected;
use super::phase::runs::{self, RecentRuns};
use super::phase::sequence::{PollSequence, SequenceEnd, TriggerSequence};
use super::phase::trigger::{Trigger, Triggered};
use super::poll_schedule::PollSchedule;
use super::server_clock::ServerClock;
use super::start::Start;
use super::step::{Action, Context, Event, KnownRun, Next, Reply};
use super::time::{Instant, times};
use crate::hightouch::{Request, RunId, RunRef, SyncId, SyncRef, Timestamp};

/// Maximum time for the response to a request that reads.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for the response to a trigger.
const TRIGGER_TIMEOUT: Duration = Duration::from_secs(15);
/// Fraction of a long wait that a trigger may take.
const TRIGGER_SHARE: f64 = 0.6;
/// Fraction of a short wait that is reserved for reading the list once if the trigger gets no
/// response.
const LIST_SHARE: f64 = 0.2;
/// Maximum time that is reserved for reading the list once if the trigger gets no response.
const MAX_LIST_TIME: Duration = Duration::from_secs(1);
/// Minimum time before the deadline at which a trigger may be sent, unless it is the first request.
///
/// If the response arrives after the deadline, nobody learns the ID of the run that was started.
const MIN_TRIGGER_TIME: Duration = Duration::from_secs(2);
/// Maximum part of the wait that may pass before the first request. After a longer delay, the
/// operation counts as queued.
const MAX_START_DELAY: f64 = 0.1;
/// Minimum time that is reserved for one last request before the deadline.
const MIN_RESERVE: Duration = Duration::from_millis(50);
/// Maximum time that is reserved for one last request before the deadline.
const MAX_RESERVE: Duration = Duration::from_secs(1);
/// Maximum delay with which a host wakes an operation. Every real host wakes it a little late.
const WAKE_SLACK: Duration = Duration::from_millis(50);

/// What an operation does: [`SyncGoal`] or [`SequenceGoal`].
pub trait Goal: Clone + Debug {
    /// The report of a success.
    type Report: Clone + Debug;
    #[doc(hidden)]
    type Phase: Phase<Run: KnownRun<Report = Self::Report>>;

    /// Returns the names that the caller gave: of the sync, the sequence or the run.
    fn names(&self) -> Vec<String>;

    /// Returns whether the operation may start a run.
    fn may_start_run(&self) -> bool;

    /// Returns whether the operation waits for the end of the run.
    fn waits_for_end(&self) -> bool;

    /// Returns the goal that awaits the end of a run; `None` for a goal without runs.
    fn awaiting(report: &Self::Report) -> Option<Self>;

    /// Returns the first phase.
    ///
    /// # Errors
    ///
    /// Returns a failure if the operation may not touch the sync. Nothing is sent then.
    #[doc(hidden)]
    fn first_phase(self, options: &Options, now: Instant) -> Result<Self::Phase, FailureReason>;
}

impl Goal for SyncGoal {
    type Report = SyncReport;
    type Phase = SyncPhase;

    fn names(&self) -> Vec<String> {
        match self {
            Self::Run(sync) | Self::Start(sync) => vec![sync.to_string()],
            Self::Await(run) => vec![run.sync.to_string(), run.run.to_string()],
        }
    }

    fn may_start_run(&self) -> bool {
        !matches!(self, Self::Await(_))
    }

    fn waits_for_end(&self) -> bool {
        !matches!(self, Self::Start(_))
    }

    fn awaiting(report: &SyncReport) -> Option<Self> {
        Some(Self::Await(report.run))
    }

    fn first_phase(self, options: &Options, now: Instant) -> Result<SyncPhase, FailureReason> {
        Ok(match self {
            Self::Run(SyncRef::Slug(slug)) | Self::Start(SyncRef::Slug(slug)) => {
                SyncPhase::FindSync(FindSync::new(slug))
            }
            Self::Run(SyncRef::Id(sync)) | Self::Start(SyncRef::Id(sync)) => {
                check_allowed(options, sync)?;
                SyncPhase::before_start(sync, options)
            }
            Self::Await(run) => {
                check_allowed(options, run.sync)?;
                SyncPhase::Poll(Poll::awaited(run, now))
            }
        })
    }
}

impl Goal for SequenceGoal {
    type Report = SequenceReport;
    type Phase = SequencePhase;

    fn names(&self) -> Vec<String> {
        match self {
            Self::Run(sequence) | Self::Start(sequence) => vec![sequence.to_string()],
            Self::Await(run) => vec![run.to_string()],
        }
    }

    fn may_start_run(&self) -> bool {
        !matches!(self, Self::Await(_))
    }

    fn waits_for_end(&self) -> bool {
        !matches!(self, Self::Start(_))
    }

    fn awaiting(report: &SequenceReport) -> Option<Self> {
        Some(Self::Await(report.run.id.clone()))
    }

    fn first_phase(self, _: &Options, now: Instant) -> Result<SequencePhase, FailureReason> {
        Ok(match self {
            Self::Run(sequence) | Self::Start(sequence) => {
                SequencePhase::Trigger(TriggerSequence::new(sequence))
            }
            Self::Await(run) => SequencePhase::Poll(PollSequence::awaited(run, now)),
        })
    }
}

impl Goal for RunsGoal {
    type Report = RunsReport;
    type Phase = RunsPhase;

    fn names(&self) -> Vec<String> {
        vec![self.sync().to_string()]
    }

    fn may_start_run(&self) -> bool {
        false
    }

    fn waits_for_end(&self) -> bool {
        false
    }

    fn awaiting(_: &RunsReport) -> Option<Self> {
        None
    }

    fn first_phase(self, options: &Options, _: Instant) -> Result<RunsPhase, FailureReason> {
        let limit = self.limit();
        match self.sync() {
            SyncRef::Slug(slug) => Ok(RunsPhase::FindSync(FindSync::new(slug.clone()), limit)),
            SyncRef::Id(sync) => RunsPhase::list(options, *sync, limit),
        }
    }
}

/// The current phase of an operation: the request that is in flight, or that is sent next.
pub trait Phase: Sized + Debug {
    /// A run whose ID is known.
    type Run: KnownRun;

    /// Returns the next request and its role.
    fn request(&self, options: &Options) -> (Request, Role);

    /// Handles the reply to the request.
    fn on_reply(self, cx: &mut Context<'_>, reply: Reply) -> Flow<Self>;

    /// Returns the failure if the time is up; `None` if the phase started nothing. `error` is the
    /// error of the last attempt.
    fn on_timeout(
        &mut self,
        options: &Options,
        error: Option<&AttemptError>,
    ) -> Option<FailureReason>;

    /// Returns whether the phase precedes the start of a run. If it does, the operation has started
    /// no run, unless its request is a trigger that is in flight.
    fn is_before_start(&self) -> bool;

    /// Returns the sync that is to run, if its ID is known.
    fn sync(&self) -> Option<SyncId>;

    /// Returns the run, if its ID is known.
    fn run(&self) -> Option<&Self::Run>;

    /// Returns the run, if its ID is known.
    fn run_mut(&mut self) -> Option<&mut Self::Run>;

    /// Returns the run, if its ID is known.
    fn into_run(self) -> Option<Self::Run>;
}

/// The role of a request in the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The request reads what is needed before the trigger.
    BeforeTrigger,
    /// The request starts a run. The list of runs shows the run if the response is lost.
    Trigger,
    /// The request starts a run. Nothing else shows the run if the response is lost.
    OnlyTrigger,
    /// The request reads the state of the run.
    Read,
}

/// What the operation does after a reply.
#[derive(Debug)]
pub enum Flow<P: Phase> {
    /// Send the next request of the same phase now.
    Continue(P),
    /// Send the request of this new phase now.
    Send(P),
    /// Send the request of this phase after this delay.
    Wait(P, Duration),
    /// Send the request of this phase again after a backoff.
    Retry(P, AttemptError),
    /// Send the request of this phase again after a backoff, up to [`MAX_ATTEMPTS`] times.
    RetryLimited(P, AttemptError),
    /// End the operation with this error.
    GiveUp(P, AttemptError),
    /// End the operation with this failure.
    Fail(P, FailureReason),
    /// End the operation in success.
    Succeed(P::Run),
}

impl<P: Phase> Flow<P> {
    /// Converts what a phase asked for to what the operation does. `wrap` makes the phase current
    /// again; `complete` returns what comes after it.
    fn follow<Q, T>(
        next: Next<T>,
        phase: Q,
        wrap: impl FnOnce(Q) -> P,
        complete: impl FnOnce(Q, T) -> Self,
    ) -> Self {
        match next {
            Next::Send => Self::Continue(wrap(phase)),
            Next::SendAfter(delay) => Self::Wait(wrap(phase), delay),
            Next::Retry(error) => Self::Retry(wrap(phase), error),
            Next::RetryLimited(error) => Self::RetryLimited(wrap(phase), error),
            Next::GiveUp(error) => Self::GiveUp(wrap(phase), error),
            Next::Fail(reason) => Self::Fail(wrap(phase), reason),
            Next::Complete(result) => complete(phase, result),
        }
    }
}

/// The phases of an operation on a sync.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an operation has one phase at a time"
)]
pub enum SyncPhase {
    /// Looking up the slug.
    FindSync(FindSync),
    /// Looking for an existing run that is adopted, or that prevents a new one.
    FindRun(FindRun),
    /// Starting a run.
    Trigger(Trigger),
    /// Finding out whether the trigger started a run.
    Confirm(Confirm),
    /// Polling the run.
    Poll(Poll),
    /// Finding out whether the run exists.
    Locate(Locate, Poll),
}

impl SyncPhase {
    /// Returns the phase that precedes the trigger, or the trigger's own phase if none is needed.
    fn before_start(sync: SyncId, options: &Options) -> Self {
        match options.if_running {
            IfRunning::Queue if options.unless_since.is_none() => Self::trigger(sync, None),
            _ => Self::FindRun(FindRun::new(sync)),
        }
    }

    fn trigger(sync: SyncId, baseline: Option<u64>) -> Self {
        Self::Trigger(Trigger {
            start: Start::new(sync, baseline),
        })
    }

    /// Continues with a run that this operation started.
    fn started(
        cx: &mut Context<'_>,
        sync: SyncId,
        run: RunId,
        trigger_sent: Option<Instant>,
    ) -> Flow<Self> {
        let poll = Poll::started(RunRef { sync, run }, trigger_sent, cx.now);
        if cx.waits_for_end {
            Self::poll_later(cx, poll)
        } else {
            Flow::Succeed(poll)
        }
    }

    fn poll_later(cx: &mut Context<'_>, poll: Poll) -> Flow<Self> {
        let delay = poll.delay(cx);
        Flow::Wait(Self::Poll(poll), delay)
    }
}

impl Phase for SyncPhase {
    type Run = Poll;

    fn request(&self, options: &Options) -> (Request, Role) {
        match self {
            Self::FindSync(phase) => (phase.request(), Role::BeforeTrigger),
            Self::FindRun(phase) => (phase.request(), Role::BeforeTrigger),
            Self::Trigger(phase) => (phase.request(options.resync), Role::Trigger),
            Self::Confirm(phase) => (phase.request(), Role::Read),
            Self::Poll(phase) => (phase.request(), Role::Read),
            Self::Locate(phase, _) => (phase.request(), Role::Read),
        }
    }

    fn on_reply(self, cx: &mut Context<'_>, reply: Reply) -> Flow<Self> {
        match self {
            Self::FindSync(mut phase) => Flow::follow(
                phase.on_reply(reply),
                phase,
                Self::FindSync,
                |phase, sync| match check_allowed(cx.options, sync) {
                    Ok(()) => Flow::Send(Self::before_start(sync, cx.options)),
                    Err(reason) => Flow::Fail(Self::FindSync(phase), reason),
                },
            ),
            Self::FindRun(mut phase) => Flow::follow(
                phase.on_reply(cx, reply),
                phase,
                Self::FindRun,
                |phase, found| {
                    let sync = phase.sync();
                    let adopt = |run| Poll::adopted(sync, run, cx.now);
                    match found {
                        FoundRun::None { baseline } => {
                            Flow::Send(Self::trigger(sync, Some(baseline)))
                        }
                        FoundRun::Adopt(run) if cx.waits_for_end => {
                            Flow::Send(Self::Poll(adopt(run)))
                        }
                        FoundRun::Adopt(run) => Flow::Succeed(adopt(run)),
                        FoundRun::Busy(run, reason) => Flow::Fail(Self::Poll(adopt(run)), reason),
                    }
                },
            ),
            Self::Trigger(mut phase) => Flow::follow(
                phase.on_reply(cx, reply),
                phase,
                Self::Trigger,
                |Trigger { start }, triggered| match triggered {
                    Triggered::Started(run) => Self::started(cx, start.sync, run, Some(cx.sent)),
                    Triggered::Unknown { cause, sent } => {
                        Flow::Send(Self::Confirm(Confirm::new(start, cause, sent, cx.now)))
                    }
                },
            ),
            Self::Confirm(mut phase) => Flow::follow(
                phase.on_reply(cx, reply),
                phase,
                Self::Confirm,
                |Confirm { start, .. }, confirmed| match confirmed {
                    Confirmed::Started(run) => Self::started(cx, start.sync, run, None),
                    Confirmed::Resend => Flow::Send(Self::Trigger(Trigger { start })),
                },
            ),
            Self::Poll(mut phase) => Flow::follow(
                phase.on_reply(cx, reply),
                phase,
                Self::Poll,
                |poll, polled| match polled {
                    Polled::Succeeded => Flow::Succeed(poll),
                    Polled::Unlisted => Flow::Send(Self::Locate(Locate::new(poll.run()), poll)),
                },
            ),
            Self::Locate(mut phase, mut poll) => match phase.on_reply(cx, reply) {
                Located::ReadOn => Flow::Continue(Self::Locate(phase, poll)),
                Located::Possible => {
                    poll.on_possible();
                    Self::poll_later(cx, poll)
                }
                Located::Missing { newer_age } => match poll.on_missing(cx.now, newer_age) {
                    Some(reason) => Flow::Fail(Self::Poll(poll), reason),
                    None => Self::poll_later(cx, poll),
                },
                // Nothing depends on this list: the run is polled in any case.
                Located::Failed(error) => Flow::Retry(Self::Poll(poll), error),
            },
        }
    }

    fn on_timeout(
        &mut self,
        options: &Options,
        error: Option<&AttemptError>,
    ) -> Option<FailureReason> {
        match self {
            Self::FindSync(_) | Self::FindRun(_) | Self::Trigger(_) => None,
            Self::Confirm(phase) => Some(phase.on_timeout(error)),
            Self::Poll(poll) | Self::Locate(_, poll) => {
                Some(poll.on_timeout(error, options.warnings))
            }
        }
    }

    fn is_before_start(&self) -> bool {
        match self {
            Self::FindSync(_) | Self::FindRun(_) | Self::Trigger(_) => true,
            Self::Confirm(_) | Self::Poll(_) | Self::Locate(..) => false,
        }
    }

    fn sync(&self) -> Option<SyncId> {
        match self {
            Self::FindSync(_) => None,
            Self::FindRun(phase) => Some(phase.sync()),
            Self::Trigger(phase) => Some(phase.start.sync),
            Self::Confirm(phase) => Some(phase.start.sync),
            Self::Poll(poll) | Self::Locate(_, poll) => Some(poll.run().sync),
        }
    }

    fn run(&self) -> Option<&Poll> {
        match self {
            Self::Poll(poll) | Self::Locate(_, poll) => Some(poll),
            Self::FindSync(_) | Self::FindRun(_) | Self::Trigger(_) | Self::Confirm(_) => None,
        }
    }

    fn run_mut(&mut self) -> Option<&mut Poll> {
        match self {
            Self::Poll(poll) | Self::Locate(_, poll) => Some(poll),
            Self::FindSync(_) | Self::FindRun(_) | Self::Trigger(_) | Self::Confirm(_) => None,
        }
    }

    fn into_run(self) -> Option<Poll> {
        match self {
            Self::Poll(poll) | Self::Locate(_, poll) => Some(poll),
            Self::FindSync(_) | Self::FindRun(_) | Self::Trigger(_) | Self::Confirm(_) => None,
        }
    }
}

/// Checks that the operation may touch the sync.
///
/// # Errors
///
/// Returns a failure if it may not.
fn check_allowed(options: &Options, sync: SyncId) -> Result<(), FailureReason> {
    if options.allowed.allows(sync) {
        return Ok(());
    }
    Err(FailureReason::new(
        FailureKind::Forbidden,
        format!("Sync {sync} is not on the list of allowed syncs. No run was started."),
    ))
}

/// The phases of an operation on a sequence.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an operation has one phase at a time"
)]
pub enum SequencePhase {
    /// Starting a run.
    Trigger(TriggerSequence),
    /// Polling the run.
    Poll(PollSequence),
    /// Comparing rejected rows with the limit.
    CheckRejected(CheckRejected, PollSequence),
}

impl Phase for SequencePhase {
    type Run = PollSequence;

    fn request(&self, _: &Options) -> (Request, Role) {
        match self {
            Self::Trigger(phase) => (phase.request(), Role::OnlyTrigger),
            Self::Poll(phase) => (phase.request(), Role::Read),
            Self::CheckRejected(phase, _) => (phase.request(), Role::Read),
        }
    }

    fn on_reply(self, cx: &mut Context<'_>, reply: Reply) -> Flow<Self> {
        match self {
            Self::Trigger(phase) => {
                Flow::follow(phase.on_reply(reply), phase, Self::Trigger, |_, run| {
                    let poll = PollSequence::started(run, cx.now);
                    if cx.waits_for_end {
                        let delay = poll.delay(cx);
                        Flow::Wait(Self::Poll(poll), delay)
                    } else {
                        Flow::Succeed(poll)
                    }
                })
            }
            Self::Poll(mut phase) => Flow::follow(
                phase.on_reply(cx, reply),
                phase,
                Self::Poll,
                |poll, end| match end {
                    SequenceEnd::Succeeded => Flow::Succeed(poll),
                    SequenceEnd::Warned { warned, limit } => {
                        match CheckRejected::new(poll.id().clone(), &warned, limit) {
                            Ok(check) => Flow::Send(Self::CheckRejected(check, poll)),
                            Err(reason) => Flow::Fail(Self::Poll(poll), reason),
                        }
                    }
                },
            ),
            Self::CheckRejected(mut phase, poll) => Flow::follow(
                phase.on_reply(cx, reply),
                (phase, poll),
                |(phase, poll)| Self::CheckRejected(phase, poll),
                |(_, poll), ()| Flow::Succeed(poll),
            ),
        }
    }

    fn on_timeout(&mut self, _: &Options, error: Option<&AttemptError>) -> Option<FailureReason> {
        match self {
            Self::Trigger(_) => None,
            Self::Poll(poll) => Some(poll.on_timeout(error)),
            Self::CheckRejected(phase, _) => Some(phase.on_timeout(error)),
        }
    }

    fn is_before_start(&self) -> bool {
        matches!(self, Self::Trigger(_))
    }

    fn sync(&self) -> Option<SyncId> {
        None
    }

    fn run(&self) -> Option<&PollSequence> {
        match self {
            Self::Trigger(_) => None,
            Self::Poll(poll) | Self::CheckRejected(_, poll) => Some(poll),
        }
    }

    fn run_mut(&mut self) -> Option<&mut PollSequence> {
        match self {
            Self::Trigger(_) => None,
            Self::Poll(poll) | Self::CheckRejected(_, poll) => Some(poll),
        }
    }

    fn into_run(self) -> Option<PollSequence> {
        match self {
            Self::Trigger(_) => None,
            Self::Poll(poll) | Self::CheckRejected(_, poll) => Some(poll),
        }
    }
}

/// The phases of an operation that lists runs.
#[derive(Debug)]
pub enum RunsPhase {
    /// Looking up the slug. The number is the maximum number of runs to list.
    FindSync(FindSync, usize),
    /// Reading the list.
    List(RecentRuns),
}

impl RunsPhase {
    fn list(options: &Options, sync: SyncId, limit: usize) -> Result<Self, FailureReason> {
        check_allowed(options, sync)?;
        Ok(Self::List(RecentRuns::new(sync, limit)))
    }
}

impl Phase for RunsPhase {
    type Run = RecentRuns;

    fn request(&self, _: &Options) -> (Request, Role) {
        match self {
            Self::FindSync(phase, _) => (phase.request(), Role::Read),
            Self::List(phase) => (phase.request(), Role::Read),
        }
    }

    fn on_reply(self, cx: &mut Context<'_>, reply: Reply) -> Flow<Self> {
        match self {
            Self::FindSync(mut phase, limit) => Flow::follow(
                phase.on_reply(reply),
                phase,
                |phase| Self::FindSync(phase, limit),
                |phase, sync| match Self::list(cx.options, sync, limit) {
                    Ok(list) => Flow::Send(list),
                    Err(reason) => Flow::Fail(Self::FindSync(phase, limit), reason),
                },
            ),
            Self::List(mut phase) => {
                Flow::follow(phase.on_reply(cx, reply), phase, Self::List, |runs, ()| {
                    Flow::Succeed(runs)
                })
            }
        }
    }

    fn on_timeout(&mut self, _: &Options, error: Option<&AttemptError>) -> Option<FailureReason> {
        Some(runs::on_timeout(error))
    }

    fn is_before_start(&self) -> bool {
        false
    }

    fn sync(&self) -> Option<SyncId> {
        match self {
            Self::FindSync(..) => None,
            Self::List(phase) => Some(phase.sync()),
        }
    }

    fn run(&self) -> Option<&RecentRuns> {
        None
    }

    fn run_mut(&mut self) -> Option<&mut RecentRuns> {
        None
    }

    fn into_run(self) -> Option<RecentRuns> {
        None
    }
}

/// Returns the maximum time for the response to a trigger if `left` is the time that is left.
///
/// A long wait leaves time to find out whether a trigger without a response started a run. A short
/// wait does not: only the response can name the run, so it gets nearly all of the time.
fn trigger_timeout(left: Duration) -> Duration {
    let rest = times(left, 1.0 - TRIGGER_SHARE);
    let timeout = if rest >= LISTING_DELAY {
        times(left, TRIGGER_SHARE)
    } else {
        left.saturating_sub(times(left, LIST_SHARE).min(MAX_LIST_TIME))
    };
    timeout.min(TRIGGER_TIMEOUT)
}

/// One call: a state machine that runs, starts or awaits a run.
///
/// The driver calls [`step`](Self::step) with the time and an [`Event`], and carries out the
/// [`Action`] that it returns.
#[derive(Debug)]
pub struct Operation<G: Goal> {
    /// The current phase; `None` after the end.
    phase: Option<G::Phase>,
    /// Why the operation ends at its first step.
    rejected: Option<FailureReason>,
    options: Options,
    waits_for_end: bool,
    may_start_run: bool,
    /// Whether the operation waits for its turn before every request.
    takes_turns: bool,
    began: Instant,
    /// The error after which the operation pauses. It is reported if the operation wakes too late
    /// to send another request before the deadline.
    pending: Option<AttemptError>,
    requests: u32,
    /// When the request in flight was sent.
    sent: Instant,
    /// The time that the last response took.
    round_trip: Duration,
    limits: JobLimits,
    clock: ServerClock,
    schedule: PollSchedule,
    backoff: Backoff,
    jitter: Jitter,
}

impl<G: Goal> Operation<G> {
    /// Returns an operation that begins now. Different seeds give different pauses, so that
    /// operations that begin together do not poll together.
    pub fn new(goal: G, options: Options, now: Instant, seed: u64) -> Self {
        let waits_for_end = goal.waits_for_end();
        let may_start_run = goal.may_start_run();
        let (phase, rejected) = match goal.first_phase(&options, now) {
            Ok(phase) => (Some(phase), None),
            Err(reason) => (None, Some(reason)),
        };
        Self {
            phase,
            rejected,
            options,
            waits_for_end,
            may_start_run,
            takes_turns: false,
            began: now,
            pending: None,
            requests: 0,
            sent: now,
            round_trip: Duration::ZERO,
            limits: JobLimits::sharing_with(1),
            clock: ServerClock::default(),
            schedule: PollSchedule::default(),
            backoff: Backoff::default(),
            jitter: Jitter::new(seed),
        }
    }

    /// Adapts the operation to a call with `operations` operations, of which `concurrent` run at a
    /// time. It polls less often, so that all of them stay within the rate limit, and it keeps less
    /// of each run, so that all of them fit into memory.
    #[must_use]
    pub fn sharing_with(mut self, operations: u32, concurrent: u32) -> Self {
        self.schedule.share_with(concurrent);
        self.limits = JobLimits::sharing_with(operations);
        self
    }

    /// Makes the operation wait for its turn before every request. After a reply, it does not send
    /// the next request, but asks to be woken immediately.
    #[must_use]
    pub(super) fn taking_turns(mut self) -> Self {
        self.takes_turns = true;
        self
    }

    /// Returns the sync that is to run, if its ID is known.
    pub fn sync(&self) -> Option<SyncId> {
        self.phase.as_ref()?.sync()
    }

    /// Returns whether no run has been started so far. If the request in flight is a trigger, that
    /// is not known.
    pub(super) fn is_before_start(&self) -> bool {
        self.phase.as_ref().is_some_and(Phase::is_before_start)
    }

    /// Takes back the last request that [`step`](Self::step) returned. It is not sent.
    pub(super) fn take_back_request(&mut self) {
        self.requests = self.requests.saturating_sub(1);
    }

    /// Ends the operation for a reason that its batch knows.
    pub(super) fn end(&mut self, now: Instant, reason: FailureReason) -> Failure<G::Report> {
        let phase = self.phase.take();
        self.failure(now, phase, reason)
    }

    /// Returns the state of the run, if its ID is known and the operation is not over.
    pub fn report(&self, now: Instant) -> Option<G::Report> {
        let run = self.phase.as_ref()?.run()?;
        Some(self.report_of(now, run.clone()))
    }

    fn report_of(&self, now: Instant, run: <G::Phase as Phase>::Run) -> G::Report {
        run.into_report(&self.options, self.requests, now.duration_since(self.began))
    }

    /// Returns whether the ID of the run is known.
    pub(super) fn has_run(&self) -> bool {
        self.phase
            .as_ref()
            .is_some_and(|phase| phase.run().is_some())
    }

    /// Returns whether the run is known to exist: this operation started it, or Hightouch listed
    /// it.
    pub fn is_confirmed(&self) -> bool {
        self.phase.as_ref().is_some_and(is_confirmed)
    }

    /// Records that the run is known to exist.
    pub(super) fn confirm_run(&mut self) {
        if let Some(run) = self.phase.as_mut().and_then(Phase::run_mut) {
            run.confirm();
        }
    }

    /// Returns whether the operation has started its run, or the last response shows the run in
    /// progress.
    pub(super) fn is_started_or_in_progress(&self) -> bool {
        let run = self.phase.as_ref().and_then(Phase::run);
        run.is_some_and(KnownRun::is_started_or_in_progress)
    }

    /// Returns the time that Hightouch's clock shows at `now`; `None` if no response had a `Date`.
    pub(super) fn server_time(&self, now: Instant) -> Option<Timestamp> {
        self.clock.time(now)
    }

    /// Returns the deadline. A step at the deadline or later sends nothing and ends the operation.
    pub fn deadline(&self) -> Instant {
        self.began + self.wait(self.is_confirmed())
    }

    /// Returns the maximum duration of the operation.
    fn wait(&self, is_confirmed: bool) -> Duration {
        let Options {
            max_wait,
            answer_wait,
            ..
        } = self.options;
        if is_confirmed {
            max_wait
        } else {
            max_wait.max(answer_wait)
        }
    }

    /// Handles an event and returns what to do next.
    pub fn step(&mut self, now: Instant, event: Event) -> Action<G::Report> {
        let Some(phase) = self.phase.take() else {
            let reason = self.rejected.take().unwrap_or_else(|| {
                FailureReason::new(
                    FailureKind::Other,
                    "The operation had already ended. Nothing was sent.",
                )
            });
            return self.fail(now, None, reason);
        };
        let reply = match event {
            Event::Woke => return self.send(now, phase),
            Event::Response(response) => {
                self.round_trip = now.duration_since(self.sent);
                // The `Date` of a response from a cache may be old.
                let date = response.date.filter(|_| !response.is_from_cache);
                self.clock.note(date, self.sent, now);
                Ok(response)
            }
            Event::TransportError(error) => Err(error),
        };
        let has_time_for_trigger = self.has_time_for_trigger(now, is_confirmed(&phase));
        let mut cx = Context {
            now,
            sent: self.sent,
            options: &self.options,
            waits_for_end: self.waits_for_end,
            limits: self.limits,
            has_time_for_trigger,
            clock: &mut self.clock,
            schedule: &mut self.schedule,
            jitter: &mut self.jitter,
        };
        let flow = phase.on_reply(&mut cx, reply);
        match flow {
            Flow::Send(_) | Flow::Wait(..) => self.backoff.reset(),
            // A page does not reset the backoff, because a later page of the same list may fail
            // each time.
            Flow::Continue(_)
            | Flow::Retry(..)
            | Flow::RetryLimited(..)
            | Flow::GiveUp(..)
            | Flow::Fail(..)
            | Flow::Succeed(_) => {}
        }
        match flow {
            Flow::Continue(phase) | Flow::Send(phase) if self.takes_turns => {
                self.phase = Some(phase);
                Action::Wait { until: now }
            }
            Flow::Continue(phase) | Flow::Send(phase) => self.send(now, phase),
            Flow::Wait(phase, delay) => self.pause(now, phase, delay, None),
            Flow::RetryLimited(phase, error)
                if !error.is_rate_limited() && self.backoff.failures() + 1 >= MAX_ATTEMPTS =>
            {
                self.give_up(now, phase, error)
            }
            Flow::Retry(phase, error) | Flow::RetryLimited(phase, error) => {
                let delay = self
                    .backoff
                    .after_failure(error.retry_after(), &mut self.jitter);
                self.pause(now, phase, delay, Some(error))
            }
            Flow::GiveUp(phase, error) => self.give_up(now, phase, error),
            Flow::Fail(phase, reason) => self.fail(now, Some(phase), reason),
            Flow::Succeed(run) => Action::Done(Box::new(Ok(self.report_of(now, run)))),
        }
    }

    /// Sends the request of the phase.
    fn send(&mut self, now: Instant, phase: G::Phase) -> Action<G::Report> {
        let pending = self.pending.take();
        let left = (self.began + self.wait(is_confirmed(&phase))).duration_since(now);
        let (request, role) = phase.request(&self.options);
        let timeout = match role {
            Role::BeforeTrigger | Role::Read => READ_TIMEOUT,
            Role::Trigger => trigger_timeout(left),
            Role::OnlyTrigger => TRIGGER_TIMEOUT,
        };
        let is_trigger = matches!(role, Role::Trigger | Role::OnlyTrigger);
        if left.is_zero() || is_trigger && !self.has_time_for_trigger(now, is_confirmed(&phase)) {
            return self.time_out(now, phase, pending);
        }
        self.phase = Some(phase);
        self.requests = self.requests.saturating_add(1);
        self.sent = now;
        Action::Send {
            request,
            give_up: now + timeout.min(left),
        }
    }

    /// Waits, then sends the request of the phase: after `delay`, or in time for one last request
    /// before the deadline. `error` is reported if too little time is left for a request.
    fn pause(
        &mut self,
        now: Instant,
        phase: G::Phase,
        delay: Duration,
        error: Option<AttemptError>,
    ) -> Action<G::Report> {
        let reserve = self
            .round_trip
            .saturating_mul(2)
            .clamp(MIN_RESERVE, MAX_RESERVE);
        let (_, role) = phase.request(&self.options);
        let reserve = match role {
            // A step that leads to a trigger leaves time for the trigger's response.
            Role::BeforeTrigger => MIN_TRIGGER_TIME + reserve + WAKE_SLACK,
            Role::Trigger | Role::OnlyTrigger => MIN_TRIGGER_TIME + WAKE_SLACK,
            Role::Read => reserve,
        };
        let last = (self.began + self.wait(is_confirmed(&phase))) - reserve;
        // A call with a wait of zero sends no request twice. It may still wait before a request
        // that precedes the trigger.
        let is_retry = error.is_some() || role != Role::BeforeTrigger;
        let is_over =
            is_retry && !is_confirmed(&phase) && now >= self.began + self.options.max_wait;
        if is_over || last <= now {
            return self.time_out(now, phase, error);
        }
        self.phase = Some(phase);
        self.pending = error;
        Action::Wait {
            until: (now + delay).min(last),
        }
    }

    /// Returns whether enough time is left to send a trigger and to receive its response.
    ///
    /// The very first request is sent even if the wait is too short for its response, because the
    /// caller chose the wait. The exception: the operation had to wait for a slot.
    fn has_time_for_trigger(&self, now: Instant, is_confirmed: bool) -> bool {
        let wait = self.wait(is_confirmed);
        let was_queued = now.duration_since(self.began) > times(wait, MAX_START_DELAY);
        self.requests == 0 && !was_queued
            || (self.began + wait).duration_since(now) >= MIN_TRIGGER_TIME
    }

    /// Ends the operation because the time is up.
    fn time_out(
        &mut self,
        now: Instant,
        mut phase: G::Phase,
        error: Option<AttemptError>,
    ) -> Action<G::Report> {
        if let Some(reason) = phase.on_timeout(&self.options, error.as_ref()) {
            return self.fail(now, Some(phase), reason);
        }
        let reason = match error {
            Some(error) => return self.give_up(now, phase, error),
            None if self.requests == 0 => FailureReason::new(
                FailureKind::NotStarted,
                "Timed out waiting for a free slot. No run was started. Retry with a longer wait.",
            ),
            None => FailureReason::new(
                FailureKind::NotStarted,
                "Too little time was left to start a run. No run was started. Retry with a longer \
                 wait.",
            ),
        };
        self.fail(now, Some(phase), reason)
    }

    /// Ends the operation with the error of its last attempt.
    fn give_up(&mut self, now: Instant, phase: G::Phase, error: AttemptError) -> Action<G::Report> {
        let mut reason = FailureReason::from(error);
        if self.may_start_run && phase.run().is_none() && reason.http_status.is_none() {
            reason.message += ". No run was started.";
        }
        self.fail(now, Some(phase), reason)
    }

    fn fail(
        &self,
        now: Instant,
        phase: Option<G::Phase>,
        reason: FailureReason,
    ) -> Action<G::Report> {
        Action::Done(Box::new(Err(self.failure(now, phase, reason))))
    }

    fn failure(
        &self,
        now: Instant,
        phase: Option<G::Phase>,
        reason: FailureReason,
    ) -> Failure<G::Report> {
        Failure {
            sync: phase.as_ref().and_then(Phase::sync),
            report: phase
                .and_then(Phase::into_run)
                .map(|run| self.report_of(now, run)),
            requests: self.requests,
            elapsed: now.duration_since(self.began),
            ..Failure::from(reason)
        }
    }
}

fn is_confirmed(phase: &impl Phase) -> bool {
    phase.run().is_some_and(KnownRun::is_confirmed)
}
