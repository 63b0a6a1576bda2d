//! Problem details (RFC 9457).

use core::fmt;
use core::time::Duration;

use serde::{Serialize, Serializer};

use super::Response;
use super::report::{Jobs, SyncRuns};
use super::retry_after::seconds;
use crate::engine::{Failure, FailureKind, Report, whole_millis};
use crate::hightouch::ApiKey;
use crate::host::Redact as _;

/// Why a request did not end in a report.
#[derive(Clone, Debug)]
pub(in crate::endpoint) struct Problem {
    /// The HTTP status of the response.
    pub(in crate::endpoint) status: u16,
    /// `kind`, which is also the last part of `type`.
    pub(in crate::endpoint) kind: &'static str,
    title: &'static str,
    failure: Box<Failure>,
    header: Option<(&'static str, String)>,
}

/// The kind of problem for a caller without valid credentials.
const UNAUTHENTICATED: &str = "unauthenticated";

/// The period of Hightouch's rate limit of 200 requests in ten seconds.
const RATE_LIMIT_WINDOW: Duration = Duration::from_secs(10);

impl Problem {
    fn new(status: u16, kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            status,
            ..Self::from(Failure::unsent(kind, detail))
        }
    }

    /// Invalid input. The message may quote the input, and is shortened if it is too long.
    pub(in crate::endpoint) fn invalid(error: impl fmt::Display) -> Self {
        Failure::invalid_input(error).trimmed().into()
    }

    /// The path does not exist.
    pub(in crate::endpoint) fn no_such_path() -> Self {
        Self::new(
            404,
            FailureKind::InvalidInput,
            "No such path. Valid paths: POST /syncs/{sync}/runs, GET /syncs/{sync}/runs, \
             GET /syncs/{syncId}/runs/{runId}, POST /runs, POST /sync-sequences/{sequenceId}/runs, GET /sync-sequences/runs/{runId}, \
             POST /hooks/dbt/{sync}, GET /, GET /healthz, GET /openapi.json. Nothing was sent to \
             Hightouch.",
        )
    }

    /// The path does not allow the method.
    pub(in crate::endpoint) fn method_not_allowed(allowed: &str) -> Self {
        let detail = format!("This path allows {allowed} only. Nothing was sent to Hightouch.");
        Self {
            header: Some(("allow", allowed.into())),
            ..Self::new(405, FailureKind::InvalidInput, detail)
        }
    }

    /// The body is longer than `max` bytes.
    pub(in crate::endpoint) fn body_too_large(max: usize) -> Self {
        let detail = format!(
            "The body is longer than {} KiB. Nothing was sent to Hightouch.",
            max / 1024
        );
        Self::new(413, FailureKind::InvalidInput, detail)
    }

    /// The body is not JSON.
    pub(in crate::endpoint) fn not_json() -> Self {
        Self::new(
            415,
            FailureKind::InvalidInput,
            "The body must be JSON (Content-Type: application/json). Nothing was sent to Hightouch.",
        )
    }

    /// The bearer token is missing or wrong. `expected` says which token is needed.
    pub(in crate::endpoint) fn unauthenticated(expected: &str) -> Self {
        let detail =
            format!("Send {expected} as `Authorization: Bearer …`. Nothing was sent to Hightouch.");
        Self {
            kind: UNAUTHENTICATED,
            title: "The request needs a bearer token",
            header: Some(("www-authenticate", "Bearer".into())),
            ..Self::new(401, FailureKind::Other, detail)
        }
    }

    /// dbt's signature is missing or wrong. The message does not say why the signature is wrong.
    pub(in crate::endpoint) fn unsigned() -> Self {
        Self {
            kind: UNAUTHENTICATED,
            title: "The request needs dbt's signature",
            header: Some(("www-authenticate", "HMAC-SHA256".into())),
            ..Self::new(
                401,
                FailureKind::Other,
                "The `Authorization` header is not dbt's signature of this body. Nothing was sent to \
                 Hightouch.",
            )
        }
    }

    /// A setting is missing or invalid.
    pub(in crate::endpoint) fn not_configured(detail: impl Into<String>) -> Self {
        Failure::unsent(FailureKind::NotConfigured, detail).into()
    }

    /// Returns what happened.
    pub(in crate::endpoint) fn detail(&self) -> &str {
        &self.failure.message
    }

    /// Removes a secret from all texts.
    pub(in crate::endpoint) fn redact(&mut self, secret: &ApiKey) {
        self.failure.redact(secret);
    }

    /// Returns the problem as an entry of a batch. A sync that was not started gets 424 (Failed
    /// Dependency), because it depended on the others.
    pub(in crate::endpoint) fn in_batch(self) -> Self {
        if self.kind == FailureKind::NotStarted.as_str() {
            Self {
                status: 424,
                title: "The run was not started",
                header: None,
                ..self
            }
        } else {
            self
        }
    }

    /// A setting has a wrong value. The message does not contain the value.
    pub(in crate::endpoint) fn invalid_setting(name: &str, error: impl fmt::Display) -> Self {
        Self::not_configured(format!(
            "The setting {name} is invalid: {error}. Nothing was sent to Hightouch."
        ))
    }

    /// The caller may not run `subject`, or see its runs.
    pub(in crate::endpoint) fn forbidden(subject: impl fmt::Display) -> Self {
        let detail = format!(
            "The settings of this endpoint do not allow {subject}. No run was started. Nothing was \
             sent to Hightouch."
        );
        Failure::unsent(FailureKind::Forbidden, detail).into()
    }

    /// Returns the problem for a caller who does not know the API key. If Hightouch rejects the
    /// key, the caller is not at fault.
    pub(in crate::endpoint) fn of_stored_key(self) -> Self {
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
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let (status, title) = match failure.kind {
            FailureKind::InvalidInput => (400, "Invalid request"),
            FailureKind::Unauthorized => (401, "Hightouch did not accept the API key"),
            FailureKind::NotFound => (
                404,
                "Hightouch does not know the sync, the sequence or the run",
            ),
            FailureKind::Busy => (409, "A run of this sync is already in progress"),
            FailureKind::SyncFailed => (424, "The run did not succeed"),
            FailureKind::NotStarted => (503, "The wait was too short to start the run"),
            FailureKind::Forbidden => {
                (403, "This endpoint does not allow the sync or the sequence")
            }
            FailureKind::NotConfigured => (500, "A setting of this endpoint is missing or invalid"),
            FailureKind::NotGranted => (
                500,
                "The host does not allow this component to call Hightouch",
            ),
            FailureKind::Api if failure.http_status == Some(429) => {
                (503, "Hightouch's rate limit lasted longer than the wait")
            }
            FailureKind::Api => (502, "Hightouch answered with an error"),
            FailureKind::Unreachable => (502, "Hightouch could not be reached"),
            FailureKind::MalformedAnswer => (502, "Hightouch's response could not be read"),
            FailureKind::TriggerUnconfirmed => (502, "A run may or may not have been started"),
            FailureKind::StillRunning => (202, "The run is still in progress"),
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

/// Maximum length of a caller's text in a message, in bytes.
const MAX_QUOTE: usize = 256;

/// A caller's text in a message. A long text is shortened, so that the rest of the message fits.
pub(in crate::endpoint) struct Quoted<'a>(pub(in crate::endpoint) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ELLIPSIS: &str = "…";
        let Self(text) = *self;
        if text.len() <= MAX_QUOTE {
            return out.write_str(text);
        }
        let end = text.floor_char_boundary(MAX_QUOTE - ELLIPSIS.len());
        out.write_str(text.get(..end).unwrap_or_default())?;
        out.write_str(ELLIPSIS)
    }
}

/// A problem as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemView<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hightouch_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Jobs<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_runs: Option<SyncRuns<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_ms: Option<u64>,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Failure {
            kind: _,
            message,
            details,
            http_status,
            retry_after: _,
            sync,
            report,
            requests,
            elapsed,
        } = &*self.failure;
        let (run, sequence_run) = match report {
            Some(Report::Sync(report)) => (Some(report), None),
            Some(Report::Sequence(report)) => (None, Some(&report.run)),
            None => (None, None),
        };
        let was_sent = *requests > 0;
        ProblemView {
            r#type: format!("urn:hightouch-sync:problem:{}", self.kind),
            title: self.title,
            status: self.status,
            detail: message,
            kind: self.kind,
            hightouch_status: *http_status,
            details: details.as_deref(),
            sync_id: sync.map(|sync| sync.get()),
            run_id: run.map(|report| report.run.run.get()),
            jobs: run.map(|report| Jobs(&report.jobs)),
            joined: run.map(|report| report.joined),
            sequence_run_id: sequence_run.map(|run| run.id.as_str()),
            sync_runs: sequence_run.map(|run| SyncRuns(&run.sync_runs)),
            requests: was_sent.then_some(*requests),
            elapsed_ms: was_sent.then(|| whole_millis(*elapsed)),
        }
        .serialize(serializer)
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let response = Self::json_as("application/problem+json", problem.status, &problem);
        match problem.header {
            Some((name, value)) => response.with(name, value),
            None => response,
        }
    }
}
