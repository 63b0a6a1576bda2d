//! The host's error codes, and what they prove about a request.
//!
//! A request that starts a run may be sent again only after proof that it was not sent. An error
//! code is such a proof only if every host that reports it reports it before the first byte of a
//! request is sent. This table says when each host reports each code. The column "0.3" is about
//! `send` of wasi:http 0.3 in wasmtime and Spin, and the columns before it are about 0.2.
//!
//! | code | wasmtime | Spin | jco (Node) | 0.3 | proves not sent |
//! | --- | --- | --- | --- | --- | --- |
//! | `DNS-error` | lookup, or no local address | the same | `ENOTFOUND` of the lookup | the same | yes |
//! | `connection-refused` | any error of connecting | any error of connecting | `ECONNREFUSED` of `connect` | the same | yes |
//! | `connection-limit-reached` | never | the limit on connections is reached | never | the same | yes |
//! | `TLS-protocol-error` | any error of the TLS handshake, an untrusted certificate included | the same | never | the same | yes |
//! | `TLS-certificate-error` | never | never | never | never | yes: RFC 9209 defines it as an error of the handshake |
//! | `HTTP-request-denied` | an embedder's own check | `allowed_outbound_hosts` | never | the same | yes, not granted |
//! | `destination-IP-prohibited` | never | blocked networks, before connecting | never | the same | yes, not granted |
//! | `connection-timeout` | connecting | connecting | **socket idle, also after the request was sent** | the same | no |
//! | `connection-read-timeout` | first byte, or between bytes | the same | never | the same | no |
//! | `HTTP-response-timeout` | the response's body | never | never | the end of the response's body | no |
//! | `HTTP-protocol-error` | any other error of the connection | any other error of the connection | `ECONNRESET`, unknown scheme | the same, and unknown scheme | no |
//! | `HTTP-request-body-size` | body and `content-length` differ | the same | never | the same | no |
//! | `HTTP-request-URI-invalid` | URI without authority | the same | the same | the same | not used as proof |
//! | `internal-error` | headers that cannot be sent | a denied dependency, from `handle` only | any other error of Node, certificates included | headers that cannot be sent; Spin: a denied dependency | only with the text of Spin's adapter for 0.3 |
//! | all others | never | never | never | never | no: no source says when |
//!
//! In WASI 0.2, `handle` itself returns an error only before it sends: in wasmtime and Spin it
//! checks the request's form and spawns a task that sends; in jco it checks the URI and posts a
//! message to the worker that sends. So every error of `handle` is proof (`unsent` in `p2`). In
//! WASI 0.3, `send` returns the errors before and after sending alike, so only the code is proof.
//! There, an error code that a component writes into the trailers of its own request comes back
//! from `send`. This component never writes one.
//!
//! Spin composes an adapter with a dependency that does not inherit `allowed_outbound_hosts`. In
//! WASI 0.3, the adapter's error is an `internal-error` with a text that nothing else in Spin or
//! wasmtime produces ([`DENIED`]). The adapter sends nothing.
//!
//! An error of a TLS handshake is proof. Before a run is known, it also ends the operation, because
//! the next handshake meets the same certificate. Node reports an untrusted certificate as
//! `internal-error`, which proves nothing.
//!
//! No request options are set. jco uses `connect-timeout` as the idle timeout of the socket, and
//! applies `first-byte-timeout` only after the response's head has arrived. Without options jco sets
//! no timeout; wasmtime and Spin use 600 s for each. `Exchange` enforces its own deadline, which is
//! always earlier. A host whose own timeout is shorter reports one of the timeouts above, and none
//! of these is proof.
//!
//! Sources: wasmtime-wasi-http 48.0.8, `src/default_send_request.rs`, `src/p2/error.rs`
//! (`error_to_p2`), `src/p2/http_impl.rs` (`handle`), `src/ctx.rs` (`p2_error_from_…`,
//! `p3_error_from_…`), `src/p3/host/handler.rs` (`send`), `src/p3/request.rs`
//! (`into_http_with_getter`), `src/p3/conv.rs` (`error_to_p3`). Spin 4.0.2 and its main branch of
//! August 2026 (which becomes 4.1), `crates/factor-outbound-http/src/wasi.rs` (`prepare_request`,
//! `send_request`, `connect_tcp`, `connect_tls`), `crates/factor-outbound-http/src/lib.rs`
//! (`remove_blocked_addrs`), `crates/capabilities/deny-adapter/src/lib.rs` (before 4.0
//! `crates/compose/deny-all/src/lib.rs`). jco: `@bytecodealliance/preview2-shim` 0.26.1,
//! `dist/nodejs/http.js` (`OutgoingRequest._handle`, `RequestOptions`), `dist/io/worker-http.js`
//! (`createHttpRequest`). RFC 9209, section 2.3.

use super::adapter::http_types::ErrorCode;
use crate::engine::{TransportError, TransportErrorKind};

/// The text of the error with which Spin's adapter for WASI 0.3 denies a request.
const DENIED: &str = "\"wasi:http/client\" is not permitted";

/// Returns the error of a request that may have arrived.
pub(super) fn lost(text: impl Into<String>) -> TransportError {
    TransportError {
        kind: TransportErrorKind::Lost,
        text: text.into(),
    }
}

/// Maps an error code that arrived instead of a response, by the table above.
pub(super) fn from_code(code: &ErrorCode) -> TransportError {
    let (kind, text) = match code {
        ErrorCode::HttpRequestDenied => {
            (TransportErrorKind::NotGranted, "HTTP request denied".into())
        }
        ErrorCode::InternalError(Some(text)) if text == DENIED => {
            (TransportErrorKind::NotGranted, text.clone())
        }
        ErrorCode::DestinationIpProhibited => (
            TransportErrorKind::NotGranted,
            "the host prohibits the server's address".into(),
        ),
        ErrorCode::DnsError(_) => (TransportErrorKind::NotSent, "the server's name was not found".into()),
        ErrorCode::ConnectionRefused => (
            TransportErrorKind::NotSent,
            "the connection was refused".into(),
        ),
        ErrorCode::ConnectionLimitReached => (
            TransportErrorKind::NotSent,
            "too many connections are open".into(),
        ),
        ErrorCode::TlsCertificateError => (
            TransportErrorKind::TlsFailed,
            "the server's TLS certificate was not accepted".into(),
        ),
        ErrorCode::TlsProtocolError => (
            TransportErrorKind::TlsFailed,
            "the TLS handshake failed, most often because the server's TLS certificate is not trusted"
                .into(),
        ),
        ErrorCode::ConnectionTimeout => (
            TransportErrorKind::TimedOut,
            "the connection timed out".into(),
        ),
        ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => (
            TransportErrorKind::TimedOut,
            "no response arrived in time".into(),
        ),
        ErrorCode::DnsTimeout => (
            TransportErrorKind::Lost,
            "the look-up of the server's name timed out".into(),
        ),
        ErrorCode::DestinationNotFound => {
            (TransportErrorKind::Lost, "the server was not found".into())
        }
        ErrorCode::DestinationUnavailable => {
            (TransportErrorKind::Lost, "the server is not available".into())
        }
        ErrorCode::DestinationIpUnroutable => {
            (TransportErrorKind::Lost, "there is no route to the server".into())
        }
        ErrorCode::ConnectionTerminated => (
            TransportErrorKind::Lost,
            "the connection ended before the response".into(),
        ),
        ErrorCode::HttpProtocolError => (TransportErrorKind::Lost, "the response was not valid HTTP".into()),
        ErrorCode::HttpResponseIncomplete => {
            (TransportErrorKind::Lost, "the response was cut off".into())
        }
        ErrorCode::TlsAlertReceived(_) => (
            TransportErrorKind::Lost,
            "the server closed the connection with a TLS alert".into(),
        ),
        ErrorCode::ConfigurationError => (
            TransportErrorKind::Lost,
            "the host's configuration is wrong".into(),
        ),
        ErrorCode::LoopDetected => (
            TransportErrorKind::Lost,
            "the host detected a loop".into(),
        ),
        ErrorCode::InternalError(Some(text)) => {
            (TransportErrorKind::Lost, format!("the host failed: {text}"))
        }
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => (
            TransportErrorKind::Lost,
            "the response is larger than the host accepts".into(),
        ),
        ErrorCode::HttpResponseTransferCoding(_) | ErrorCode::HttpResponseContentCoding(_) => (
            TransportErrorKind::Lost,
            "the response uses an encoding that the host does not know".into(),
        ),
        // The other codes concern the form of the request, which never varies, or carry no
        // information.
        _ => (
            TransportErrorKind::Lost,
            "the host failed and gave no reason".into(),
        ),
    };
    TransportError { kind, text }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::host::adapter::http_types::{
        DnsErrorPayload, FieldSizePayload, TlsAlertReceivedPayload,
    };

    /// Every code. A new code does not compile until it is listed here.
    pub(in crate::host) fn all() -> Vec<ErrorCode> {
        let size = || FieldSizePayload {
            field_name: None,
            field_size: None,
        };
        let codes = vec![
            ErrorCode::DnsTimeout,
            ErrorCode::DnsError(DnsErrorPayload {
                rcode: None,
                info_code: None,
            }),
            ErrorCode::DestinationNotFound,
            ErrorCode::DestinationUnavailable,
            ErrorCode::DestinationIpProhibited,
            ErrorCode::DestinationIpUnroutable,
            ErrorCode::ConnectionRefused,
            ErrorCode::ConnectionTerminated,
            ErrorCode::ConnectionTimeout,
            ErrorCode::ConnectionReadTimeout,
            ErrorCode::ConnectionWriteTimeout,
            ErrorCode::ConnectionLimitReached,
            ErrorCode::TlsProtocolError,
            ErrorCode::TlsCertificateError,
            ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
                alert_id: None,
                alert_message: None,
            }),
            ErrorCode::HttpRequestDenied,
            ErrorCode::HttpRequestLengthRequired,
            ErrorCode::HttpRequestBodySize(None),
            ErrorCode::HttpRequestMethodInvalid,
            ErrorCode::HttpRequestUriInvalid,
            ErrorCode::HttpRequestUriTooLong,
            ErrorCode::HttpRequestHeaderSectionSize(None),
            ErrorCode::HttpRequestHeaderSize(None),
            ErrorCode::HttpRequestTrailerSectionSize(None),
            ErrorCode::HttpRequestTrailerSize(size()),
            ErrorCode::HttpResponseIncomplete,
            ErrorCode::HttpResponseHeaderSectionSize(None),
            ErrorCode::HttpResponseHeaderSize(size()),
            ErrorCode::HttpResponseBodySize(None),
            ErrorCode::HttpResponseTrailerSectionSize(None),
            ErrorCode::HttpResponseTrailerSize(size()),
            ErrorCode::HttpResponseTransferCoding(None),
            ErrorCode::HttpResponseContentCoding(None),
            ErrorCode::HttpResponseTimeout,
            ErrorCode::HttpUpgradeFailed,
            ErrorCode::HttpProtocolError,
            ErrorCode::LoopDetected,
            ErrorCode::ConfigurationError,
            ErrorCode::InternalError(None),
            ErrorCode::InternalError(Some("Error: socket hang up".into())),
            ErrorCode::InternalError(Some(
                "\"wasi:http/outgoing-handler\" is not permitted".into(),
            )),
            ErrorCode::InternalError(Some(DENIED.into())),
        ];
        assert_eq!(
            codes
                .iter()
                .map(core::mem::discriminant)
                .collect::<std::collections::HashSet<_>>()
                .len(),
            39
        );
        codes
    }

    #[test]
    fn only_what_every_host_reports_before_it_sends_is_proof() {
        for code in all() {
            let kind = from_code(&code).kind;
            let proven = match &code {
                ErrorCode::DnsError(_)
                | ErrorCode::ConnectionRefused
                | ErrorCode::ConnectionLimitReached => Some(TransportErrorKind::NotSent),
                ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError => {
                    Some(TransportErrorKind::TlsFailed)
                }
                ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
                    Some(TransportErrorKind::NotGranted)
                }
                ErrorCode::InternalError(Some(text)) if text == DENIED => {
                    Some(TransportErrorKind::NotGranted)
                }
                _ => None,
            };
            match proven {
                Some(expected) => assert_eq!(kind, expected, "{code:?}"),
                None => assert!(
                    matches!(
                        kind,
                        TransportErrorKind::Lost | TransportErrorKind::TimedOut
                    ),
                    "{code:?}: {kind:?}"
                ),
            }
        }
    }
}
