//! Settings from the environment.

use super::Settings;
use crate::endpoint::response::problem::Problem;

/// The environment of the component.
pub(in crate::endpoint) struct Environment;

impl Settings for Environment {
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem> {
        Ok(variables()
            .find(|(variable, _)| variable == name)
            .map(|(_, value)| value))
    }

    fn all(&self) -> Option<Vec<(String, String)>> {
        Some(variables().collect())
    }
}

fn variables() -> impl Iterator<Item = (String, String)> {
    wasi::cli::environment::get_environment().into_iter()
}
