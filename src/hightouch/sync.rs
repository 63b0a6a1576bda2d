//! Syncs, as `GET /syncs` lists them: only what tells which is which.

use super::json::Json;
use super::page::{Page, read_page};
use super::{ReadError, SyncId};

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
    pub fn read_page(body: &[u8], each: &mut dyn FnMut(Self)) -> Result<SyncsPage, ReadError> {
        let mut unreadable = 0;
        let page = read_page(body, &mut |entry| {
            let [id, slug] = entry.fields(["id", "slug"])?.unwrap_or_default();
            match id
                .and_then(Json::number)
                .and_then(|id| SyncId::try_from(id).ok())
            {
                Some(id) => each(Self {
                    id,
                    slug: slug
                        .and_then(Json::string)
                        .map(Into::into)
                        .unwrap_or_default(),
                }),
                None => unreadable += 1,
            }
            Ok(())
        })?;
        Ok(Page { unreadable, ..page })
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
