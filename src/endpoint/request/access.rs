//! Who may call, and with which API key.

use subtle::ConstantTimeEq as _;

use super::Request;
use super::account::Account;
use crate::endpoint::response::problem::Problem;
use crate::endpoint::settings::{self, Settings};
use crate::engine::{Failure, Report};
use crate::hightouch::ApiKey;

/// What an authorized caller uses.
#[derive(Debug)]
pub(in crate::endpoint) struct Access {
    /// The Hightouch API key.
    pub(in crate::endpoint) key: ApiKey,
    /// Whether the key is the endpoint's own. If Hightouch rejects it, the caller is not at fault.
    pub(in crate::endpoint) is_stored: bool,
    /// The slug of the key's workspace, if it is configured.
    pub(in crate::endpoint) workspace: Option<String>,
    pub(in crate::endpoint) account: Option<Account>,
}

impl Access {
    /// Authorizes a request that names `names`.
    ///
    /// Stored keys need the endpoint's token. If no token is configured, the caller's bearer token
    /// is the Hightouch API key, and stored keys are never used.
    ///
    /// # Errors
    ///
    /// Returns a problem if the caller is not authorized, if a setting is missing or invalid, or if
    /// a name is a secret. A caller who is not authorized does not learn whether the account
    /// exists.
    pub(in crate::endpoint) fn authorize(
        request: &Request,
        settings: &dyn Settings,
    ) -> Result<Self, Problem> {
        let account = Account::of(&request.target);
        let bearer = request.bearer();
        let access = match settings.get(settings::ENDPOINT_TOKEN)? {
            Some(token) => {
                let shown = bearer.unwrap_or_default();
                if !bool::from(shown.as_bytes().ct_eq(token.as_bytes())) {
                    return Err(Problem::unauthenticated("this endpoint's token"));
                }
                Self::with_stored_key(account?, settings)?
            }
            None => {
                if settings.has_stored_key()? {
                    return Err(Problem::not_configured(format!(
                        "A Hightouch API key is stored ({key}, or the key of an account), but \
                         {token} is not set, so anyone could use the key. Set {token}, or remove \
                         the key and let callers send their own. Nothing was sent to Hightouch.",
                        key = settings::API_KEY,
                        token = settings::ENDPOINT_TOKEN
                    )));
                }
                let key = bearer.and_then(|token| ApiKey::new(token).ok());
                let key = key.ok_or_else(|| Problem::unauthenticated("a Hightouch API key"))?;
                Self::new(key, false, account?, settings)?
            }
        };
        request.target.check_unique()?;
        Ok(access)
    }

    /// Authorizes a caller who proved its identity in another way than by the endpoint's token.
    ///
    /// # Errors
    ///
    /// Returns a problem if the key is missing or invalid.
    pub(in crate::endpoint) fn with_stored_key(
        account: Option<Account>,
        settings: &dyn Settings,
    ) -> Result<Self, Problem> {
        let name = setting(settings::API_KEY, account.as_ref());
        let Some(key) = settings.get(&name)? else {
            // The message does not reveal which accounts exist to someone who guesses.
            return Err(if account.is_some() {
                Problem::invalid("there is no such account")
            } else {
                Problem::not_configured(format!(
                    "{name} is not set. Set it, or name an account with ?account=NAME. Nothing was \
                     sent to Hightouch."
                ))
            });
        };
        let key = ApiKey::new(&key).map_err(|error| {
            Problem::not_configured(format!(
                "{name} is invalid: {error}. Nothing was sent to Hightouch."
            ))
        })?;
        Self::new(key, true, account, settings)
    }

    fn new(
        key: ApiKey,
        is_stored: bool,
        account: Option<Account>,
        settings: &dyn Settings,
    ) -> Result<Self, Problem> {
        Ok(Self {
            key,
            is_stored,
            workspace: settings.get(&setting(settings::WORKSPACE, account.as_ref()))?,
            account,
        })
    }

    /// Refuses names that are secrets: a configured secret, the API key, or the caller's token.
    ///
    /// A name would be logged, quoted in problems and sent to Hightouch.
    ///
    /// # Errors
    ///
    /// Returns a problem that does not contain the secret.
    pub(in crate::endpoint) fn refuse_secrets(
        &self,
        names: &[String],
        request: &Request,
        settings: &dyn Settings,
    ) -> Result<(), Problem> {
        let mut secrets = settings.secrets(self.account.as_ref())?;
        secrets.extend(request.bearer().map(Into::into));
        let is_secret = |name: &String| {
            self.key.is(name)
                || secrets
                    .iter()
                    .flat_map(|values| values.split(','))
                    .map(str::trim)
                    .any(|secret| !secret.is_empty() && secret.eq_ignore_ascii_case(name))
        };
        if names.iter().any(is_secret) {
            Err(Failure::<Report>::secret_as_name().into())
        } else {
            Ok(())
        }
    }
}

/// Returns the name of a setting, of the account if there is one.
fn setting(name: &str, account: Option<&Account>) -> String {
    account.map_or_else(|| name.into(), |account| account.setting(name))
}
