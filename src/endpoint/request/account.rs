//! The account whose stored key is used.

use super::target::{ACCOUNT, Target};
use crate::endpoint::response::problem::Problem;

/// The name of an account: `[a-z0-9_]+`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::endpoint) struct Account(String);

impl Account {
    pub(in crate::endpoint) fn read(name: &str) -> Result<Self, Problem> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
            Ok(Self(name.into()))
        } else {
            Err(Problem::invalid(
                "the name of an account must have 1 to 64 lower-case letters, digits and underscores",
            ))
        }
    }

    /// Returns the account that the query names.
    pub(in crate::endpoint) fn of(target: &Target) -> Result<Option<Self>, Problem> {
        target.query(ACCOUNT)?.map(Self::read).transpose()
    }

    pub(in crate::endpoint) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of a setting of this account.
    pub(in crate::endpoint) fn setting(&self, name: &str) -> String {
        format!("{name}_{}", self.0.to_ascii_uppercase())
    }
}
