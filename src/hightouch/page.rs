//! One page of a list: `{"data":[…],"hasMore":…}`.

use core::fmt;
use core::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lenient::{Object, Scalar};
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

/// Reads a page and hands over each entry that is an object, so that only what is wanted is kept in memory.
///
/// After an error, what was handed over counts for nothing.
pub(super) fn read_page<'de, T: Deserialize<'de>>(
    body: &'de [u8],
    each: &mut dyn FnMut(T),
) -> Result<Page, Unreadable> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let page = Whole { each, of: PhantomData }.deserialize(&mut json)?;
    json.end()?;
    page.ok_or(Unreadable::Missing("data"))
}

struct Whole<'k, T> {
    each: &'k mut dyn FnMut(T),
    of: PhantomData<T>,
}

/// A truth value, or none where something else stands.
struct Flag(Option<bool>);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(from)? {
            Scalar::Truth(flag) => Some(flag),
            _ => None,
        }))
    }
}

#[derive(Deserialize)]
enum Field {
    #[serde(rename = "data")]
    Data,
    #[serde(rename = "hasMore")]
    HasMore,
    #[serde(other)]
    Other,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Whole<'_, T> {
    type Value = Option<Page>;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Whole<'_, T> {
    type Value = Option<Page>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with a list under `data`")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut has_more) = (None, None);
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Data if entries.is_some() => return Err(A::Error::duplicate_field("data")),
                Field::Data => entries = Some(map.next_value_seed(Entries { each: &mut *self.each, of: PhantomData })?),
                Field::HasMore => has_more = map.next_value::<Flag>()?.0,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        // A full page of a list that does not say whether it goes on may go on.
        Ok(entries.map(|entries| Page { entries, unnamed: 0, has_more: has_more.unwrap_or(entries >= PAGE) }))
    }
}

struct Entries<'k, T> {
    each: &'k mut dyn FnMut(T),
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Entries<'_, T> {
    type Value = usize;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<'_, T> {
    type Value = usize;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = 0;
        while let Some(Object(entry)) = list.next_element::<Object<T>>()? {
            entries += 1;
            if let Some(entry) = entry {
                (self.each)(entry);
            }
        }
        Ok(entries)
    }
}
