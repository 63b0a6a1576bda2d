//! The lines of the log, as JSON. The adapter writes them to stderr.
//!
//! One line is written as soon as Hightouch has named a run that a request starts or joins, so that
//! the run's ID is not lost if the host is killed. One more line is written when the request is
//! answered. After the response, there is one line for each run that is followed, and one for each
//! message about a run that is not delivered. If the host ends a request, there is one line for each
//! run that the request has started or may have started. The lines never contain a key or a body.

use core::time::Duration;

use serde::Serialize;

use super::reporting::outbox::{Subject, Undelivered};
use super::response::batch::Counts;
use super::response::chunked_buffer::ChunkedBuffer;
use crate::engine::{
    Failure, FailureKind, Outcome, Report, RunsReport, SequenceReport, report_of, whole_millis,
};
use crate::hightouch::SyncRef;

/// The event that a line reports.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    /// Hightouch has named the run that the request started.
    Started,
    /// Hightouch has named the run that the request joined.
    Adopted,
    /// The request is answered.
    #[default]
    Answered,
    /// A run that was in progress after the response has ended, or is no longer followed.
    Followed,
    /// A message about a run was not delivered.
    Undelivered,
    /// The host has ended the request before there was a response.
    Cancelled,
}

/// A line of the log.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    event: Event,
    /// The operation.
    pub(super) request: &'static str,
    /// The sync, or the syncs of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sync: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<u64>,
    /// The runs of a batch; `-` for a run that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<String>,
    #[serde(flatten)]
    counts: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sequence_run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    /// The status of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// The number of rows that the destination accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    successful_rows: Option<u128>,
    /// The number of rows that the destination rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_rows: Option<u128>,
    /// The duration of the run from its start to its end, by Hightouch's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_ms: Option<u64>,
    /// Why no run was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// The effect of a webhook delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<&'static str>,
    /// The kind of the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(flatten)]
    answer: Option<Answer>,
    #[serde(skip)]
    requests: u64,
    #[serde(skip)]
    http: u16,
}

/// The part of a line that reports the end of the work on a request.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// The HTTP status of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<u16>,
    /// The number of requests to Hightouch.
    requests: u64,
    elapsed_ms: u64,
}

impl Log {
    /// Records the outcome of an operation.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Ok(report) => self.report(report),
            Err(failure) => {
                if let Some(report) = &failure.report {
                    self.report(report);
                }
                // If the operation failed as `busy`, another call has started the run in the
                // report.
                if failure.report.is_none() || failure.kind == FailureKind::Busy {
                    self.reason = reason(failure);
                }
                self.failure(failure);
            }
        }
    }

    /// Records the outcome of listing runs.
    pub(super) fn listed(&mut self, outcome: &Outcome<RunsReport>) {
        match outcome {
            Ok(report) => {
                self.sync = Some(report.sync.to_string());
                self.requests = u64::from(report.requests);
            }
            Err(failure) => self.failure(failure),
        }
    }

    fn failure<R>(&mut self, failure: &Failure<R>) {
        self.requests = u64::from(failure.requests);
        self.kind = Some(failure.kind.as_str());
    }

    /// Records the state of a run.
    pub(super) fn report(&mut self, report: &Report) {
        match report {
            Report::Sync(report) => {
                self.requests = u64::from(report.requests);
                self.sync = Some(report.run.sync.to_string());
                self.run = Some(report.run.run.get());
                self.status = Some(report.status.as_str().into());
                self.successful_rows = report.successful_rows();
                self.rejected_rows = report.rejected_rows();
                self.run_ms = report.run_time().map(whole_millis);
                if report.joined {
                    self.reason = Some("Another call started the run.".into());
                }
            }
            Report::Sequence(SequenceReport { run, requests, .. }) => {
                self.requests = u64::from(*requests);
                self.sequence_run = Some(run.id.as_str().into());
                self.status = Some(run.status.as_str().into());
            }
        }
    }

    /// Records the outcomes of a batch. Returns the number of requests to Hightouch.
    pub(super) fn batch(&mut self, syncs: &[SyncRef], outcomes: &[Outcome]) -> u64 {
        let names: Vec<String> = syncs.iter().map(ToString::to_string).collect();
        self.sync = Some(names.join(","));
        let runs: Vec<String> = outcomes.iter().map(run_of).collect();
        self.runs = Some(runs.join(","));
        self.requests = outcomes.iter().map(requests_of).sum();
        self.requests
    }

    /// Records the results of a batch.
    pub(super) fn counts(&mut self, counts: Counts) {
        self.counts = Some(counts);
    }

    /// Records a problem.
    pub(super) fn problem(&mut self, status: u16, kind: &'static str) {
        self.kind = Some(kind);
        self.http = status;
    }

    /// Records the status of the response.
    pub(super) fn answered(&mut self, status: u16) {
        self.http = status;
    }

    /// Returns the fields that all lines about started or joined runs have in common.
    pub(super) fn started(&self) -> StartedLog {
        StartedLog(Self {
            request: self.request,
            sequence: self.sequence.clone(),
            account: self.account.clone(),
            ..Self::default()
        })
    }

    /// Returns the line of an answered request.
    pub(super) fn line(mut self, elapsed: Duration) -> ChunkedBuffer {
        self.answer = Some(Answer {
            http: Some(self.http),
            requests: self.requests,
            elapsed_ms: whole_millis(elapsed),
        });
        self.as_line()
    }

    fn as_line(&self) -> ChunkedBuffer {
        let mut line = ChunkedBuffer::json(self);
        line.push(b"\n");
        line
    }
}

/// The lines about the runs that a request starts or joins.
pub(super) struct StartedLog(Log);

impl StartedLog {
    /// Returns the line of a run that Hightouch has just named.
    pub(super) fn line(&self, report: &Report) -> ChunkedBuffer {
        let is_joined = matches!(report, Report::Sync(report) if report.joined);
        let mut line = Log {
            event: if is_joined {
                Event::Adopted
            } else {
                Event::Started
            },
            ..self.0.clone()
        };
        line.report(report);
        line.as_line()
    }

    /// Returns the line of an operation that was in progress when the host ended the request; `None`
    /// if the operation has started nothing. `sync` is the sync as the caller named it.
    pub(super) fn cancelled(
        &self,
        sync: Option<&SyncRef>,
        outcome: &Outcome,
    ) -> Option<ChunkedBuffer> {
        let mut line = Log {
            event: Event::Cancelled,
            sync: sync.map(ToString::to_string),
            ..self.0.clone()
        };
        line.outcome(outcome);
        let is_not_started =
            matches!(outcome, Err(failure) if failure.kind == FailureKind::NotStarted);
        (!is_not_started).then(|| line.as_line())
    }

    /// Returns the line of a run that was followed after the response.
    pub(super) fn followed(&self, outcome: &Outcome, elapsed: Duration) -> ChunkedBuffer {
        let mut line = Log {
            event: Event::Followed,
            ..self.0.clone()
        };
        line.outcome(outcome);
        line.answer = Some(Answer {
            http: None,
            requests: line.requests,
            elapsed_ms: whole_millis(elapsed),
        });
        line.as_line()
    }
}

/// Returns the line of a message that was not delivered to this host.
pub(super) fn undelivered(failed: &Undelivered, host: &str) -> ChunkedBuffer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Line<'a> {
        event: Event,
        to: &'static str,
        host: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        sync: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sequence_run: Option<&'a str>,
        tries: u32,
        reason: &'a str,
    }
    let Undelivered {
        channel,
        subject: Subject {
            sync,
            run,
            sequence_run,
        },
        tries,
        reason,
    } = failed;
    let mut line = ChunkedBuffer::json(&Line {
        event: Event::Undelivered,
        to: channel.as_str(),
        host,
        sync: sync.as_deref(),
        run: *run,
        sequence_run: sequence_run.as_deref(),
        tries: *tries,
        reason,
    });
    line.push(b"\n");
    line
}

/// Returns why no run was started. The message of invalid input is left out, because it may quote
/// the request.
fn reason(failure: &Failure) -> Option<String> {
    let is_quote = failure.kind == FailureKind::InvalidInput;
    (!is_quote).then(|| failure.message.clone())
}

/// Returns the ID of the run; `-` if it is not known.
fn run_of(outcome: &Outcome) -> String {
    match report_of(outcome) {
        Some(Report::Sync(report)) => report.run.run.to_string(),
        Some(Report::Sequence(report)) => report.run.id.to_string(),
        None => "-".into(),
    }
}

fn requests_of(outcome: &Outcome) -> u64 {
    u64::from(match outcome {
        Ok(Report::Sync(report)) => report.requests,
        Ok(Report::Sequence(report)) => report.requests,
        Err(failure) => failure.requests,
    })
}
