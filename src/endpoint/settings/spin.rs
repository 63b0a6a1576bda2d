//! Settings from Spin's variables.

use super::Settings;
use crate::bindings::fermyon::spin::variables::{Error, get};
use crate::endpoint::response::problem::Problem;

/// The variables of the Spin application. They cannot be listed.
#[derive(Default)]
pub(in crate::endpoint) struct SpinVariables(());

impl Settings for SpinVariables {
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem> {
        let name = name.to_ascii_lowercase();
        match get(&name) {
            Ok(value) => Ok(Some(value)),
            // A name that ends in an account's name may be invalid as the name of a variable.
            Err(Error::Undefined(_) | Error::InvalidName(_)) => Ok(None),
            // The provider's error text could quote the value.
            Err(_) => Err(Problem::not_configured(format!(
                "The Spin variable `{name}` could not be read. Check the variable's provider. \
                 Nothing was sent to Hightouch."
            ))),
        }
    }

    fn all(&self) -> Option<&[(String, String)]> {
        None
    }
}
