//! Which Hightouch to speak to.

use crate::engine::{Outcome, Report};
use crate::hightouch::{ApiKey, ApiOrigin, Run};

/// An origin and the key for it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) origin: ApiOrigin,
    pub(crate) key: ApiKey,
}

impl Connection {
    /// Takes the key out of what an answer may have echoed.
    pub(super) fn redact(&self, outcome: &mut Outcome) {
        match outcome {
            Ok(report) => self.redact_report(report),
            Err(failure) => {
                self.key.redact(&mut failure.message);
                if let Some(details) = &mut failure.details {
                    self.key.redact(details);
                }
                if let Some(report) = &mut failure.report {
                    self.redact_report(report);
                }
            }
        }
    }

    fn redact_report(&self, report: &mut Report) {
        for job in &mut report.jobs {
            let Run { status, error, created_at, started_at, finished_at, .. } = job;
            if let crate::hightouch::RunStatus::Other(word) = status {
                self.key.redact(word);
            }
            for text in [error, created_at, started_at, finished_at].into_iter().flatten() {
                self.key.redact(text);
            }
        }
        if let crate::hightouch::RunStatus::Other(word) = &mut report.status {
            self.key.redact(word);
        }
    }
}
