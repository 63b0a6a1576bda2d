//! The sources of the target's standard library.
//!
//! rustup installs only the host's standard library by default, and not every machine can reach
//! rustup's servers. Therefore several sources are tried in order.

use std::env;
use std::fmt;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result};

use super::toolchain::{self, Compiler};
use super::{Options, TARGET, debian, process, rustup};

/// The environment variable that selects one [`StdSource`]. The others are not tried.
pub const STD_VARIABLE: &str = "HIGHTOUCH_SYNC_WASM_STD";

/// A source of the standard library for [`TARGET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdSource {
    /// `toolchain`: the active toolchain has it already.
    Toolchain,
    /// `rustup`: rustup adds it to the active toolchain.
    Rustup,
    /// `debian`: Debian's compiler, downloaded into `target/`, builds it from source.
    Debian,
}

impl StdSource {
    /// All sources, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Toolchain, Self::Rustup, Self::Debian];

    /// Returns the source's name in [`STD_VARIABLE`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Toolchain => "toolchain",
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        }
    }

    /// Returns the source that [`STD_VARIABLE`] selects, or `None` if the variable is unset or
    /// empty.
    ///
    /// # Errors
    /// Fails if the variable names an unknown source.
    pub fn from_environment() -> Result<Option<Self>> {
        match env::var_os(STD_VARIABLE) {
            Some(name) if !name.is_empty() => name
                .to_string_lossy()
                .parse()
                .map(Some)
                .with_context(|| format!("cannot use {STD_VARIABLE}")),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for StdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for StdSource {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|source| source.name() == name);
        known.with_context(|| {
            let names: Vec<_> = Self::ALL
                .iter()
                .map(|source| format!("`{source}`"))
                .collect();
            format!(
                "unknown standard library `{name}`: use {}, or leave the variable unset",
                names.join(", ")
            )
        })
    }
}

/// Returns the first available source and its compiler.
pub(super) fn find(options: &Options) -> Result<(StdSource, Compiler)> {
    let found = first(options.std_source, |source| match source {
        StdSource::Toolchain => toolchain::active(),
        StdSource::Rustup => rustup::add_target(options),
        StdSource::Debian => debian::compiler(options),
    });
    found.map_err(|failures| no_std(&failures, remedy()))
}

type Failures = Vec<(StdSource, Error)>;

fn first<T>(
    requested: Option<StdSource>,
    mut attempt: impl FnMut(StdSource) -> Result<T>,
) -> Result<(StdSource, T), Failures> {
    let mut failures = Vec::new();
    for source in StdSource::ALL {
        if requested.is_some_and(|requested| requested != source) {
            continue;
        }
        match attempt(source) {
            Ok(found) => return Ok((source, found)),
            Err(error) => failures.push((source, error)),
        }
    }
    Err(failures)
}

fn no_std(failures: &Failures, remedy: &str) -> Error {
    let mut text =
        format!("There is no standard library for {TARGET}. The components were not built. Tried:");
    for (source, error) in failures {
        text.push_str(&format!("\n  {source}: {error:#}"));
    }
    text.push_str(&format!(
        "\nIf this machine can reach rustup's servers, run this command:\n  {remedy}"
    ));
    Error::msg(text)
}

fn remedy() -> &'static str {
    match process::run(Command::new("rustup").arg("--version"), None) {
        Ok(_) => "rustup target add wasm32-unknown-unknown",
        Err(_) => {
            "curl --proto '=https' -sSf https://sh.rustup.rs | sh -s -- --target wasm32-unknown-unknown"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Returns the sources that were tried and the selected one, if only `available` are
    /// available.
    fn tried(
        requested: Option<StdSource>,
        available: &[StdSource],
    ) -> (Vec<StdSource>, Option<StdSource>) {
        let mut tried = Vec::new();
        let found = first(requested, |source| {
            tried.push(source);
            if available.contains(&source) {
                Ok(())
            } else {
                Err(Error::msg("not here"))
            }
        });
        (tried, found.ok().map(|(source, ())| source))
    }

    use StdSource::{Debian, Rustup, Toolchain};

    #[test]
    fn the_first_that_available_is_taken_and_nothing_after_it_is_tried() {
        assert_eq!(
            tried(None, &StdSource::ALL),
            (vec![Toolchain], Some(Toolchain))
        );
        assert_eq!(
            tried(None, &[Rustup, Debian]),
            (vec![Toolchain, Rustup], Some(Rustup))
        );
        assert_eq!(
            tried(None, &[Debian]),
            (vec![Toolchain, Rustup, Debian], Some(Debian))
        );
        assert_eq!(tried(None, &[]), (vec![Toolchain, Rustup, Debian], None));
    }

    #[test]
    fn the_one_that_was_requested_is_the_only_one_tried() {
        assert_eq!(
            tried(Some(Debian), &StdSource::ALL),
            (vec![Debian], Some(Debian))
        );
        assert_eq!(
            tried(Some(Rustup), &[Toolchain, Debian]),
            (vec![Rustup], None)
        );
    }

    #[test]
    fn the_error_lists_the_attempts_and_the_solution() {
        let failures = vec![
            (Toolchain, Error::msg("none")),
            (Debian, Error::msg("no apt-get").context("offline")),
        ];
        let error = no_std(&failures, "rustup target add x").to_string();
        assert!(
            error.contains("\n  toolchain: none\n  debian: offline: no apt-get\n"),
            "{error}"
        );
        assert!(error.ends_with("\n  rustup target add x"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        assert_eq!("debian".parse::<StdSource>().unwrap(), Debian);
        let error = "Debian".parse::<StdSource>().unwrap_err().to_string();
        assert!(
            error.contains("`Debian`") && error.contains("`toolchain`, `rustup`, `debian`"),
            "{error}"
        );
    }
}
