//! Debian's compiler, and the standard library built from Debian's sources of it.
//!
//! `rustc-web` and `rust-web-src` are Debian's current Rust in the stable releases, kept for building browsers. The two
//! always have one version, so that cargo can build the one's standard library with the other. rustup's own compiler
//! will not do: the sources must be those of the very compiler, and rustup's cannot be reached when this is needed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::apt::{self, Apt};
use super::control::{self, Package};
use super::toolchain::{self, Compiler};
use super::{Options, linker, process};

/// Compiler and sources.
const ROOTS: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Fetches compiler and sources on the first call, and never again while `target/` lives.
pub(super) fn compiler(options: &Options) -> Result<Compiler> {
    let folder = options.std_folder();
    let root = folder.join("debian");
    if !root.is_dir() {
        let partial = folder.join("debian.partial");
        remove(&partial)?;
        let fetched = fetch(&partial, options).and_then(|unpacked| {
            // What cannot be used is not kept.
            compiler_in(&unpacked)?;
            // Only now does it have its name: a run that ends before leaves nothing that looks whole.
            fs::rename(&unpacked, &root).with_context(|| format!("cannot make {}", root.display()))
        });
        remove(&partial)?;
        fetched?;
    }
    compiler_in(&root)
}

/// The compiler that was unpacked there.
fn compiler_in(root: &Path) -> Result<Compiler> {
    let rustc = root.join("usr/bin/rustc");
    let libraries = library_path(root)?;
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(&rustc);
        command.args(arguments).env("LD_LIBRARY_PATH", &libraries);
        process::run(&mut command, None).map(|output| output.stdout)
    };
    let version = ask(&["--version", "--verbose"])?;
    let sysroot = ask(&["--print", "sysroot"])?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if !sources.join("Cargo.lock").is_file() {
        bail!(
            "the sources of the standard library are not where cargo looks for them, in {}",
            sources.display()
        );
    }
    let linker = linker::rustups()
        .or_else(|| linker::debians(root))
        .context("there is no linker for the target")?;
    let release = toolchain::field(&version, "release").unwrap_or("of unknown version");
    Ok(Compiler {
        described: format!(
            "built from source with Debian's rustc {release}, in {}",
            root.display()
        ),
        variables: vec![
            ("RUSTC", rustc.into()),
            // cargo builds a standard library for nightly compilers only, or for those that pretend.
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("LD_LIBRARY_PATH", libraries),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.into()),
        ],
        arguments: vec![
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
        ],
        builds_std: true,
        ..Compiler::default()
    })
}

/// Everything into `partial`; gives the folder in it that is to be kept.
fn fetch(partial: &Path, options: &Options) -> Result<PathBuf> {
    apt::is_there()?;
    options.say(
        "Fetching Debian's compiler and the sources of its standard library (140 MB) into target/",
    );
    let root = apt::fetch(partial, choose)?;
    keep_only_the_library(&root.join("usr/src"))?;
    Ok(root)
}

fn choose(apt: &Apt) -> Result<Vec<Package>> {
    let needed = |roots: &[&str]| control::needed(roots, |names| apt.show(names), apt::installed);
    let packages = needed(&ROOTS)?;
    recent_enough(&packages, env!("CARGO_PKG_RUST_VERSION"))?;
    if linker::rustups().is_some() {
        return Ok(packages);
    }
    // The linker of the LLVM that the compiler uses, which the system may have already.
    let mut names = packages.iter().flat_map(Package::depends);
    let version = names
        .find_map(|name| name.strip_prefix("libllvm"))
        .context("no package tells which LLVM the compiler uses")?;
    let [compiler, sources] = ROOTS;
    needed(&[compiler, sources, &format!("lld-{version}")])
}

fn recent_enough(packages: &[Package], minimum: &str) -> Result<()> {
    for package in packages
        .iter()
        .filter(|package| ROOTS.contains(&package.name.as_str()))
    {
        if package.upstream_version() < control::numbers(minimum) {
            bail!(
                "{} is {}, and Rust {minimum} is needed",
                package.name,
                package.version
            );
        }
    }
    Ok(())
}

/// The sources of the compiler itself are most of the 430 MB, and of no use.
fn keep_only_the_library(sources: &Path) -> Result<()> {
    for version in fs::read_dir(sources).context("the package of the sources has none")? {
        for entry in fs::read_dir(version?.path())? {
            let entry = entry?;
            if entry.file_name() != "library" {
                remove(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// The folders with the compiler's shared libraries, before those that are looked in already.
pub(super) fn library_path(root: &Path) -> Result<OsString> {
    let top = root.join("usr/lib");
    let mut folders = vec![top.clone()];
    for entry in fs::read_dir(&top).with_context(|| format!("cannot read {}", top.display()))? {
        folders.push(entry?.path());
    }
    folders.retain(|folder| has_shared_libraries(folder));
    let inherited = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let inherited = env::split_paths(&inherited).filter(|folder| !folder.as_os_str().is_empty());
    Ok(env::join_paths(folders.into_iter().chain(inherited))?)
}

fn has_shared_libraries(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().contains(".so"))
}

pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_compiler_older_than_the_crate_needs_is_refused() {
        let record = "Package: rustc-web\nVersion: 1.85.0+dfsg3-1~deb12u3\n";
        let packages = Package::parse_all(record);
        let error = recent_enough(&packages, "1.95").unwrap_err().to_string();
        assert_eq!(
            error,
            "rustc-web is 1.85.0+dfsg3-1~deb12u3, and Rust 1.95 is needed"
        );
        recent_enough(&packages, "1.85").unwrap();
        recent_enough(&packages, "1.9.9").unwrap();
    }

    #[test]
    fn of_the_sources_the_standard_library_stays() {
        let sources = folder("sources");
        fs::create_dir_all(sources.join("rustc-1/library/std")).unwrap();
        fs::create_dir_all(sources.join("rustc-1/compiler")).unwrap();
        fs::write(sources.join("rustc-1/x.py"), "").unwrap();
        keep_only_the_library(&sources).unwrap();
        let left: Vec<_> = fs::read_dir(sources.join("rustc-1"))
            .unwrap()
            .map(|one| one.unwrap().file_name())
            .collect();
        assert_eq!(left, ["library"]);
        assert!(sources.join("rustc-1/library/std").is_dir());
        fs::remove_dir_all(&sources).unwrap();
    }

    #[test]
    fn shared_libraries_are_looked_for_where_packages_put_them() {
        let root = folder("libraries");
        fs::create_dir_all(root.join("usr/lib/rustlib")).unwrap();
        fs::create_dir_all(root.join("usr/lib/machine")).unwrap();
        fs::write(root.join("usr/lib/machine/libLLVM.so.22.1"), "").unwrap();
        let path = library_path(&root).unwrap();
        let folders: Vec<_> = env::split_paths(&path)
            .filter(|folder| folder.starts_with(&root))
            .collect();
        assert_eq!(folders, [root.join("usr/lib/machine")]);
        fs::remove_dir_all(&root).unwrap();
    }
}
