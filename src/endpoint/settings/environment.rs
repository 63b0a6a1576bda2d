//! Settings from the environment.

use core::cell::OnceCell;

use super::{Settings, get_environment};
use crate::endpoint::response::problem::Problem;

/// The environment of the component. It is read once for each request that needs a setting, because
/// the host always returns all of it.
#[derive(Default)]
pub(in crate::endpoint) struct Environment(OnceCell<Vec<(String, String)>>);

impl Environment {
    /// Returns whether settings were loaded that a decision lacked. The environment never lacks any.
    pub(in crate::endpoint) async fn load_missing(&self) -> bool {
        false
    }

    fn variables(&self) -> &[(String, String)] {
        self.0.get_or_init(get_environment)
    }
}

impl Settings for Environment {
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem> {
        let mut variables = self.variables().iter();
        let found = variables.find(|(variable, _)| variable == name);
        Ok(found.map(|(_, value)| value.clone()))
    }

    fn all(&self) -> Option<&[(String, String)]> {
        Some(self.variables())
    }
}
