//! Where to poll a run.

use crate::endpoint::request::account::Account;
use crate::endpoint::request::target::{ACCOUNT, SEQUENCE};
use crate::endpoint::request::warnings::to_query;
use crate::engine::{Report, Warnings};
use crate::hightouch::SequenceId;

/// Maximum length of `X-Forwarded-Prefix`, in bytes. Hosts reject headers that are too long.
const MAX_PREFIX: usize = 256;

/// Returns the path at which a proxy serves this endpoint, from the values of `X-Forwarded-Prefix`.
///
/// A valid value matches `(/[A-Za-z0-9._~-]+)+` and has no segment `.` or `..`. Any other value
/// counts as no prefix, and so do several values. A client resolves `Location`, so
/// `X-Forwarded-Prefix` must not be able to send the client to another host.
pub(in crate::endpoint) fn prefix<'a>(values: impl IntoIterator<Item = &'a str>) -> &'a str {
    let mut values = values.into_iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return "";
    };
    let value = value.trim_ascii();
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    let is_segment =
        |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(is_unreserved);
    let is_path = value
        .strip_prefix('/')
        .is_some_and(|path| path.split('/').all(is_segment));
    if is_path && value.len() <= MAX_PREFIX {
        value
    } else {
        ""
    }
}

/// Returns the path and query to poll a run, with the account, the sequence and the options of the
/// first request.
pub(in crate::endpoint) fn location(
    prefix: &str,
    report: &Report,
    account: Option<&Account>,
    sequence: Option<&SequenceId>,
    warnings: Warnings,
) -> String {
    let path = match report {
        Report::Sync(report) => {
            format!("{prefix}/syncs/{}/runs/{}", report.run.sync, report.run.run)
        }
        Report::Sequence(report) => format!("{prefix}/sync-sequences/runs/{}", report.run.id),
    };
    let account = account.map(|account| format!("{ACCOUNT}={}", account.as_str()));
    let sequence = sequence.map(|sequence| format!("{SEQUENCE}={sequence}"));
    let names = account.into_iter().chain(sequence);
    let query: Vec<String> = names.chain(to_query(warnings)).collect();
    if query.is_empty() {
        path
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_path_of_plain_segments() {
        let read = |value: &str| prefix([value]).to_owned();
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
        assert_eq!(prefix([]), "");
        assert_eq!(prefix(["/a", "/a"]), "");
    }
}
