//! The endpoint's settings.

#[cfg(any(test, fuzzing))]
pub(super) mod fixed;

use super::request::account::Account;
use super::response::problem::Problem;
use crate::hightouch::Origin;

// The source of the settings: the environment or Spin's variables, in either version of WASI.
cfg_select! {
    feature = "spin-service" => {
        mod spin;
        pub(super) use spin::SpinVariables as HostSettings;
        use crate::bindings::spin::variables::variables;
    }
    feature = "spin" => {
        mod spin;
        pub(super) use spin::SpinVariables as HostSettings;
        mod spin_p2;
        use spin_p2 as variables;
    }
    feature = "service" => {
        mod environment;
        pub(super) use environment::Environment as HostSettings;
        use crate::bindings::wasi::cli0_3_0::environment::get_environment;
    }
    _ => {
        mod environment;
        pub(super) use environment::Environment as HostSettings;
        use wasi::cli::environment::get_environment;
    }
}

/// The origin of Hightouch's API.
const API_ORIGIN: &str = "HIGHTOUCH_API_ORIGIN";
/// The tokens that callers need for a stored key, separated by commas. `ENDPOINT_TOKEN_<ACCOUNT>`
/// contains the tokens that are valid for this account only.
pub(super) const ENDPOINT_TOKEN: &str = "ENDPOINT_TOKEN";
/// A stored API key. The setting for an account's key ends in the account's name.
pub(super) const API_KEY: &str = "HIGHTOUCH_API_KEY";
/// The syncs and the sequences that callers may run, separated by commas. The setting for an
/// account's list ends in the account's name.
pub(super) const ALLOWED_SYNCS: &str = "ALLOWED_SYNCS";
/// The secrets of the dbt webhooks that may start runs, separated by commas.
pub(super) const DBT_WEBHOOK_SECRET: &str = "DBT_WEBHOOK_SECRET";
/// The slug of the key's workspace. The setting for an account's workspace ends in the account's
/// name.
pub(super) const WORKSPACE: &str = "HIGHTOUCH_WORKSPACE";
/// The bearer token for the OpenLineage consumer.
pub(super) const OPENLINEAGE_API_KEY: &str = "OPENLINEAGE_API_KEY";
/// The URL that receives notifications. It is a secret.
pub(super) const NOTIFY_URL: &str = "NOTIFY_URL";

/// The settings that are tokens or keys, with or without an account's name at their end. A setting
/// may contain several values, separated by commas.
const TOKENS: [&str; 4] = [
    ENDPOINT_TOKEN,
    API_KEY,
    DBT_WEBHOOK_SECRET,
    OPENLINEAGE_API_KEY,
];

/// A source of settings.
pub(super) trait Settings {
    /// Returns a setting by the name that it has in the environment.
    ///
    /// # Errors
    ///
    /// Returns a problem if the source cannot be read.
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem>;

    /// Returns the names and values of all settings; `None` if the source cannot list them.
    fn all(&self) -> Option<&[(String, String)]>;

    /// Returns a setting without the blanks around it; `None` if it is empty.
    ///
    /// # Errors
    ///
    /// Returns a problem if the source cannot be read.
    fn get(&self, name: &str) -> Result<Option<String>, Problem> {
        let value = self.look_up(name)?.map(|value| value.trim_ascii().into());
        Ok(value.filter(|value: &String| !value.is_empty()))
    }

    /// Returns the values of a setting that are not empty: the general one, and those of the
    /// accounts. If the source cannot list its settings, `account` is the only account whose
    /// setting is included.
    ///
    /// # Errors
    ///
    /// Returns a problem if the source cannot be read.
    fn values(&self, name: &str, account: Option<&Account>) -> Result<Vec<String>, Problem> {
        let Some(all) = self.all() else {
            let mut values: Vec<String> = self.get(name)?.into_iter().collect();
            if let Some(account) = account {
                values.extend(self.get(&account.setting(name))?);
            }
            return Ok(values);
        };
        let is_setting = |setting: &str| match setting.strip_prefix(name) {
            Some(rest) => rest.is_empty() || rest.starts_with('_'),
            None => false,
        };
        Ok(all
            .iter()
            .filter(|(setting, value)| is_setting(setting) && !value.trim_ascii().is_empty())
            .map(|(_, value)| value.clone())
            .collect())
    }

    /// Returns at least the configured secrets that a request for this account can use.
    ///
    /// # Errors
    ///
    /// Returns a problem if the source cannot be read.
    fn secrets(&self, account: Option<&Account>) -> Result<Vec<String>, Problem> {
        let mut secrets = self.tokens(account)?;
        secrets.extend(self.get(NOTIFY_URL)?);
        Ok(secrets)
    }

    /// Returns at least the configured tokens and keys that a request for this account can use.
    ///
    /// # Errors
    ///
    /// Returns a problem if the source cannot be read.
    fn tokens(&self, account: Option<&Account>) -> Result<Vec<String>, Problem> {
        let mut tokens = Vec::new();
        for name in TOKENS {
            tokens.extend(self.values(name, account)?);
        }
        Ok(tokens)
    }

    /// Returns whether an account has a token of its own.
    ///
    /// If the source cannot list its settings, only the caller's account is looked up.
    ///
    /// # Errors
    ///
    /// Returns a problem if the source cannot be read.
    fn has_account_token(&self, account: Option<&Account>) -> Result<bool, Problem> {
        let all = self.values(ENDPOINT_TOKEN, account)?;
        Ok(all.len() > usize::from(self.get(ENDPOINT_TOKEN)?.is_some()))
    }

    /// Returns whether an API key is stored.
    ///
    /// If the source cannot list its settings, the key of the caller's account is not looked up:
    /// the result would reveal whether the account exists.
    ///
    /// # Errors
    ///
    /// Returns a problem if the source cannot be read.
    fn has_stored_key(&self) -> Result<bool, Problem> {
        Ok(!self.values(API_KEY, None)?.is_empty())
    }

    /// Returns the origin of Hightouch's API.
    ///
    /// # Errors
    ///
    /// Returns a problem if the setting is invalid.
    fn origin(&self) -> Result<Origin, Problem> {
        let Some(origin) = self.get(API_ORIGIN)? else {
            return Ok(Origin::default());
        };
        origin
            .parse()
            .map_err(|error| Problem::invalid_setting(API_ORIGIN, error))
    }
}
