//! The connection to Hightouch, and the removal of its API key from everything that is reported.

use super::outgoing::Outgoing;
use crate::engine::{Event, Failure, Outcome, Report, RunsReport, SequenceReport, SyncReport};
use crate::hightouch::{
    ApiKey, Origin, Request, Response, RowCounts, Run, RunStatus, SequenceRun, SequenceStatus,
    SyncRun,
};

/// The origin of the API, the API key, and the trace headers.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) origin: Origin,
    pub(crate) key: ApiKey,
    /// The caller's `traceparent` and `tracestate`. They are sent with each request.
    pub(crate) trace: Vec<(&'static str, String)>,
}

impl Connection {
    /// Returns the message that carries a request to Hightouch.
    pub(crate) fn outgoing(&self, request: Request) -> Outgoing<'_> {
        let mut headers = vec![
            ("authorization", self.key.bearer()),
            ("accept", "application/json".into()),
            // No host decodes a response, and neither does this component.
            ("accept-encoding", "identity".into()),
            // A cached list would not show a run that was started after the list was cached.
            ("cache-control", "no-cache".into()),
        ];
        headers.extend(self.trace.iter().cloned());
        Outgoing {
            method: request.method,
            origin: &self.origin,
            target: request.target,
            headers,
            body: request.body.unwrap_or_default().into_bytes(),
            reads_body: true,
        }
    }

    /// Empties a response that contains the API key as an ID. Such a response is an echo: it names
    /// nothing, and an ID must not show the key.
    pub(super) fn without_echo(&self, event: Event) -> Event {
        match event {
            Event::Response(response) if self.key.is_echoed_as_id(&response.body) => {
                Event::Response(Response {
                    body: Vec::new(),
                    ..response
                })
            }
            event => event,
        }
    }

    /// Removes the API key from an outcome, then shortens the texts of a failure.
    pub(super) fn redacted<R: Redact>(&self, outcome: Outcome<R>) -> Outcome<R> {
        match outcome {
            Ok(mut report) => {
                report.redact(&self.key);
                Ok(report)
            }
            Err(mut failure) => {
                failure.redact(&self.key);
                Err(failure.trimmed())
            }
        }
    }
}

/// A value that may contain texts from Hightouch.
///
/// Every implementation names all fields, so that a new field does not compile until it is
/// redacted.
pub(crate) trait Redact {
    /// Removes the API key from all texts.
    fn redact(&mut self, key: &ApiKey);
}

impl Redact for Report {
    fn redact(&mut self, key: &ApiKey) {
        match self {
            Self::Sync(report) => report.redact(key),
            Self::Sequence(report) => report.redact(key),
        }
    }
}

impl Redact for SyncReport {
    fn redact(&mut self, key: &ApiKey) {
        let Self {
            run: _,
            status,
            jobs,
            joined: _,
            requests: _,
            elapsed: _,
        } = self;
        status.redact(key);
        jobs.iter_mut().for_each(|job| job.redact(key));
    }
}

impl Redact for SequenceReport {
    fn redact(&mut self, key: &ApiKey) {
        let Self {
            run,
            requests: _,
            elapsed: _,
        } = self;
        run.redact(key);
    }
}

impl Redact for RunsReport {
    fn redact(&mut self, key: &ApiKey) {
        let Self {
            sync: _,
            runs,
            requests: _,
            elapsed: _,
        } = self;
        runs.iter_mut().for_each(|run| run.redact(key));
    }
}

impl<R: Redact> Redact for Failure<R> {
    fn redact(&mut self, key: &ApiKey) {
        let Self {
            kind: _,
            message,
            details,
            http_status: _,
            retry_after: _,
            sync: _,
            report,
            requests: _,
            elapsed: _,
        } = self;
        key.redact(message);
        details.iter_mut().for_each(|details| key.redact(details));
        report.iter_mut().for_each(|report| report.redact(key));
    }
}

impl Redact for Run {
    fn redact(&mut self, key: &ApiKey) {
        let Self {
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
        } = self;
        status.redact(key);
        for text in [error, created_at, started_at, finished_at]
            .into_iter()
            .flatten()
        {
            key.redact(text);
        }
        query_size.take_if(|size| key.is_number(*size));
        completion_ratio.take_if(|ratio| key.is(ratio.as_str()));
        for rows in [planned_rows, successful_rows, failed_rows] {
            rows.take_if(|rows| contains(rows, key));
        }
    }
}

/// Returns whether one of the counts is the API key.
fn contains(rows: &RowCounts, key: &ApiKey) -> bool {
    let RowCounts {
        added,
        changed,
        removed,
    } = *rows;
    [added, changed, removed]
        .into_iter()
        .flatten()
        .any(|count| key.is_number(count))
}

impl Redact for SequenceRun {
    fn redact(&mut self, key: &ApiKey) {
        let Self {
            id: _,
            status,
            sync_runs,
        } = self;
        if let SequenceStatus::Other(word) = status {
            key.redact(word);
        }
        sync_runs
            .iter_mut()
            .for_each(|sync_run| sync_run.redact(key));
    }
}

impl Redact for SyncRun {
    fn redact(&mut self, key: &ApiKey) {
        let Self {
            sync: _,
            run: _,
            status,
            finished_at,
        } = self;
        status.redact(key);
        finished_at.iter_mut().for_each(|text| key.redact(text));
    }
}

impl Redact for RunStatus {
    fn redact(&mut self, key: &ApiKey) {
        if let Self::Other(word) = self {
            key.redact(word);
        }
    }
}
