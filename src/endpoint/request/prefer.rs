//! The time that the caller prefers to wait (RFC 7240).

use core::time::Duration;

use crate::engine::DEFAULT_WAIT;

/// The wait if the caller states no preference. It is below the 30 s after which gateways and
/// serverless hosts usually close a connection.
const DEFAULT: Duration = Duration::from_secs(25);

/// The preference that is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::endpoint) enum Prefer {
    /// No known preference.
    Unspecified,
    /// `respond-async`: do not wait for the run.
    Async,
    /// `wait=SECONDS`, with or without `respond-async`.
    Wait(u64),
}

impl Prefer {
    /// Reads the values of the header. If a preference is given several times, the first one counts
    /// (RFC 7240, section 2).
    pub(in crate::endpoint) fn read<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut prefer = Self::Unspecified;
        for preference in values
            .into_iter()
            .flat_map(|value| split_unquoted(value, ','))
        {
            // A preference may have parameters.
            let token = split_unquoted(preference, ';').next().unwrap_or_default();
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .unwrap_or(value);
            if name.eq_ignore_ascii_case("wait") && !matches!(prefer, Self::Wait(_)) {
                if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
                    prefer = Self::Wait(value.parse().unwrap_or(u64::MAX));
                }
            } else if name.eq_ignore_ascii_case("respond-async") && prefer == Self::Unspecified {
                prefer = Self::Async;
            }
        }
        prefer
    }

    /// Returns the maximum wait for the run.
    pub(in crate::endpoint) fn wait(self) -> Duration {
        match self {
            Self::Unspecified => DEFAULT,
            Self::Async => Duration::ZERO,
            Self::Wait(seconds) => Duration::from_secs(seconds),
        }
    }

    /// Returns the maximum wait for a run whose progress is sent as events. The events keep
    /// gateways from closing the connection.
    pub(in crate::endpoint) fn wait_of_stream(self) -> Duration {
        match self {
            Self::Unspecified => DEFAULT_WAIT,
            Self::Async | Self::Wait(_) => self.wait(),
        }
    }

    /// Returns the value of `Preference-Applied`.
    pub(in crate::endpoint) fn applied(self) -> Option<String> {
        match self {
            Self::Unspecified => None,
            Self::Async => Some("respond-async".into()),
            Self::Wait(seconds) => Some(format!("wait={seconds}")),
        }
    }
}

/// Splits a text at the separators outside quoted strings.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |char| {
        is_quoted ^= char == '"' && !is_escaped;
        is_escaped = is_quoted && char == '\\' && !is_escaped;
        char == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_as_rfc_7240_writes_them() {
        for (values, expected) in [
            (&[][..], Prefer::Unspecified),
            (&["return=minimal"][..], Prefer::Unspecified),
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
            (&["wait=-1"][..], Prefer::Unspecified),
            (&["wait=1.5"][..], Prefer::Unspecified),
            (&["wait="][..], Prefer::Unspecified),
            (&["wait=99999999999999999999"][..], Prefer::Wait(u64::MAX)),
        ] {
            let values: Vec<String> = values.iter().map(|value| String::from(*value)).collect();
            assert_eq!(
                Prefer::read(values.iter().map(String::as_str)),
                expected,
                "{values:?}"
            );
        }
    }
}
