//! Installs the target's standard library with rustup, which most users have.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};

use super::toolchain::{self, Compiler};
use super::{Options, STD_VARIABLE, StdSource, TARGET, process};

/// Maximum duration of a rustup call. It downloads 20 MB, and a stalled connection must not delay
/// the build for long.
const LIMIT: Duration = Duration::from_secs(120);

/// Duration for which a failure is remembered, so that builds do not repeat an attempt that is
/// likely to fail.
const REMEMBERED: Duration = Duration::from_secs(6 * 60 * 60);

/// Adds the target to the active toolchain.
///
/// After a recent failure it does not try again, unless the user selects rustup by name.
pub(super) fn add_target(options: &Options) -> Result<Compiler> {
    let memory = options.std_folder().join("rustup-failed");
    if options.std_source != Some(StdSource::Rustup)
        && let Some((age, message)) = remembered(&memory)
    {
        let minutes = age.as_secs() / 60;
        bail!(
            "rustup failed {minutes} min ago and was not tried again. Set {STD_VARIABLE}=rustup to try it now. The failure was: {message}"
        );
    }
    options.log(&format!(
        "Installing a standard library for {TARGET} with rustup"
    ));
    let mut command = Command::new("rustup");
    command
        .args(["target", "add", TARGET])
        .env("RUST_BACKTRACE", "0");
    let added = process::run(&mut command, Some(LIMIT)).and_then(|_| {
        let added = toolchain::active()
            .context("rustup added the target to a toolchain that is not active")?;
        Ok(Compiler {
            described: format!("{}, installed by rustup", added.described),
            ..added
        })
    });
    match &added {
        Ok(_) => forget(&memory),
        Err(error) => remember(&memory, &format!("{error:#}"))?,
    }
    added
}

fn remembered(memory: &Path) -> Option<(Duration, String)> {
    let written = fs::metadata(memory).ok()?.modified().ok()?;
    let age = SystemTime::now().duration_since(written).ok()?;
    let message = fs::read_to_string(memory).ok()?;
    (age < REMEMBERED).then_some((age, message))
}

fn remember(memory: &Path, message: &str) -> Result<()> {
    if let Some(folder) = memory.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(memory, message).with_context(|| format!("cannot write {}", memory.display()))
}

fn forget(memory: &Path) {
    // The file usually does not exist.
    let _ = fs::remove_file(memory);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failure_is_remembered_for_a_while() {
        let memory = std::env::temp_dir()
            .join(format!("rustup-failed-{}", std::process::id()))
            .join("memory");
        assert_eq!(remembered(&memory), None);
        remember(&memory, "no route").unwrap();
        assert_eq!(remembered(&memory).unwrap().1, "no route");
        let long_ago = SystemTime::now() - REMEMBERED - Duration::from_secs(1);
        fs::File::options()
            .write(true)
            .open(&memory)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        assert_eq!(remembered(&memory), None);
        fs::remove_dir_all(memory.parent().unwrap()).unwrap();
    }
}
