//! Reports runs to other systems: events to an OpenLineage consumer, and notifications to a chat.
//! Nothing here uses WASI.
//!
//! [`Reporter`] receives what happens to the runs of one request and builds the messages.
//! [`outbox`] decides when each message is sent, and how often. A consumer never changes the result
//! of a run and never delays the response.

mod lineage;
mod lineage_parent;
mod notification;
pub(super) mod outbox;
mod reporter;
mod run_id;
pub(super) mod targets;

pub(super) use lineage_parent::LineageParent;
pub(super) use reporter::{Reporter, Scope};
