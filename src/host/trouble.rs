//! What the host's errors mean for a request.

use waki::bindings::wasi::http::types::ErrorCode;

use crate::engine::{Trouble, TroubleKind};

/// A request that got no answer, for a reason that says nothing about whether it arrived.
pub(super) fn lost(text: impl Into<String>) -> Trouble {
    Trouble { kind: TroubleKind::Lost, text: text.into() }
}

/// Reads an error with which the host would not even begin to send: whatever it is, nothing arrived.
pub(super) fn unsent(code: &ErrorCode) -> Trouble {
    let trouble = match code {
        // What Spin puts before a dependency that does not inherit `allowed_outbound_hosts` says no more than that.
        ErrorCode::InternalError(Some(text)) if text == "Access denied" => {
            Trouble { kind: TroubleKind::NotGranted, text: text.clone() }
        }
        code => from_code(code),
    };
    match trouble.kind {
        TroubleKind::Lost | TroubleKind::TimedOut => Trouble { kind: TroubleKind::NotSent, ..trouble },
        _ => trouble,
    }
}

/// Reads an error of wasi:http, whose codes are those of RFC 9209, section 2.3. Only what by that text comes before the first byte is sent
/// proves that nothing arrived; a TLS protocol error, for one, may come at any time.
pub(super) fn from_code(code: &ErrorCode) -> Trouble {
    let (kind, text) = match code {
        ErrorCode::HttpRequestDenied => (TroubleKind::NotGranted, "HTTP request denied".into()),
        ErrorCode::DnsTimeout => (TroubleKind::NotSent, "its name could not be looked up in time".into()),
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => {
            (TroubleKind::NotSent, "its name was not found".into())
        }
        ErrorCode::DestinationUnavailable => (TroubleKind::NotSent, "the host is not available".into()),
        ErrorCode::DestinationIpProhibited => (TroubleKind::NotGranted, "the host's address is prohibited".into()),
        ErrorCode::DestinationIpUnroutable => (TroubleKind::NotSent, "there is no route to the host".into()),
        ErrorCode::ConnectionRefused => (TroubleKind::NotSent, "the connection was refused".into()),
        ErrorCode::ConnectionTimeout => (TroubleKind::NotSent, "no connection could be made in time".into()),
        ErrorCode::ConnectionLimitReached => (TroubleKind::NotSent, "the host has too many connections".into()),
        ErrorCode::TlsCertificateError => (TroubleKind::NotSent, "its TLS certificate was not accepted".into()),
        ErrorCode::TlsProtocolError => (TroubleKind::Lost, "TLS failed".into()),
        ErrorCode::ConnectionTerminated => (TroubleKind::Lost, "the connection ended before the answer".into()),
        ErrorCode::ConnectionReadTimeout | ErrorCode::ConnectionWriteTimeout | ErrorCode::HttpResponseTimeout => {
            (TroubleKind::TimedOut, "no answer came in time".into())
        }
        ErrorCode::HttpProtocolError => (TroubleKind::Lost, "its answer was no HTTP".into()),
        ErrorCode::HttpResponseIncomplete => (TroubleKind::Lost, "its answer was cut off".into()),
        ErrorCode::TlsAlertReceived(_) => (TroubleKind::Lost, "its TLS ended the connection".into()),
        ErrorCode::ConfigurationError => (TroubleKind::Lost, "the host's configuration is wrong".into()),
        ErrorCode::LoopDetected => (TroubleKind::Lost, "the host found itself in a loop".into()),
        ErrorCode::InternalError(Some(text)) => (TroubleKind::Lost, format!("the host failed: {text}")),
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => {
            (TroubleKind::Lost, "its answer is larger than the host takes".into())
        }
        ErrorCode::HttpResponseTransferCoding(_) | ErrorCode::HttpResponseContentCoding(_) => {
            (TroubleKind::Lost, "its answer is written in a way that the host does not know".into())
        }
        // What is left speaks of the request, which is always of the same few forms, or says nothing.
        _ => (TroubleKind::Lost, "the host failed and does not say why".into()),
    };
    Trouble { kind, text }
}
