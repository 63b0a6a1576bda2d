//! The body of a request that starts a run.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::endpoint::response::problem::Problem;
use crate::engine::{Failure, IfRunning, MAX_SYNCS, Options, validate_syncs};
use crate::hightouch::{Resync, SyncId, SyncRef};

/// The body that runs a sync. Every field is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::endpoint) struct SyncBody {
    full_resync: bool,
    #[serde(rename = "resetCDC")]
    reset_cdc: bool,
    clear_and_fill: bool,
    accept_warnings: bool,
    if_running: IfRunningName,
}

/// The body that runs several syncs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::endpoint) struct BatchBody {
    full_resync: bool,
    #[serde(rename = "resetCDC")]
    reset_cdc: bool,
    clear_and_fill: bool,
    accept_warnings: bool,
    if_running: IfRunningName,
    syncs: Value,
}

/// The body that runs a sequence. Every field is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::endpoint) struct SequenceBody {
    accept_warnings: bool,
}

/// `ifRunning`: `queue`, `join` or `refuse`.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
struct IfRunningName(IfRunning);

impl TryFrom<String> for IfRunningName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "queue" => Ok(Self(IfRunning::Queue)),
            "join" => Ok(Self(IfRunning::Join)),
            "refuse" => Ok(Self(IfRunning::Refuse)),
            other => Err(format!(
                "`ifRunning` must be one of `queue`, `join` and `refuse`, not `{other}`"
            )),
        }
    }
}

/// Reads a body. An empty body has no fields.
///
/// # Errors
///
/// Returns a problem if the body is not a JSON object, or has an unknown field, a field twice, or a
/// field of a wrong type.
pub(in crate::endpoint) fn read<B: Default + DeserializeOwned>(bytes: &[u8]) -> Result<B, Problem> {
    match bytes.trim_ascii_start().first() {
        None => Ok(B::default()),
        Some(b'{') => serde_json::from_slice(bytes)
            .map_err(|error| Problem::invalid(format!("the body cannot be read: {error}"))),
        // Serde would read the fields from an array too.
        Some(_) => Err(Problem::invalid("the body must be a JSON object")),
    }
}

impl SyncBody {
    pub(in crate::endpoint) fn options(&self) -> Options {
        Options {
            resync: Resync {
                full: self.full_resync,
                reset_cdc: self.reset_cdc,
                clear_and_fill: self.clear_and_fill,
            },
            accept_warnings: self.accept_warnings,
            if_running: self.if_running.0,
            ..Options::default()
        }
    }
}

impl SequenceBody {
    pub(in crate::endpoint) fn options(&self) -> Options {
        Options {
            accept_warnings: self.accept_warnings,
            ..Options::default()
        }
    }
}

impl BatchBody {
    pub(in crate::endpoint) fn options(&self) -> Options {
        Options {
            resync: Resync {
                full: self.full_resync,
                reset_cdc: self.reset_cdc,
                clear_and_fill: self.clear_and_fill,
            },
            accept_warnings: self.accept_warnings,
            if_running: self.if_running.0,
            ..Options::default()
        }
    }

    /// Returns the entries of `syncs`. More than one too many make no difference.
    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.syncs
            .as_array()
            .into_iter()
            .flatten()
            .take(MAX_SYNCS + 1)
    }

    /// Returns the entries of `syncs` as texts, whether they are valid or not.
    pub(in crate::endpoint) fn names(&self) -> Vec<String> {
        self.entries()
            .map(|entry| match entry {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect()
    }

    /// Returns the syncs to run.
    ///
    /// # Errors
    ///
    /// Returns a problem if there is none, or if an entry is neither an ID nor a slug or is listed
    /// twice.
    pub(in crate::endpoint) fn syncs(&self) -> Result<Vec<SyncRef>, Problem> {
        let entries: Vec<_> = self
            .entries()
            .map(|entry| {
                match entry.as_u64() {
                    Some(id) => SyncId::try_from(id).map(SyncRef::Id),
                    // An entry of any other type is not a slug either.
                    None => entry.as_str().unwrap_or_default().parse(),
                }
                .map_err(Failure::invalid_input)
            })
            .collect();
        if entries.is_empty() {
            return Err(Problem::invalid(
                "the body must contain `syncs`, a list of the IDs or slugs of the syncs to run",
            ));
        }
        validate_syncs(entries).map_err(|invalid| invalid.into_first().trimmed().into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::hightouch::Resync;

    fn sync_options(body: &str) -> Result<Options, Problem> {
        read::<SyncBody>(body.as_bytes()).map(|body| body.options())
    }

    #[test]
    fn fields_may_be_left_out_and_an_empty_body_says_nothing() {
        for body in ["", " \n", "{}", " {} "] {
            assert_eq!(sync_options(body).unwrap(), Options::default(), "{body:?}");
        }
        let body = r#"{"fullResync":true,"resetCDC":true,"clearAndFill":true,"acceptWarnings":true,"ifRunning":"refuse"}"#;
        let options = sync_options(body).unwrap();
        assert_eq!(
            options.resync,
            Resync {
                full: true,
                reset_cdc: true,
                clear_and_fill: true
            }
        );
        assert!(options.accept_warnings && options.if_running == IfRunning::Refuse);
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_does_not_echo_the_whole_body() {
        let detail = |body: &str| {
            let problem = serde_json::to_value(sync_options(body).unwrap_err()).unwrap();
            String::from(problem["detail"].as_str().unwrap())
        };
        assert!(detail(r#"{"ifRunning":"later"}"#).contains("must be one of `queue`"));
        assert!(detail(r#"{"full":true}"#).contains("unknown field `full`"));
        assert!(
            detail(&format!(r#"{{"{}":true}}"#, "x".repeat(60_000))).len()
                <= crate::engine::Failure::MAX_TEXT
        );
    }

    #[test]
    fn what_is_no_such_object_is_refused() {
        for body in [
            "{",
            "null",
            "[]",
            "[true,true,true,true,\"join\"]",
            "7",
            "\"x\"",
            "{} {}",
            r#"{"fullResync":1}"#,
            r#"{"fullResync":"true"}"#,
            r#"{"ifRunning":"later"}"#,
            r#"{"ifRunning":{"join":null}}"#,
            r#"{"full":true}"#,
            "{\"fullResync\u{e9}\":true}",
            "{\"ifRunning\":\"join\u{df}\"}",
            r#"{"fullResync":true,"fullResync":false}"#,
            "\u{feff}{}",
            "full=true",
        ] {
            assert_eq!(
                sync_options(body).map_err(|problem| problem.status),
                Err(400),
                "{body}"
            );
        }
    }

    #[test]
    fn several_syncs_are_named_by_ids_and_slugs_and_each_once() {
        let named = |body: &str| {
            let syncs = read::<BatchBody>(body.as_bytes()).and_then(|body| body.syncs());
            syncs
                .map(|syncs| syncs.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(|problem| problem.status)
        };
        let body = r#"{"syncs":[1,"2","demo"],"acceptWarnings":true}"#;
        assert_eq!(named(body), Ok(vec!["1".into(), "2".into(), "demo".into()]));
        let many = format!(
            r#"{{"syncs":[{}1]}}"#,
            (2..=101).map(|id| format!("{id},")).collect::<String>()
        );
        for body in [
            "",
            "{}",
            r#"{"syncs":[]}"#,
            r#"{"syncs":{"a":1}}"#,
            r#"{"syncs":1}"#,
            r#"{"syncs":[1,1]}"#,
            r#"{"syncs":["demo","demo"]}"#,
            r#"{"syncs":[1,"1"]}"#,
            r#"{"syncs":[0]}"#,
            r#"{"syncs":[true]}"#,
            r#"{"syncs":[null]}"#,
            r#"{"syncs":[[1]]}"#,
            r#"{"syncs":["a/b"]}"#,
            r#"{"syncs":[1],"sync":2}"#,
            &many,
        ] {
            assert_eq!(named(body), Err(400), "{body}");
        }
    }

    #[test]
    fn of_a_sequence_only_warnings_can_be_said() {
        let accepts = |body: &str| {
            read::<SequenceBody>(body.as_bytes()).map(|body| body.options().accept_warnings)
        };
        assert!(!accepts("").unwrap() && !accepts(r#"{"acceptWarnings":false}"#).unwrap());
        assert!(accepts(r#"{"acceptWarnings":true}"#).unwrap());
        for body in [
            r#"{"fullResync":false}"#,
            r#"{"ifRunning":"queue"}"#,
            r#"{"acceptWarnings":1}"#,
            "[]",
        ] {
            assert_eq!(
                accepts(body).map_err(|problem| problem.status),
                Err(400),
                "{body}"
            );
        }
    }
}
