//! Reads the endpoint's settings from the environment.

use std::ffi::OsString;

use anyhow::{Result, bail};
use hyper::Uri;

/// The origin of Hightouch's API.
pub(super) const ORIGIN: &str = "HIGHTOUCH_API_ORIGIN";
/// The token that callers must send if API keys are stored.
pub(super) const TOKEN: &str = "ENDPOINT_TOKEN";
/// A stored API key. With the suffix `_ACCOUNT`, the key of that account.
const KEY: &str = "HIGHTOUCH_API_KEY";

/// Settings without variants for accounts.
const SINGLE: [&str; 10] = [
    ORIGIN,
    "DBT_WEBHOOK_SECRET",
    "OPENLINEAGE_URL",
    "OPENLINEAGE_ENDPOINT",
    "OPENLINEAGE_API_KEY",
    "OPENLINEAGE_NAMESPACE",
    "NOTIFY_URL",
    "NOTIFY_ON",
    "NOTIFY_FORMAT",
    "FOLLOW_SECONDS",
];
/// Settings that also exist for each account, with the suffix `_ACCOUNT`.
const PER_ACCOUNT: [&str; 4] = [TOKEN, KEY, "ALLOWED_SYNCS", "HIGHTOUCH_WORKSPACE"];
/// Settings whose values are URLs that the endpoint calls.
const CALLED: [&str; 2] = ["OPENLINEAGE_URL", "NOTIFY_URL"];

/// Maximum length of an account's name.
const MAX_ACCOUNT: usize = 64;

/// The settings that are set. It does not implement `Debug`, because most values are secrets.
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    /// Creates empty settings.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// Reads the settings from the environment of this process. Ignores all other variables.
    ///
    /// # Errors
    /// Fails if a setting is not valid Unicode.
    pub(super) fn from_environment() -> Result<Self> {
        Self::from_variables(std::env::vars_os())
    }

    fn from_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut settings = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| is_setting(name)) else {
                continue;
            };
            let Some(value) = value.to_str() else {
                bail!(
                    "{name} is not valid UTF-8. The endpoint was not started. Set {name} to valid text, or unset it."
                );
            };
            // An empty setting counts as unset.
            if !value.trim_ascii().is_empty() {
                settings.push((name.to_owned(), value.to_owned()));
            }
        }
        settings.sort_unstable();
        Ok(Self(settings))
    }

    /// Sets a setting or replaces its value.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self.0.sort_unstable();
    }

    /// Returns a setting's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the names of the settings that are set.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the name of a setting that the endpoint rejects because [`TOKEN`] is not set, or
    /// `None` if it rejects none.
    pub(super) fn needs_token(&self) -> Option<&str> {
        let is_refused = |name: &&str| is_of(name, KEY) || is_of(name, TOKEN);
        if self.get(TOKEN).is_some() {
            None
        } else {
            self.names().find(is_refused)
        }
    }

    /// Returns the origins that the endpoint calls in addition to Hightouch. It ignores invalid
    /// URLs, because the endpoint reports them.
    pub(super) fn called_origins(&self) -> Vec<String> {
        let origin = |name: &str| {
            let uri: Uri = self.get(name)?.trim_ascii().parse().ok()?;
            let scheme = uri
                .scheme_str()
                .filter(|scheme| matches!(*scheme, "http" | "https"))?;
            let authority = uri.authority()?;
            // A URL can contain a user name and a password. Leave them out.
            let port = authority
                .port()
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            Some(format!("{scheme}://{}{port}", authority.host()))
        };
        CALLED.into_iter().filter_map(origin).collect()
    }

    /// Returns all settings as environment variables of a component.
    pub(super) fn into_environment(self) -> Vec<(String, String)> {
        self.0
    }
}

/// Returns whether this is the name of a setting.
fn is_setting(name: &str) -> bool {
    SINGLE.contains(&name) || PER_ACCOUNT.into_iter().any(|setting| is_of(name, setting))
}

/// Returns whether this is the setting's name, or its name for an account.
fn is_of(name: &str, setting: &str) -> bool {
    let is_account = |account: &str| {
        (1..=MAX_ACCOUNT).contains(&account.len())
            && account
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match name.strip_prefix(setting) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('_').is_some_and(is_account),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Settings {
        Settings::from_variables(
            variables
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        )
        .unwrap()
    }

    #[test]
    fn every_setting_is_read_and_nothing_else() {
        let settings = [
            "ALLOWED_SYNCS",
            "ALLOWED_SYNCS_OTHER",
            "DBT_WEBHOOK_SECRET",
            "ENDPOINT_TOKEN",
            "ENDPOINT_TOKEN_OTHER",
            "FOLLOW_SECONDS",
            "HIGHTOUCH_API_KEY",
            "HIGHTOUCH_API_KEY_A_2",
            "HIGHTOUCH_API_ORIGIN",
            "HIGHTOUCH_WORKSPACE",
            "HIGHTOUCH_WORKSPACE_OTHER",
            "NOTIFY_FORMAT",
            "NOTIFY_ON",
            "NOTIFY_URL",
            "OPENLINEAGE_API_KEY",
            "OPENLINEAGE_ENDPOINT",
            "OPENLINEAGE_NAMESPACE",
            "OPENLINEAGE_URL",
        ];
        let others = [
            "PATH",
            "HOME",
            "AWS_SECRET_ACCESS_KEY",
            "ENDPOINT_TOKENS",
            "ENDPOINT_TOKEN_",
            "HIGHTOUCH_API_KEY_lower",
            "HIGHTOUCH_API_ORIGIN_OTHER",
            "DBT_WEBHOOK_SECRET_OTHER",
            "MY_ENDPOINT_TOKEN",
            "endpoint_token",
        ];
        let variables: Vec<_> = settings
            .into_iter()
            .chain(others)
            .map(|name| (name, "x"))
            .collect();
        assert_eq!(of(&variables).names().collect::<Vec<_>>(), settings);
    }

    #[test]
    fn an_empty_setting_is_not_set() {
        assert_eq!(
            of(&[("ENDPOINT_TOKEN", ""), ("NOTIFY_URL", " ")])
                .names()
                .count(),
            0
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_an_error_that_does_not_show_it() {
        use std::os::unix::ffi::OsStringExt as _;
        let broken = || OsString::from_vec(b"marked-\xff".to_vec());
        let read =
            |name: &str| Settings::from_variables([(name.into(), broken())].into_iter()).map(drop);
        let error = read("ENDPOINT_TOKEN").unwrap_err().to_string();
        assert!(
            error.contains("ENDPOINT_TOKEN") && !error.contains("marked"),
            "{error}"
        );
        read("PATH").unwrap();
    }

    #[test]
    fn a_setting_that_needs_a_token_is_named() {
        assert_eq!(
            of(&[("HIGHTOUCH_API_KEY", "k")]).needs_token(),
            Some("HIGHTOUCH_API_KEY")
        );
        assert_eq!(
            of(&[("ENDPOINT_TOKEN_EU", "t")]).needs_token(),
            Some("ENDPOINT_TOKEN_EU")
        );
        assert_eq!(
            of(&[("ENDPOINT_TOKEN", "t"), ("HIGHTOUCH_API_KEY_EU", "k")]).needs_token(),
            None
        );
        assert_eq!(of(&[("HIGHTOUCH_WORKSPACE", "w")]).needs_token(), None);
    }

    #[test]
    fn called_urls_are_reduced_to_origins_without_path_or_password() {
        let settings = of(&[
            ("OPENLINEAGE_URL", "http://127.0.0.1:5000"),
            (
                "NOTIFY_URL",
                "https://user:secret@hooks.example.com/services/T0/secret",
            ),
        ]);
        assert_eq!(
            settings.called_origins(),
            ["http://127.0.0.1:5000", "https://hooks.example.com"]
        );
        assert!(
            of(&[("NOTIFY_URL", "not a URL"), ("OPENLINEAGE_URL", "ftp://x")])
                .called_origins()
                .is_empty()
        );
    }
}
