//! Spin's variables.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{Accessor, HasData};

use super::bindings::async_variables;
use super::bindings::variables::{Error, Host};

/// The variables of the component.
#[derive(Clone)]
pub(super) struct Variables(Arc<BTreeMap<String, String>>);

impl Variables {
    pub(super) fn new(variables: BTreeMap<String, String>) -> Self {
        Self(Arc::new(variables))
    }
}

/// Selects the variables of an instance for wasmtime's linker.
pub(super) struct SpinVariables;

impl HasData for SpinVariables {
    type Data<'a> = &'a mut Variables;
}

/// `spin:variables@3.0.0`, for WASI 0.3.
impl<T> async_variables::HostWithStore<T> for SpinVariables {
    async fn get(
        store: &Accessor<T, Self>,
        name: String,
    ) -> Result<String, async_variables::Error> {
        store
            .with(|mut access| access.get().get(name))
            .map_err(|error| match error {
                Error::InvalidName(text) => async_variables::Error::InvalidName(text),
                Error::Undefined(text) => async_variables::Error::Undefined(text),
                Error::Provider(text) => async_variables::Error::Provider(text),
                Error::Other(text) => async_variables::Error::Other(text),
            })
    }
}

impl async_variables::Host for Variables {}

/// `fermyon:spin/variables@2.0.0`, for WASI 0.2.
impl Host for Variables {
    fn get(&mut self, name: String) -> Result<String, Error> {
        if !is_name(&name) {
            return Err(Error::InvalidName(name));
        }
        self.0.get(&name).cloned().ok_or(Error::Undefined(name))
    }
}

/// Returns whether Spin accepts this as the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_spin_has_them() {
        for name in ["a", "hightouch_api_key", "key_2", "a1"] {
            assert!(is_name(name), "{name:?}");
        }
        for name in ["", "_a", "1a", "A", "aB", "a-b", "a__b", "a_", "ä", "a b"] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn absent_and_invalid_names_give_different_errors() {
        let granted = BTreeMap::from([("key".to_owned(), "value".to_owned())]);
        let mut variables = Variables::new(granted);
        assert!(matches!(variables.get("key".to_owned()), Ok(value) if value == "value"));
        assert!(matches!(
            variables.get("other".to_owned()),
            Err(Error::Undefined(name)) if name == "other"
        ));
        assert!(matches!(
            variables.get("KEY".to_owned()),
            Err(Error::InvalidName(name)) if name == "KEY"
        ));
    }
}
