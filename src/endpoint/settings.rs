//! The endpoint's settings: the environment, or Spin's variables.

use super::problem::Problem;

/// A setting by the name it has in the environment. Empty counts as not set.
pub(super) fn get(name: &str) -> Result<Option<String>, Problem> {
    Ok(look_up(name)?.map(|value| value.trim().into()).filter(|value: &String| !value.is_empty()))
}

#[cfg(not(feature = "spin"))]
fn look_up(name: &str) -> Result<Option<String>, Problem> {
    let all = wasi::cli::environment::get_environment();
    Ok(all.into_iter().find(|(key, _)| key == name).map(|(_, value)| value))
}

#[cfg(feature = "spin")]
fn look_up(name: &str) -> Result<Option<String>, Problem> {
    use crate::bindings::fermyon::spin::variables::{Error, get};
    match get(&name.to_ascii_lowercase()) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined(_)) => Ok(None),
        // The provider's own text could quote the value.
        Err(_) => Err(Problem::not_configured(format!(
            "The Spin variable `{}` could not be read: look at the variable's provider. Nothing was sent to Hightouch.",
            name.to_ascii_lowercase()
        ))),
    }
}
