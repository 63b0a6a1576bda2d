//! How long the caller prefers to wait (RFC 7240).

use core::time::Duration;

use crate::engine::DEFAULT_WAIT;
use crate::hightouch::text::cut;

/// How long to wait where the caller says nothing: under the 30 s after which gateways and serverless hosts usually hang up.
const DEFAULT: Duration = Duration::from_secs(25);

/// What of the caller's `Prefer` is kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// Nothing was asked for that is known here.
    Unsaid,
    /// `respond-async`: do not wait for the run.
    Async,
    /// `wait=SECONDS`; with `respond-async` beside it, how long to wait before doing that.
    Wait(u64),
}

impl Prefer {
    /// Reads the values of the header. The first of each preference counts, as the RFC has it.
    pub(super) fn read(values: &[String]) -> Self {
        let mut prefer = Self::Unsaid;
        for preference in values.iter().flat_map(|value| unquoted(value, ',')) {
            // A preference may have parameters, and blanks around everything.
            let token = unquoted(preference, ';').next().unwrap_or_default();
            let (name, value) = cut(token, b'=').unwrap_or((token, ""));
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            let value = value
                .strip_prefix("\"")
                .and_then(|value| value.strip_suffix("\""))
                .unwrap_or(value);
            if name.eq_ignore_ascii_case("wait") && !matches!(prefer, Self::Wait(_)) {
                if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
                    prefer = Self::Wait(value.parse().unwrap_or(u64::MAX));
                }
            } else if name.eq_ignore_ascii_case("respond-async") && prefer == Self::Unsaid {
                prefer = Self::Async;
            }
        }
        prefer
    }

    /// How long to wait for the run.
    pub(super) fn wait(self) -> Duration {
        match self {
            Self::Unsaid => DEFAULT,
            Self::Async => Duration::ZERO,
            Self::Wait(seconds) => Duration::from_secs(seconds),
        }
    }

    /// How long to follow the run by events, which no gateway takes for silence.
    pub(super) fn wait_of_stream(self) -> Duration {
        if self == Self::Unsaid {
            DEFAULT_WAIT
        } else {
            self.wait()
        }
    }

    /// The value of `Preference-Applied`.
    pub(super) fn applied(self) -> Option<String> {
        match self {
            Self::Unsaid => None,
            Self::Async => Some("respond-async".into()),
            Self::Wait(seconds) => Some(format!("wait={seconds}")),
        }
    }
}

/// The parts of a text between those separators that stand in no quoted string.
fn unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char| {
        quoted ^= char == '"' && !escaped;
        escaped = quoted && char == '\\' && !escaped;
        char == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_as_rfc_7240_writes_them() {
        for (values, expected) in [
            (&[][..], Prefer::Unsaid),
            (&["return=minimal"][..], Prefer::Unsaid),
            (&["respond-async"][..], Prefer::Async),
            (&["Respond-Async; x=1"][..], Prefer::Async),
            (&["wait=10"][..], Prefer::Wait(10)),
            (&["return=minimal, wait = \"7\" ; foo"][..], Prefer::Wait(7)),
            (&["respond-async, wait=10"][..], Prefer::Wait(10)),
            (
                &[r#"handling="a, wait=5; \", wait=6", wait=7; x="1, wait=8""#][..],
                Prefer::Wait(7),
            ),
            (
                &["wait=10", "wait=20", "respond-async"][..],
                Prefer::Wait(10),
            ),
            (&["wait=0"][..], Prefer::Wait(0)),
            (&["wait=-1"][..], Prefer::Unsaid),
            (&["wait=1.5"][..], Prefer::Unsaid),
            (&["wait="][..], Prefer::Unsaid),
            (&["wait=99999999999999999999"][..], Prefer::Wait(u64::MAX)),
        ] {
            let values: Vec<String> = values.iter().map(|value| String::from(*value)).collect();
            assert_eq!(Prefer::read(&values), expected, "{values:?}");
        }
    }
}
