//! The body of a request that starts a run.

use core::time::Duration;

use serde_json::value::RawValue;

use super::fields::Fields;
use super::target::ACCEPT_WARNINGS;
use super::warnings;
use crate::endpoint::reporting::LineageParent;
use crate::endpoint::response::problem::Problem;
use crate::engine::{
    BatchOptions, Failure, IfRunning, MAX_CONCURRENT_RUNS, MAX_SYNCS, Options, Warnings,
    validate_syncs,
};
use crate::hightouch::{InvalidTimestamp, Resync, SyncId, SyncRef, Timestamp};

/// Maximum length of a body, in bytes.
pub(in crate::endpoint) const MAX_BODY: usize = 64 * 1024;
/// Maximum time until the body has arrived.
pub(in crate::endpoint) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a body could not be read from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::endpoint) enum BodyError {
    /// The body is longer than [`MAX_BODY`].
    TooLarge,
    /// The body did not arrive within [`BODY_TIMEOUT`].
    TimedOut,
    /// The connection failed before the end of the body.
    CutOff,
    /// The host did not provide the body.
    Unreadable,
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::body_too_large(MAX_BODY),
            BodyError::TimedOut => Self::invalid(format_args!(
                "the body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            )),
            BodyError::CutOff => Self::invalid("the body was cut off"),
            BodyError::Unreadable => Self::invalid("the body could not be read"),
        }
    }
}

/// The body of a request to run a sync. Every field is optional.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct SyncBody {
    resync: Resync,
    warnings: Warnings,
    if_running: IfRunning,
    unless_since: Option<Timestamp>,
    parent: Option<LineageParent>,
}

/// The body of a request to run several syncs.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct BatchBody {
    options: SyncBody,
    /// The entries of `syncs`, as JSON.
    syncs: Vec<String>,
    order: BatchOptions,
}

/// The body of a request to run a sequence. Every field is optional.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct SequenceBody {
    warnings: Warnings,
    parent: Option<LineageParent>,
}

/// The names of the fields.
const FULL_RESYNC: &str = "fullResync";
const RESET_CDC: &str = "resetCDC";
const CLEAR_AND_FILL: &str = "clearAndFill";
const IF_RUNNING: &str = "ifRunning";
const UNLESS_RUN_SINCE: &str = "unlessRunSince";
const LINEAGE_PARENT: &str = "lineageParent";
const SYNCS: &str = "syncs";
const PARALLEL: &str = "parallel";
const STOP_ON_FAILURE: &str = "stopOnFailure";

/// The values of `ifRunning`.
const IF_RUNNING_WORDS: [(&str, IfRunning); 3] = [
    ("queue", IfRunning::Queue),
    ("join", IfRunning::Join),
    ("refuse", IfRunning::Refuse),
];

/// A body that is read from the fields of a JSON object.
pub(in crate::endpoint) trait Body: Sized {
    /// The names of all fields.
    const FIELDS: &[&str];

    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// Returns a problem that names the first field of a wrong type.
    fn from_fields(fields: &Fields<'_>) -> Result<Self, Problem>;
}

impl Body for SyncBody {
    const FIELDS: &[&str] = &[
        FULL_RESYNC,
        RESET_CDC,
        CLEAR_AND_FILL,
        ACCEPT_WARNINGS,
        IF_RUNNING,
        UNLESS_RUN_SINCE,
        LINEAGE_PARENT,
    ];

    fn from_fields(fields: &Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            resync: Resync {
                full: fields.flag(FULL_RESYNC)?,
                reset_cdc: fields.flag(RESET_CDC)?,
                clear_and_fill: fields.flag(CLEAR_AND_FILL)?,
            },
            warnings: warnings::from_body(fields)?,
            if_running: fields
                .word(IF_RUNNING, &IF_RUNNING_WORDS)?
                .unwrap_or_default(),
            unless_since: fields.get(UNLESS_RUN_SINCE, InvalidTimestamp, |time: String| {
                Timestamp::given(&time).ok()
            })?,
            parent: lineage_parent(fields)?,
        })
    }
}

impl Body for BatchBody {
    const FIELDS: &[&str] = &[
        SYNCS,
        FULL_RESYNC,
        RESET_CDC,
        CLEAR_AND_FILL,
        ACCEPT_WARNINGS,
        IF_RUNNING,
        UNLESS_RUN_SINCE,
        LINEAGE_PARENT,
        PARALLEL,
        STOP_ON_FAILURE,
    ];

    fn from_fields(fields: &Fields<'_>) -> Result<Self, Problem> {
        let list = "a list of the IDs or slugs of the syncs to run";
        let syncs = fields.get(SYNCS, list, |entries: Vec<&RawValue>| {
            // One entry more than the maximum is enough to reject the list.
            let entries = entries.into_iter().take(MAX_SYNCS + 1);
            Some(entries.map(|entry| entry.get().into()).collect())
        })?;
        let expected = format!("a whole number from 1 to {MAX_CONCURRENT_RUNS}");
        let parallel = fields.get(PARALLEL, expected, |parallel| {
            BatchOptions::new(Some(parallel), false).ok()?;
            Some(parallel)
        })?;
        let stop_on_failure = fields.flag(STOP_ON_FAILURE)?;
        Ok(Self {
            options: SyncBody::from_fields(fields)?,
            syncs: syncs.unwrap_or_default(),
            order: BatchOptions::new(parallel, stop_on_failure).map_err(Problem::invalid)?,
        })
    }
}

impl Body for SequenceBody {
    const FIELDS: &[&str] = &[ACCEPT_WARNINGS, LINEAGE_PARENT];

    fn from_fields(fields: &Fields<'_>) -> Result<Self, Problem> {
        Ok(Self {
            warnings: warnings::from_body(fields)?,
            parent: lineage_parent(fields)?,
        })
    }
}

/// Reads the run that caused the runs of this request.
fn lineage_parent(fields: &Fields<'_>) -> Result<Option<LineageParent>, Problem> {
    fields.get(LINEAGE_PARENT, LineageParent::EXPECTED, |text: String| {
        LineageParent::read(&text)
    })
}

/// Reads a body. An empty body has no fields.
///
/// # Errors
///
/// Returns a problem if the body is not a JSON object, or has an unknown field, a field twice, or a
/// field of a wrong type.
pub(in crate::endpoint) fn read<B: Body>(bytes: &[u8]) -> Result<B, Problem> {
    B::from_fields(&Fields::read(bytes, B::FIELDS)?)
}

impl SyncBody {
    /// Returns the run that caused the run of this request.
    pub(in crate::endpoint) fn parent(&self) -> Option<LineageParent> {
        self.parent.clone()
    }

    pub(in crate::endpoint) fn options(&self) -> Options {
        Options {
            resync: self.resync,
            warnings: self.warnings,
            if_running: self.if_running,
            unless_since: self.unless_since,
            ..Options::default()
        }
    }
}

impl SequenceBody {
    /// Returns the run that caused the run of this request.
    pub(in crate::endpoint) fn parent(&self) -> Option<LineageParent> {
        self.parent.clone()
    }

    pub(in crate::endpoint) fn options(&self) -> Options {
        Options {
            warnings: self.warnings,
            ..Options::default()
        }
    }
}

impl BatchBody {
    pub(in crate::endpoint) fn options(&self) -> Options {
        self.options.options()
    }

    /// Returns the run that caused the runs of this request.
    pub(in crate::endpoint) fn parent(&self) -> Option<LineageParent> {
        self.options.parent()
    }

    /// Returns the order in which the syncs run.
    ///
    /// # Errors
    ///
    /// Returns a problem if a call that waits for `max_wait` cannot keep the order.
    pub(in crate::endpoint) fn order(&self, max_wait: Duration) -> Result<BatchOptions, Problem> {
        let check = self.order.check(self.syncs.len(), max_wait);
        check.map(|()| self.order).map_err(Problem::invalid)
    }

    /// Returns the entries of `syncs` as texts, whether they are valid or not.
    pub(in crate::endpoint) fn names(&self) -> Vec<String> {
        self.syncs
            .iter()
            .map(|entry| serde_json::from_str(entry).unwrap_or_else(|_| entry.clone()))
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
            .syncs
            .iter()
            .map(|entry| {
                match serde_json::from_str::<u64>(entry) {
                    Ok(id) => SyncId::try_from(id).map(SyncRef::Id),
                    // An entry that is neither a number nor a string is read as an invalid slug.
                    Err(_) => serde_json::from_str::<String>(entry)
                        .unwrap_or_default()
                        .parse(),
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
    fn fields_are_optional_and_an_empty_body_has_none() {
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
        assert_eq!(
            (options.warnings, options.if_running),
            (Warnings::Accept, IfRunning::Refuse)
        );
    }

    fn detail<B: Body>(body: &str) -> String {
        let problem = read::<B>(body.as_bytes()).map(|_| ()).unwrap_err();
        let problem = serde_json::to_value(problem).unwrap();
        String::from(problem["detail"].as_str().unwrap())
    }

    const UNSENT: &str = ". Nothing was sent to Hightouch.";

    #[test]
    fn a_value_of_a_wrong_type_is_reported_with_the_name_of_its_field() {
        let flags = [FULL_RESYNC, RESET_CDC, CLEAR_AND_FILL];
        for wrong in [
            "1",
            "0",
            "\"true\"",
            "\"\"",
            "[]",
            "[true]",
            "{}",
            "1e999",
            "\"\\ud83d\"",
        ] {
            for name in flags {
                let expected = format!("the body's `{name}` must be true or false{UNSENT}");
                let body = format!(r#"{{"{name}":{wrong}}}"#);
                assert_eq!(detail::<SyncBody>(&body), expected, "{body}");
                assert_eq!(detail::<BatchBody>(&body), expected, "{body}");
            }
            let body = format!(r#"{{"acceptWarnings":{wrong}}}"#);
            for detail in [
                detail::<SyncBody>(&body),
                detail::<BatchBody>(&body),
                detail::<SequenceBody>(&body),
            ] {
                assert!(
                    detail.starts_with("the body's `acceptWarnings` must "),
                    "{detail}"
                );
            }
            let body = format!(r#"{{"unlessRunSince":{wrong}}}"#);
            let detail = detail::<SyncBody>(&body);
            assert!(
                detail.starts_with("the body's `unlessRunSince` must be an RFC 3339 time"),
                "{detail}"
            );
            let parallel = format!(r#"{{"parallel":{wrong}}}"#);
            if wrong != "1" {
                assert_eq!(
                    self::detail::<BatchBody>(&parallel),
                    format!("the body's `parallel` must be a whole number from 1 to 50{UNSENT}")
                );
            }
            let stop = format!(r#"{{"stopOnFailure":{wrong}}}"#);
            assert_eq!(
                self::detail::<BatchBody>(&stop),
                format!("the body's `stopOnFailure` must be true or false{UNSENT}")
            );
        }
        for wrong in ["51", "-1", "1.5", "\"2\""] {
            let parallel = format!(r#"{{"parallel":{wrong}}}"#);
            assert_eq!(
                detail::<BatchBody>(&parallel),
                format!("the body's `parallel` must be a whole number from 1 to 50{UNSENT}")
            );
        }
        for wrong in [
            "2026-11-25T06:00:00",
            "2026-11-25",
            "0001-01-01T00:00:00Z",
            "yesterday",
        ] {
            let body = format!(r#"{{"unlessRunSince":"{wrong}"}}"#);
            assert!(
                detail::<SyncBody>(&body).contains("`unlessRunSince` must be an RFC 3339 time"),
                "{wrong}"
            );
        }
        let words = "the body's `ifRunning` must be one of `queue`, `join`, `refuse`";
        for wrong in ["1", "true", "[]", "{\"join\":null}", "\"\\ud83d\""] {
            let body = format!(r#"{{"ifRunning":{wrong}}}"#);
            assert_eq!(detail::<SyncBody>(&body), format!("{words}{UNSENT}"));
        }
        assert_eq!(
            detail::<SyncBody>(r#"{"ifRunning":"later"}"#),
            format!("{words}, not `later`{UNSENT}")
        );
        for wrong in ["1", "\"namespace/job\"", "\"a/b/c\"", "{}"] {
            let body = format!(r#"{{"lineageParent":{wrong}}}"#);
            let expected = format!(
                "the body's `lineageParent` must be a text of the form `namespace/job/run-uuid`, of \
                 at most 1024 characters{UNSENT}"
            );
            assert_eq!(detail::<SyncBody>(&body), expected);
            assert_eq!(detail::<BatchBody>(&body), expected);
            assert_eq!(detail::<SequenceBody>(&body), expected);
        }
        for wrong in ["1", "true", "\"1\"", "{\"a\":1}"] {
            let body = format!(r#"{{"syncs":{wrong}}}"#);
            assert_eq!(
                detail::<BatchBody>(&body),
                format!(
                    "the body's `syncs` must be a list of the IDs or slugs of the syncs to run\
                     {UNSENT}"
                )
            );
        }
        assert_eq!(
            detail::<SyncBody>(r#"{"full":true}"#),
            format!(
                "the body contains the unknown field `full`. Known fields: fullResync, resetCDC, \
                 clearAndFill, acceptWarnings, ifRunning, unlessRunSince, lineageParent{UNSENT}"
            )
        );
        assert_eq!(
            detail::<SyncBody>(r#"{"fullResync":null,"fullResync":null}"#),
            format!("the body contains `fullResync` twice{UNSENT}")
        );
    }

    #[test]
    fn null_counts_as_absent() {
        for name in SyncBody::FIELDS {
            let body = format!(r#"{{"{name}":null}}"#);
            assert_eq!(sync_options(&body).unwrap(), Options::default(), "{body}");
        }
        let body = BatchBody::FIELDS
            .iter()
            .filter(|name| **name != SYNCS)
            .map(|name| format!(r#","{name}":null"#))
            .collect::<String>();
        let batch: BatchBody = read(format!(r#"{{"syncs":[1]{body}}}"#).as_bytes()).unwrap();
        assert_eq!(batch.options(), Options::default());
        assert_eq!(batch.syncs().unwrap().len(), 1);
        let none: BatchBody = read(br#"{"syncs":null}"#).unwrap();
        assert_eq!(none.syncs().map_err(|problem| problem.status), Err(400));
        let sequence: SequenceBody = read(br#"{"acceptWarnings":null}"#).unwrap();
        assert_eq!(sequence.options().warnings, Warnings::Fail);
    }

    #[test]
    fn a_long_text_of_the_caller_is_quoted_in_part_and_the_message_stays_complete() {
        let long = "\u{e9}".repeat(30_000);
        for body in [
            format!(r#"{{"{long}":true}}"#),
            format!(r#"{{"ifRunning":"{long}"}}"#),
        ] {
            let detail = detail::<SyncBody>(&body);
            assert!(detail.ends_with(UNSENT), "{detail}");
            let quoted = detail.matches('\u{e9}').count() * 2;
            assert!((250..=256).contains(&quoted), "{quoted} bytes: {detail}");
        }
    }

    #[test]
    fn a_body_that_is_not_a_valid_object_is_rejected() {
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
    fn a_sequence_takes_only_accept_warnings() {
        let accepts = |body: &str| {
            read::<SequenceBody>(body.as_bytes())
                .map(|body| body.options().warnings == Warnings::Accept)
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
