//! Settings from Spin's variables.

use super::{API_KEY, SECRETS, Settings};
use crate::bindings::fermyon::spin::variables::{Error, get};
use crate::endpoint::request::account::Account;
use crate::endpoint::response::problem::Problem;

/// The variables of the Spin application. They cannot be listed.
pub(in crate::endpoint) struct SpinVariables;

impl Settings for SpinVariables {
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem> {
        let name = name.to_ascii_lowercase();
        match get(&name) {
            Ok(value) => Ok(Some(value)),
            // With an account's name, the name may be one that no variable can have.
            Err(Error::Undefined(_) | Error::InvalidName(_)) => Ok(None),
            // The provider's error text could quote the value.
            Err(_) => Err(Problem::not_configured(format!(
                "The Spin variable `{name}` could not be read. Check the variable's provider. \
                 Nothing was sent to Hightouch."
            ))),
        }
    }

    fn secrets(&self, account: Option<&Account>) -> Result<Vec<String>, Problem> {
        let mut secrets = Vec::new();
        for name in SECRETS {
            secrets.extend(self.get(name)?);
            if let Some(account) = account {
                secrets.extend(self.get(&account.setting(name))?);
            }
        }
        Ok(secrets)
    }

    /// Returns whether a key is stored without an account. The key of the caller's account is not
    /// looked up: the result would reveal whether the account exists.
    fn has_stored_key(&self) -> Result<bool, Problem> {
        Ok(self.get(API_KEY)?.is_some())
    }
}
