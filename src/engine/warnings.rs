//! Whether a run with the status `warning` counts as a success.

use core::fmt;

use crate::hightouch::{RowCounts, Run};

/// What to do with a run that ended as `warning`: the destination rejected some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Warnings {
    /// The run failed.
    #[default]
    Fail,
    /// The run succeeded.
    Accept,
    /// The run succeeded if the number of rejected rows is within the limit.
    Tolerate(RejectedLimit),
}

impl Warnings {
    /// Returns the option that accepts all warnings, or none.
    pub fn accepted(accept: bool) -> Self {
        if accept { Self::Accept } else { Self::Fail }
    }

    /// Returns whether a run with these jobs succeeded if its status is `warning`.
    pub(super) fn accept(self, jobs: &[Run]) -> bool {
        match self {
            Self::Fail => false,
            Self::Accept => true,
            Self::Tolerate(limit) => limit.allows(RejectedRows::of(jobs)),
        }
    }

    /// Returns whether some runs with the status `warning` succeed.
    pub(super) fn may_accept(self) -> bool {
        self != Self::Fail
    }
}

/// A limit on the rows of a run that the destination rejected: a number, a percentage, or both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RejectedLimit {
    max_rejected: Option<u64>,
    /// From 0 to 100.
    max_percent: Option<f64>,
}

/// The error for a limit that is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// Neither a number nor a percentage is given.
    #[error("a limit on rejected rows needs a number of rows, a percentage, or both")]
    Missing,
    /// The percentage is not a number from 0 to 100.
    #[error("the percentage of rejected rows must be a number from 0 to 100")]
    Percent,
}

impl RejectedLimit {
    /// Returns a limit. If both limits are given, the run must be within both.
    ///
    /// # Errors
    ///
    /// Returns an error if neither is given, or if the percentage is not between 0 and 100.
    pub fn new(max_rejected: Option<u64>, max_percent: Option<f64>) -> Result<Self, InvalidLimit> {
        match max_percent {
            None if max_rejected.is_none() => Err(InvalidLimit::Missing),
            Some(percent) if !(0.0..=100.0).contains(&percent) => Err(InvalidLimit::Percent),
            _ => Ok(Self {
                max_rejected,
                max_percent,
            }),
        }
    }

    /// Returns the maximum number of rejected rows.
    pub fn max_rejected(self) -> Option<u64> {
        self.max_rejected
    }

    /// Returns the maximum percentage of rejected rows, from 0 to 100.
    pub fn max_percent(self) -> Option<f64> {
        self.max_percent
    }

    /// Returns whether the rows are within the limit. An unknown number of rows is not within the
    /// limit.
    fn allows(self, rows: RejectedRows) -> bool {
        let Some(rejected) = rows.rejected else {
            return false;
        };
        let is_few = self.max_rejected.is_none_or(|max| rejected <= max.into());
        let is_small_share = self.max_percent.is_none_or(|max| {
            rows.total().is_some_and(|total| {
                // The counts of a run are far below 2^53, up to which `f64` is exact. So 57 of
                // 10,000 rows give the same `f64` as a limit of 0.57 %. The limit is not multiplied
                // by the rows, because 0.57 times 10,000 is a little less than 5,700 in `f64`.
                rejected == 0 || 100.0 * rejected as f64 / total as f64 <= max
            })
        });
        is_few && is_small_share
    }
}

impl fmt::Display for RejectedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.max_rejected.map(|max| format!("{max} rows"));
        let percent = self
            .max_percent
            .map(|percent| format!("{} %", decimal(percent)));
        let limits: Vec<String> = number.into_iter().chain(percent).collect();
        f.write_str(&limits.join(" and "))
    }
}

/// How many rows of a run the destination rejected. Its text is part of a sentence: "75 of 1000
/// rows (7.5 %)".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RejectedRows {
    /// `None` if Hightouch did not report the number for every job.
    rejected: Option<u128>,
    /// The rows that the destination accepted; `None` in the same case.
    successful: Option<u128>,
}

impl RejectedRows {
    /// Returns the sums over the jobs of a run.
    pub(super) fn of(jobs: &[Run]) -> Self {
        let sum = |rows: fn(&Run) -> Option<RowCounts>| {
            let totals = jobs.iter().map(|job| rows(job)?.total());
            totals.sum::<Option<u128>>().filter(|_| !jobs.is_empty())
        };
        Self {
            rejected: sum(|job| job.failed_rows),
            successful: sum(|job| job.successful_rows),
        }
    }

    pub(super) fn rejected(self) -> Option<u128> {
        self.rejected
    }

    pub(super) fn successful(self) -> Option<u128> {
        self.successful
    }

    /// Returns the rows that were sent. Rows that were planned but not attempted do not count.
    fn total(self) -> Option<u128> {
        self.rejected?.checked_add(self.successful?)
    }
}

impl fmt::Display for RejectedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.rejected, self.total()) {
            (Some(rejected), Some(total)) if total > 0 => {
                let percent = (10_000.0 * rejected as f64 / total as f64).round() / 100.0;
                write!(f, "{rejected} of {total} rows ({} %)", decimal(percent))
            }
            (Some(rejected), _) => write!(f, "{rejected} rows"),
            (None, _) => f.write_str("an unknown number of rows"),
        }
    }
}

/// Returns the shortest decimal form of a number. `serde_json` is in the component anyway, and the
/// standard library's code for floats is not.
pub fn decimal(number: f64) -> String {
    let text = serde_json::to_string(&number).unwrap_or_default();
    text.strip_suffix(".0").unwrap_or(&text).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Jobs with these numbers of rejected and successful rows, as JSON.
    fn jobs(rows: &[(&str, &str)]) -> Vec<Run> {
        let entries: Vec<String> = rows
            .iter()
            .map(|(rejected, successful)| {
                format!(
                    r#"{{"id":1,"status":"warning","failedRows":{rejected},"successfulRows":{successful}}}"#
                )
            })
            .collect();
        let body = format!(r#"{{"data":[{}]}}"#, entries.join(","));
        let mut jobs = Vec::new();
        Run::read_page(body.as_bytes(), &mut |job| jobs.push(job)).unwrap();
        jobs
    }

    fn counts(added: u64, changed: u64, removed: u64) -> String {
        format!(r#"{{"addedCount":{added},"changedCount":{changed},"removedCount":{removed}}}"#)
    }

    fn limit(max_rejected: Option<u64>, max_percent: Option<f64>) -> RejectedLimit {
        RejectedLimit::new(max_rejected, max_percent).unwrap()
    }

    #[test]
    fn the_limits_include_their_bounds() {
        let jobs = jobs(&[(&counts(3, 1, 1), &counts(90, 5, 0))]);
        for (max_rejected, max_percent, expected) in [
            (Some(5), None, true),
            (Some(4), None, false),
            (Some(0), None, false),
            (None, Some(5.0), true),
            (None, Some(4.99), false),
            (None, Some(0.0), false),
            (None, Some(100.0), true),
            (Some(5), Some(5.0), true),
            (Some(5), Some(4.0), false),
            (Some(4), Some(5.0), false),
            (Some(u64::MAX), Some(100.0), true),
        ] {
            let warnings = Warnings::Tolerate(limit(max_rejected, max_percent));
            assert_eq!(
                warnings.accept(&jobs),
                expected,
                "{max_rejected:?} {max_percent:?}"
            );
        }
    }

    #[test]
    fn a_share_that_equals_the_percentage_is_within_the_limit() {
        for hundredths in 1..=10_000_u64 {
            let percent: f64 = format!("{}.{:02}", hundredths / 100, hundredths % 100)
                .parse()
                .unwrap();
            let rows = |rejected: u64| RejectedRows {
                rejected: Some(rejected.into()),
                successful: Some((30_000 - rejected).into()),
            };
            let limit = limit(None, Some(percent));
            assert!(limit.allows(rows(3 * hundredths)), "{percent}");
            assert!(
                hundredths == 10_000 || !limit.allows(rows(3 * hundredths + 1)),
                "{percent}"
            );
        }
    }

    #[test]
    fn the_rows_of_all_jobs_count() {
        let jobs = jobs(&[
            (&counts(2, 0, 0), &counts(48, 0, 0)),
            (&counts(0, 3, 0), &counts(0, 47, 0)),
        ]);
        assert_eq!(RejectedRows::of(&jobs).to_string(), "5 of 100 rows (5 %)");
        assert!(limit(Some(5), Some(5.0)).allows(RejectedRows::of(&jobs)));
        assert!(!limit(Some(4), None).allows(RejectedRows::of(&jobs)));
    }

    #[test]
    fn an_unknown_number_is_not_within_any_limit() {
        let known = counts(0, 0, 0);
        for (rejected, successful, by_number, by_percent) in [
            (known.as_str(), "null", true, false),
            ("null", known.as_str(), false, false),
            (r#"{"addedCount":1}"#, &known, false, false),
            (&known, r#"{"addedCount":1,"changedCount":0}"#, true, false),
            (
                r#"{"addedCount":-1,"changedCount":0,"removedCount":0}"#,
                &known,
                false,
                false,
            ),
            (
                r#"{"addedCount":"1","changedCount":"0","removedCount":0}"#,
                &known,
                true,
                true,
            ),
            ("[]", &known, false, false),
            ("7", &known, false, false),
        ] {
            for rows in [
                &[(rejected, successful)][..],
                &[(known.as_str(), known.as_str()), (rejected, successful)],
            ] {
                let jobs = jobs(rows);
                let allowed = |limit: RejectedLimit| Warnings::Tolerate(limit).accept(&jobs);
                assert_eq!(allowed(limit(Some(u64::MAX), None)), by_number, "{rows:?}");
                assert_eq!(allowed(limit(None, Some(100.0))), by_percent, "{rows:?}");
            }
        }
        assert!(!Warnings::Tolerate(limit(Some(u64::MAX), None)).accept(&[]));
    }

    #[test]
    fn no_sum_overflows() {
        let most = counts(u64::MAX, u64::MAX, u64::MAX);
        let jobs = jobs(&[(&most, &most), (&most, &most)]);
        assert!(!limit(Some(u64::MAX), None).allows(RejectedRows::of(&jobs)));
        assert!(limit(None, Some(50.0)).allows(RejectedRows::of(&jobs)));
    }

    #[test]
    fn a_limit_is_a_number_of_rows_or_a_percentage() {
        assert_eq!(RejectedLimit::new(None, None), Err(InvalidLimit::Missing));
        for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for max_rejected in [None, Some(1)] {
                assert_eq!(
                    RejectedLimit::new(max_rejected, Some(percent)),
                    Err(InvalidLimit::Percent),
                    "{percent}"
                );
            }
        }
        for (max_rejected, max_percent, text) in [
            (Some(50), None, "50 rows"),
            (None, Some(1.5), "1.5 %"),
            (Some(0), Some(0.0), "0 rows and 0 %"),
        ] {
            assert_eq!(limit(max_rejected, max_percent).to_string(), text);
        }
    }
}
