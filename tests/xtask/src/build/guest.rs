//! Components that are not ours: `tests/guests/NAME` in, `target/guests/NAME.wasm` out.
//!
//! They are built as ours are, with the same standard library, profile and flags, so that a figure of one can stand beside
//! a figure of the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context as _, Result, anyhow};

use super::{Options, bring_up_to_date, component, fingerprint, module, write_if_changed};

/// A component that ours are measured beside, or composed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guest {
    /// Answers `ok` to every HTTP request and can do nothing else: the least that a component built from the same crate costs.
    Ok,
    /// Imports `hightouch:sync/runs` and runs syncs in order, each only if the one before it succeeded.
    Consumer,
    /// Exports `wasi:http/outgoing-handler` and denies every request, as Spin's adapter for dependencies that inherit nothing.
    Denies,
}

impl Guest {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Consumer, Self::Denies];

    /// Its folder in `tests/guests/`. Its package is called `hightouch-sync-guest-NAME`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Consumer => "consumer",
            Self::Denies => "denies",
        }
    }
}

/// Builds a guest that is out of date, and gives its file. Otherwise as [`build`](super::build).
///
/// # Errors
/// No standard library for [`TARGET`](super::TARGET) could be had, or the guest does not compile.
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
    bring_up_to_date(&stamp, sources, &[&file], options, |compiler| {
        let package = format!("{}-guest-{name}", module::PACKAGE);
        let module = module::compile(&package, &[], compiler, options)
            .with_context(|| format!("cannot compile the guest `{name}`"))?;
        let component = component::encode(&module)
            .with_context(|| format!("cannot make a component of the guest `{name}`"))?;
        write_if_changed(&file, &component)
    })?;
    Ok(file)
}

/// For tests: the file of a guest of this workspace, built once per process. Prints nothing unless the build fails.
///
/// # Errors
/// As [`build_guest`], with all that the build printed; every later call gives the same error.
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
        .map_err(|error| anyhow!("the guest `{}` could not be built: {error}", guest.name()))
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
