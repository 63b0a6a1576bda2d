//! The fields of a JSON object in a body, each read by its name, so that a message can name the
//! field.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::endpoint::response::problem::{Problem, Quoted};

/// The fields of an object in a body. A field with the value `null` counts as absent.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct Fields<'a> {
    /// What precedes the names in messages: empty, or the name of the object and a dot.
    prefix: String,
    fields: BTreeMap<String, &'a RawValue>,
}

/// The members of an object as they are written.
struct Members<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    /// The first name that is not known.
    unknown: Option<String>,
    /// The first name that is given twice.
    twice: Option<String>,
}

impl<'a> Fields<'a> {
    /// Reads a body. An empty body has no fields. `known` are the names of the allowed fields.
    ///
    /// # Errors
    ///
    /// Returns a problem if the body is not a JSON object, or contains an unknown field or a field
    /// twice.
    pub(super) fn read(bytes: &'a [u8], known: &[&'static str]) -> Result<Self, Problem> {
        match bytes.trim_ascii_start().first() {
            None => return Ok(Self::default()),
            Some(b'{') => {}
            Some(_) => return Err(Problem::invalid("the body must be a JSON object")),
        }
        Self::read_object(String::new(), bytes, known)
    }

    /// Reads an object whose names have this prefix in messages.
    fn read_object(
        prefix: String,
        bytes: &'a [u8],
        known: &[&'static str],
    ) -> Result<Self, Problem> {
        let unreadable =
            |error| Problem::invalid(format_args!("the body cannot be read as JSON: {error}"));
        let text = core::str::from_utf8(bytes)
            .map_err(|_| Problem::invalid("the body cannot be read as JSON: it is not UTF-8"))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let members = json
            .deserialize_map(MembersVisitor { known })
            .and_then(|members| json.end().map(|()| members))
            .map_err(unreadable)?;
        if let Some(name) = members.unknown {
            return Err(Problem::invalid(format_args!(
                "the body contains the unknown field `{prefix}{}`. Known fields: {}",
                Quoted(&name),
                known.join(", ")
            )));
        }
        if let Some(name) = members.twice {
            return Err(Problem::invalid(format_args!(
                "the body contains `{prefix}{name}` twice"
            )));
        }
        Ok(Self {
            prefix,
            fields: members.fields,
        })
    }

    /// Returns the fields of the object that a field contains; `None` if the value is not an
    /// object, or the field is absent. `known` are the names of the allowed fields.
    ///
    /// # Errors
    ///
    /// Returns a problem if the object contains an unknown field or a field twice.
    pub(super) fn object(
        &self,
        name: &str,
        known: &[&'static str],
    ) -> Result<Option<Self>, Problem> {
        match self.fields.get(name).map(|text| text.get()) {
            Some(text) if text.starts_with('{') => {
                Self::read_object(format!("{name}."), text.as_bytes(), known).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns the value of a field; `None` if the field is absent or null.
    ///
    /// # Errors
    ///
    /// Returns a problem if the value is not one that `read` accepts. `expected` completes the
    /// sentence "The field must be …".
    pub(super) fn get<T: Deserialize<'a>, U>(
        &self,
        name: &str,
        expected: impl fmt::Display,
        read: impl FnOnce(T) -> Option<U>,
    ) -> Result<Option<U>, Problem> {
        let Some(text) = self.fields.get(name) else {
            return Ok(None);
        };
        // A value of another type, or a number that is too large, cannot be read.
        let value = match serde_json::from_str(text.get()) {
            Ok(None) => return Ok(None),
            Ok(Some(value)) => read(value),
            Err(_) => None,
        };
        match value {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::invalid(format_args!(
                "the body's `{}{name}` must be {expected}",
                self.prefix
            ))),
        }
    }

    /// Returns the value of a boolean field; `false` if it is absent or null.
    ///
    /// # Errors
    ///
    /// Returns a problem if the value has another type.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        let flag = self.get(name, "true or false", Some::<bool>)?;
        Ok(flag.unwrap_or_default())
    }

    /// Returns the value of a field that is one of a few words; `None` if it is absent or null.
    ///
    /// # Errors
    ///
    /// Returns a problem if the value is not one of the words.
    pub(super) fn word<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let expected = format!("one of {}", names.join(", "));
        let Some(given) = self.get(name, &expected, Some::<String>)? else {
            return Ok(None);
        };
        match words.iter().find(|(word, _)| *word == given) {
            Some((_, value)) => Ok(Some(*value)),
            None => Err(Problem::invalid(format_args!(
                "the body's `{name}` must be {expected}, not `{}`",
                Quoted(&given)
            ))),
        }
    }
}

struct MembersVisitor<'k> {
    known: &'k [&'static str],
}

impl<'de> Visitor<'de> for MembersVisitor<'_> {
    type Value = Members<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members {
            fields: BTreeMap::new(),
            unknown: None,
            twice: None,
        };
        while let Some(name) = map.next_key::<String>()? {
            if !self.known.contains(&name.as_str()) {
                map.next_value::<IgnoredAny>()?;
                members.unknown.get_or_insert(name);
                continue;
            }
            match members.fields.entry(name) {
                Entry::Vacant(field) => {
                    field.insert(map.next_value()?);
                }
                Entry::Occupied(field) => {
                    map.next_value::<IgnoredAny>()?;
                    members.twice.get_or_insert_with(|| field.key().clone());
                }
            }
        }
        Ok(members)
    }
}
