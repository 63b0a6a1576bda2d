//! The body of `POST /syncs/{sync}/runs`.

use serde::Deserialize;
use serde::de::{Deserializer, IntoDeserializer as _};

use super::problem::Problem;
use crate::engine::{IfRunning, Options};
use crate::hightouch::Resync;

/// How the sync is to be run. Every field may be left out.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Body {
    full_resync: bool,
    #[serde(rename = "resetCDC")]
    reset_cdc: bool,
    clear_and_fill: bool,
    accept_warnings: bool,
    #[serde(deserialize_with = "from_word")]
    if_running: WhenGoing,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum WhenGoing {
    #[default]
    Queue,
    Join,
    Refuse,
}

/// A derived reader takes `{"join":null}` for the word `"join"` too.
fn from_word<'de, D: Deserializer<'de>>(from: D) -> Result<WhenGoing, D::Error> {
    WhenGoing::deserialize(String::deserialize(from)?.into_deserializer())
}

impl Body {
    /// Reads a body; an empty one says nothing.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        // A derived reader takes a list of the fields' values too, and nobody means that.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::invalid("the body must be a JSON object"));
        }
        serde_json::from_slice(bytes).map_err(|error| Problem::invalid(format!("the body cannot be read: {error}")))
    }

    pub(super) fn into_options(self) -> Options {
        Options {
            resync: Resync { full: self.full_resync, reset_cdc: self.reset_cdc, clear_and_fill: self.clear_and_fill },
            accept_warnings: self.accept_warnings,
            if_running: match self.if_running {
                WhenGoing::Queue => IfRunning::Queue,
                WhenGoing::Join => IfRunning::Join,
                WhenGoing::Refuse => IfRunning::Refuse,
            },
            ..Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn fields_may_be_left_out_and_an_empty_body_says_nothing() {
        for body in ["", " \n", "{}", " {} "] {
            assert_eq!(Body::read(body.as_bytes()).unwrap(), Body::default(), "{body:?}");
        }
        let body =
            r#"{"fullResync":true,"resetCDC":true,"clearAndFill":true,"acceptWarnings":true,"ifRunning":"refuse"}"#;
        let options = Body::read(body.as_bytes()).unwrap().into_options();
        assert_eq!(options.resync, Resync { full: true, reset_cdc: true, clear_and_fill: true });
        assert!(options.accept_warnings && options.if_running == IfRunning::Refuse);
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_does_not_echo_the_whole_body() {
        let detail = |body: &str| {
            let problem = Body::read(body.as_bytes()).unwrap_err();
            String::from(serde_json::to_value(problem.view()).unwrap()["detail"].as_str().unwrap())
        };
        assert!(detail(r#"{"ifRunning":"later"}"#).contains("unknown variant `later`, expected one of `queue`"));
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
            assert_eq!(Body::read(body.as_bytes()).map_err(|problem| problem.status), Err(400), "{body}");
        }
    }
}
