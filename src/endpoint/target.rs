//! The target of a request: its path and its query.

use super::problem::Problem;
use crate::hightouch::text::{cut, parts};

/// Whose stored key to use.
pub(super) const ACCOUNT: &str = "account";
/// Whether a run that ended as `warning` is a success.
pub(super) const ACCEPT_WARNINGS: &str = "acceptWarnings";
/// Every parameter that there is.
const PARAMETERS: [&str; 2] = [ACCOUNT, ACCEPT_WARNINGS];

/// Path and query, as the caller sent them.
pub(super) struct Target(String);

impl Target {
    pub(super) fn new(path_with_query: String) -> Self {
        Self(path_with_query)
    }

    pub(super) fn path(&self) -> &str {
        cut(&self.0, b'?').map_or(self.0.as_str(), |(path, _)| path)
    }

    /// A parameter of the query, which may be given once. None of those there are needs escaping, so none is unescaped.
    pub(super) fn query(&self, name: &str) -> Result<Option<&str>, Problem> {
        let Some((_, query)) = cut(&self.0, b'?') else {
            return Ok(None);
        };
        let pairs = parts(query, b'&').map(|pair| cut(pair, b'=').unwrap_or((pair, "")));
        let mut values = pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() {
            return Err(Problem::invalid(format!("the query has `{name}` twice")));
        }
        Ok(value)
    }

    /// Whether each parameter that there is on any path is given once at most; an error for one that is not.
    pub(super) fn each_once(&self) -> Result<(), Problem> {
        PARAMETERS
            .iter()
            .try_for_each(|name| self.query(name).map(|_| ()))
    }

    /// A truth value in the query; false where it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.query(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(format!(
                "the query's `{name}` must be true or false"
            ))),
        }
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
            assert!(target.each_once().is_ok());
        }
        for twice in [
            "/x?account=a&account=b",
            "/x?account=a&account=a",
            "/x?account&x=1&account=",
            "/x?acceptWarnings=true&acceptWarnings=true",
        ] {
            let target = Target::new(twice.into());
            assert_eq!(
                target.each_once().map_err(|problem| problem.status),
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
