//! Whether a run has ended, and how.

use crate::hightouch::{Run, RunStatus, SequenceRun, SequenceStatus};

/// What a run's jobs say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not every job has ended, or there is none yet. The status is that of the first that goes on.
    Going(RunStatus),
    /// Every job ended well.
    Succeeded(RunStatus),
    /// Every job ended, and one of them not well. The status is the worst.
    Failed(RunStatus),
}

impl Verdict {
    /// The run's status.
    pub fn status(self) -> RunStatus {
        match self {
            Self::Going(status) | Self::Succeeded(status) | Self::Failed(status) => status,
        }
    }

    /// Whether it ended, and not well.
    pub(super) fn failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// Judges a run by its jobs: it has succeeded when there are jobs, all have ended and the status of each is `success`, or `warning` where
/// that is accepted. All of nothing is not success. Row counts and completion ratios say nothing about it.
pub fn verdict(jobs: &[Run], accept_warnings: bool) -> Verdict {
    of_all(
        &mut jobs.iter().map(|job| (&job.status, job.ended())),
        accept_warnings,
    )
}

/// Whether a run of a sequence has succeeded; none as long as it goes on. It has when Hightouch says `done`, and the syncs that ran in it
/// have by the same rule as jobs. A run that is `done` and lists no sync runs, or one that goes on, is not yet told whole.
pub fn sequence_verdict(run: &SequenceRun, accept_warnings: bool) -> Option<bool> {
    match run.status {
        SequenceStatus::Failed | SequenceStatus::Cancelled => Some(false),
        SequenceStatus::Done => {
            match of_all(
                &mut run.sync_runs.iter().map(|run| (&run.status, run.ended())),
                accept_warnings,
            ) {
                Verdict::Going(_) => None,
                Verdict::Succeeded(_) => Some(true),
                Verdict::Failed(_) => Some(false),
            }
        }
        SequenceStatus::Pending | SequenceStatus::Running | SequenceStatus::Other(_) => None,
    }
}

/// Judges what has these parts by the statuses of all of them, and by whether each has ended.
pub(super) fn of_all(
    statuses: &mut dyn Iterator<Item = (&RunStatus, bool)>,
    accept_warnings: bool,
) -> Verdict {
    let mut worst: Option<&RunStatus> = None;
    for (status, ended) in statuses {
        if !ended {
            return Verdict::Going(status.clone());
        }
        if worst.is_none_or(|worst| badness(worst) <= badness(status)) {
            worst = Some(status);
        }
    }
    let Some(worst) = worst else {
        return Verdict::Going(RunStatus::Queued);
    };
    let good = if accept_warnings {
        RunStatus::Warning
    } else {
        RunStatus::Success
    };
    if badness(worst) <= badness(&good) {
        Verdict::Succeeded(worst.clone())
    } else {
        Verdict::Failed(worst.clone())
    }
}

fn badness(status: &RunStatus) -> u8 {
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
    fn all_of_nothing_is_not_success() {
        assert_eq!(verdict(&[], true), Verdict::Going(Queued));
    }

    #[test]
    fn a_run_goes_on_until_every_job_has_ended() {
        for going in [
            Queued,
            Querying,
            Processing,
            Reporting,
            Other("verifying".into()),
        ] {
            for ended in [Success, Warning, Failed, Cancelled, Interrupted] {
                assert_eq!(
                    verdict(&jobs(&[ended.clone(), going.clone()]), true),
                    Verdict::Going(going.clone())
                );
            }
        }
    }

    #[test]
    fn one_job_that_failed_fails_the_run() {
        for bad in [Failed, Cancelled, Interrupted] {
            for accept in [false, true] {
                assert_eq!(
                    verdict(&jobs(&[Success, bad.clone(), Warning]), accept),
                    Verdict::Failed(bad.clone())
                );
            }
        }
        assert_eq!(
            verdict(&jobs(&[Success, Success]), false),
            Verdict::Succeeded(Success)
        );
    }

    #[test]
    fn a_warning_counts_as_the_caller_says() {
        assert_eq!(
            verdict(&jobs(&[Success, Warning]), false),
            Verdict::Failed(Warning)
        );
        assert_eq!(
            verdict(&jobs(&[Success, Warning]), true),
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
