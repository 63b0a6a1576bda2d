//! The error of one attempt to send a request, and its classification.

use core::time::Duration;

use super::outcome::FailureKind;
use crate::hightouch::{ApiError, ReadError, Response, reason_phrase};

/// A request that got no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportError {
    /// What the error proves about the request.
    pub kind: TransportErrorKind,
    /// A description for people: a clause without a full stop, which messages embed.
    pub text: String,
}

/// What a [`TransportError`] proves about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// The host does not allow the request. Nothing was sent.
    NotGranted,
    /// Nothing was sent: the name was not found, or the connection was refused.
    NotSent,
    /// Nothing was sent: the TLS handshake failed. Another attempt would meet the same certificate.
    TlsFailed,
    /// The request may have arrived.
    Lost,
    /// The request may have arrived, and the server may still process it.
    TimedOut,
}

/// The error of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptError {
    /// A response with an error status, or with an error envelope and status 200.
    Rejected {
        status: u16,
        error: ApiError,
        retry_after: Option<Duration>,
    },
    /// A response with a success status that could not be read.
    Unreadable { status: u16, why: ReadError },
    /// No response.
    Transport(TransportError),
}

impl AttemptError {
    /// Returns the error for a response with an error status.
    pub(super) fn rejected(response: &Response) -> Self {
        let error = match response.encoding_error() {
            Some(why) => ApiError {
                message: None,
                details: Some(why.to_string()),
            },
            None => ApiError::from_response(response),
        };
        Self::Rejected {
            status: response.status,
            error,
            retry_after: response.retry_delay(),
        }
    }

    /// Returns the error for a readable response with status 200 that lacks what is needed.
    pub(super) fn unreadable(why: ReadError) -> Self {
        Self::Unreadable { status: 200, why }
    }

    /// Returns whether another attempt of a read request may succeed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Rejected { status, .. } => {
                matches!(status, 300..=399 | 408 | 425 | 429 | 500..=599)
            }
            // A list that is too long does not become shorter.
            Self::Unreadable { why, .. } => !matches!(why, ReadError::TooManyPages(_)),
            Self::Transport(error) => error.kind != TransportErrorKind::NotGranted,
        }
    }

    /// Returns whether every attempt fails in the same way until somebody changes a setting: an
    /// untrusted certificate, or a content coding that the request excluded.
    pub(super) fn is_persistent(&self) -> bool {
        match self {
            Self::Rejected { .. } => false,
            Self::Unreadable { .. } => self.is_encoded(),
            Self::Transport(error) => error.kind == TransportErrorKind::TlsFailed,
        }
    }

    /// Returns whether another attempt of a read request is pointless.
    ///
    /// If the run is confirmed, persistent errors count as transient: the run continues, and the
    /// cause, such as a proxy, may be fixed meanwhile.
    pub(super) fn is_final(&self, run_is_confirmed: bool) -> bool {
        !self.is_transient() || !run_is_confirmed && self.is_persistent()
    }

    /// Returns whether the response has a content coding that the request excluded.
    pub(super) fn is_encoded(&self) -> bool {
        matches!(
            self,
            Self::Unreadable {
                why: ReadError::Encoded(_),
                ..
            }
        )
    }

    /// Returns whether the workspace's rate limit rejected the request.
    pub(super) fn is_rate_limited(&self) -> bool {
        matches!(self, Self::Rejected { status: 429, .. })
    }

    /// Returns whether the server may still process the request.
    pub(super) fn server_may_continue(&self) -> bool {
        match self {
            Self::Rejected { status, .. } => matches!(status, 408 | 504),
            Self::Unreadable { .. } => false,
            Self::Transport(error) => error.kind == TransportErrorKind::TimedOut,
        }
    }

    /// Returns the delay that the server asked for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns the status of the response.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Rejected { status, .. } | Self::Unreadable { status, .. } => Some(*status),
            Self::Transport(_) => None,
        }
    }

    /// Returns the kind of the failure if this error ends the operation.
    pub(super) fn kind(&self) -> FailureKind {
        match self {
            Self::Rejected { status: 401, .. } => FailureKind::Unauthorized,
            Self::Rejected { status: 404, .. } => FailureKind::NotFound,
            Self::Rejected { .. } => FailureKind::Api,
            Self::Unreadable { .. } => FailureKind::MalformedAnswer,
            Self::Transport(error) => match error.kind {
                TransportErrorKind::NotGranted => FailureKind::NotGranted,
                TransportErrorKind::NotSent
                | TransportErrorKind::TlsFailed
                | TransportErrorKind::Lost
                | TransportErrorKind::TimedOut => FailureKind::Unreachable,
            },
        }
    }

    /// Returns the message of the failure.
    ///
    /// It is Hightouch's own message for status 401 and for error envelopes with a success status,
    /// and the standard reason phrase for every other status.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Rejected { status, error, .. } => match &error.message {
                Some(message) if *status == 401 || *status < 300 => message.clone(),
                _ => reason_phrase(*status),
            },
            Self::Unreadable { why, .. } => why.to_string(),
            Self::Transport(TransportError { kind, text }) => match kind {
                TransportErrorKind::NotGranted => format!(
                    "The host did not allow the request to Hightouch ({text}). Add the API's \
                     origin to the origins that this component may call. On Spin, add it to \
                     `allowed_outbound_hosts`; a dependency has to inherit it \
                     (`inherit_configuration`)"
                ),
                TransportErrorKind::TlsFailed => format!(
                    "Hightouch could not be reached: {text}. Check that the API's origin is \
                     right, and that the host trusts the certificate of the origin"
                ),
                TransportErrorKind::NotSent
                | TransportErrorKind::Lost
                | TransportErrorKind::TimedOut => {
                    format!("Hightouch could not be reached: {text}")
                }
            },
        }
    }

    /// Returns what Hightouch's response contains in addition to the message.
    pub(super) fn details(&self) -> Option<String> {
        let Self::Rejected { error, .. } = self else {
            return None;
        };
        let message = error
            .message
            .clone()
            .filter(|message| *message != self.message());
        match (message, error.details.clone()) {
            (Some(message), Some(details)) => Some(format!("{message}: {details}")),
            (message, details) => message.or(details),
        }
    }

    /// Returns the error as one sentence, for the details of another failure.
    pub(super) fn sentence(&self) -> String {
        let details = self
            .details()
            .map(|details| format!(" ({details})"))
            .unwrap_or_default();
        match self {
            Self::Rejected { status, .. } => {
                format!("Hightouch answered {status} {}{details}.", self.message())
            }
            Self::Unreadable { .. } | Self::Transport(_) => {
                format!("{}{details}.", self.message())
            }
        }
    }
}
