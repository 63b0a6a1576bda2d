//! Whether a run has ended, and how.

use crate::hightouch::{Run, RunStatus};

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
}

/// Judges a run by its jobs: it has succeeded when there are jobs, all have ended and the status of each is `success`, or `warning` where
/// that is accepted. All of nothing is not success. Row counts and completion ratios say nothing about it.
pub fn verdict(jobs: &[Run], accept_warnings: bool) -> Verdict {
    if let Some(going) = jobs.iter().find(|job| !job.status.ended()) {
        return Verdict::Going(going.status.clone());
    }
    let badness = |status: &RunStatus| match status {
        RunStatus::Success => 0,
        RunStatus::Warning => 1,
        RunStatus::Interrupted => 2,
        RunStatus::Cancelled => 3,
        _ => 4,
    };
    let Some(worst) = jobs.iter().map(|job| &job.status).max_by_key(|status| badness(status)) else {
        return Verdict::Going(RunStatus::Queued);
    };
    let good = if accept_warnings { RunStatus::Warning } else { RunStatus::Success };
    if badness(worst) <= badness(&good) { Verdict::Succeeded(worst.clone()) } else { Verdict::Failed(worst.clone()) }
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
        for going in [Queued, Querying, Processing, Reporting, Other("verifying".into())] {
            for ended in [Success, Warning, Failed, Cancelled, Interrupted] {
                assert_eq!(verdict(&jobs(&[ended.clone(), going.clone()]), true), Verdict::Going(going.clone()));
            }
        }
    }

    #[test]
    fn one_job_that_failed_fails_the_run() {
        for bad in [Failed, Cancelled, Interrupted] {
            for accept in [false, true] {
                assert_eq!(verdict(&jobs(&[Success, bad.clone(), Warning]), accept), Verdict::Failed(bad.clone()));
            }
        }
        assert_eq!(verdict(&jobs(&[Success, Success]), false), Verdict::Succeeded(Success));
    }

    #[test]
    fn a_warning_counts_as_the_caller_says() {
        assert_eq!(verdict(&jobs(&[Success, Warning]), false), Verdict::Failed(Warning));
        assert_eq!(verdict(&jobs(&[Success, Warning]), true), Verdict::Succeeded(Warning));
    }
}
