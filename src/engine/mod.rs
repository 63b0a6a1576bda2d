//! The rules of running a sync or a sequence, without a clock, a network or a host.
//!
//! An [`Operation`] is one call: it runs a sync or a sequence, starts a run, or awaits one. It is a
//! state machine. The driver calls [`Operation::step`] with the time and an [`Event`]: the
//! operation was woken, a response arrived, or a request failed. The driver carries out the
//! [`Action`] that comes back: send a request, wake the operation later, or stop. The same events
//! at the same times give the same actions. So tests run an hour-long sync in microseconds, and one
//! driver runs many operations at once.
//!
//! The engine guarantees:
//! - A success is a run that has ended and in which every job has the status `success`, or
//!   `warning` if warnings are accepted.
//! - The trigger is sent again only after proof that the trigger before it started no run.
//! - Once the ID of the run is known, every result contains it.
//! - No step asks for anything after the deadline.
//!
//! A [`Batch`] schedules one or many operations. This is its driver loop, against a Hightouch whose
//! runs succeed at once. Its one invariant: every request that the batch returns gets exactly one
//! reply, at its `give_up` at the latest.
//!
//! ```
//! use std::time::Duration;
//!
//! use hightouch_sync::engine::{Batch, BatchOptions, Event, Instant, Options, SyncGoal};
//! use hightouch_sync::hightouch::{Method, Response, SyncRef};
//!
//! // A Hightouch whose runs succeed at once.
//! let respond = |method: Method| match method {
//!     Method::Post => Response::new(200, r#"{"id":"42"}"#),
//!     Method::Get => Response::new(200, r#"{"data":[{"id":42,"status":"success"}]}"#),
//! };
//!
//! let sync = SyncRef::Id(7.try_into()?);
//! let mut now = Instant::default();
//! let goals = vec![SyncGoal::Run(sync)];
//! let mut batch = Batch::new(goals, Options::default(), BatchOptions::default(), now, 1);
//! while !batch.is_over() {
//!     while let Some(send) = batch.next_request(now) {
//!         now = now + Duration::from_millis(100);
//!         batch.on_reply(send.index, Event::Response(respond(send.request.method)));
//!     }
//!     now = batch.wake_at().map_or(now, |wake_at| wake_at.max(now));
//! }
//! let report = batch.take_outcome(0).unwrap().unwrap();
//! assert_eq!(report.run.run.get(), 42);
//! # Ok::<(), hightouch_sync::hightouch::InvalidId>(())
//! ```

mod allowed_syncs;
mod attempt_error;
mod backoff;
mod batch;
mod details;
mod failure_reason;
mod job_list;
mod limits;
mod list;
mod operation;
mod options;
mod outcome;
mod phase;
mod poll_schedule;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod rate_limiter;
mod server_clock;
mod start;
mod step;
mod sync_list;
mod time;
mod verdict;
mod warnings;

#[cfg(test)]
mod tests;

pub use allowed_syncs::AllowedSyncs;
pub use attempt_error::{TransportError, TransportErrorKind};
pub use batch::{Batch, BatchOptions, InvalidBatch, Send};
pub use details::{DETAILS_TIMEOUT, Details, DetailsReader};
pub use operation::{Goal, Operation};
pub use options::{
    ANSWER_WAIT, DEFAULT_WAIT, IfRunning, InvalidRunsLimit, LIST_WAIT, Options, RunsGoal,
    SequenceGoal, SyncGoal,
};
pub use outcome::{
    Failure, FailureKind, Outcome, Report, RunsReport, SequenceReport, SyncReport, report_of,
    untyped,
};
pub use poll_schedule::MAX_CONCURRENT_RUNS;
pub use step::{Action, Event};
pub use sync_list::{InvalidSyncs, MAX_SYNCS, validate_syncs};
pub use time::{Instant, whole_millis};
pub use verdict::{Verdict, sequence_verdict, verdict};
pub use warnings::{InvalidLimit, RejectedLimit, Warnings, decimal};
