//! Where and when a run is asked for again.

use core::time::Duration;

use super::account::Account;
use crate::engine::Report;

/// The most of `X-Forwarded-Prefix` that is honoured, in bytes: hosts refuse headers that are too long.
const MAX_PREFIX: usize = 256;

/// Reads `X-Forwarded-Prefix`, the path at which a proxy serves this endpoint: `(/[A-Za-z0-9._~-]+)+` without a segment `.` or `..`. Any other
/// value, and more than one value, counts as no prefix: a client resolves `Location`, and must not be led elsewhere by it.
pub(super) fn prefix(values: &[String]) -> &str {
    let [value] = values else { return "" };
    let value = value.trim_ascii();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    let is_segment = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(unreserved);
    let is_path = value
        .strip_prefix('/')
        .is_some_and(|path| path.split('/').all(is_segment));
    if is_path && value.len() <= MAX_PREFIX {
        value
    } else {
        ""
    }
}

/// The path at which a run is asked for again, on the terms on which it was started.
pub(super) fn location(
    prefix: &str,
    standing: &Report,
    account: Option<&Account>,
    accept_warnings: bool,
) -> String {
    let mut location = match standing {
        Report::Sync(report) => {
            format!("{prefix}/syncs/{}/runs/{}", report.run.sync, report.run.run)
        }
        Report::Sequence(report) => format!("{prefix}/sync-sequences/runs/{}", report.run.id),
    };
    let mut mark = "?";
    if let Some(account) = account {
        location += "?account=";
        location += account.as_str();
        mark = "&";
    }
    if accept_warnings {
        location += mark;
        location += "acceptWarnings=true";
    }
    location
}

/// How long to wait before the run is asked for again. The next answer waits for the run itself, so the time is short; it is longer for a caller
/// that waited long, and as long as Hightouch asked to be left alone where that is longer.
pub(super) fn come_back(waited: Duration, asked: Option<Duration>) -> Duration {
    let soon = Duration::from_secs((waited.as_secs() / 20).clamp(1, 60));
    asked.unwrap_or_default().max(soon)
}

/// Whole seconds, no fewer than asked for.
pub(super) fn seconds(span: Duration) -> String {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_path_of_plain_segments() {
        let read = |value: &str| prefix(&[value.to_owned()]).to_owned();
        for value in ["/a", "/api/v1", "/A-Z_0.9/~x", "/.well-known/x", "/a..b"] {
            assert_eq!(read(value), value);
        }
        assert_eq!(read(" /a "), "/a");
        let long = format!("/{}", "a".repeat(MAX_PREFIX));
        for value in [
            "",
            "/",
            "a",
            "//evil.example",
            "/a/",
            "/a//b",
            "/..",
            "/a/../b",
            "/./a",
            "https://evil.example/a",
            "/a?b",
            "/a#b",
            "/a b",
            "/a%2Fb",
            "/a, /b",
            "/\\evil.example",
            "/a\r\nx: y",
            "/\u{e4}",
            &long,
        ] {
            assert_eq!(read(value), "", "{value:?}");
        }
        assert_eq!(prefix(&[]), "");
        assert_eq!(prefix(&["/a".into(), "/a".into()]), "");
    }

    #[test]
    fn the_longer_of_the_two_waits_counts() {
        let wait = |waited, asked: Option<u64>| {
            come_back(Duration::from_secs(waited), asked.map(Duration::from_secs))
        };
        for (waited, asked, expected) in [
            (0, None, 1),
            (60, None, 3),
            (100_000, None, 60),
            (60, Some(2), 3),
            (60, Some(30), 30),
            (100_000, Some(90), 90),
        ] {
            assert_eq!(
                wait(waited, asked),
                Duration::from_secs(expected),
                "{waited} {asked:?}"
            );
        }
        assert_eq!(seconds(Duration::from_millis(1500)), "2");
        assert_eq!(seconds(Duration::from_secs(3)), "3");
    }
}
