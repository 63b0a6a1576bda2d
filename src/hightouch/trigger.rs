//! Starting a run.

use super::json::Json;
use super::{ReadError, RunId};

/// What a run does beyond sending the rows that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resync {
    /// `fullResync`: send every row again, also those that were sent before.
    pub full: bool,
    /// `resetCDC`: take every row as seen without changing the destination.
    pub reset_cdc: bool,
    /// `clearAndFill`: empty the audience, then fill it.
    pub clear_and_fill: bool,
}

impl Resync {
    /// Whether anything beyond the ordinary is asked for.
    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// The trigger's body; none where nothing beyond the ordinary is asked for.
    pub(super) fn to_json(self) -> Option<String> {
        let flags = [
            (self.full, "fullResync"),
            (self.reset_cdc, "resetCDC"),
            (self.clear_and_fill, "clearAndFill"),
        ];
        let mut json = String::new();
        for (_, name) in flags.iter().filter(|(set, _)| *set) {
            json += if json.is_empty() { "{\"" } else { ",\"" };
            json += name;
            json += "\":true";
        }
        self.any().then_some(json + "}")
    }
}

/// Reads the answer to a trigger, `{"id":"…"}`: the ID of the run that was started.
///
/// An envelope of an error, which comes with status 200 too, has no ID and is therefore unreadable here;
/// [`ApiError::read`](super::ApiError::read) reads it.
pub fn read_trigger(body: &[u8]) -> Result<RunId, ReadError> {
    let [id] = Json::check(body)?.fields(["id"])?.unwrap_or_default();
    let id = id.and_then(Json::number);
    id.and_then(|id| RunId::try_from(id).ok())
        .ok_or(ReadError::Missing("id"))
}

/// Every run ID in the body of a response to a trigger that [`read_trigger`] does not take: one that was cut off after the ID, or names two.
pub fn trigger_ids(body: &[u8]) -> Vec<RunId> {
    let Ok(json) = Json::check(body) else {
        return Vec::new();
    };
    let members = json
        .members()
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.is_text("id"));
    let ids = members
        .filter_map(|(_, id)| id.number())
        .filter_map(|id| RunId::try_from(id).ok());
    ids.take(MAX_IDS).collect()
}

/// Maximum number of IDs that are read from one response to a trigger.
const MAX_IDS: usize = 10;

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
    fn without_a_run_id_the_answer_is_unreadable() {
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
}
