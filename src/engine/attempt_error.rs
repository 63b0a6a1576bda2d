//! One try that failed, and what it is called when it is the last word.

use core::time::Duration;

use super::outcome::FailureKind;
use crate::hightouch::{ApiError, ReadError, Response, reason};

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportError {
    /// What it means for the request.
    pub kind: TransportErrorKind,
    /// What happened, for a person, as the end of a sentence.
    pub text: String,
}

/// What it means for a request that no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// The host refused to send it.
    NotGranted,
    /// It provably was not sent: the name was not found, the connection was refused.
    NotSent,
    /// It provably was not sent, because the TLS handshake failed. Another try meets the same certificate.
    TlsFailed,
    /// It may have arrived.
    Lost,
    /// It may have arrived, and the server may still be at it.
    TimedOut,
}

/// One try that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AttemptError {
    /// An answer with a status that is none of success, or an envelope of an error.
    Refused {
        status: u16,
        error: ApiError,
        asked: Option<Duration>,
    },
    /// An answer of success that could not be read.
    Unreadable { status: u16, why: ReadError },
    /// No answer.
    TransportError(TransportError),
}

impl AttemptError {
    /// An answer with a status that is none of success.
    pub(super) fn refused(answer: &Response) -> Self {
        let error = match answer.coded() {
            Some(why) => ApiError {
                message: None,
                details: Some(why.to_string()),
            },
            None => ApiError::of(answer),
        };
        Self::Refused {
            status: answer.status,
            error,
            asked: answer.wait_asked(),
        }
    }

    /// Whether a later try of a request that only reads may go better: the server was busy, or something in between failed.
    pub(super) fn passing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                matches!(status, 300..=399 | 408 | 425 | 429 | 500..=599)
            }
            // A list that is too long will be no shorter.
            Self::Unreadable { why, .. } => !matches!(why, ReadError::TooManyPages(_)),
            Self::TransportError(trouble) => trouble.kind != TransportErrorKind::NotGranted,
        }
    }

    /// Whether each later try before a run is known would meet the same: a certificate that is not trusted, a content coding that nobody
    /// asked for.
    pub(super) fn lasts(&self) -> bool {
        match self {
            Self::Refused { .. } => false,
            Self::Unreadable { .. } => self.is_encoded(),
            Self::TransportError(trouble) => trouble.kind == TransportErrorKind::TlsFailed,
        }
    }

    /// Whether the response has a content coding that nobody asked for.
    pub(super) fn is_encoded(&self) -> bool {
        matches!(
            self,
            Self::Unreadable {
                why: ReadError::Encoded(_),
                ..
            }
        )
    }

    /// Whether the workspace's rate limit is what stood in the way: it passes, so nobody counts how often.
    pub(super) fn rate_limited(&self) -> bool {
        matches!(self, Self::Refused { status: 429, .. })
    }

    /// Whether the server may still be at work on the request.
    pub(super) fn may_go_on(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 504),
            Self::Unreadable { .. } => false,
            Self::TransportError(trouble) => trouble.kind == TransportErrorKind::TimedOut,
        }
    }

    /// How long the server asks to be left alone.
    pub(super) fn asked(&self) -> Option<Duration> {
        match self {
            Self::Refused { asked, .. } => *asked,
            _ => None,
        }
    }

    /// The status of the answer, if there was one.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Unreadable { status, .. } => Some(*status),
            Self::TransportError(_) => None,
        }
    }

    /// What kind of failure it is.
    pub(super) fn kind(&self) -> FailureKind {
        match self {
            Self::Refused { status: 401, .. } => FailureKind::Unauthorized,
            Self::Refused { status: 404, .. } => FailureKind::NotFound,
            Self::Refused { .. } => FailureKind::Api,
            Self::Unreadable { .. } => FailureKind::MalformedAnswer,
            Self::TransportError(trouble) => match trouble.kind {
                TransportErrorKind::NotGranted => FailureKind::NotGranted,
                TransportErrorKind::NotSent
                | TransportErrorKind::TlsFailed
                | TransportErrorKind::Lost
                | TransportErrorKind::TimedOut => FailureKind::Unreachable,
            },
        }
    }

    /// The message that the rule asks for: Hightouch's own for a 401 (and for an error that comes with a status of success), the
    /// standard reason phrase for any other status.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Refused { status, error, .. } => match &error.message {
                Some(message) if *status == 401 || *status < 300 => message.clone(),
                _ => reason(*status),
            },
            Self::Unreadable { why, .. } => why.to_string(),
            Self::TransportError(TransportError {
                kind: TransportErrorKind::NotGranted,
                text,
            }) => format!(
                "The host did not allow the call to Hightouch ({text}): add the API's origin to what this component may call, in Spin to \
                 `allowed_outbound_hosts`, which a dependency has to inherit (`inherit_configuration`)"
            ),
            Self::TransportError(TransportError {
                kind: TransportErrorKind::TlsFailed,
                text,
            }) => format!(
                "Hightouch could not be reached: {text}. Check that the API's origin is right, and that the host trusts the certificate \
                 that it presents"
            ),
            Self::TransportError(trouble) => {
                format!("Hightouch could not be reached: {}", trouble.text)
            }
        }
    }

    /// What Hightouch said beyond the message.
    pub(super) fn details(&self) -> Option<String> {
        let Self::Refused { error, .. } = self else {
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

    /// One sentence that says all of it, for the details of another failure.
    pub(super) fn sentence(&self) -> String {
        let said = self
            .details()
            .map(|details| format!(" ({details})"))
            .unwrap_or_default();
        match self.status() {
            Some(status) if matches!(self, Self::Refused { .. }) => {
                let status = u64::from(status);
                format!("Hightouch answered {status} {}{said}.", self.message())
            }
            _ => format!("{}{said}.", self.message()),
        }
    }
}
