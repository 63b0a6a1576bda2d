//! The target of a request: its path and its query.

use super::problem::Problem;
use crate::hightouch::text::{cut, parts};

/// Path and query, as the caller sent them.
pub(super) struct Target(String);

impl Target {
    pub(super) fn new(path_with_query: String) -> Self {
        Self(path_with_query)
    }

    pub(super) fn path(&self) -> &str {
        cut(&self.0, b'?').map_or(self.0.as_str(), |(path, _)| path)
    }

    /// A parameter of the query. None of those there are needs escaping, so none is unescaped.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = cut(&self.0, b'?')?;
        let mut pairs = parts(query, b'&').map(|pair| cut(pair, b'=').unwrap_or((pair, "")));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// A truth value in the query; false where it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.query(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(format!("the query's `{name}` must be true or false"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_parameter_counts() {
        for (target, path, account) in [
            ("/healthz", "/healthz", None),
            ("/healthz?", "/healthz", None),
            ("/x?account", "/x", Some("")),
            ("/x?account=a&account=b", "/x", Some("a")),
            ("/x?accounts=a&account=b=c?d", "/x", Some("b=c?d")),
            ("", "", None),
        ] {
            let target = Target::new(target.into());
            assert_eq!((target.path(), target.query("account")), (path, account));
        }
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let flag = |target: &str| Target::new(target.into()).flag("x").map_err(|problem| problem.status);
        for (target, expected) in [("/", Ok(false)), ("/?x=true", Ok(true)), ("/?x=false", Ok(false))] {
            assert_eq!(flag(target), expected, "{target}");
        }
        for target in ["/?x", "/?x=", "/?x=1", "/?x=True", "/?x=%74rue"] {
            assert_eq!(flag(target), Err(400), "{target}");
        }
    }
}
