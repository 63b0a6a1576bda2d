//! The reason why an operation failed. What the operation knows about its run is added later.

use core::time::Duration;

use super::attempt_error::AttemptError;
use super::limits::MAX_NAMED;
use super::outcome::{Failure, FailureKind};
use crate::hightouch::SyncRun;

/// The part of a [`Failure`] that a phase knows.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureReason {
    pub(super) kind: FailureKind,
    pub(super) message: String,
    pub(super) details: Option<String>,
    pub(super) http_status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
}

impl FailureReason {
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: None,
            http_status: None,
            retry_after: None,
        }
    }

    pub(super) fn with_details(self, details: impl Into<Option<String>>) -> Self {
        Self {
            details: details.into(),
            ..self
        }
    }
}

/// The failure of an operation whose last attempt failed.
impl From<AttemptError> for FailureReason {
    fn from(error: AttemptError) -> Self {
        Self {
            kind: error.kind(),
            message: error.message(),
            details: error.details(),
            http_status: error.status(),
            retry_after: error.retry_after(),
        }
    }
}

impl<R> From<FailureReason> for Failure<R> {
    fn from(reason: FailureReason) -> Self {
        Self {
            details: reason.details,
            http_status: reason.http_status,
            retry_after: reason.retry_after,
            ..Self::unsent(reason.kind, reason.message)
        }
    }
}

/// Returns the `still-running` failure. `seen` is the last known state, if the run was seen.
pub(super) fn still_running(
    run: &str,
    seen: Option<String>,
    error: Option<&AttemptError>,
) -> FailureReason {
    let message = match seen {
        Some(seen) => format!(
            "Timed out while {run} was still {seen}. The run continues in Hightouch. Await it \
             again to get its result"
        ),
        None => format!(
            "Timed out, and Hightouch has not listed {run}. Check the run's ID, and that the API \
             key belongs to the run's workspace"
        ),
    };
    FailureReason {
        retry_after: error.and_then(AttemptError::retry_after),
        ..FailureReason::new(FailureKind::StillRunning, message)
            .with_details(error.map(AttemptError::sentence))
    }
}

/// Returns the `trigger-unconfirmed` failure of a trigger with an unknown outcome.
pub(super) fn unconfirmed(cause: &AttemptError, details: String) -> FailureReason {
    let message = match cause.status() {
        Some(_) => cause.message(),
        None => format!(
            "{}. It is unknown whether a run was started.",
            cause.message()
        ),
    };
    FailureReason {
        http_status: cause.status(),
        ..FailureReason::new(FailureKind::TriggerUnconfirmed, message).with_details(details)
    }
}

/// Returns the first [`MAX_NAMED`] names as one string, which ends with "and more" if there are
/// more.
pub(super) fn enumerate(names: impl IntoIterator<Item = String>) -> String {
    let mut names = names.into_iter();
    let named: Vec<String> = names.by_ref().take(MAX_NAMED).collect();
    let more = if names.next().is_some() {
        " and more"
    } else {
        ""
    };
    format!("{}{more}", named.join(", "))
}

/// Returns the name of a sync run, with its status.
pub(super) fn sync_run_name(sync_run: &SyncRun) -> String {
    let word = sync_run.status.as_str();
    match (sync_run.run, sync_run.sync) {
        (Some(run), Some(sync)) => format!("run {run} of sync {sync} (`{word}`)"),
        (None, Some(sync)) => format!("a run of sync {sync} (`{word}`)"),
        (Some(run), None) => format!("run {run} (`{word}`)"),
        (None, None) => format!("a sync run without an ID (`{word}`)"),
    }
}
