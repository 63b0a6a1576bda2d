//! How an operation ended.

use core::time::Duration;

use crate::hightouch::{Run, RunRef, RunStatus, SequenceRun, SyncId};

/// How an operation ended.
pub type Outcome = Result<Report, Failure>;

/// Where a run stands, or how it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A run of a sync.
    Sync(SyncReport),
    /// A run of a sequence.
    Sequence(SequenceReport),
}

/// Where a run of a sync stands, or how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncReport {
    /// The run.
    pub run: RunRef,
    /// Its status: of its jobs, the first that goes on, or the worst that ended. `queued` as long as Hightouch lists none.
    pub status: RunStatus,
    /// Its jobs as they were last seen.
    pub jobs: Vec<Run>,
    /// Whether the run was going before the operation began.
    pub joined: bool,
    /// How many requests were sent.
    pub requests: u32,
    /// How long the operation took.
    pub elapsed: Duration,
}

impl SyncReport {
    /// Whether Hightouch's list has shown the run.
    pub fn is_listed(&self) -> bool {
        !self.jobs.is_empty()
    }
}

/// Where a run of a sequence stands, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceReport {
    /// The run as it was last seen.
    pub run: SequenceRun,
    /// How many requests were sent.
    pub requests: u32,
    /// How long the operation took.
    pub elapsed: Duration,
}

/// Declares the kinds of failure once: the variant and the word for it.
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

            /// The word for it, in the WIT and in problems.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

failure_kinds! {
    /// The caller's input cannot be right; nothing was sent.
    InvalidInput "invalid-input",
    /// Hightouch answered 401.
    Unauthorized "unauthorized",
    /// Hightouch knows no such sync, sequence or run.
    NotFound "not-found",
    /// Hightouch answered with another error.
    Api "api",
    /// Hightouch could not be reached, or did not answer in time.
    Unreachable "unreachable",
    /// Hightouch's answer could not be read.
    MalformedAnswer "malformed-answer",
    /// The run may have been started or not, and it cannot be told which.
    TriggerUnconfirmed "trigger-unconfirmed",
    /// A run of the sync is going.
    Busy "busy",
    /// The run ended and did not succeed.
    SyncFailed "sync-failed",
    /// The wait is over and the run is not.
    StillRunning "still-running",
    /// The host refused the outbound call.
    NotGranted "not-granted",
    /// A setting is missing or wrong.
    NotConfigured "not-configured",
    /// Anything else.
    Other "other",
}

/// An operation that did not end in success.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// For an HTTP error what the rule says (see [`AttemptError`](super::setback::Setback)); for a run that did not succeed its error text;
    /// otherwise what happened, what was not done, and what to do.
    pub message: String,
    /// What else is known; like the message, at most [`Failure::DETAILS`] bytes once it is [trimmed](Self::trimmed).
    pub details: Option<String>,
    /// The status with which Hightouch answered, where that is what failed.
    pub http_status: Option<u16>,
    /// How long Hightouch asked to be left alone, where that is what failed.
    pub retry_after: Option<Duration>,
    /// The sync, as soon as its ID is known.
    pub sync: Option<SyncId>,
    /// The run as it was last seen, as soon as its ID is known.
    pub report: Option<SyncReport>,
    /// The sequence's run as it was last seen, as soon as its ID is known.
    pub sequence: Option<Box<SequenceRun>>,
    /// How many requests were sent.
    pub requests: u32,
    /// How long the operation took.
    pub elapsed: Duration,
}

impl Failure {
    /// The most that `message` and `details` hold, in bytes.
    pub const DETAILS: usize = 1024;

    /// A failure before anything was sent.
    pub fn unsent(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: None,
            http_status: None,
            retry_after: None,
            sync: None,
            report: None,
            sequence: None,
            requests: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// Takes out where the run was last seen, of whichever kind it is.
    pub fn take_standing(&mut self) -> Option<Report> {
        match self.sequence.take() {
            Some(run) => {
                let Self {
                    requests, elapsed, ..
                } = *self;
                Some(Report::Sequence(SequenceReport {
                    run: *run,
                    requests,
                    elapsed,
                }))
            }
            None => self.report.take().map(Report::Sync),
        }
    }

    /// Cuts the texts to what they may hold. Last of all, so that nothing that is to be taken out of them is cut in two before.
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

/// Cuts a text to [`Failure::DETAILS`] bytes and shows that it was cut.
fn shorten(text: &mut String) {
    const MARK: &str = "…";
    if text.len() > Failure::DETAILS {
        text.truncate(text.floor_char_boundary(Failure::DETAILS - MARK.len()));
        text.push_str(MARK);
    }
}
