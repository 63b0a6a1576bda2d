//! The errors that `handle` of WASI 0.2 itself returns.

use waki::bindings::wasi::http::types::ErrorCode;

use crate::engine::{TransportError, TransportErrorKind};
use crate::host::transport_error::from_code;

/// Maps an error that `handle` returned. Nothing was sent, whatever the code is.
pub(super) fn unsent(code: &ErrorCode) -> TransportError {
    let error = match code {
        // Spin composes an adapter with a dependency that does not inherit
        // `allowed_outbound_hosts`. The adapter's error is
        // `"wasi:http/outgoing-handler" is not permitted`, in every version since 3.0.
        ErrorCode::InternalError(Some(text)) if text.ends_with("is not permitted") => {
            TransportError {
                kind: TransportErrorKind::NotGranted,
                text: text.clone(),
            }
        }
        code => from_code(code),
    };
    match error.kind {
        TransportErrorKind::Lost | TransportErrorKind::TimedOut => TransportError {
            kind: TransportErrorKind::NotSent,
            ..error
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::transport_error::tests::all;

    #[test]
    fn whatever_handle_returns_nothing_was_sent() {
        for code in all() {
            let kind = unsent(&code).kind;
            assert!(
                !matches!(
                    kind,
                    TransportErrorKind::Lost | TransportErrorKind::TimedOut
                ),
                "{code:?}: {kind:?}"
            );
        }
    }

    #[test]
    fn spins_error_for_a_dependency_that_inherits_nothing_is_not_granted() {
        for text in [
            "\"wasi:http/outgoing-handler\" is not permitted",
            "\"wasi:http/client\" is not permitted",
        ] {
            let trouble = unsent(&ErrorCode::InternalError(Some(text.into())));
            assert_eq!(
                (trouble.kind, trouble.text.as_str()),
                (TransportErrorKind::NotGranted, text)
            );
        }
        assert_eq!(
            unsent(&ErrorCode::InternalError(Some("no memory".into()))).kind,
            TransportErrorKind::NotSent
        );
    }
}
