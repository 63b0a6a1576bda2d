//! Syncs, as `GET /syncs` lists them: only what tells which is which.

use serde::Deserialize;

use super::lenient::Scalar;
use super::page::{Page, read_page};
use super::{SyncId, Unreadable};

/// One entry of a list of syncs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEntry {
    /// `id`.
    pub id: SyncId,
    /// `slug`; empty where it is missing.
    pub slug: String,
}

/// What a page of syncs was, less its entries.
pub type SyncsPage = Page;

impl SyncEntry {
    /// Reads a page of syncs and hands over each entry that has an ID.
    /// After an error, what was handed over counts for nothing.
    pub fn read_page(body: &[u8], each: &mut dyn FnMut(Self)) -> Result<SyncsPage, Unreadable> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow, default)]
            id: Scalar<'a>,
            #[serde(borrow, default)]
            slug: Scalar<'a>,
        }
        read_page::<Wire<'_>>(body, &mut |wire| {
            if let Some(id) = wire.id.number().and_then(|id| SyncId::try_from(id).ok()) {
                each(Self { id, slug: wire.slug.text(usize::MAX).unwrap_or_default() });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_recorded_sync_is_read() {
        let body = br#"{"hasMore":false,"data":[{"id":1,"slug":"testsync","workspaceId":1,"schedule":null,"disabled":false,"tags":{"foo":"bar"}},{"id":"2"}]}"#;
        let mut syncs = Vec::new();
        SyncEntry::read_page(body, &mut |sync| syncs.push((sync.id.get(), sync.slug))).unwrap();
        assert_eq!(syncs, [(1, "testsync".into()), (2, String::new())]);
    }
}
