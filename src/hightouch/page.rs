//! One page of a list: `{"data":[…],"hasMore":…}`.

use core::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ReadError;
use super::lenient::{self, ForEachEntry};

/// The metadata of a page, without its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Number of entries, readable or not. The offset of the next page counts all of them.
    pub entries: usize,
    /// Number of entries that could not be read: they are not objects, or have no usable ID.
    pub unreadable: usize,
    /// Whether there is another page, if the response says so. If it does not, another page may
    /// follow a full page.
    pub has_more: Option<bool>,
}

/// Reads a page and passes each entry to a function, so that only what the function keeps is in
/// memory. The function returns whether it could read the entry.
///
/// # Errors
/// The body is not JSON, has no list under `data`, has a `hasMore` that is not a boolean, or has a
/// field twice. Entries that were passed on before an error must be discarded.
pub(super) fn read_page<'a>(
    body: &'a [u8],
    each: &mut dyn FnMut(&'a RawValue) -> Result<bool, serde_json::Error>,
) -> Result<Page, ReadError> {
    let json = lenient::body_text(body)?;
    if !lenient::is_object(json) {
        serde_json::from_str::<IgnoredAny>(json)?;
        return Err(ReadError::Missing("data"));
    }
    let (mut entries, mut unreadable) = (0, 0);
    let mut each = |value: &'a RawValue| {
        entries += 1;
        unreadable += usize::from(!each(value)?);
        Ok(())
    };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let (is_list, has_more) = (&mut deserializer).deserialize_map(PageVisitor(&mut each))?;
    deserializer.end()?;
    if !is_list {
        return Err(ReadError::Missing("data"));
    }
    let has_more = match has_more.filter(|value| value.get() != "null") {
        None => None,
        Some(value) => Some(lenient::as_bool(value).ok_or(ReadError::Missing("hasMore"))?),
    };
    Ok(Page {
        entries,
        unreadable,
        has_more,
    })
}

/// The fields of a page.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Data,
    HasMore,
    #[serde(other)]
    Other,
}

/// Passes the entries of a page to a function. The result is whether there is a list under `data`,
/// and the value of `hasMore`.
struct PageVisitor<'f, 'de>(&'f mut EachEntry<'f, 'de>);

type EachEntry<'f, 'de> = dyn FnMut(&'de RawValue) -> Result<(), serde_json::Error> + 'f;

impl<'de> Visitor<'de> for PageVisitor<'_, 'de> {
    type Value = (bool, Option<&'de RawValue>);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with a list under `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut page: A) -> Result<Self::Value, A::Error> {
        let (mut is_list, mut has_more) = (None, None);
        while let Some(name) = page.next_key()? {
            match name {
                Field::Data if is_list.is_some() => {
                    return Err(A::Error::duplicate_field("data"));
                }
                Field::HasMore if has_more.is_some() => {
                    return Err(A::Error::duplicate_field("hasMore"));
                }
                Field::Data => is_list = Some(page.next_value_seed(ForEachEntry(&mut *self.0))?),
                Field::HasMore => has_more = Some(page.next_value()?),
                Field::Other => {
                    page.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((is_list.unwrap_or(false), has_more))
    }
}
