//! Lines of JSON on stderr: one as soon as Hightouch has named a run that a request starts or joins, so that a host that is killed leaves a trace
//! of the run, and one for each request once it is answered. They never hold a key or a body.

use core::time::Duration;

use super::chunked_buffer::ChunkedBuffer;
use super::json::{Object, View};
use super::problem::Problem;
use super::stderr;
use crate::calls::millis;
use crate::engine::{Outcome, Report, SyncReport};
use crate::hightouch::SequenceRun;
use crate::host::Observer;

/// What a line tells of.
#[derive(Clone, Copy, Debug, Default)]
enum Event {
    /// Hightouch has named the run that the request started.
    Started,
    /// Hightouch has named the run that the request joined.
    Adopted,
    /// The request is answered.
    #[default]
    Answered,
}

/// What is known of an invocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    event: Event,
    /// What was asked for.
    pub(super) request: &'static str,
    pub(super) sync: Option<String>,
    pub(super) run: Option<u64>,
    /// The runs, where there may be several; `-` for one that is not known.
    pub(super) runs: Option<String>,
    /// How many of them have succeeded, go on, and have failed.
    pub(super) ends: Option<(u64, u64, u64)>,
    pub(super) sequence: Option<String>,
    pub(super) sequence_run: Option<String>,
    pub(super) account: Option<String>,
    /// The run's status.
    status: Option<String>,
    /// What a webhook led to.
    pub(super) action: Option<&'static str>,
    /// The problem's kind.
    kind: Option<&'static str>,
    /// The status of the answer.
    http: u16,
    pub(super) requests: u64,
    elapsed: Duration,
}

impl Log {
    /// Takes note of how an operation ended.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Ok(standing) => self.standing(standing),
            Err(failure) => {
                if let Some(report) = &failure.report {
                    self.report(report);
                }
                if let Some(run) = &failure.sequence {
                    self.sequence_run(run);
                }
                self.requests = u64::from(failure.requests);
                self.kind = Some(failure.kind.as_str());
            }
        }
    }

    /// Takes note of where a run stands.
    pub(super) fn standing(&mut self, standing: &Report) {
        match standing {
            Report::Sync(report) => self.report(report),
            Report::Sequence(report) => {
                self.requests = u64::from(report.requests);
                self.sequence_run(&report.run);
            }
        }
    }

    fn sequence_run(&mut self, run: &SequenceRun) {
        self.sequence_run = Some(run.id.as_str().into());
        self.status = Some(run.status.as_str().into());
    }

    fn report(&mut self, report: &SyncReport) {
        self.requests = u64::from(report.requests);
        self.sync = Some(report.run.sync.to_string());
        self.run = Some(report.run.run.get());
        self.status = Some(report.status.as_str().into());
    }

    /// Writes a line for each run that the request starts or joins, as soon as Hightouch has named it.
    pub(super) fn observer(&self) -> Observer {
        let Self {
            request,
            sequence,
            account,
            ..
        } = self;
        let known = Self {
            request,
            sequence: sequence.clone(),
            account: account.clone(),
            ..Self::default()
        };
        Box::new(move |standing| {
            let mut line = known.clone();
            let joined = matches!(standing, Report::Sync(report) if report.joined);
            line.event = if joined {
                Event::Adopted
            } else {
                Event::Started
            };
            line.standing(standing);
            line.print();
        })
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

    /// Writes the line of the request that is answered.
    pub(super) fn write(mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        self.print();
    }

    fn print(&self) {
        let mut line = ChunkedBuffer::default();
        Object::write(self, &mut line);
        line.push("\n");
        stderr::write(line);
    }
}

impl View for Log {
    fn fields(&self, object: &mut Object<'_>) {
        let event = match self.event {
            Event::Started => "started",
            Event::Adopted => "adopted",
            Event::Answered => "answered",
        };
        object.text("event", event);
        object.text("request", self.request);
        if let Some(sync) = &self.sync {
            object.text("sync", sync);
        }
        if let Some(run) = self.run {
            object.whole("run", run);
        }
        if let Some(runs) = &self.runs {
            object.text("runs", runs);
        }
        if let Some((succeeded, running, failed)) = self.ends {
            object.whole("succeeded", succeeded);
            object.whole("running", running);
            object.whole("failed", failed);
        }
        if let Some(sequence) = &self.sequence {
            object.text("sequence", sequence);
        }
        if let Some(run) = &self.sequence_run {
            object.text("sequenceRun", run);
        }
        if let Some(account) = &self.account {
            object.text("account", account);
        }
        if let Some(status) = &self.status {
            object.text("status", status);
        }
        if let Some(action) = self.action {
            object.text("action", action);
        }
        if let Some(kind) = self.kind {
            object.text("kind", kind);
        }
        if let Event::Answered = self.event {
            object.whole("http", u64::from(self.http));
            object.whole("requests", self.requests);
            object.whole("elapsedMs", millis(self.elapsed));
        }
    }
}
