//! Builds the test components in `tests/guests/NAME` as `target/guests/NAME.wasm`.
//!
//! They use the same standard library, profile and flags as the shipped components, so that their
//! sizes and speeds can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context as _, Result, anyhow};

use super::{Options, Output, compile, fingerprint, rebuild_outdated};

/// A test component that is compared with the shipped components or composed with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guest {
    /// Responds `ok` to every HTTP request. Its size and start-up time are the minimum for a
    /// component that uses the same crates.
    Ok,
    /// Imports `hightouch:sync/runs`. It runs syncs in order, and starts each only if the one
    /// before it succeeded.
    Consumer,
    /// Imports `hightouch:sync/async-runs`. It awaits several runs at once, and ends waits early.
    AsyncConsumer,
    /// Exports `wasi:http/outgoing-handler` and denies every request, like the adapter that Spin
    /// adds to a dependency that inherits no configuration.
    Denies,
    /// A handler of WASI 0.3 with one behaviour for each path, for tests of the embedded host.
    Probe,
}

impl Guest {
    /// All test components.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::Consumer,
        Self::AsyncConsumer,
        Self::Denies,
        Self::Probe,
    ];

    /// Returns the name of its folder in `tests/guests/`. The package's name is
    /// `hightouch-sync-guest-NAME`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Consumer => "consumer",
            Self::AsyncConsumer => "async-consumer",
            Self::Denies => "denies",
            Self::Probe => "probe",
        }
    }
}

/// Builds a test component if it is out of date, and returns its path. See also
/// [`build`](super::build).
///
/// # Errors
/// Fails if there is no standard library for [`TARGET`](super::TARGET), or if the component does
/// not compile.
pub fn build_guest(guest: Guest, options: &Options) -> Result<PathBuf> {
    let name = guest.name();
    let folder = options.workspace.join("target").join("guests");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = folder.join(format!("{name}.wasm"));
    let stamp = folder.join(format!(".{name}-built-from"));
    let own = format!("tests/guests/{name}");
    let sources = [own.as_str()]
        .into_iter()
        .chain(fingerprint::SHARED.iter().copied());
    let output = Output {
        name: format!("the test component `{name}`"),
        package: format!("{}-guest-{name}", compile::PACKAGE),
        features: &[],
        world: None,
        stamp,
        file: file.clone(),
    };
    rebuild_outdated([output], sources, options)?;
    Ok(file)
}

/// For tests: builds a test component at most once per process, and returns its path. Prints
/// nothing unless the build fails.
///
/// # Errors
/// As [`build_guest`]. The error contains all output of the build. Later calls return the same
/// error.
pub fn guest(guest: Guest) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<Guest, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    built
        .entry(guest)
        .or_insert_with(|| {
            Options::quiet()
                .and_then(|options| build_guest(guest, &options))
                .map_err(|error| format!("{error:#}"))
        })
        .clone()
        .map_err(|error| {
            anyhow!(
                "cannot build the test component `{}`: {error}",
                guest.name()
            )
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_guest_has_a_folder_and_every_folder_a_guest() {
        let mut folders: Vec<String> = fs::read_dir(super::super::workspace().join("tests/guests"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        folders.sort();
        let mut names = Guest::ALL.map(Guest::name);
        names.sort_unstable();
        assert_eq!(folders, names);
    }
}
