//! The target of a request: its path and its query.

use crate::endpoint::response::problem::Problem;

/// The query parameter that selects the account whose key is used.
pub(in crate::endpoint) const ACCOUNT: &str = "account";
/// The query parameters that say whether a run with rejected rows is a success. A body has fields of
/// the same names.
pub(in crate::endpoint) const ACCEPT_WARNINGS: &str = "acceptWarnings";
pub(in crate::endpoint) const MAX_REJECTED: &str = "maxRejected";
pub(in crate::endpoint) const MAX_REJECTED_PERCENT: &str = "maxRejectedPercent";
/// The query parameter that limits the number of listed runs.
pub(in crate::endpoint) const LIMIT: &str = "limit";
/// The query parameter that names the sequence of a run.
pub(in crate::endpoint) const SEQUENCE: &str = "sequence";
/// All query parameters.
const PARAMETERS: [&str; 6] = [
    ACCOUNT,
    ACCEPT_WARNINGS,
    MAX_REJECTED,
    MAX_REJECTED_PERCENT,
    LIMIT,
    SEQUENCE,
];

/// Path and query, as the caller sent them.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct Target(String);

impl Target {
    pub(in crate::endpoint) fn new(path_with_query: String) -> Self {
        Self(path_with_query)
    }

    pub(in crate::endpoint) fn path(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// Returns the value of a query parameter. It is not percent-decoded, because no valid value
    /// needs percent-encoding.
    ///
    /// # Errors
    ///
    /// Returns a problem if the parameter is given twice.
    pub(in crate::endpoint) fn query(&self, name: &str) -> Result<Option<&str>, Problem> {
        let Some((_, query)) = self.0.split_once('?') else {
            return Ok(None);
        };
        let mut values = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() {
            return Err(Problem::invalid(format!(
                "the query contains `{name}` twice"
            )));
        }
        Ok(value)
    }

    /// Checks that no parameter is given twice, on any path.
    ///
    /// # Errors
    ///
    /// Returns a problem for the first parameter that is given twice.
    pub(in crate::endpoint) fn check_unique(&self) -> Result<(), Problem> {
        PARAMETERS
            .iter()
            .try_for_each(|name| self.query(name).map(|_| ()))
    }

    /// Returns the value of a query parameter; `None` if it is not given.
    ///
    /// # Errors
    ///
    /// Returns a problem if `read` does not accept the value, or if the parameter is given twice.
    /// `expected` completes the sentence "The parameter must be …".
    pub(in crate::endpoint) fn parameter<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.query(name)? else {
            return Ok(None);
        };
        read(value).map(Some).ok_or_else(|| {
            Problem::invalid(format_args!(
                "the query parameter `{name}` must be {expected}"
            ))
        })
    }

    /// Returns the value of a boolean query parameter; `false` if it is not given.
    ///
    /// # Errors
    ///
    /// Returns a problem if the value is neither `true` nor `false`, or if it is given twice.
    pub(in crate::endpoint) fn flag(&self, name: &str) -> Result<bool, Problem> {
        let flag = self.parameter(name, "true or false", |value| value.parse().ok())?;
        Ok(flag.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_given_once_at_most() {
        for (target, path, account) in [
            ("/healthz", "/healthz", None),
            ("/healthz?", "/healthz", None),
            ("/x?account", "/x", Some("")),
            ("/x?account=a&other=1&other=2", "/x", Some("a")),
            ("/x?accounts=a&account=b=c?d", "/x", Some("b=c?d")),
            ("", "", None),
        ] {
            let target = Target::new(target.into());
            assert_eq!(target.path(), path);
            assert_eq!(
                target.query(ACCOUNT).map_err(|problem| problem.status),
                Ok(account)
            );
            assert!(target.check_unique().is_ok());
        }
        for twice in [
            "/x?account=a&account=b",
            "/x?account=a&account=a",
            "/x?account&x=1&account=",
            "/x?acceptWarnings=true&acceptWarnings=true",
        ] {
            let target = Target::new(twice.into());
            assert_eq!(
                target.check_unique().map_err(|problem| problem.status),
                Err(400),
                "{twice}"
            );
        }
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let flag = |target: &str| {
            Target::new(target.into())
                .flag("x")
                .map_err(|problem| problem.status)
        };
        for (target, expected) in [
            ("/", Ok(false)),
            ("/?x=true", Ok(true)),
            ("/?x=false", Ok(false)),
        ] {
            assert_eq!(flag(target), expected, "{target}");
        }
        for target in ["/?x", "/?x=", "/?x=1", "/?x=True", "/?x=%74rue"] {
            assert_eq!(flag(target), Err(400), "{target}");
        }
    }
}
