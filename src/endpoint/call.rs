//! The body of `POST /syncs/{sync}/runs`.

use super::problem::Problem;
use crate::engine::{IfRunning, Options};
use crate::hightouch::json::{Flaw, Json};

/// Reads how the sync is to be run. Every field may be left out, and a body may be empty.
pub(super) fn read(bytes: &[u8]) -> Result<Options, Problem> {
    let mut options = Options::default();
    if bytes.trim_ascii().is_empty() {
        return Ok(options);
    }
    let unread = |flaw: Flaw| match flaw {
        Flaw::NoJson(why) => Problem::invalid(format!("the body cannot be read: {why}")),
        Flaw::Twice(name) => Problem::invalid(format!("the body has `{name}` twice")),
    };
    let json = Json::check(bytes).map_err(unread)?;
    let Some(members) = json.members() else { return Err(Problem::invalid("the body must be a JSON object")) };
    for (name, _) in members {
        if !NAMES.iter().any(|known| name.is_text(known)) {
            let name = name.text(64).unwrap_or_default();
            return Err(Problem::invalid(format!(
                "the body's `{name}` is none of the fields that there are: `fullResync`, `resetCDC`, `clearAndFill`, `acceptWarnings`, \
                 `ifRunning`"
            )));
        }
    }
    let [full, reset_cdc, clear_and_fill, accept_warnings, if_running] =
        json.fields(NAMES).map_err(unread)?.unwrap_or_default();
    options.resync.full = flag(full, "fullResync")?;
    options.resync.reset_cdc = flag(reset_cdc, "resetCDC")?;
    options.resync.clear_and_fill = flag(clear_and_fill, "clearAndFill")?;
    options.accept_warnings = flag(accept_warnings, "acceptWarnings")?;
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

const NAMES: [&str; 5] = ["fullResync", "resetCDC", "clearAndFill", "acceptWarnings", "ifRunning"];

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
            assert_eq!(read(body.as_bytes()).unwrap(), Options::default(), "{body:?}");
        }
        let body =
            r#"{"fullResync":true,"resetCDC":true,"clearAndFill":true,"acceptWarnings":true,"ifRunning":"refuse"}"#;
        let options = read(body.as_bytes()).unwrap();
        assert_eq!(options.resync, Resync { full: true, reset_cdc: true, clear_and_fill: true });
        assert!(options.accept_warnings && options.if_running == IfRunning::Refuse);
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_does_not_echo_the_whole_body() {
        let detail = |body: &str| {
            let problem = read(body.as_bytes()).unwrap_err().json();
            String::from(problem["detail"].as_str().unwrap())
        };
        assert!(detail(r#"{"ifRunning":"later"}"#).contains("must be one of `queue`"));
        assert!(detail(r#"{"full":true}"#).contains("`full` is none of the fields"));
        assert!(detail(&format!(r#"{{"{}":true}}"#, "x".repeat(60_000))).len() <= crate::engine::Failure::DETAILS);
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
            r#"{"fullResync":true,"fullResync":false}"#,
            "\u{feff}{}",
            "full=true",
        ] {
            assert_eq!(read(body.as_bytes()).map_err(|problem| problem.status), Err(400), "{body}");
        }
    }
}
