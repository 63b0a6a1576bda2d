//! The rules of running a sync or a sequence, without a clock, a network or a host.
//!
//! An [`Operation`] is one call: it runs a sync or a sequence, starts a run, or awaits one. It is a
//! state machine. The driver calls [`Operation::step`] with the time and an [`Event`]: the operation
//! was woken, a response arrived, or a request failed. The driver carries out the [`Action`] that
//! comes back: send a request, wake the operation later, or stop. The same events at the same times
//! give the same actions. So tests run an hour-long sync in microseconds, and one driver runs many
//! operations at once.
//!
//! The engine guarantees:
//! - A success is a run that has ended, and every job of it has the status `success`, or `warning`
//!   if warnings are accepted.
//! - The trigger is sent again only after proof that the trigger before it started no run.
//! - Once the ID of the run is known, every result contains it.
//! - No step asks for anything after the deadline.

mod attempt_error;
mod backoff;
mod batch;
mod failure_reason;
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

#[cfg(test)]
mod tests;

pub use attempt_error::{TransportError, TransportErrorKind};
pub use batch::{Batch, Send};
pub use operation::{Goal, Operation};
pub use options::{ANSWER_WAIT, DEFAULT_WAIT, IfRunning, Options, SequenceGoal, SyncGoal};
pub use outcome::{Failure, FailureKind, Outcome, Report, SequenceReport, SyncReport, untyped};
pub use poll_schedule::MAX_CONCURRENT_RUNS;
pub use step::{Action, Event};
pub use sync_list::{InvalidSyncs, MAX_SYNCS, validate_syncs};
pub use time::{Instant, whole_millis};
pub use verdict::{Verdict, sequence_verdict, verdict};
