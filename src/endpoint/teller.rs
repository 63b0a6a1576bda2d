//! How an operation's end, or how far it came, is put to the caller.

use core::time::Duration;

use super::answer::Answer;
use super::problem::Problem;
use super::report::View;
use crate::engine::{Failure, FailureKind, Outcome, Report};

/// How reports and failures are put to this caller.
pub(super) struct Teller {
    /// The key is the endpoint's own.
    pub(super) stored: bool,
    /// The slug of the key's workspace.
    pub(super) workspace: Option<String>,
}

impl Teller {
    pub(super) fn report<'a>(&self, report: &'a Report) -> View<'a> {
        View::of(report, self.workspace.as_deref())
    }

    pub(super) fn problem(&self, failure: Failure) -> Problem {
        let problem = Problem::from(failure);
        if self.stored { problem.behind_a_stored_key() } else { problem }
    }

    /// The answer to an operation that ended so.
    pub(super) fn answer(&self, outcome: Outcome) -> Result<Answer, Problem> {
        let failure = match outcome {
            Ok(report) => return Ok(Answer::json(200, &self.report(&report))),
            Err(failure) => failure,
        };
        match (failure.kind, &failure.report) {
            (FailureKind::StillRunning, Some(report)) => {
                let location = format!("/syncs/{}/runs/{}", report.run.sync, report.run.run);
                let answer = Answer::json(202, &self.report(report));
                Ok(answer.with("location", location).with("retry-after", come_back(failure.elapsed)))
            }
            _ => Err(self.problem(failure)),
        }
    }
}

/// In how many seconds it is worth to ask again: soon for a run that is young, later for one that takes its time.
fn come_back(waited: Duration) -> String {
    (waited.as_secs() / 20).clamp(1, 60).to_string()
}
