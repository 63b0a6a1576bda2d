//! The compiler that builds the components, and properties of the active toolchain.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::optimizer::Optimizer;
use super::{TARGET, process};

/// Settings with which cargo builds for the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compiler {
    /// The origin of its standard library, for a log line.
    pub(super) described: String,
    /// Environment variables for cargo.
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// Arguments of `cargo build`.
    pub(super) arguments: Vec<&'static str>,
    /// The program that makes the modules smaller, if one is available.
    pub(super) optimizer: Option<Optimizer>,
}

/// Returns the active toolchain's own standard library for the target.
pub(super) fn active() -> Result<Compiler> {
    let folder = ask(&["--print", "target-libdir", "--target", TARGET])?;
    if !has_std(Path::new(&folder)) {
        bail!(
            "{} has no standard library for {TARGET}",
            ask(&["--version"])?
        );
    }
    Ok(Compiler {
        described: format!("from the active toolchain ({})", ask(&["--version"])?),
        ..Compiler::default()
    })
}

/// Returns the folder of the active toolchain.
pub(super) fn sysroot() -> Result<PathBuf> {
    Ok(ask(&["--print", "sysroot"])?.into())
}

/// Returns the target triple of this machine.
pub(super) fn host() -> Result<String> {
    let version = ask(&["--version", "--verbose"])?;
    field(&version, "host")
        .map(str::to_owned)
        .context("`rustc --version --verbose` shows no host")
}

/// Returns a field of the output of `rustc --version --verbose`.
pub(super) fn field<'a>(version: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = version.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(key, value)| (key == name).then_some(value))
}

/// Returns the linker that rustup installs with the compiler. Its folder is not on `PATH`.
pub(super) fn linker() -> Option<PathBuf> {
    let tools = sysroot()
        .ok()?
        .join("lib/rustlib")
        .join(host().ok()?)
        .join("bin");
    let linker = tools.join(format!("rust-lld{}", std::env::consts::EXE_SUFFIX));
    linker.is_file().then_some(linker)
}

fn ask(arguments: &[&str]) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = process::run(Command::new(rustc).args(arguments), None)?;
    Ok(output.stdout.trim().to_owned())
}

fn has_std(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_without_libstd_is_not_a_standard_library() {
        let folder = std::env::temp_dir().join(format!("has-std-{}", std::process::id()));
        assert!(!has_std(&folder));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("libcore-1.rlib"), "").unwrap();
        assert!(!has_std(&folder));
        fs::write(folder.join("libstd-1.rlib"), "").unwrap();
        assert!(has_std(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_field_of_the_version_is_found_by_its_name() {
        let version = "rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.2\n";
        assert_eq!(field(version, "host"), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(field(version, "LLVM version"), Some("22.1.2"));
        assert_eq!(field(version, "release"), None);
    }
}
