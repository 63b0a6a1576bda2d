//! Who may call, and with which API key.

use subtle::{Choice, ConstantTimeEq as _};

use super::Request;
use super::account::Account;
use super::allowed::Allowed;
use crate::endpoint::response::problem::Problem;
use crate::endpoint::settings::{self, Settings};
use crate::engine::{Failure, Report};
use crate::hightouch::ApiKey;

/// The key and the limits of an authorized caller.
#[derive(Debug)]
pub(in crate::endpoint) struct Access {
    /// The Hightouch API key.
    pub(in crate::endpoint) key: ApiKey,
    /// Whether the key is the endpoint's own. If Hightouch rejects it, the caller is not at fault.
    pub(in crate::endpoint) is_stored: bool,
    /// The syncs and the sequences that the caller may run.
    pub(in crate::endpoint) allowed: Allowed,
    /// The slug of the key's workspace, if it is configured.
    pub(in crate::endpoint) workspace: Option<String>,
    pub(in crate::endpoint) account: Option<Account>,
}

impl Access {
    /// Authorizes a request.
    ///
    /// Stored keys need a token of the endpoint, or of the account. If no token is configured, the
    /// caller's bearer token is the Hightouch API key, and stored keys are never used.
    ///
    /// # Errors
    ///
    /// Returns a problem if the caller is not authorized, or if a setting is missing or invalid. A
    /// caller who is not authorized does not learn whether the account exists.
    pub(in crate::endpoint) fn authorize(
        request: &Request,
        settings: &dyn Settings,
    ) -> Result<Self, Problem> {
        let account = Account::of(&request.target);
        let access = match settings.get(settings::ENDPOINT_TOKEN)? {
            Some(tokens) => {
                check_token(request, &tokens, account.as_ref().ok(), settings)?;
                Self::with_stored_key(account?, settings)?
            }
            None => Self::with_own_key(request, account, settings)?,
        };
        request.target.check_unique()?;
        Ok(access)
    }

    /// Authorizes a caller who sends its own Hightouch API key.
    ///
    /// # Errors
    ///
    /// Returns a problem if there is no valid key, or if a setting requires a token.
    fn with_own_key(
        request: &Request,
        account: Result<Option<Account>, Problem>,
        settings: &dyn Settings,
    ) -> Result<Self, Problem> {
        let named = account.as_ref().ok().and_then(Option::as_ref);
        if settings.has_account_token(named)? {
            return Err(Problem::not_configured(format!(
                "The token of an account is set ({token}_<ACCOUNT>), but {token} is not set. Set \
                 {token}, or remove the token of the account. Nothing was sent to Hightouch.",
                token = settings::ENDPOINT_TOKEN
            )));
        }
        if settings.has_stored_key()? {
            return Err(Problem::not_configured(format!(
                "A Hightouch API key is stored ({key}, or the key of an account), but {token} is \
                 not set, so anyone could use the key. Set {token}, or remove the key and let \
                 callers send their own. Nothing was sent to Hightouch.",
                key = settings::API_KEY,
                token = settings::ENDPOINT_TOKEN
            )));
        }
        let key = request.bearer().and_then(|token| ApiKey::new(token).ok());
        let key = key.ok_or_else(|| Problem::unauthenticated("a Hightouch API key"))?;
        // The account's list is not used: the caller chooses the account, so the list would not
        // limit anything.
        let allowed = Allowed::of(None, settings)?;
        Self::new(key, false, allowed, account?, settings)
    }

    /// Authorizes a caller who was authenticated by other means than the endpoint's token.
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
            // Someone who guesses names must not learn from the message which accounts exist.
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
        let allowed = Allowed::of(account.as_ref(), settings)?;
        Self::new(key, true, allowed, account, settings)
    }

    fn new(
        key: ApiKey,
        is_stored: bool,
        allowed: Allowed,
        account: Option<Account>,
        settings: &dyn Settings,
    ) -> Result<Self, Problem> {
        Ok(Self {
            key,
            is_stored,
            allowed,
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
                    .flat_map(|values| separated(values))
                    .any(|secret| secret.eq_ignore_ascii_case(name))
        };
        if names.iter().any(is_secret) {
            Err(Failure::<Report>::secret_as_name().into())
        } else {
            Ok(())
        }
    }
}

/// Checks that the caller sends a token that is valid for the account: one of the endpoint's
/// `tokens`, or one of the account's own. `account` is `None` if the query does not name a valid
/// account.
///
/// # Errors
///
/// Returns the same problem for every wrong token. The problem of an invalid account setting is
/// returned to authorized callers only.
fn check_token(
    request: &Request,
    tokens: &str,
    account: Option<&Option<Account>>,
    settings: &dyn Settings,
) -> Result<(), Problem> {
    let shown = request.bearer().unwrap_or_default();
    if separated(tokens).next().is_none() {
        return Err(without_token(settings::ENDPOINT_TOKEN));
    }
    let opens_all = is_one_of(shown, tokens);
    let (mut opens_account, mut invalid) = (Choice::from(0), None);
    if let Some(Some(account)) = account {
        let name = account.setting(settings::ENDPOINT_TOKEN);
        if let Some(tokens) = settings.get(&name)? {
            opens_account = is_one_of(shown, &tokens);
            if separated(&tokens).next().is_none() {
                invalid = Some(without_token(&name));
            }
        }
    }
    if !bool::from(opens_all | opens_account) {
        return Err(Problem::unauthenticated("a token of this endpoint"));
    }
    invalid.map_or(Ok(()), Err)
}

fn without_token(name: &str) -> Problem {
    Problem::invalid_setting(name, "it contains no token")
}

/// Returns the comma-separated values.
pub(super) fn separated(values: &str) -> impl Iterator<Item = &str> {
    values
        .split(',')
        .map(str::trim_ascii)
        .filter(|value| !value.is_empty())
}

/// Returns whether a text is one of the tokens. Each token is compared in constant time, and all
/// are compared.
fn is_one_of(shown: &str, tokens: &str) -> Choice {
    separated(tokens).fold(Choice::from(0), |found, token| {
        found | shown.as_bytes().ct_eq(token.as_bytes())
    })
}

/// Returns the name of a setting: the account's own setting if there is an account.
fn setting(name: &str, account: Option<&Account>) -> String {
    account.map_or_else(|| name.into(), |account| account.setting(name))
}
