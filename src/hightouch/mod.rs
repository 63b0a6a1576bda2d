//! The wire format of Hightouch's REST API: building requests and reading responses.
//!
//! This module does not send anything and does not know the purpose of a request. It reads
//! responses leniently: an ID may be a number or a string of digits, a status may be in any letter
//! case, fields may be missing, and unknown fields are ignored. A response that lacks a required
//! field (a list under `data`, or the `id` in the response to a trigger) is a [`ReadError`].
//!
//! The facts about the API come from Hightouch's OpenAPI document
//! (<https://hightouch.com/docs/developer-tools/api-reference>), from its live server, and from
//! other clients of the API.

mod details;
mod error;
mod id;
mod key;
mod lenient;
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
mod timestamp;
mod trigger;
mod uuid;

pub use details::{Destination, SyncDetails};
pub use error::{ApiError, ReadError, reason_phrase};
pub use id::{DestinationId, InvalidId, RunId, RunRef, Slug, SyncId, SyncRef};
pub use key::{ApiKey, InvalidKey};
pub use lenient::whole_number;
pub use origin::{InvalidOrigin, Origin, Scheme};
pub use request::{Method, Request};
pub use response::{BodyEnd, MAX_BODY_LEN, Response, RetryAfter};
pub use run::{Ratio, RowCounts, Run, RunsPage};
pub use sequence::{SequenceRun, SyncRun, read_sequence_trigger};
pub use status::{RunStatus, SequenceStatus};
pub use sync::{SyncEntry, SyncsPage};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use trigger::{Resync, read_trigger, trigger_ids};
pub use uuid::{SequenceId, SequenceRunId};

/// The path of the API under its origin.
pub const BASE_PATH: &str = "/api/v1";

/// Maximum number of entries that this project requests per page of a list. It is the default of
/// `limit` in Hightouch's OpenAPI document, which names no maximum.
pub const MAX_PAGE_ENTRIES: usize = 100;
