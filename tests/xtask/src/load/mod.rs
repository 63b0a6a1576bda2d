//! A load test: many callers at the same time, each with its own sync, while some requests fail. It
//! checks that each caller receives the result of its own run.
//!
//! A seed determines the callers, their syncs and the failures. Each caller starts one run through
//! the endpoint and follows it until it ends. Its requests and responses are recorded in a
//! [`Record`]. Afterwards each record is checked against the state of the local Hightouch. The
//! `load` command runs the test in real time and measures the host. A promise runs it in virtual
//! time.

mod actual;
mod caller;
mod check;
pub mod instance_memory;
mod jobs;
mod record;
mod requests;
mod summary;

pub use actual::{Actual, actual_states};
pub use caller::{Caller, Plan, Wait, options_for};
pub use check::{Ending, check};
pub use record::{Exchange, Record, Response};
pub use requests::{client, run_callers};
pub use summary::Summary;
