//! The endpoint's settings: the environment, or Spin's variables.

use super::account::Account;
use super::problem::Problem;
use crate::hightouch::ApiOrigin;

/// Where Hightouch's API is.
const API_ORIGIN: &str = "HIGHTOUCH_API_ORIGIN";
/// The token that callers have to show for a stored key.
pub(super) const ENDPOINT_TOKEN: &str = "ENDPOINT_TOKEN";
/// A stored key; with an account's name after it, that account's.
pub(super) const API_KEY: &str = "HIGHTOUCH_API_KEY";
/// The secrets of the dbt webhooks that may start runs, separated by commas.
pub(super) const DBT_WEBHOOK_SECRET: &str = "DBT_WEBHOOK_SECRET";
/// The slug of the key's workspace; with an account's name after it, of that account's.
pub(super) const WORKSPACE: &str = "HIGHTOUCH_WORKSPACE";

/// The settings that are secrets, each one also with an account's name after it. Several values are separated by commas.
const SECRETS: [&str; 3] = [ENDPOINT_TOKEN, API_KEY, DBT_WEBHOOK_SECRET];

/// A setting by the name it has in the environment. Empty counts as not set.
pub(super) fn get(name: &str) -> Result<Option<String>, Problem> {
    Ok(look_up(name)?
        .map(|value| value.trim_ascii().into())
        .filter(|value: &String| !value.is_empty()))
}

/// Where Hightouch's API is.
pub(super) fn origin() -> Result<ApiOrigin, Problem> {
    let Some(origin) = get(API_ORIGIN)? else {
        return Ok(ApiOrigin::default());
    };
    origin.parse().map_err(|error| {
        Problem::not_configured(format!(
            "The setting {API_ORIGIN} is wrong: {error}. Nothing was sent to Hightouch."
        ))
    })
}

#[cfg(not(feature = "spin"))]
fn look_up(name: &str) -> Result<Option<String>, Problem> {
    let all = wasi::cli::environment::get_environment();
    Ok(all
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value))
}

#[cfg(feature = "spin")]
fn look_up(name: &str) -> Result<Option<String>, Problem> {
    use crate::bindings::fermyon::spin::variables::{Error, get};
    let name = name.to_ascii_lowercase();
    match get(&name) {
        Ok(value) => Ok(Some(value)),
        // An account's name can make a name that no variable can have.
        Err(Error::Undefined(_) | Error::InvalidName(_)) => Ok(None),
        // The provider's own text could quote the value.
        Err(_) => Err(Problem::not_configured(format!(
            "The Spin variable `{name}` could not be read: look at the variable's provider. Nothing was sent to Hightouch."
        ))),
    }
}

/// Every configured secret: keys, tokens and the secrets of webhooks.
#[cfg(not(feature = "spin"))]
pub(super) fn secrets(_: Option<&Account>) -> Result<Vec<String>, Problem> {
    let all = wasi::cli::environment::get_environment();
    let secret = |name: &str| SECRETS.iter().any(|setting| name.starts_with(setting));
    Ok(all
        .into_iter()
        .filter(|(name, _)| secret(name))
        .map(|(_, value)| value)
        .collect())
}

/// Every configured secret that this request can use. Spin's variables cannot be listed.
#[cfg(feature = "spin")]
pub(super) fn secrets(account: Option<&Account>) -> Result<Vec<String>, Problem> {
    let mut secrets = Vec::new();
    for setting in SECRETS {
        secrets.extend(get(setting)?);
        if let Some(account) = account {
            secrets.extend(get(&account.named(setting))?);
        }
    }
    Ok(secrets)
}

/// Whether any key is stored.
#[cfg(not(feature = "spin"))]
pub(super) fn any_key() -> Result<bool, Problem> {
    let is_key = |(name, value): &(String, String)| {
        name.starts_with(API_KEY) && !value.trim_ascii().is_empty()
    };
    Ok(wasi::cli::environment::get_environment().iter().any(is_key))
}

/// Whether a key is stored for no account. Spin's variables cannot be listed, and to try the name that a caller asks for would tell whether
/// there is such an account.
#[cfg(feature = "spin")]
pub(super) fn any_key() -> Result<bool, Problem> {
    Ok(get(API_KEY)?.is_some())
}
