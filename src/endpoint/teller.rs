//! How an operation's end, or how far it came, is put to the caller.

use core::time::Duration;

use super::account::Account;
use super::answer::Answer;
use super::problem::Problem;
use super::report;
use crate::engine::{Failure, FailureKind, Outcome, Standing};

/// How reports and failures are put to this caller.
pub(super) struct Teller {
    /// The key is the endpoint's own.
    pub(super) stored: bool,
    /// The slug of the key's workspace.
    pub(super) workspace: Option<String>,
    /// The account and the judgement of warnings that the caller asked for: they hold where the run is taken up again.
    pub(super) account: Option<Account>,
    pub(super) accept_warnings: bool,
}

impl Teller {
    pub(super) fn view<'a>(&'a self, standing: &'a Standing) -> report::Report<'a> {
        report::Report { standing, workspace: self.workspace.as_deref() }
    }

    pub(super) fn problem(&self, failure: Failure) -> Problem {
        let problem = Problem::from(failure);
        if self.stored { problem.behind_a_stored_key() } else { problem }
    }

    /// Where the run is taken up again.
    pub(super) fn location(&self, standing: &Standing) -> String {
        let mut location = match standing {
            Standing::Sync(report) => format!("/syncs/{}/runs/{}", report.run.sync, report.run.run),
            Standing::Sequence(report) => format!("/sync-sequences/runs/{}", report.run.id),
        };
        let mut mark = "?";
        if let Some(account) = &self.account {
            location += "?account=";
            location += account.as_str();
            mark = "&";
        }
        if self.accept_warnings {
            location += mark;
            location += "acceptWarnings=true";
        }
        location
    }

    /// The answer to an operation that ended so.
    pub(super) fn answer(&self, outcome: Outcome) -> Result<Answer, Problem> {
        let mut failure = match outcome {
            Ok(standing) => return Ok(Answer::json(200, &self.view(&standing))),
            Err(failure) => failure,
        };
        if failure.kind == FailureKind::StillRunning
            && let Some(standing) = failure.take_standing()
        {
            let answer = Answer::json(202, &self.view(&standing));
            return Ok(answer
                .with("location", self.location(&standing))
                .with("retry-after", come_back(failure.elapsed)));
        }
        Err(self.problem(failure))
    }
}

/// In how many seconds it is worth to ask again. The answer will wait for the run itself, so soon; later for a caller who waited long.
pub(super) fn come_back(waited: Duration) -> String {
    (waited.as_secs() / 20).clamp(1, 60).to_string()
}
