//! One line of JSON on stderr for each invocation: what was asked and what came of it, never a key and never a body.

use core::time::Duration;

use serde::Serialize;

use super::problem::Problem;
use super::stderr;
use crate::engine::{Outcome, Report};

/// What is known of an invocation.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    /// What was asked for.
    pub(super) request: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    /// The run's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// What a webhook led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<&'static str>,
    /// The problem's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// The status of the answer.
    http: u16,
    requests: u32,
    elapsed_ms: u128,
}

impl Log {
    /// Takes note of how an operation ended.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Ok(report) => self.report(report),
            Err(failure) => {
                if let Some(report) = &failure.report {
                    self.report(report);
                }
                self.requests = failure.requests;
                self.kind = Some(failure.kind.as_str());
            }
        }
    }

    /// Takes note of where a run stands.
    pub(super) fn report(&mut self, report: &Report) {
        self.requests = report.requests;
        self.sync = Some(report.run.sync.to_string());
        self.run = Some(report.run.run.get());
        self.status = Some(report.status.as_str().into());
    }

    /// Takes note of a problem.
    pub(super) fn problem(&mut self, problem: &Problem) {
        self.kind = Some(problem.kind);
        self.http = problem.status;
    }

    /// Takes note of an answer.
    pub(super) fn answered(&mut self, status: u16) {
        self.http = status;
    }

    /// Writes the line.
    pub(super) fn write(mut self, elapsed: Duration) {
        self.elapsed_ms = elapsed.as_millis();
        if let Ok(mut line) = serde_json::to_string(&self) {
            line.push('\n');
            stderr::write(&line);
        }
    }
}
