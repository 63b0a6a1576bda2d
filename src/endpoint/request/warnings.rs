//! Whether a run that ended as `warning` counts as a success: `acceptWarnings` in a body, and
//! query parameters of requests without a body.

use super::fields::Fields;
use super::target::{ACCEPT_WARNINGS, MAX_REJECTED, MAX_REJECTED_PERCENT, Target};
use crate::endpoint::response::problem::Problem;
use crate::engine::{RejectedLimit, Warnings, decimal};

/// The values that a limit may have.
const NUMBER: &str = "a whole number of rows";
const PERCENT: &str = "a number from 0 to 100";

/// Reads the field of a body.
///
/// # Errors
///
/// Returns a problem if the value is neither a boolean nor a limit.
pub(super) fn from_body(fields: &Fields<'_>) -> Result<Warnings, Problem> {
    let limit = [MAX_REJECTED, MAX_REJECTED_PERCENT];
    if let Some(fields) = fields.object(ACCEPT_WARNINGS, &limit)? {
        let max_rejected = fields.get(MAX_REJECTED, NUMBER, Some::<u64>)?;
        let max_percent = fields.get(MAX_REJECTED_PERCENT, PERCENT, percent)?;
        return limited("the body's `acceptWarnings`", max_rejected, max_percent);
    }
    let expected = "true, false, or an object with `maxRejected`, `maxRejectedPercent` or both";
    let accept = fields.get(ACCEPT_WARNINGS, expected, Some::<bool>)?;
    Ok(Warnings::accepted(accept.unwrap_or_default()))
}

/// Reads the query parameters.
///
/// # Errors
///
/// Returns a problem if a value is invalid, or if both `acceptWarnings` and a limit are given.
pub(in crate::endpoint) fn from_query(target: &Target) -> Result<Warnings, Problem> {
    let max_rejected = target.parameter(MAX_REJECTED, NUMBER, json)?;
    let max_percent =
        target.parameter(MAX_REJECTED_PERCENT, PERCENT, |text| percent(json(text)?))?;
    if max_rejected.is_none() && max_percent.is_none() {
        return Ok(Warnings::accepted(target.flag(ACCEPT_WARNINGS)?));
    }
    if target.query(ACCEPT_WARNINGS)?.is_some() {
        return Err(Problem::invalid(
            "the query contains both `acceptWarnings` and a limit on rejected rows. Give one of \
             them",
        ));
    }
    limited("the query", max_rejected, max_percent)
}

/// Returns the query parameters with the same meaning as `warnings`.
pub(in crate::endpoint) fn to_query(warnings: Warnings) -> Vec<String> {
    match warnings {
        Warnings::Fail => Vec::new(),
        Warnings::Accept => vec![format!("{ACCEPT_WARNINGS}=true")],
        Warnings::Tolerate(limit) => {
            let number = limit
                .max_rejected()
                .map(|number| format!("{MAX_REJECTED}={number}"));
            let percent = limit
                .max_percent()
                .map(|percent| format!("{MAX_REJECTED_PERCENT}={}", decimal(percent)));
            number.into_iter().chain(percent).collect()
        }
    }
}

/// Returns the limit. The percentage is valid.
fn limited(
    place: &str,
    max_rejected: Option<u64>,
    max_percent: Option<f64>,
) -> Result<Warnings, Problem> {
    RejectedLimit::new(max_rejected, max_percent)
        .map(Warnings::Tolerate)
        .map_err(|_| {
            Problem::invalid(format_args!(
                "{place} must contain `{MAX_REJECTED}`, `{MAX_REJECTED_PERCENT}` or both"
            ))
        })
}

/// Returns the number if it is a valid percentage.
fn percent(number: f64) -> Option<f64> {
    RejectedLimit::new(None, Some(number)).ok()?.max_percent()
}

/// Reads a number in its JSON form, which has no `+` sign, no infinity and no surrounding blanks.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let is_trimmed = text.trim_ascii() == text;
    serde_json::from_str(text).ok().filter(|_| is_trimmed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn limit(max_rejected: Option<u64>, max_percent: Option<f64>) -> Warnings {
        Warnings::Tolerate(RejectedLimit::new(max_rejected, max_percent).unwrap())
    }

    fn read(value: &str) -> Result<Warnings, String> {
        let body = format!(r#"{{"acceptWarnings":{value}}}"#);
        Fields::read(body.as_bytes(), &[ACCEPT_WARNINGS])
            .and_then(|fields| from_body(&fields))
            .map_err(detail)
    }

    fn detail(problem: Problem) -> String {
        assert_eq!(problem.status, 400);
        let problem = serde_json::to_value(problem).unwrap();
        String::from(problem["detail"].as_str().unwrap())
    }

    #[test]
    fn a_body_accepts_all_warnings_none_or_some() {
        for (value, expected) in [
            ("null", Warnings::Fail),
            ("false", Warnings::Fail),
            ("true", Warnings::Accept),
            (r#"{"maxRejected":50}"#, limit(Some(50), None)),
            (r#"{"maxRejectedPercent":1.5}"#, limit(None, Some(1.5))),
            (
                r#"{"maxRejected":0,"maxRejectedPercent":100}"#,
                limit(Some(0), Some(100.0)),
            ),
            (
                r#" {"maxRejected":null,"maxRejectedPercent":0} "#,
                limit(None, Some(0.0)),
            ),
        ] {
            assert_eq!(read(value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn a_limit_that_is_none_is_refused_and_the_field_is_named() {
        for (value, says) in [
            ("1", "`acceptWarnings` must be true, false, or an object"),
            ("[]", "`acceptWarnings` must be true, false, or an object"),
            (
                "\"true\"",
                "`acceptWarnings` must be true, false, or an object",
            ),
            ("{}", "`acceptWarnings` must contain `maxRejected`"),
            (
                r#"{"maxRejected":null}"#,
                "`acceptWarnings` must contain `maxRejected`",
            ),
            (
                r#"{"maxRejected":-1}"#,
                "`acceptWarnings.maxRejected` must be a whole number",
            ),
            (
                r#"{"maxRejected":1.5}"#,
                "`acceptWarnings.maxRejected` must be a whole number",
            ),
            (
                r#"{"maxRejected":"5"}"#,
                "`acceptWarnings.maxRejected` must be a whole number",
            ),
            (
                r#"{"maxRejectedPercent":100.1}"#,
                "`acceptWarnings.maxRejectedPercent` must be a number",
            ),
            (
                r#"{"maxRejectedPercent":-1}"#,
                "`acceptWarnings.maxRejectedPercent` must be a number",
            ),
            (
                r#"{"maxRejectedPercent":1e999}"#,
                "`acceptWarnings.maxRejectedPercent` must be a number",
            ),
            (
                r#"{"maxRejected":1,"max":2}"#,
                "unknown field `acceptWarnings.max`",
            ),
            (
                r#"{"maxRejected":1,"maxRejected":1}"#,
                "`acceptWarnings.maxRejected` twice",
            ),
        ] {
            let detail = read(value).unwrap_err();
            assert!(detail.contains(says), "{value}: {detail}");
            assert!(
                detail.ends_with("Nothing was sent to Hightouch."),
                "{detail}"
            );
        }
    }

    #[test]
    fn a_query_has_the_same_meaning_and_can_be_written_again() {
        for (query, expected) in [
            ("", Warnings::Fail),
            ("acceptWarnings=false", Warnings::Fail),
            ("acceptWarnings=true", Warnings::Accept),
            ("maxRejected=50", limit(Some(50), None)),
            ("maxRejectedPercent=1.5", limit(None, Some(1.5))),
            (
                "maxRejected=0&maxRejectedPercent=0.00001",
                limit(Some(0), Some(0.00001)),
            ),
        ] {
            let target = |query: &str| Target::new(format!("/x?{query}"));
            assert_eq!(from_query(&target(query)).map_err(detail), Ok(expected));
            let written = to_query(expected).join("&");
            assert_eq!(from_query(&target(&written)).map_err(detail), Ok(expected));
        }
        for query in [
            "maxRejected=",
            "maxRejected=-1",
            "maxRejected=+1",
            "maxRejected=1.0",
            "maxRejected=99999999999999999999",
            "maxRejectedPercent=",
            "maxRejectedPercent=101",
            "maxRejectedPercent=inf",
            "maxRejectedPercent=NaN",
            "maxRejectedPercent=%31",
            "maxRejected=1&maxRejected=1",
            "maxRejected=1&acceptWarnings=true",
            "maxRejected=1&acceptWarnings=false",
            "maxRejectedPercent=1&acceptWarnings",
            "acceptWarnings=1",
        ] {
            let target = Target::new(format!("/x?{query}"));
            assert!(from_query(&target).is_err(), "{query}");
        }
    }
}
