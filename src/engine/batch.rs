//! Many operations with one API key: whose turn it is to send a request.
//!
//! A batch decides; the driver sends, receives and waits. The driver loop:
//!
//! 1. Call [`next_request`](Batch::next_request) until it returns `None`, and send each request.
//! 2. Wait until a reply arrives or until [`wake_at`](Batch::wake_at).
//! 3. Pass each reply to [`on_reply`](Batch::on_reply), and continue with step 1 until
//!    [`is_over`](Batch::is_over).
//!
//! The one invariant: every request that the batch returned gets exactly one reply, at its
//! `give_up` at the latest.

use core::time::Duration;

use super::failure_reason::FailureReason;
use super::operation::{Goal, Operation};
use super::options::Options;
use super::outcome::{FailureKind, Outcome, report_of};
use super::poll_schedule::MAX_CONCURRENT_RUNS;
use super::rate_limiter::RateLimiter;
use super::step::{Action, Event};
use super::time::Instant;
use crate::hightouch::{Method, Request, SyncId, Timestamp};

/// Maximum number of requests in flight.
///
/// A response may be 1 MiB long, and hosts limit the number of connections of a component.
const MAX_REQUESTS_IN_FLIGHT: usize = 8;

/// The order in which the operations of a batch run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Maximum number of operations that are in progress at a time.
    parallel: u32,
    stop_on_failure: bool,
}

/// Options of a batch that contradict each other or the rest of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// `parallel` is not from 1 to 50.
    #[error("the number of syncs that run at a time must be from 1 to {MAX_CONCURRENT_RUNS}")]
    Parallel,
    /// The call does not wait, so it cannot start a run after the end of another.
    #[error(
        "a call that does not wait starts all syncs at once: it cannot limit the number of syncs \
         that run at a time, or stop after a failure. Wait for the runs, or leave these options out"
    )]
    NoWait,
}

impl BatchOptions {
    /// Returns the options: at most `parallel` operations (50 by default) are in progress at a
    /// time, and with `stop_on_failure` no run is started after an operation has failed.
    ///
    /// # Errors
    ///
    /// Returns an error if `parallel` is not from 1 to 50.
    pub fn new(parallel: Option<u64>, stop_on_failure: bool) -> Result<Self, InvalidBatch> {
        let parallel = parallel.map_or(Ok(MAX_CONCURRENT_RUNS), u32::try_from);
        let parallel = parallel
            .ok()
            .filter(|parallel| (1..=MAX_CONCURRENT_RUNS).contains(parallel))
            .ok_or(InvalidBatch::Parallel)?;
        Ok(Self {
            parallel,
            stop_on_failure,
        })
    }

    /// Checks that a call with these `operations` and this `max_wait` can keep the order.
    ///
    /// # Errors
    ///
    /// Returns an error if the call does not wait for runs, but a run may have to wait for another.
    pub fn check(self, operations: usize, max_wait: Duration) -> Result<(), InvalidBatch> {
        let is_limited = self.parallel < MAX_CONCURRENT_RUNS && operations > self.parallel as usize;
        if max_wait.is_zero() && (self.stop_on_failure || is_limited) {
            Err(InvalidBatch::NoWait)
        } else {
            Ok(())
        }
    }
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            parallel: MAX_CONCURRENT_RUNS,
            stop_on_failure: false,
        }
    }
}

/// Operations that share an API key, and therefore the rate limit of its workspace. They also share
/// the memory of one instance.
#[derive(Debug)]
pub struct Batch<G: Goal> {
    entries: Vec<Entry<G>>,
    /// The syncs whose runs were started, each with the index of the operation that started the
    /// run.
    claims: Vec<(SyncId, usize)>,
    rate_limiter: RateLimiter,
    options: BatchOptions,
    /// The name of the operation whose failure keeps the others from starting runs.
    stopped_by: Option<String>,
}

#[derive(Debug)]
struct Entry<G: Goal> {
    /// The name that the caller gave.
    name: String,
    operation: Operation<G>,
    state: State<G>,
    /// The number of steps so far.
    steps: u64,
    /// Whether the last request was a trigger.
    has_sent_trigger: bool,
    /// Whether [`Batch::next_started`] has yet to return the run.
    is_unannounced: bool,
    /// Whether the operation has started its run, or has seen it in progress.
    has_seen_progress: bool,
}

#[derive(Debug)]
enum State<G: Goal> {
    /// The operation has not begun.
    New,
    /// A request is in flight.
    InFlight,
    /// The reply arrived.
    Replied(Event),
    /// The operation sleeps.
    Sleeping(Instant),
    /// The operation is over.
    Over(Box<Outcome<G::Report>>),
    /// The operation is over, and its outcome was taken.
    Taken,
}

impl<G: Goal> State<G> {
    fn is_over(&self) -> bool {
        matches!(self, Self::Over(_) | Self::Taken)
    }
}

/// A request that the driver has to send.
#[derive(Clone, Debug)]
pub struct Send {
    /// The index of the operation, for [`Batch::on_reply`].
    pub index: usize,
    /// The request.
    pub request: Request,
    /// The deadline for the response.
    pub give_up: Instant,
}

impl<G: Goal> Batch<G> {
    /// Returns a batch of operations that begin now, one for each goal.
    pub fn new(
        goals: Vec<G>,
        options: Options,
        batch: BatchOptions,
        now: Instant,
        seed: u64,
    ) -> Self {
        let operations = u32::try_from(goals.len()).unwrap_or(u32::MAX);
        let concurrent = operations.min(batch.parallel);
        let entries = goals
            .into_iter()
            .zip(seed..)
            .map(|(goal, seed)| Entry {
                name: goal.names().join(" "),
                is_unannounced: goal.may_start_run(),
                operation: Operation::new(goal, options.clone(), now, seed)
                    .sharing_with(operations, concurrent)
                    .taking_turns(),
                state: State::New,
                steps: 0,
                has_sent_trigger: false,
                has_seen_progress: false,
            })
            .collect();
        Self {
            entries,
            claims: Vec::new(),
            rate_limiter: RateLimiter::default(),
            options: batch,
            stopped_by: None,
        }
    }

    /// Returns a batch that polls runs after another batch has ended. The runs are known to exist,
    /// so no error ends the wait unless it is final. The rate limiter counts the requests of both
    /// batches.
    #[must_use]
    pub fn following<E: Goal>(mut self, earlier: &Batch<E>) -> Self {
        for entry in &mut self.entries {
            entry.operation.confirm_run();
        }
        Self {
            rate_limiter: earlier.rate_limiter,
            ..self
        }
    }

    /// Takes a turn for a request that does not belong to an operation. Returns whether the request
    /// may be sent now.
    ///
    /// Such a request comes last: call this after [`next_request`](Self::next_request) has returned
    /// `None`.
    pub fn take_turn(&mut self, now: Instant) -> bool {
        let may_send = now >= self.rate_limiter.next();
        if may_send {
            self.rate_limiter.take(now);
        }
        may_send
    }

    /// Returns when [`take_turn`](Self::take_turn) can succeed, if no operation sends a request
    /// earlier.
    pub fn next_turn(&self) -> Instant {
        self.rate_limiter.next()
    }

    /// Advances the operations, in their order, up to the next request that may be sent now.
    ///
    /// At most [`BatchOptions::parallel`] operations are in progress at a time. The others begin
    /// when earlier operations end.
    pub fn next_request(&mut self, now: Instant) -> Option<Send> {
        loop {
            let steps = self.total_steps();
            if let Some(send) = self.advance_all(now) {
                return Some(send);
            }
            // A step may have freed a slot for an operation that was passed over before.
            if self.total_steps() == steps {
                return None;
            }
        }
    }

    fn total_steps(&self) -> u64 {
        self.entries.iter().map(|entry| entry.steps).sum()
    }

    /// Advances the operations once, in their order, up to the next request.
    fn advance_all(&mut self, now: Instant) -> Option<Send> {
        let mut in_progress = 0;
        for index in 0..self.entries.len() {
            if in_progress == self.options.parallel {
                break;
            }
            let may_send = self.has_free_slot() && now >= self.rate_limiter.next();
            let entry = self.entries.get_mut(index)?;
            if entry.state.is_over() {
                continue;
            }
            let request = match &self.stopped_by {
                Some(failed) if entry.has_started_nothing() => {
                    entry.end(now, stopped(failed));
                    None
                }
                _ => entry.advance(now, may_send),
            };
            if let Some((request, give_up)) = request {
                match self.check(index, &request) {
                    Ok(()) => {
                        self.rate_limiter.take(now);
                        return Some(Send {
                            index,
                            request,
                            give_up,
                        });
                    }
                    Err(reason) => {
                        let entry = self.entries.get_mut(index)?;
                        entry.operation.take_back_request();
                        entry.end(now, reason);
                    }
                }
            }
            let entry = self.entries.get(index)?;
            if self.options.stop_on_failure && self.stopped_by.is_none() && entry.has_failed() {
                self.stopped_by = Some(entry.name.clone());
            }
            in_progress += u32::from(!entry.state.is_over());
        }
        None
    }

    /// Checks that the operation may send the request.
    ///
    /// # Errors
    ///
    /// Returns the reason to end the operation if the request would start a run that must not be
    /// started.
    fn check(&mut self, index: usize, request: &Request) -> Result<(), FailureReason> {
        if request.method != Method::Post {
            return Ok(());
        }
        if let Some(failed) = &self.stopped_by {
            return Err(stopped(failed));
        }
        if self.claim(index) {
            Ok(())
        } else {
            Err(FailureReason::new(
                FailureKind::InvalidInput,
                "The sync is listed twice, by its ID and by its slug. It runs once. Nothing was \
                 started for this entry.",
            ))
        }
    }

    /// Passes the reply to the request of an operation.
    pub fn on_reply(&mut self, index: usize, reply: Event) {
        if let Some(entry) = self.entries.get_mut(index)
            && matches!(entry.state, State::InFlight)
        {
            entry.state = State::Replied(reply);
        }
    }

    /// Returns when to call [`next_request`](Self::next_request) again if no reply arrives earlier;
    /// `None` if only replies make progress.
    pub fn wake_at(&self) -> Option<Instant> {
        let next_send = self.has_free_slot().then(|| self.rate_limiter.next());
        self.in_progress()
            .filter_map(|entry| entry.wake_at(next_send))
            .min()
    }

    /// Returns the number of operations.
    pub fn operations(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether every operation is over.
    pub fn is_over(&self) -> bool {
        self.entries.iter().all(|entry| entry.state.is_over())
    }

    /// Returns the number of steps that an operation has taken. If it stays the same, so does the
    /// state of the run, except for the elapsed time.
    pub fn steps(&self, index: usize) -> u64 {
        self.entries.get(index).map_or(0, |entry| entry.steps)
    }

    /// Returns the state of a run that is known to exist.
    pub fn report(&self, index: usize, now: Instant) -> Option<G::Report> {
        self.entries.get(index)?.report(now)
    }

    /// Returns a run that an operation has started or adopted, and the index of the operation, once
    /// for each operation.
    ///
    /// A run that prevents the operation from starting one (`busy`) does not count.
    pub fn next_started(&mut self, now: Instant) -> Option<(usize, G::Report)> {
        let unannounced = self.entries.iter_mut().enumerate();
        let mut unannounced = unannounced.filter(|(_, entry)| entry.is_unannounced);
        unannounced.find_map(|(index, entry)| {
            let report = entry.started(now)?;
            entry.is_unannounced = false;
            Some((index, report))
        })
    }

    /// Returns whether an operation that waits for the end started its run, or saw it in progress,
    /// at any step except its last one. This is false for an operation that did not start its run
    /// and that found the run already ended.
    pub fn has_seen_progress(&self, index: usize) -> bool {
        let entry = self.entries.get(index);
        entry.is_some_and(|entry| entry.has_seen_progress)
    }

    /// Returns the time that Hightouch's clock shows at `now`, according to the responses that an
    /// operation has received; `None` if no response had a `Date`.
    pub fn server_time(&self, index: usize, now: Instant) -> Option<Timestamp> {
        self.entries.get(index)?.operation.server_time(now)
    }

    /// Returns the outcome of an operation that is over, once.
    pub fn take_outcome(&mut self, index: usize) -> Option<Outcome<G::Report>> {
        let entry = self.entries.get_mut(index)?;
        match core::mem::replace(&mut entry.state, State::Taken) {
            State::Over(outcome) => Some(*outcome),
            state => {
                entry.state = state;
                None
            }
        }
    }

    /// Ends the operations that are in progress, because the caller does not await them any more.
    /// Each fails, and its failure contains the run, or states that a run may have been started.
    pub fn cancel(&mut self, now: Instant) {
        for entry in &mut self.entries {
            if !entry.state.is_over() {
                let reason = entry.cancelled();
                entry.end(now, reason);
            }
        }
    }

    /// The operations that are in progress: the first ones that are not over.
    fn in_progress(&self) -> impl Iterator<Item = &Entry<G>> {
        self.entries
            .iter()
            .filter(|entry| !entry.state.is_over())
            .take(self.options.parallel as usize)
    }

    fn has_free_slot(&self) -> bool {
        // A reply may lead to another request at once, which takes the same slot.
        let has_slot =
            |entry: &&Entry<G>| matches!(entry.state, State::InFlight | State::Replied(_));
        self.entries.iter().filter(has_slot).count() < MAX_REQUESTS_IN_FLIGHT
    }

    /// Claims the sync of an operation. Returns whether no other operation has claimed it before.
    fn claim(&mut self, index: usize) -> bool {
        let sync = self
            .entries
            .get(index)
            .and_then(|entry| entry.operation.sync());
        // Sequences are not claimed: an ID is their only name.
        let Some(sync) = sync else { return true };
        match self.claims.iter().find(|(claimed, _)| *claimed == sync) {
            Some((_, by)) => *by == index,
            None => {
                self.claims.push((sync, index));
                true
            }
        }
    }
}

impl<G: Goal> Entry<G> {
    /// Advances the operation as far as possible without waiting. Returns the request to send and
    /// the deadline for its response.
    fn advance(&mut self, now: Instant, may_send: bool) -> Option<(Request, Instant)> {
        loop {
            // Waking an operation may make it send a request, which needs a free slot. After its
            // deadline it sends nothing, so it can be woken without a slot.
            let may_wake = may_send || now >= self.operation.deadline();
            let event = match core::mem::replace(&mut self.state, State::Taken) {
                State::New if may_wake => Event::Woke,
                State::Sleeping(until) if may_wake && now >= until => Event::Woke,
                State::Replied(reply) => reply,
                state => {
                    self.state = state;
                    return None;
                }
            };
            self.steps += 1;
            let action = self.operation.step(now, event);
            self.has_seen_progress |= self.operation.is_started_or_in_progress();
            match action {
                Action::Send { request, give_up } => {
                    self.state = State::InFlight;
                    self.has_sent_trigger = request.method == Method::Post;
                    return Some((request, give_up));
                }
                Action::Wait { until } => self.state = State::Sleeping(until),
                Action::Done(outcome) => {
                    self.state = State::Over(outcome);
                    return None;
                }
            }
        }
    }

    /// Ends the operation.
    fn end(&mut self, now: Instant, reason: FailureReason) {
        self.steps += 1;
        let failure = self.operation.end(now, reason);
        self.state = State::Over(Box::new(Err(failure)));
    }

    /// Returns why the operation ends if its caller does not await it any more.
    fn cancelled(&self) -> FailureReason {
        let is_in_flight = matches!(self.state, State::InFlight | State::Replied(_));
        if self.operation.has_run() {
            FailureReason::new(
                FailureKind::StillRunning,
                "The caller ended the call. The run was in progress, and continues.",
            )
        } else if self.operation.is_before_start() && !(is_in_flight && self.has_sent_trigger) {
            FailureReason::new(
                FailureKind::NotStarted,
                "The caller ended the call. No run was started.",
            )
        } else {
            FailureReason::new(
                FailureKind::TriggerUnconfirmed,
                "The caller ended the call before Hightouch had named the run. It is unknown \
                 whether a run was started.",
            )
        }
    }

    /// Returns whether the operation has certainly started no run.
    fn has_started_nothing(&self) -> bool {
        match self.state {
            State::New | State::Sleeping(_) => self.operation.is_before_start(),
            // The request may be a trigger.
            State::InFlight | State::Replied(_) => false,
            State::Over(_) | State::Taken => false,
        }
    }

    /// Returns whether the operation has failed. A timeout does not count as a failure, because the
    /// time is up for all operations.
    fn has_failed(&self) -> bool {
        let State::Over(outcome) = &self.state else {
            return false;
        };
        outcome.as_ref().as_ref().is_err_and(|failure| {
            !matches!(
                failure.kind,
                FailureKind::StillRunning | FailureKind::NotStarted
            )
        })
    }

    /// Returns when the operation can make progress without a reply. `next_send` is when the next
    /// request may be sent; `None` if that depends on replies.
    fn wake_at(&self, next_send: Option<Instant>) -> Option<Instant> {
        let due = match &self.state {
            State::New => Instant::default(),
            State::Sleeping(until) => *until,
            State::Replied(_) => return Some(Instant::default()),
            State::InFlight | State::Over(_) | State::Taken => return None,
        };
        let deadline = self.operation.deadline();
        Some(
            next_send
                .map_or(deadline, |next_send| next_send.min(deadline))
                .max(due),
        )
    }

    fn report(&self, now: Instant) -> Option<G::Report> {
        match &self.state {
            State::Over(outcome) => report_of(outcome).cloned(),
            State::Taken => None,
            State::New | State::InFlight | State::Replied(_) | State::Sleeping(_) => {
                let is_confirmed = self.operation.is_confirmed();
                self.operation.report(now).filter(|_| is_confirmed)
            }
        }
    }

    fn started(&self, now: Instant) -> Option<G::Report> {
        let is_busy = matches!(
            &self.state,
            State::Over(outcome)
                if outcome.as_ref().as_ref().is_err_and(|failure| failure.kind == FailureKind::Busy)
        );
        self.report(now).filter(|_| !is_busy)
    }
}

/// Returns why no run was started after the operation with this name had failed.
fn stopped(failed: &str) -> FailureReason {
    FailureReason::new(
        FailureKind::NotStarted,
        format!(
            "Sync `{failed}` of the same call failed, and no further sync is started after a \
             failure. No run of this sync was started."
        ),
    )
}
