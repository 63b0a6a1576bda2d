//! Spin's variables in WASI 0.2, with the async call that WASI 0.3 has.

pub(super) use crate::bindings::fermyon::spin::variables::Error;

use crate::bindings::fermyon::spin::variables;

/// Returns the value of a variable.
///
/// # Errors
///
/// Returns an error if there is no such variable, or if its provider fails.
pub(super) async fn get(name: String) -> Result<String, Error> {
    variables::get(&name)
}
