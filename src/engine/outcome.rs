//! The result of an operation.

use core::time::Duration;

use super::verdict::end;
use super::warnings::RejectedRows;
use crate::hightouch::{Run, RunRef, RunStatus, SequenceRun, SyncId, Timestamp};

/// The result of an operation: the report of a run that succeeded, or a failure.
pub type Outcome<R = Report> = Result<R, Failure<R>>;

/// Returns the report of an outcome: of the run that succeeded, or of the run that a failure names.
pub fn report_of<R>(outcome: &Outcome<R>) -> Option<&R> {
    match outcome {
        Ok(report) => Some(report),
        Err(failure) => failure.report.as_ref(),
    }
}

/// Converts an outcome of one kind of run to an outcome of any kind.
pub fn untyped<R: Into<Report>>(outcome: Outcome<R>) -> Outcome {
    outcome
        .map(Into::into)
        .map_err(|failure| failure.map_report(Into::into))
}

/// The state of a run, as Hightouch reported it last.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A run of a sync.
    Sync(SyncReport),
    /// A run of a sequence.
    Sequence(SequenceReport),
}

impl From<SyncReport> for Report {
    fn from(report: SyncReport) -> Self {
        Self::Sync(report)
    }
}

impl From<SequenceReport> for Report {
    fn from(report: SequenceReport) -> Self {
        Self::Sequence(report)
    }
}

/// The state of a run of a sync.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncReport {
    /// The run.
    pub run: RunRef,
    /// The status of the first job that has not ended, or the worst status if all jobs have ended.
    /// `queued` until Hightouch lists a job.
    pub status: RunStatus,
    /// The jobs of the run.
    pub jobs: Vec<Run>,
    /// Whether another call had started the run.
    pub joined: bool,
    /// The number of requests that were sent.
    pub requests: u32,
    /// The duration of the operation so far.
    pub elapsed: Duration,
}

impl SyncReport {
    /// Returns whether Hightouch's list has shown the run.
    pub fn is_listed(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Returns the number of rows that the destination accepted, if Hightouch reported it for every
    /// job.
    pub fn successful_rows(&self) -> Option<u128> {
        RejectedRows::of(&self.jobs).successful()
    }

    /// Returns the number of rows that the destination rejected, if Hightouch reported it for every
    /// job.
    pub fn rejected_rows(&self) -> Option<u128> {
        RejectedRows::of(&self.jobs).rejected()
    }

    /// Returns the time from the start of the first job to the end of the last one, by Hightouch's
    /// clock, if all jobs have ended.
    pub fn run_time(&self) -> Option<Duration> {
        let starts: Option<Vec<Timestamp>> = self.jobs.iter().map(Run::started).collect();
        Some(self.finished()?.duration_since(starts?.into_iter().min()?))
    }

    /// Returns when the first job was requested, if Hightouch reported it for a job.
    pub fn created(&self) -> Option<Timestamp> {
        self.jobs.iter().filter_map(Run::created).min()
    }

    /// Returns when the first job started, if Hightouch reported it for a job.
    pub fn started(&self) -> Option<Timestamp> {
        self.jobs.iter().filter_map(Run::started).min()
    }

    /// Returns when the last job ended, if Hightouch reported it for every job.
    pub fn finished(&self) -> Option<Timestamp> {
        end(&self.jobs)
    }
}

/// The state of a run of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceReport {
    /// The run.
    pub run: SequenceRun,
    /// The number of requests that were sent.
    pub requests: u32,
    /// The duration of the operation so far.
    pub elapsed: Duration,
}

/// The most recent runs of a sync.
#[derive(Clone, Debug, PartialEq)]
pub struct RunsReport {
    /// The sync.
    pub sync: SyncId,
    /// The runs, the highest ID first. A run with several jobs has one entry for each.
    pub runs: Vec<Run>,
    /// The number of requests that were sent.
    pub requests: u32,
    /// The duration of the operation.
    pub elapsed: Duration,
}

/// Declares each kind of failure once: the variant and its name on the wire.
macro_rules! failure_kinds {
    ($($(#[$doc:meta])* $variant:ident $word:literal,)*) => {
        /// Why an operation did not end in success.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FailureKind {
            $($(#[$doc])* $variant,)*
        }

        impl FailureKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the name that the WIT and the HTTP problems use.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

failure_kinds! {
    /// The caller's input is invalid. No run was started.
    InvalidInput "invalid-input",
    /// Hightouch answered 401.
    Unauthorized "unauthorized",
    /// Hightouch does not know the sync, the sequence or the run.
    NotFound "not-found",
    /// Hightouch answered with another error status.
    Api "api",
    /// Hightouch could not be reached, or did not answer in time.
    Unreachable "unreachable",
    /// Hightouch's response could not be read.
    MalformedAnswer "malformed-answer",
    /// A run may or may not have been started.
    TriggerUnconfirmed "trigger-unconfirmed",
    /// A run of the sync is already in progress.
    Busy "busy",
    /// The run ended without success.
    SyncFailed "sync-failed",
    /// The run had not ended when the time was up.
    StillRunning "still-running",
    /// The run was not started: an earlier sync of the same call failed, or the time was up.
    NotStarted "not-started",
    /// The caller may not run this sync.
    Forbidden "forbidden",
    /// The host refused the outbound call.
    NotGranted "not-granted",
    /// A setting is missing or wrong.
    NotConfigured "not-configured",
    /// Anything else.
    Other "other",
}

/// An operation that did not end in success.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure<R = Report> {
    /// The kind of failure.
    pub kind: FailureKind,
    /// What happened.
    ///
    /// The reason phrase or Hightouch's own message for an error status, the error text of a run
    /// that failed, and a sentence of this crate in all other cases.
    pub message: String,
    /// What else is known. Like the message, at most [`Failure::MAX_TEXT`] bytes after
    /// [`trimmed`](Self::trimmed).
    pub details: Option<String>,
    /// The status of the response that caused the failure.
    pub http_status: Option<u16>,
    /// The delay that Hightouch asked for in the response that caused the failure.
    pub retry_after: Option<Duration>,
    /// The sync, if its ID is known.
    pub sync: Option<SyncId>,
    /// The run, if its ID is known.
    pub report: Option<R>,
    /// The number of requests that were sent.
    pub requests: u32,
    /// The duration of the operation.
    pub elapsed: Duration,
}

impl<R> Failure<R> {
    /// Returns a failure of a call that sent nothing.
    pub fn unsent(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: None,
            http_status: None,
            retry_after: None,
            sync: None,
            report: None,
            requests: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// Returns the failure of a call with invalid input.
    pub fn invalid_input(error: impl core::fmt::Display) -> Self {
        Self::unsent(
            FailureKind::InvalidInput,
            format!("{error}. Nothing was sent to Hightouch."),
        )
    }

    /// Returns the failure of a call that names a sync, a sequence or a run by a secret. The
    /// message does not contain the secret.
    pub fn secret_as_name() -> Self {
        Self::invalid_input(
            "the API key or another secret is given as the name of a sync, a sequence or a run. Use \
             the ID or the slug, and replace the secret if others may have seen this request",
        )
    }

    /// Converts the report.
    pub fn map_report<T>(mut self, map: impl FnOnce(R) -> T) -> Failure<T> {
        let report = self.report.take().map(map);
        self.with_report(report)
    }

    /// Drops the report.
    pub fn without_report<T>(self) -> Failure<T> {
        self.with_report(None)
    }

    fn with_report<T>(self, report: Option<T>) -> Failure<T> {
        Failure {
            kind: self.kind,
            message: self.message,
            details: self.details,
            http_status: self.http_status,
            retry_after: self.retry_after,
            sync: self.sync,
            report,
            requests: self.requests,
            elapsed: self.elapsed,
        }
    }

    /// Shortens the texts to [`Failure::MAX_TEXT`] bytes.
    ///
    /// Call this after redaction: a shortened text may end in the middle of a secret, which
    /// redaction would not find.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        shorten(&mut self.message);
        if let Some(details) = &mut self.details {
            shorten(details);
        }
        self.details = self.details.filter(|details| !details.is_empty());
        self
    }
}

impl Failure {
    /// Maximum length of `message` and of `details`, in bytes.
    pub const MAX_TEXT: usize = 1024;
}

/// Shortens a text to [`Failure::MAX_TEXT`] bytes. An ellipsis shows that the text was shortened.
fn shorten(text: &mut String) {
    const ELLIPSIS: &str = "…";
    if text.len() > Failure::MAX_TEXT {
        text.truncate(text.floor_char_boundary(Failure::MAX_TEXT - ELLIPSIS.len()));
        text.push_str(ELLIPSIS);
    }
}
