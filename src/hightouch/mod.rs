//! Hightouch's REST API, as bytes: the requests to build and the answers to read.
//!
//! Nothing here sends anything or knows why a request is made. Reading is as liberal as real answers ask for: IDs come as
//! numbers or as strings of digits, statuses in any letter case, fields go missing and unknown ones appear.
//! What must be there (a list under `data`, an `id` from the trigger) and is not makes an answer [`ReadError`].
//!
//! The facts are those of Hightouch's published OpenAPI (<https://hightouch.com/docs/developer-tools/api-reference>), of its
//! live server, and of the clients that other people run against it.

mod error;
mod id;
pub(crate) mod json;
mod key;
mod origin;
mod page;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod request;
mod response;
mod run;
mod sequence;
mod status;
mod sync;
pub(crate) mod text;
mod timestamp;
mod trigger;
mod uuid;

pub use error::{ApiError, ReadError, reason};
pub use id::{InvalidId, RunId, RunRef, Slug, SyncId, SyncRef};
#[cfg(any(test, feature = "endpoint"))]
pub(crate) use json::Json;
pub use key::{ApiKey, InvalidKey};
pub use origin::{ApiOrigin, InvalidOrigin, Scheme};
pub use request::{Method, Request};
pub use response::{BodyEnd, Response, RetryAfter};
pub use run::{Ratio, RowCounts, Run, RunsPage};
pub use sequence::{SequenceRun, SyncRun, read_sequence_trigger};
pub use status::{RunStatus, SequenceStatus};
pub use sync::{SyncEntry, SyncsPage};
pub use timestamp::Timestamp;
pub use trigger::{Resync, read_trigger, trigger_ids};
pub use uuid::{SequenceId, SequenceRunId};

/// The path under an origin at which the API lives.
pub const BASE_PATH: &str = "/api/v1";

/// How many entries Hightouch puts on a page of a list at the most, unless asked for fewer.
pub const PAGE: usize = 100;
