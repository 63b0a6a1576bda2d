//! Settings for tests.

use super::Settings;
use crate::endpoint::response::problem::Problem;

/// Settings with fixed values.
#[derive(Clone, Debug, Default)]
pub(in crate::endpoint) struct Fixed {
    values: Vec<(String, String)>,
    /// Whether the settings can be listed, like an environment and unlike Spin's variables.
    can_be_listed: bool,
}

impl Fixed {
    /// Returns the settings as an environment, and as Spin's variables.
    pub(in crate::endpoint) fn of_each_source(settings: &[(&str, &str)]) -> [Self; 2] {
        [true, false].map(|can_be_listed| Self {
            values: settings
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            can_be_listed,
        })
    }
}

impl Settings for Fixed {
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem> {
        let found = self.values.iter().find(|(setting, _)| setting == name);
        Ok(found.map(|(_, value)| value.clone()))
    }

    fn all(&self) -> Option<&[(String, String)]> {
        self.can_be_listed.then_some(&self.values)
    }
}
