//! Which stored key a caller asks for.

use super::problem::Problem;
use super::target::{ACCOUNT, Target};

/// An account's name: `[a-z0-9_]+`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account(String);

impl Account {
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(named) {
            Ok(Self(text.into()))
        } else {
            Err(Problem::invalid(
                "an account's name has 1 to 64 lower-case letters, digits and underscores, and nothing else",
            ))
        }
    }

    /// The account that the query names, if it names one.
    pub(super) fn of(target: &Target) -> Result<Option<Self>, Problem> {
        target.query(ACCOUNT)?.map(Self::read).transpose()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that a setting has for this account.
    pub(super) fn named(&self, setting: &str) -> String {
        format!("{setting}_{}", self.0.to_ascii_uppercase())
    }
}
