//! Settings from the environment.

use super::{API_KEY, SECRETS, Settings};
use crate::endpoint::request::account::Account;
use crate::endpoint::response::problem::Problem;

/// The environment of the component.
pub(in crate::endpoint) struct Environment;

impl Settings for Environment {
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem> {
        Ok(variables()
            .find(|(variable, _)| variable == name)
            .map(|(_, value)| value))
    }

    fn secrets(&self, _: Option<&Account>) -> Result<Vec<String>, Problem> {
        let is_secret = |name: &str| SECRETS.iter().any(|secret| name.starts_with(secret));
        Ok(variables()
            .filter(|(name, _)| is_secret(name))
            .map(|(_, value)| value)
            .collect())
    }

    fn has_stored_key(&self) -> Result<bool, Problem> {
        Ok(variables()
            .any(|(name, value)| name.starts_with(API_KEY) && !value.trim_ascii().is_empty()))
    }
}

fn variables() -> impl Iterator<Item = (String, String)> {
    wasi::cli::environment::get_environment().into_iter()
}
