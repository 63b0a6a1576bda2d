//! One page of a list: `{"data":[…],"hasMore":…}`.

use super::ReadError;
use super::json::Json;

/// What a page was, less its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many entries it had, also those that were passed over: the offset of the next page counts them.
    pub entries: usize,
    /// How many of them could not be read: they are no objects, or have no ID.
    pub unreadable: usize,
    /// Whether there is another page, if the response says so. Without it, a full page means that there may be one.
    pub has_more: Option<bool>,
}

/// Reads a page and hands over each entry, of whatever form, so that only what is wanted is kept in memory.
///
/// After an error, what was handed over counts for nothing.
pub(super) fn read_page(
    body: &[u8],
    each: &mut dyn FnMut(Json<'_>) -> Result<(), ReadError>,
) -> Result<Page, ReadError> {
    let [data, has_more] = Json::check(body)?
        .fields(["data", "hasMore"])?
        .unwrap_or_default();
    let list = data
        .and_then(Json::entries)
        .ok_or(ReadError::Missing("data"))?;
    let mut entries = 0;
    for entry in list {
        entries += 1;
        each(entry)?;
    }
    let has_more = match has_more {
        None => None,
        Some(value) if value.is_null() => None,
        Some(value) => Some(value.lenient_flag().ok_or(ReadError::Missing("hasMore"))?),
    };
    Ok(Page {
        entries,
        unreadable: 0,
        has_more,
    })
}
