//! How an operation's end, or how far it came, is put to the caller.

use super::account::Account;
use super::again;
use super::problem::Problem;
use super::report;
use super::response::Response;
use crate::engine::{Failure, FailureKind, Outcome, Report};

/// How reports and failures are put to this caller.
pub(super) struct Presenter {
    /// The key is the endpoint's own.
    pub(super) stored: bool,
    /// The slug of the key's workspace.
    pub(super) workspace: Option<String>,
    /// The account and the judgement of warnings that the caller asked for: they hold where the run is taken up again.
    pub(super) account: Option<Account>,
    pub(super) accept_warnings: bool,
    /// The path at which a proxy serves this endpoint; empty where there is none.
    pub(super) prefix: String,
}

impl Presenter {
    pub(super) fn view<'a>(&'a self, standing: &'a Report) -> report::ReportView<'a> {
        report::ReportView {
            standing,
            workspace: self.workspace.as_deref(),
        }
    }

    pub(super) fn problem(&self, failure: Failure) -> Problem {
        let problem = Problem::from(failure);
        if self.stored {
            problem.behind_a_stored_key()
        } else {
            problem
        }
    }

    /// Where the run is taken up again.
    pub(super) fn location(&self, standing: &Report) -> String {
        again::location(
            &self.prefix,
            standing,
            self.account.as_ref(),
            self.accept_warnings,
        )
    }

    /// The answer to an operation that ended so.
    pub(super) fn answer(&self, outcome: Outcome) -> Result<Response, Problem> {
        let mut failure = match outcome {
            Ok(standing) => return Ok(Response::json(200, &self.view(&standing))),
            Err(failure) => failure,
        };
        if failure.kind == FailureKind::StillRunning
            && let Some(standing) = failure.take_standing()
        {
            let answer = Response::json(202, &self.view(&standing));
            return Ok(answer.with("location", self.location(&standing)).with(
                "retry-after",
                again::seconds(again::come_back(failure.elapsed, failure.retry_after)),
            ));
        }
        Err(self.problem(failure))
    }
}
