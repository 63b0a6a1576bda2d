//! Which Hightouch to speak to.

use crate::engine::{Event, Outcome, Report};
use crate::hightouch::{
    ApiKey, ApiOrigin, Response, Run, RunStatus, SequenceRun, SequenceStatus, SyncRun,
};

/// An origin, the key for it, and what goes along.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) origin: ApiOrigin,
    pub(crate) key: ApiKey,
    /// `traceparent` and `tracestate` of whoever asked for this, to go out with every request.
    pub(crate) trace: Vec<(&'static str, String)>,
}

impl Connection {
    /// Empties a response that gives the key as the ID of anything: it names nothing, and the key must not show as an ID.
    pub(super) fn without_echo(&self, event: Event) -> Event {
        match event {
            Event::Response(answer) if self.key.is_named_by(&answer.body) => {
                Event::Response(Response {
                    body: Vec::new(),
                    ..answer
                })
            }
            event => event,
        }
    }

    /// Takes the key out of what an answer may have echoed, then cuts the texts to their length.
    pub(super) fn redacted(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Ok(mut standing) => {
                self.redact(&mut standing);
                Ok(standing)
            }
            Err(mut failure) => {
                self.key.redact(&mut failure.message);
                if let Some(details) = &mut failure.details {
                    self.key.redact(details);
                }
                if let Some(report) = &mut failure.report {
                    self.redact_run(&mut report.status, &mut report.jobs);
                }
                if let Some(run) = &mut failure.sequence {
                    self.redact_sequence_run(run);
                }
                Err(failure.trimmed())
            }
        }
    }

    pub(super) fn redact(&self, standing: &mut Report) {
        match standing {
            Report::Sync(report) => self.redact_run(&mut report.status, &mut report.jobs),
            Report::Sequence(report) => self.redact_sequence_run(&mut report.run),
        }
    }

    fn redact_run(&self, status: &mut RunStatus, jobs: &mut [Run]) {
        for job in jobs {
            let Run {
                id: _,
                status,
                error,
                created_at,
                started_at,
                finished_at,
                query_size,
                completion_ratio,
                planned_rows,
                successful_rows,
                failed_rows,
            } = job;
            query_size.take_if(|size| self.key.is_number(*size));
            completion_ratio.take_if(|ratio| self.key.is(ratio.as_str()));
            for rows in [planned_rows, successful_rows, failed_rows] {
                rows.take_if(|rows| {
                    [rows.added, rows.changed, rows.removed]
                        .iter()
                        .any(|count| self.key.is_number(*count))
                });
            }
            self.redact_status(status);
            for text in [error, created_at, started_at, finished_at]
                .into_iter()
                .flatten()
            {
                self.key.redact(text);
            }
        }
        self.redact_status(status);
    }

    fn redact_sequence_run(&self, run: &mut SequenceRun) {
        if let SequenceStatus::Other(word) = &mut run.status {
            self.key.redact(word);
        }
        for SyncRun {
            status,
            finished_at,
            ..
        } in &mut run.sync_runs
        {
            self.redact_status(status);
            if let Some(text) = finished_at {
                self.key.redact(text);
            }
        }
    }

    fn redact_status(&self, status: &mut RunStatus) {
        if let RunStatus::Other(word) = status {
            self.key.redact(word);
        }
    }
}
