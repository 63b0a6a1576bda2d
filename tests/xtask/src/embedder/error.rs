//! wasmtime's errors as everybody else's.

/// With every cause kept.
pub(super) fn into_anyhow(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into_boxed_dyn_error())
}
