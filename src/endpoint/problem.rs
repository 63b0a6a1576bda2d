//! Problem details (RFC 9457).

use core::time::Duration;

use super::again::seconds;
use super::json::{Object, View};
use super::response::Response;
use crate::calls::millis;
use crate::engine::{Failure, FailureKind};

/// Why a request did not end in a report.
#[derive(Debug)]
pub(super) struct Problem {
    /// The HTTP status of the answer.
    pub(super) status: u16,
    /// `kind`, the last part of `type`.
    pub(super) kind: &'static str,
    title: &'static str,
    failure: Box<Failure>,
    header: Option<(&'static str, String)>,
}

/// The kind of a caller without a usable token.
const UNAUTHENTICATED: &str = "unauthenticated";

impl Problem {
    fn own(status: u16, kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            status,
            ..Self::from(Failure::unsent(kind, detail))
        }
    }

    /// The caller's input cannot be right. What is wrong with it may quote it, but not all of it.
    pub(super) fn invalid(error: impl core::fmt::Display) -> Self {
        crate::calls::invalid(error).trimmed().into()
    }

    /// The path is none of this endpoint's.
    pub(super) fn no_such_path() -> Self {
        let paths = "There is nothing at this path: it is POST /syncs/{sync}/runs, GET /syncs/{syncId}/runs/{runId}, POST /runs, POST \
                     /sync-sequences/{sequenceId}/runs, GET /sync-sequences/runs/{runId}, POST /hooks/dbt/{sync}, GET /healthz or GET \
                     /openapi.json. Nothing was sent to Hightouch.";
        Self::own(404, FailureKind::InvalidInput, paths)
    }

    /// The path is there, for other methods.
    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let detail =
            format!("This path takes {allowed} and nothing else. Nothing was sent to Hightouch.");
        Self {
            header: Some(("allow", allowed.into())),
            ..Self::own(405, FailureKind::InvalidInput, detail)
        }
    }

    /// The body is longer than this endpoint reads.
    pub(super) fn body_too_large(most: usize) -> Self {
        let detail = format!(
            "The body is longer than {} KiB. Nothing was sent to Hightouch.",
            most / 1024
        );
        Self::own(413, FailureKind::InvalidInput, detail)
    }

    /// The body is of a type that this endpoint does not read.
    pub(super) fn not_json() -> Self {
        Self::own(
            415,
            FailureKind::InvalidInput,
            "The body must be JSON (Content-Type: application/json). Nothing was sent to Hightouch.",
        )
    }

    /// The caller did not show what it takes.
    pub(super) fn unauthenticated(wanted: &str) -> Self {
        let detail =
            format!("Send {wanted} as `Authorization: Bearer …`. Nothing was sent to Hightouch.");
        Self {
            kind: UNAUTHENTICATED,
            title: "The request needs a bearer token",
            header: Some(("www-authenticate", "Bearer".into())),
            ..Self::own(401, FailureKind::Other, detail)
        }
    }

    /// The caller did not show that it is dbt. What is wrong with the signature is not told.
    pub(super) fn unsigned() -> Self {
        let detail = "The `Authorization` header is not dbt's signature of this body. Nothing was sent to Hightouch.";
        Self {
            kind: UNAUTHENTICATED,
            title: "The request needs dbt's signature",
            header: Some(("www-authenticate", "HMAC-SHA256".into())),
            ..Self::own(401, FailureKind::Other, detail)
        }
    }

    /// A problem where the key is the endpoint's own: that Hightouch refuses it is not the caller's fault.
    pub(super) fn behind_a_stored_key(self) -> Self {
        if self.kind == FailureKind::Unauthorized.as_str() {
            Self {
                status: 502,
                header: None,
                ..self
            }
        } else {
            self
        }
    }

    /// A setting is missing or wrong.
    pub(super) fn not_configured(detail: impl Into<String>) -> Self {
        Failure::unsent(FailureKind::NotConfigured, detail).into()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let (status, title) = match failure.kind {
            FailureKind::InvalidInput => (400, "The request cannot be right"),
            FailureKind::Unauthorized => (401, "Hightouch did not accept the API key"),
            FailureKind::NotFound => (404, "Hightouch knows no such sync, sequence or run"),
            FailureKind::Busy => (409, "A run of this sync is already going"),
            FailureKind::SyncFailed => (424, "It ran and did not succeed"),
            FailureKind::NotConfigured => (500, "A setting of this endpoint is missing or wrong"),
            FailureKind::NotGranted => (500, "The host does not let this component call Hightouch"),
            FailureKind::Api if failure.http_status == Some(429) => {
                (503, "Hightouch's rate limit outlasted the wait")
            }
            FailureKind::Api => (502, "Hightouch answered with an error"),
            FailureKind::Unreachable => (502, "Hightouch could not be reached"),
            FailureKind::MalformedAnswer => (502, "Hightouch's answer could not be read"),
            FailureKind::TriggerUnconfirmed => (502, "The run may have been started or not"),
            FailureKind::StillRunning => (202, "The run is still going"),
            FailureKind::Other => (502, "The request could not be carried out"),
        };
        let header = match status {
            401 => Some(("www-authenticate", "Bearer".into())),
            503 => Some((
                "retry-after",
                seconds(failure.retry_after.unwrap_or(RATE_LIMIT_WINDOW)),
            )),
            _ => None,
        };
        Self {
            status,
            kind: failure.kind.as_str(),
            title,
            failure: Box::new(failure),
            header,
        }
    }
}

/// Over how long Hightouch counts requests.
const RATE_LIMIT_WINDOW: Duration = Duration::from_secs(10);

impl View for Problem {
    fn fields(&self, object: &mut Object<'_>) {
        let Failure {
            message,
            details,
            http_status,
            sync,
            report,
            sequence,
            requests,
            elapsed,
            ..
        } = &*self.failure;
        object.text("type", &format!("urn:hightouch-sync:problem:{}", self.kind));
        object.text("title", self.title);
        object.whole("status", u64::from(self.status));
        object.text("detail", message);
        object.text("kind", self.kind);
        if let Some(status) = http_status {
            object.whole("hightouchStatus", u64::from(*status));
        }
        if let Some(details) = details {
            object.text("details", details);
        }
        if let Some(sync) = sync {
            object.whole("syncId", sync.get());
        }
        if let Some(report) = report {
            object.whole("runId", report.run.run.get());
            object.list("jobs", &mut report.jobs.iter().map(|job| job as &dyn View));
        }
        if let Some(run) = sequence {
            object.text("sequenceRunId", run.id.as_str());
            object.list(
                "syncRuns",
                &mut run.sync_runs.iter().map(|run| run as &dyn View),
            );
        }
        if *requests > 0 {
            object.whole("requests", u64::from(*requests));
            object.whole("elapsedMs", millis(*elapsed));
        }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let answer = Self::json_as("application/problem+json", problem.status, &problem);
        match problem.header {
            Some((name, value)) => answer.with(name, value),
            None => answer,
        }
    }
}

#[cfg(any(test, fuzzing))]
impl Problem {
    /// What is written, as others read it.
    pub(super) fn json(&self) -> serde_json::Value {
        let mut text = super::chunked_buffer::ChunkedBuffer::default();
        Object::write(self, &mut text);
        serde_json::from_str(&text.into_text()).unwrap_or_default()
    }
}
