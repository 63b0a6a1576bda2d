//! The endpoint's JSON documents, as far as this program shows them.

use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A report of a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) sync_id: u64,
    pub(super) run_id: u64,
    pub(super) status: String,
    pub(super) jobs: Vec<Job>,
    #[serde(default)]
    pub(super) joined: bool,
    pub(super) url: Option<String>,
}

/// Problem details.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    pub(super) kind: String,
    pub(super) detail: String,
    pub(super) details: Option<String>,
    pub(super) sync_id: Option<u64>,
    pub(super) run_id: Option<u64>,
    #[serde(default)]
    pub(super) jobs: Vec<Job>,
}

/// The results of several syncs.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    pub(super) succeeded: u64,
    pub(super) running: u64,
    pub(super) failed: u64,
    pub(super) runs: Vec<Entry>,
}

/// The result of one of several syncs.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) sync: Name,
    pub(super) report: Option<Report>,
    /// The path to poll the run. Only a run in progress has one.
    pub(super) location: Option<String>,
    pub(super) problem: Option<Problem>,
}

/// A sync as the caller named it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Name {
    Id(u64),
    Slug(String),
}

impl std::fmt::Display for Name {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(out),
            Self::Slug(slug) => slug.fmt(out),
        }
    }
}

/// The recent runs of a sync.
#[derive(Debug, Deserialize)]
pub(super) struct Recent {
    pub(super) runs: Vec<Job>,
}

/// A job of a run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) status: String,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) completion_ratio: Option<f64>,
    pub(super) successful_rows: Option<Rows>,
    pub(super) failed_rows: Option<Rows>,
}

/// Numbers of rows by change.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rows {
    pub(super) added_count: u64,
    pub(super) changed_count: u64,
    pub(super) removed_count: u64,
}

impl Rows {
    /// Returns the total.
    pub(super) fn total(self) -> u64 {
        self.added_count
            .saturating_add(self.changed_count)
            .saturating_add(self.removed_count)
    }
}

/// Returns the sum over the jobs. It is `None` if a job does not report its rows.
pub(super) fn rows(jobs: &[Job], of: impl Fn(&Job) -> Option<Rows>) -> Option<Rows> {
    if jobs.is_empty() {
        return None;
    }
    jobs.iter().try_fold(Rows::default(), |sum, job| {
        let rows = of(job)?;
        Some(Rows {
            added_count: sum.added_count.saturating_add(rows.added_count),
            changed_count: sum.changed_count.saturating_add(rows.changed_count),
            removed_count: sum.removed_count.saturating_add(rows.removed_count),
        })
    })
}

/// Returns the run's own duration, from `startedAt` of its first job to `finishedAt` of its last
/// one. It is `None` if a job has not ended.
pub(super) fn duration(jobs: &[Job]) -> Option<Duration> {
    let times = |of: fn(&Job) -> Option<&String>| -> Option<Vec<OffsetDateTime>> {
        jobs.iter().map(|job| timestamp(of(job)?)).collect()
    };
    let start = times(|job| job.started_at.as_ref())?.into_iter().min()?;
    let end = times(|job| job.finished_at.as_ref())?.into_iter().max()?;
    (end - start).try_into().ok()
}

/// Reads a timestamp from Hightouch.
pub(super) fn timestamp(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(started: Option<&str>, finished: Option<&str>, rows: Option<Rows>) -> Job {
        Job {
            started_at: started.map(Into::into),
            finished_at: finished.map(Into::into),
            successful_rows: rows,
            ..Job::default()
        }
    }

    #[test]
    fn the_duration_is_from_the_first_start_to_the_last_end() {
        let first = job(
            Some("2026-01-01T00:00:01Z"),
            Some("2026-01-01T00:00:02.5Z"),
            None,
        );
        let second = job(
            Some("2026-01-01T01:00:00+01:00"),
            Some("2026-01-01T00:00:02Z"),
            None,
        );
        let running = job(Some("2026-01-01T00:00:01Z"), None, None);
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        assert_eq!(duration(std::slice::from_ref(&first)), seconds(1.5));
        assert_eq!(duration(&[first.clone(), second]), seconds(2.5));
        assert_eq!(duration(&[first, running]), None);
        assert_eq!(duration(&[]), None);
    }

    #[test]
    fn rows_are_added_up_and_unknown_if_one_job_does_not_report_them() {
        let some = Rows {
            added_count: 3,
            changed_count: 2,
            removed_count: 1,
        };
        let sum = |jobs: &[Job]| rows(jobs, |job| job.successful_rows).map(Rows::total);
        let known = job(None, None, Some(some));
        assert_eq!(sum(&[known.clone(), known.clone()]), Some(12));
        assert_eq!(sum(&[known, job(None, None, None)]), None);
        assert_eq!(sum(&[]), None);
    }
}
