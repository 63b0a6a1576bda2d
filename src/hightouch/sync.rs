//! Syncs, as `GET /syncs` lists them.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::id::MAX_SLUG_LEN;
use super::page::{Page, read_page};
use super::{ReadError, SyncId, lenient};

/// One entry of a list of syncs: the fields that identify a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEntry {
    /// `id`.
    pub id: SyncId,
    /// `slug`; empty if it is missing. It is cut if it is longer than a [`Slug`](super::Slug) can
    /// be.
    pub slug: String,
}

/// The metadata of a page of syncs, without its entries.
pub type SyncsPage = Page;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(deserialize_with = "lenient::id")]
    id: Option<SyncId>,
    #[serde(deserialize_with = "slug")]
    slug: Option<String>,
}

/// Reads a slug for `deserialize_with`. A text that is too long for a slug is cut to one byte more
/// than the longest slug, so that it never equals a slug.
fn slug<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(|value| {
        let slug = lenient::as_text(value, MAX_SLUG_LEN + 1)?;
        Some(slug.into_owned())
    })
}

impl SyncEntry {
    /// Reads a page of syncs and passes each entry that has an ID to a function.
    ///
    /// # Errors
    /// The body is not JSON, has no list under `data`, has a `hasMore` that is not a boolean, or
    /// has a field twice. Entries that were passed on before an error must be discarded.
    pub fn read_page(body: &[u8], each: &mut dyn FnMut(Self)) -> Result<SyncsPage, ReadError> {
        read_page(body, &mut |value| {
            let Some(Fields { id: Some(id), slug }) = lenient::read_nested(value)? else {
                return Ok(false);
            };
            each(Self {
                id,
                slug: slug.unwrap_or_default(),
            });
            Ok(true)
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
