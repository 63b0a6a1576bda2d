//! Settings from Spin's variables.

use core::cell::RefCell;
use std::collections::BTreeMap;

use super::{Settings, variables};
use crate::endpoint::response::problem::Problem;

/// The variables of the Spin application. They cannot be listed.
///
/// In WASI 0.3, a variable is read by an async call, and a decision is not async. So a look-up of a
/// variable that was not read fails, [`load_missing`](Self::load_missing) reads the variable, and the
/// decision is repeated. Only the variables that a decision needs are read.
#[derive(Default)]
pub(in crate::endpoint) struct SpinVariables {
    /// The variables that were read; `Err` if the variable's provider failed.
    known: RefCell<BTreeMap<String, Result<Option<String>, ()>>>,
    /// The names of the variables that have to be read.
    missing: RefCell<Vec<String>>,
}

impl SpinVariables {
    /// Reads the variables whose look-up has failed because they were not read. Returns whether
    /// there were any.
    pub(in crate::endpoint) async fn load_missing(&self) -> bool {
        let missing = self.missing.take();
        let has_missing = !missing.is_empty();
        for name in missing {
            let value = match variables::get(name.clone()).await {
                Ok(value) => Ok(Some(value)),
                // A name that ends in an account's name may be invalid as the name of a variable.
                Err(variables::Error::Undefined(_) | variables::Error::InvalidName(_)) => Ok(None),
                // The provider's error text could quote the value.
                Err(_) => Err(()),
            };
            self.known.borrow_mut().insert(name, value);
        }
        has_missing
    }
}

impl Settings for SpinVariables {
    fn look_up(&self, name: &str) -> Result<Option<String>, Problem> {
        let name = name.to_ascii_lowercase();
        match self.known.borrow().get(&name) {
            Some(Ok(value)) => return Ok(value.clone()),
            Some(Err(())) => return Err(unreadable(&name)),
            None => {}
        }
        let problem = unreadable(&name);
        self.missing.borrow_mut().push(name);
        Err(problem)
    }

    fn all(&self) -> Option<&[(String, String)]> {
        None
    }
}

/// Returns the problem of a variable that could not be read.
fn unreadable(name: &str) -> Problem {
    Problem::not_configured(format!(
        "The Spin variable `{name}` could not be read. Check the variable's provider. Nothing was \
         sent to Hightouch."
    ))
}
