//! The trigger of a run of a sync: `POST /syncs/{syncId}/trigger`.

use core::ops::Not;

use serde::{Deserialize, Serialize};

use super::{ReadError, RunId, lenient};

/// What a run does in addition to sending the rows that have changed. Serialized as JSON, it is the
/// trigger's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resync {
    /// `fullResync`: sends every row again, including the rows that were sent before.
    #[serde(rename = "fullResync", skip_serializing_if = "Not::not")]
    pub full: bool,
    /// `resetCDC`: marks every row as sent without changing the destination.
    #[serde(rename = "resetCDC", skip_serializing_if = "Not::not")]
    pub reset_cdc: bool,
    /// `clearAndFill`: empties the audience and fills it again.
    #[serde(rename = "clearAndFill", skip_serializing_if = "Not::not")]
    pub clear_and_fill: bool,
}

impl Resync {
    /// Whether any of the three is requested.
    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// Returns the trigger's body; `None` for an ordinary run.
    pub(super) fn to_json(self) -> Option<String> {
        // A struct of booleans can always be serialized.
        self.any()
            .then(|| serde_json::to_string(&self).ok())
            .flatten()
    }
}

/// Maximum number of run IDs that are read from one response to a trigger.
const MAX_IDS: usize = 10;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(deserialize_with = "lenient::id")]
    id: Option<RunId>,
}

/// Reads the response to a trigger, `{"id":"…"}`, and returns the ID of the run that it started.
///
/// # Errors
/// The body is not JSON, or does not have exactly one usable `id`. An error envelope has no such
/// `id`, even if its status is 200; [`ApiError::read`](super::ApiError::read) reads it.
pub fn read_trigger(body: &[u8]) -> Result<RunId, ReadError> {
    lenient::read_object(body)?
        .and_then(|Fields { id }| id)
        .ok_or(ReadError::Missing("id"))
}

/// Returns every run ID in the body of a response to a trigger, at most ten. It also returns the
/// IDs that [`read_trigger`] refuses, such as two IDs in one body.
pub fn trigger_ids(body: &[u8]) -> Vec<RunId> {
    #[derive(Deserialize)]
    #[serde(field_identifier, rename_all = "camelCase")]
    enum Field {
        Id,
        #[serde(other)]
        Other,
    }

    let mut ids = Vec::new();
    let json = lenient::body_text(body).unwrap_or_default();
    let read = lenient::for_each_member(json, |name, value| {
        if matches!(name, Field::Id) && ids.len() < MAX_IDS {
            ids.extend(lenient::as_id::<RunId>(value));
        }
    });
    match read {
        Ok(()) => ids,
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_run_id_is_read_from_a_string_or_a_number() {
        for body in [
            r#"{"id":"42"}"#,
            r#"{"id":42}"#,
            r#" {"new":[1],"id":"42","more":{}} "#,
        ] {
            assert_eq!(read_trigger(body.as_bytes()).unwrap().get(), 42, "{body}");
        }
    }

    #[test]
    fn without_a_run_id_the_response_is_unreadable() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "42",
            "[42]",
            r#"["42"]"#,
            "{}",
            r#"{"id":null}"#,
            r#"{"id":0}"#,
            r#"{"id":""}"#,
            r#"{"id":"4x"}"#,
            r#"{"id":-4}"#,
            r#"{"id":1.5}"#,
            r#"{"id":[42]}"#,
            r#"{"message":"Validation failed","details":{}}"#,
            "<html>",
            r#"{"id":"42""#,
        ] {
            assert!(read_trigger(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn every_run_id_of_a_response_is_returned() {
        let ids = |body: &str| -> Vec<u64> {
            let ids = trigger_ids(body.as_bytes()).into_iter();
            ids.map(RunId::get).collect()
        };
        assert_eq!(
            ids(r#"{"id":"42","x":{"id":1},"\u0069d":43,"id":0}"#),
            [42, 43]
        );
        assert_eq!(
            ids(&format!("{{{}\"id\":1}}", "\"id\":1,".repeat(50))).len(),
            MAX_IDS
        );
        for body in ["", "[42]", "42", "{}", r#"{"id":42"#] {
            assert!(ids(body).is_empty(), "{body}");
        }
    }
}
