//! One page of a list: `{"data":[…],"hasMore":…}`.

use super::json::Json;
use super::{PAGE, Unreadable};

/// What a page was, less its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many entries it had, also those that were passed over: the offset of the next page counts them.
    pub entries: usize,
    /// How many of them were objects without the ID that they should bear.
    pub unnamed: usize,
    /// Whether there is another page.
    pub has_more: bool,
}

/// Reads a page and hands over each entry, of whatever form, so that only what is wanted is kept in memory.
///
/// After an error, what was handed over counts for nothing.
pub(super) fn read_page(
    body: &[u8],
    each: &mut dyn FnMut(Json<'_>) -> Result<(), Unreadable>,
) -> Result<Page, Unreadable> {
    let [data, has_more] = Json::check(body)?.fields(["data", "hasMore"])?.unwrap_or_default();
    let list = data.and_then(Json::entries).ok_or(Unreadable::Missing("data"))?;
    let mut entries = 0;
    for entry in list {
        entries += 1;
        each(entry)?;
    }
    // A full page of a list that does not say whether it goes on may go on.
    let has_more = has_more.and_then(Json::flag).unwrap_or(entries >= PAGE);
    Ok(Page { entries, unnamed: 0, has_more })
}
