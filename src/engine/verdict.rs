//! Whether a run has ended, and whether it has succeeded.

use super::warnings::Warnings;
use crate::hightouch::{Run, RunStatus, SequenceRun, SequenceStatus, Timestamp};

/// The state of a run, judged by the statuses of its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Some job has not ended, or there are no jobs. The status is that of the first job that has
    /// not ended, or `queued` without jobs.
    InProgress(RunStatus),
    /// Every job ended in success.
    Succeeded(RunStatus),
    /// Every job ended, and some without success. The status is the worst one.
    Failed(RunStatus),
}

impl Verdict {
    /// Returns the status of the run.
    pub fn status(self) -> RunStatus {
        match self {
            Self::InProgress(status) | Self::Succeeded(status) | Self::Failed(status) => status,
        }
    }

    /// Returns whether the run ended without success.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// Judges a run by its jobs.
///
/// A run has succeeded if it has jobs, all jobs have ended, and the status of every job is
/// `success`, or `warning` if the warnings of the run are accepted. Completion ratios are ignored,
/// and row counts matter only for the limit on rejected rows.
pub fn verdict(jobs: &[Run], warnings: Warnings) -> Verdict {
    verdict_of_all(jobs.iter().map(|job| (&job.status, job.ended())), || {
        warnings.accept(jobs)
    })
}

/// Returns whether a run of a sequence has succeeded; `None` while it is in progress.
///
/// A run has succeeded if Hightouch reports `done` and every sync run in it has succeeded, by the
/// same rule as jobs. A run that is `done` without sync runs, or with one that has not ended, is
/// listed incompletely and counts as in progress.
pub fn sequence_verdict(run: &SequenceRun, accept_warnings: bool) -> Option<bool> {
    match run.status {
        SequenceStatus::Failed | SequenceStatus::Cancelled => Some(false),
        SequenceStatus::Done => {
            let sync_runs = run.sync_runs.iter().map(|run| (&run.status, run.ended()));
            match verdict_of_all(sync_runs, || accept_warnings) {
                Verdict::InProgress(_) => None,
                Verdict::Succeeded(_) => Some(true),
                Verdict::Failed(_) => Some(false),
            }
        }
        SequenceStatus::Pending | SequenceStatus::Running | SequenceStatus::Other(_) => None,
    }
}

/// Judges a run by its parts: the status of each, and whether it has ended. `accept_warnings` is
/// called if the worst status is `warning`.
pub(super) fn verdict_of_all<'a>(
    parts: impl IntoIterator<Item = (&'a RunStatus, bool)>,
    accept_warnings: impl FnOnce() -> bool,
) -> Verdict {
    let mut worst: Option<&RunStatus> = None;
    for (status, ended) in parts {
        if !ended {
            return Verdict::InProgress(status.clone());
        }
        if worst.is_none_or(|worst| severity(worst) <= severity(status)) {
            worst = Some(status);
        }
    }
    match worst {
        None => Verdict::InProgress(RunStatus::Queued),
        Some(RunStatus::Success) => Verdict::Succeeded(RunStatus::Success),
        Some(RunStatus::Warning) if accept_warnings() => Verdict::Succeeded(RunStatus::Warning),
        Some(worst) => Verdict::Failed(worst.clone()),
    }
}

/// Returns when the last job of a run ended; `None` if a job has no readable end, or if there are no
/// jobs.
pub(super) fn end(jobs: &[Run]) -> Option<Timestamp> {
    let ends: Option<Vec<Timestamp>> = jobs.iter().map(Run::finished).collect();
    ends?.into_iter().max()
}

fn severity(status: &RunStatus) -> u8 {
    match status {
        RunStatus::Success => 0,
        RunStatus::Warning => 1,
        RunStatus::Interrupted => 2,
        RunStatus::Cancelled => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hightouch::RunStatus::*;

    fn jobs(statuses: &[RunStatus]) -> Vec<Run> {
        let mut jobs = Vec::new();
        for status in statuses {
            let body = format!(r#"{{"data":[{{"id":1,"status":"{}"}}]}}"#, status.as_str());
            Run::read_page(body.as_bytes(), &mut |job| jobs.push(job)).unwrap();
        }
        jobs
    }

    #[test]
    fn a_run_without_jobs_has_not_succeeded() {
        assert_eq!(verdict(&[], Warnings::Accept), Verdict::InProgress(Queued));
    }

    #[test]
    fn a_run_is_in_progress_until_every_job_has_ended() {
        for going in [
            Queued,
            Querying,
            Processing,
            Reporting,
            Other("verifying".into()),
        ] {
            for ended in [Success, Warning, Failed, Cancelled, Interrupted] {
                assert_eq!(
                    verdict(&jobs(&[ended.clone(), going.clone()]), Warnings::Accept),
                    Verdict::InProgress(going.clone())
                );
            }
        }
    }

    #[test]
    fn one_job_that_failed_fails_the_run() {
        for bad in [Failed, Cancelled, Interrupted] {
            for accept in [Warnings::Fail, Warnings::Accept] {
                assert_eq!(
                    verdict(&jobs(&[Success, bad.clone(), Warning]), accept),
                    Verdict::Failed(bad.clone())
                );
            }
        }
        assert_eq!(
            verdict(&jobs(&[Success, Success]), Warnings::Fail),
            Verdict::Succeeded(Success)
        );
    }

    #[test]
    fn the_caller_decides_whether_a_warning_is_a_success() {
        assert_eq!(
            verdict(&jobs(&[Success, Warning]), Warnings::Fail),
            Verdict::Failed(Warning)
        );
        assert_eq!(
            verdict(&jobs(&[Success, Warning]), Warnings::Accept),
            Verdict::Succeeded(Warning)
        );
    }

    fn sequence(status: &str, statuses: &[&str]) -> SequenceRun {
        let runs: Vec<String> = statuses
            .iter()
            .map(|status| format!(r#"{{"status":"{status}"}}"#))
            .collect();
        let body = format!(
            r#"{{"id":"0cb7da35-1fff-4d4a-bf1b-6534d515e5b5","status":"{status}","syncRuns":[{}]}}"#,
            runs.join(",")
        );
        SequenceRun::read(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_sequence_has_succeeded_when_it_is_done_and_each_of_its_syncs_has() {
        for (status, statuses, expected) in [
            ("done", &["success", "success"][..], Some(true)),
            ("done", &["success", "failed"], Some(false)),
            ("done", &["cancelled"], Some(false)),
            ("done", &["interrupted", "success"], Some(false)),
            ("done", &["success", "queued"], None),
            ("done", &["failed", "processing"], None),
            ("done", &["success", "verifying"], None),
            ("done", &["success", ""], None),
            ("done", &[], None),
            ("failed", &["success"], Some(false)),
            ("failed", &["processing"], Some(false)),
            ("cancelled", &[], Some(false)),
            ("running", &["success"], None),
            ("pending", &[], None),
            ("finished", &["success"], None),
            ("success", &["success"], None),
            ("", &["success"], None),
        ] {
            for accept in [false, true] {
                assert_eq!(
                    sequence_verdict(&sequence(status, statuses), accept),
                    expected,
                    "{status} {statuses:?}"
                );
            }
        }
        let warned = sequence("done", &["success", "warning"]);
        assert_eq!(
            (
                sequence_verdict(&warned, false),
                sequence_verdict(&warned, true)
            ),
            (Some(false), Some(true))
        );
    }
}
