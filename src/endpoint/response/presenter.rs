//! Presents outcomes to the caller.

use super::Response;
use super::location;
use super::problem::Problem;
use super::report::{ReportView, RunsView};
use super::retry_after::{retry_after, seconds};
use crate::endpoint::request::account::Account;
use crate::engine::{Failure, FailureKind, Outcome, Report, RunsReport, Warnings};
use crate::hightouch::SequenceId;

/// Presents reports and failures to one caller.
#[derive(Debug)]
pub(in crate::endpoint) struct Presenter {
    /// Whether the API key is the endpoint's own.
    pub(in crate::endpoint) key_is_stored: bool,
    /// The slug of the key's workspace.
    pub(in crate::endpoint) workspace: Option<String>,
    /// The caller's account. `Location` repeats it.
    pub(in crate::endpoint) account: Option<Account>,
    /// The caller's `acceptWarnings`. `Location` repeats it.
    pub(in crate::endpoint) warnings: Warnings,
    /// The sequence of the run. `Location` repeats it.
    pub(in crate::endpoint) sequence: Option<SequenceId>,
    /// The path at which a proxy serves this endpoint; empty if there is none.
    pub(in crate::endpoint) prefix: String,
}

impl Presenter {
    pub(in crate::endpoint) fn view<'a>(&'a self, report: &'a Report) -> ReportView<'a> {
        ReportView::new(report, self.workspace.as_deref())
    }

    pub(in crate::endpoint) fn problem(&self, failure: Failure) -> Problem {
        let problem = Problem::from(failure);
        if self.key_is_stored {
            problem.of_stored_key()
        } else {
            problem
        }
    }

    /// Returns the path and query to poll the run.
    pub(in crate::endpoint) fn location(&self, report: &Report) -> String {
        let (account, sequence) = (self.account.as_ref(), self.sequence.as_ref());
        location::location(&self.prefix, report, account, sequence, self.warnings)
    }

    /// Returns the response that lists runs.
    ///
    /// # Errors
    ///
    /// Returns a problem if the runs could not be listed.
    pub(in crate::endpoint) fn runs(
        &self,
        outcome: Outcome<RunsReport>,
    ) -> Result<Response, Problem> {
        match outcome {
            Ok(report) => {
                let view = RunsView::new(&report, self.workspace.as_deref());
                Ok(Response::json(200, &view))
            }
            Err(failure) => Err(self.problem(failure.without_report())),
        }
    }

    /// Returns the response to an operation.
    ///
    /// # Errors
    ///
    /// Returns a problem if the operation failed. A run that is still in progress is not a failure.
    pub(in crate::endpoint) fn respond(&self, outcome: Outcome) -> Result<Response, Problem> {
        let failure = match outcome {
            Ok(report) => return Ok(Response::json(200, &self.view(&report))),
            Err(failure) => failure,
        };
        match &failure.report {
            Some(report) if failure.kind == FailureKind::StillRunning => {
                let delay = retry_after(failure.elapsed, failure.retry_after);
                Ok(Response::json(202, &self.view(report))
                    .with("location", self.location(report))
                    .with("retry-after", seconds(delay)))
            }
            _ => Err(self.problem(failure)),
        }
    }
}
