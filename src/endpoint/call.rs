//! The body of a request that starts a run.

use super::problem::Problem;
use crate::engine::{IfRunning, Options};
use crate::hightouch::json::{Flaw, Json};
use crate::hightouch::{SyncId, SyncRef};

/// The fields there are for a sync, and for a sequence.
pub(super) const OF_SYNC: &[&str] = &NAMES;
pub(super) const OF_SEVERAL: &[&str] = &[
    "fullResync",
    "resetCDC",
    "clearAndFill",
    ACCEPT_WARNINGS,
    "ifRunning",
    SYNCS,
];
pub(super) const OF_SEQUENCE: &[&str] = &[ACCEPT_WARNINGS];

const SYNCS: &str = "syncs";
const ACCEPT_WARNINGS: &str = "acceptWarnings";
const NAMES: [&str; 5] = [
    "fullResync",
    "resetCDC",
    "clearAndFill",
    ACCEPT_WARNINGS,
    "ifRunning",
];

/// Reads how a sync or a sequence is to be run, of which there are these fields. Every field may be left out, and a body may be empty.
pub(super) fn read(bytes: &[u8], fields: &[&str]) -> Result<Options, Problem> {
    let mut options = Options::default();
    if bytes.trim_ascii().is_empty() {
        return Ok(options);
    }
    let unread = |flaw: Flaw| match flaw {
        Flaw::NoJson(why) => Problem::invalid(format!("the body cannot be read: {why}")),
        Flaw::Twice(name) => Problem::invalid(format!("the body has `{name}` twice")),
    };
    let json = Json::check(bytes).map_err(unread)?;
    let Some(members) = json.members() else {
        return Err(Problem::invalid("the body must be a JSON object"));
    };
    for (name, _) in members {
        let name = name.text(64).unwrap_or_default();
        if !fields.contains(&name.as_str()) {
            let mut wrong = format!("the body's `{name}` is none of the fields that there are:");
            for (at, known) in fields.iter().enumerate() {
                wrong += if at == 0 { " `" } else { ", `" };
                wrong += known;
                wrong += "`";
            }
            return Err(Problem::invalid(wrong));
        }
    }
    let [full, reset_cdc, clear_and_fill, accept_warnings, if_running] =
        json.fields(NAMES).map_err(unread)?.unwrap_or_default();
    options.resync.full = flag(full, "fullResync")?;
    options.resync.reset_cdc = flag(reset_cdc, "resetCDC")?;
    options.resync.clear_and_fill = flag(clear_and_fill, "clearAndFill")?;
    options.accept_warnings = flag(accept_warnings, ACCEPT_WARNINGS)?;
    options.if_running = match if_running {
        None => IfRunning::Queue,
        Some(word) if word.is_text("queue") => IfRunning::Queue,
        Some(word) if word.is_text("join") => IfRunning::Join,
        Some(word) if word.is_text("refuse") => IfRunning::Refuse,
        Some(other) => {
            let other = other.text_or_json(64);
            return Err(Problem::invalid(format!(
                "the body's `ifRunning` must be one of `queue`, `join` and `refuse`, and is `{other}`"
            )));
        }
    };
    Ok(options)
}

/// Reads which syncs are to be run, IDs and slugs, in a body that [`read`] has taken.
pub(super) fn syncs(bytes: &[u8]) -> Result<Vec<SyncRef>, Problem> {
    let missing = || {
        Problem::invalid(
            "the body must have `syncs`, a list of the IDs and slugs of the syncs to run",
        )
    };
    let fields = Json::check(bytes)
        .and_then(|json| json.fields([SYNCS]))
        .map_err(|_| missing())?;
    let list = fields
        .and_then(|[syncs]| syncs)
        .and_then(Json::entries)
        .ok_or_else(missing)?;
    let mut read = Vec::new();
    for entry in list {
        let sync = match entry.number() {
            Some(id) => SyncId::try_from(id).map(SyncRef::Id),
            // Anything else that is no text is no slug either.
            None => entry.string().unwrap_or_default().parse(),
        };
        read.push(sync.map_err(crate::calls::invalid));
        // One too many is as wrong as any number.
        if read.len() > crate::calls::MOST {
            break;
        }
    }
    if read.is_empty() {
        return Err(missing());
    }
    crate::calls::several(read).map_err(|wrong| wrong.first().trimmed().into())
}

/// The names in `syncs` as they are written, whether they can be right or not.
pub(super) fn names(bytes: &[u8]) -> Vec<String> {
    let fields = Json::check(bytes)
        .and_then(|json| json.fields([SYNCS]))
        .ok()
        .flatten();
    let list = fields
        .and_then(|[syncs]| syncs)
        .and_then(Json::entries)
        .into_iter()
        .flatten();
    // One more than may be named is as wrong as any number.
    list.take(crate::calls::MOST + 1)
        .map(|entry| entry.text_or_json(MAX_NAME))
        .collect()
}

/// The most of a name that is read, in bytes: no secret is longer.
const MAX_NAME: usize = 4096;

fn flag(value: Option<Json<'_>>, name: &str) -> Result<bool, Problem> {
    let wrong = || Problem::invalid(format!("the body's `{name}` must be true or false"));
    value.map_or(Ok(false), |value| value.flag().ok_or_else(wrong))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::hightouch::Resync;

    #[test]
    fn fields_may_be_left_out_and_an_empty_body_says_nothing() {
        for body in ["", " \n", "{}", " {} "] {
            assert_eq!(
                read(body.as_bytes(), OF_SYNC).unwrap(),
                Options::default(),
                "{body:?}"
            );
        }
        let body = r#"{"fullResync":true,"resetCDC":true,"clearAndFill":true,"acceptWarnings":true,"ifRunning":"refuse"}"#;
        let options = read(body.as_bytes(), OF_SYNC).unwrap();
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
            let problem = read(body.as_bytes(), OF_SYNC).unwrap_err().json();
            String::from(problem["detail"].as_str().unwrap())
        };
        assert!(detail(r#"{"ifRunning":"later"}"#).contains("must be one of `queue`"));
        assert!(detail(r#"{"full":true}"#).contains("`full` is none of the fields"));
        assert!(
            detail(&format!(r#"{{"{}":true}}"#, "x".repeat(60_000))).len()
                <= crate::engine::Failure::DETAILS
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
                read(body.as_bytes(), OF_SYNC).map_err(|problem| problem.status),
                Err(400),
                "{body}"
            );
        }
    }

    #[test]
    fn several_syncs_are_named_by_ids_and_slugs_and_each_once() {
        let named = |body: &str| {
            let syncs = read(body.as_bytes(), OF_SEVERAL).and_then(|_| syncs(body.as_bytes()));
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
        let accepts =
            |body: &str| read(body.as_bytes(), OF_SEQUENCE).map(|options| options.accept_warnings);
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
