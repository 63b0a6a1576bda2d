//! The vocabulary that an operation shares with its driver and with its phases.

use core::fmt::Debug;
use core::time::Duration;

use super::attempt_error::{AttemptError, TransportError};
use super::backoff::Jitter;
use super::failure_reason::FailureReason;
use super::limits::JobLimits;
use super::options::Options;
use super::outcome::Outcome;
use super::poll_schedule::PollSchedule;
use super::server_clock::ServerClock;
use super::time::Instant;
use crate::hightouch::{Request, Response};

/// What happened since the last step.
#[derive(Clone, Debug)]
pub enum Event {
    /// The operation starts, or the time at which it asked to be woken has come.
    Woke,
    /// The response to the request arrived.
    Response(Response),
    /// No response arrived, or it did not arrive in time.
    TransportError(TransportError),
}

/// What the driver has to do next.
#[derive(Clone, Debug)]
pub enum Action<R> {
    /// Send the request. Step again with the response or the error, at `give_up` at the latest.
    Send {
        /// The request.
        request: Request,
        /// The deadline for the response.
        give_up: Instant,
    },
    /// Step again at `until`, with [`Event::Woke`].
    Wait {
        /// The time to wake the operation.
        until: Instant,
    },
    /// The operation is over. Do not step it again.
    Done(Box<Outcome<R>>),
}

/// The result of one request.
pub(super) type Reply = Result<Response, TransportError>;

/// What a phase may read and update while it handles a reply.
pub struct Context<'a> {
    /// The current time.
    pub(super) now: Instant,
    /// When the request was sent.
    pub(super) sent: Instant,
    pub(super) options: &'a Options,
    /// Whether the operation waits for the end of the run.
    pub(super) waits_for_end: bool,
    pub(super) limits: JobLimits,
    /// Whether enough time is left to send a trigger and to receive its response.
    pub(super) has_time_for_trigger: bool,
    pub(super) clock: &'a mut ServerClock,
    pub(super) schedule: &'a mut PollSchedule,
    pub(super) jitter: &'a mut Jitter,
}

/// What a phase asks for after a reply.
#[derive(Debug)]
pub(super) enum Next<T> {
    /// Send the phase's next request now.
    Send,
    /// Send the phase's next request after this delay.
    SendAfter(Duration),
    /// The attempt failed. Send the phase's request again after a backoff, as often as needed.
    Retry(AttemptError),
    /// The attempt failed. Send the phase's request again after a backoff, up to
    /// [`MAX_ATTEMPTS`](super::limits::MAX_ATTEMPTS) times.
    RetryLimited(AttemptError),
    /// The attempt failed, and another one would fail too. End the operation.
    GiveUp(AttemptError),
    /// End the operation with this failure.
    Fail(FailureReason),
    /// The phase is complete.
    Complete(T),
}

impl<T> Next<T> {
    /// Retries a request of an operation that has no run, unless another attempt would fail too.
    pub(super) fn retry_without_run(error: AttemptError) -> Self {
        if error.is_final(false) {
            Self::GiveUp(error)
        } else {
            Self::RetryLimited(error)
        }
    }
}

/// A run whose ID is known.
pub trait KnownRun: Clone + Debug {
    /// The report of the run.
    type Report;

    /// Returns whether the run is known to exist.
    fn is_confirmed(&self) -> bool;

    /// Records that the run is known to exist.
    fn confirm(&mut self);

    /// Returns whether the operation has started the run, or the last response shows the run in
    /// progress.
    fn is_started_or_in_progress(&self) -> bool;

    /// Returns the state of the run.
    fn into_report(self, options: &Options, requests: u32, elapsed: Duration) -> Self::Report;
}
