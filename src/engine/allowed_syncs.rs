//! The syncs that a caller may run.

use std::sync::Arc;

use crate::hightouch::SyncId;

/// The syncs that a call may touch: all, or those of a list.
///
/// An API key of Hightouch has no scopes, so only this list limits a call to a part of the
/// workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSyncs(Option<Arc<[SyncId]>>);

impl AllowedSyncs {
    /// Allows every sync.
    pub fn all() -> Self {
        Self::default()
    }

    /// Allows these syncs only.
    pub fn only(syncs: impl IntoIterator<Item = SyncId>) -> Self {
        Self(Some(syncs.into_iter().collect()))
    }

    /// Returns whether a call may touch the sync.
    pub fn allows(&self, sync: SyncId) -> bool {
        self.0.as_ref().is_none_or(|syncs| syncs.contains(&sync))
    }
}
