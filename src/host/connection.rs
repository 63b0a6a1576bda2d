//! Which Hightouch to speak to.

use crate::engine::{Outcome, Report};
use crate::hightouch::{ApiKey, ApiOrigin, Run, RunStatus};

/// An origin, the key for it, and what goes along.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) origin: ApiOrigin,
    pub(crate) key: ApiKey,
    /// `traceparent` and `tracestate` of whoever asked for this, to go out with every request.
    pub(crate) trace: Vec<(&'static str, String)>,
}

impl Connection {
    /// Takes the key out of what an answer may have echoed, then cuts the texts to their length.
    pub(super) fn redacted(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(mut report) => {
                self.redact_report(&mut report);
                Ok(report)
            }
            Err(mut failure) => {
                self.key.redact(&mut failure.message);
                if let Some(details) = &mut failure.details {
                    self.key.redact(details);
                }
                if let Some(report) = &mut failure.report {
                    self.redact_report(report);
                }
                Err(failure.trimmed())
            }
        }
    }

    pub(super) fn redact_report(&self, report: &mut Report) {
        for job in &mut report.jobs {
            let Run { status, error, created_at, started_at, finished_at, .. } = job;
            if let RunStatus::Other(word) = status {
                self.key.redact(word);
            }
            for text in [error, created_at, started_at, finished_at].into_iter().flatten() {
                self.key.redact(text);
            }
        }
        if let RunStatus::Other(word) = &mut report.status {
            self.key.redact(word);
        }
    }
}
