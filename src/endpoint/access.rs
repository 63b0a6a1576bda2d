//! Who may call, and with which key.

use subtle::ConstantTimeEq as _;

use super::account::Account;
use super::caller::Caller;
use super::problem::Problem;
use super::settings;
use crate::calls::named_by_secret;
use crate::hightouch::ApiKey;

/// What a caller may use.
pub(super) struct Access {
    /// The Hightouch key.
    pub(super) key: ApiKey,
    /// Whether the key is the endpoint's own, so that a caller cannot help it if Hightouch refuses it.
    pub(super) stored: bool,
    /// The slug of the key's workspace, where it is configured.
    pub(super) workspace: Option<String>,
}

impl Access {
    /// Lets a caller in, or says why not. A stored key is for callers who show the endpoint's token; without one, the caller's own token is
    /// the key, and no stored key is ever used. Who may not call is not told what is wrong with the account asked for.
    pub(super) fn of(
        caller: &Caller,
        account: Result<Option<Account>, Problem>,
    ) -> Result<(Self, Option<Account>), Problem> {
        let shown = caller.bearer();
        match settings::get(settings::ENDPOINT_TOKEN)? {
            Some(token) => {
                if !bool::from(shown.unwrap_or_default().as_bytes().ct_eq(token.as_bytes())) {
                    return Err(Problem::unauthenticated("this endpoint's token"));
                }
                let account = account?;
                Ok((Self::proven(account.as_ref())?, account))
            }
            None => {
                if settings::any_key()? {
                    return Err(Problem::not_configured(format!(
                        "A Hightouch key is stored ({key}, or that of an account) and {token} is not set, so anyone could use the key: set \
                         {token} to what callers have to show, or leave the key to the callers. Nothing was sent to Hightouch.",
                        key = settings::API_KEY,
                        token = settings::ENDPOINT_TOKEN
                    )));
                }
                let key = shown.and_then(|token| ApiKey::new(&token).ok());
                let key = key.ok_or_else(|| Problem::unauthenticated("a Hightouch API key"))?;
                let account = account?;
                Ok((Self::with(key, false, account.as_ref())?, account))
            }
        }
    }

    /// Lets in a caller who has shown otherwise than by the token that a stored key may be used for it.
    pub(super) fn proven(account: Option<&Account>) -> Result<Self, Problem> {
        let key = stored_key(&named(settings::API_KEY, account), account.is_some())?;
        Self::with(key, true, account)
    }

    /// Refuses a request that gives a secret as the name of a sync, a sequence or a run: a configured one, the API key, or what the caller
    /// shows. The name would be logged, quoted in problems and sent to Hightouch.
    pub(super) fn refuse_secrets(
        &self,
        names: &[String],
        caller: &Caller,
        account: Option<&Account>,
    ) -> Result<(), Problem> {
        let mut secrets = settings::secrets(account)?;
        secrets.extend(caller.bearer());
        let secrets = || {
            secrets
                .iter()
                .flat_map(|all| all.split(','))
                .map(str::trim)
                .filter(|secret| !secret.is_empty())
        };
        let is_secret = |name: &String| {
            self.key.is(name) || secrets().any(|secret| secret.eq_ignore_ascii_case(name))
        };
        if names.iter().any(is_secret) {
            Err(named_by_secret().into())
        } else {
            Ok(())
        }
    }

    fn with(key: ApiKey, stored: bool, account: Option<&Account>) -> Result<Self, Problem> {
        Ok(Self {
            key,
            stored,
            workspace: settings::get(&named(settings::WORKSPACE, account))?,
        })
    }
}

/// A setting's name, for an account if there is one.
fn named(setting: &str, account: Option<&Account>) -> String {
    account.map_or_else(|| setting.into(), |account| account.named(setting))
}

fn stored_key(setting: &str, of_account: bool) -> Result<ApiKey, Problem> {
    let Some(key) = settings::get(setting)? else {
        // Which accounts there are is nobody's business who guesses.
        return Err(if of_account {
            Problem::invalid("there is no such account")
        } else {
            Problem::not_configured(format!(
                "{setting} is not set: set it, or name an account with ?account=NAME. Nothing was sent to Hightouch."
            ))
        });
    };
    ApiKey::new(&key).map_err(|error| {
        Problem::not_configured(format!(
            "{setting} is wrong: {error}. Nothing was sent to Hightouch."
        ))
    })
}
