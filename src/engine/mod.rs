//! What to do next, and how it ended: the whole rule of running a sync or a sequence of syncs, without a clock, a network or a host.
//!
//! An [`Operation`] is one call: run a sync or a sequence, start one, or await a run. It is a state machine. Whoever drives it calls
//! [`Operation::step`] with the time and what happened (it woke, an answer came, or none came) and carries out the [`Action`] that
//! comes back: send this request, wake me then, or done. The same events at the same times give the same actions, so that an
//! hour-long sync is tested in microseconds, and one driver can run as many operations at once as it likes.
//!
//! What it promises:
//! - a success is a run that ended, every job of which is `success` (or `warning` where that is accepted);
//! - the request that starts a run is sent again only where it is known that no run came of the one before;
//! - once a run's ID is known, every way out carries it;
//! - no step asks for anything beyond the deadline.

mod attempt_error;
mod backoff;
mod confirm;
mod find;
mod list;
mod locate;
mod operation;
mod options;
mod outcome;
mod pages;
mod poll;
mod poll_schedule;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod rate_limiter;
mod sequence;
mod server_clock;
mod time;
mod trigger;
mod verdict;

#[cfg(test)]
mod tests;

pub use attempt_error::{TransportError, TransportErrorKind};
pub use operation::{Action, Event, Operation};
pub use options::{ANSWER_WAIT, DEFAULT_WAIT, Goal, IfRunning, Options};
pub use outcome::{Failure, FailureKind, Outcome, Report, SequenceReport, SyncReport};
pub use poll_schedule::AT_ONCE;
pub use rate_limiter::RateLimiter;
pub use time::Instant;
pub use verdict::{Verdict, sequence_verdict, verdict};
