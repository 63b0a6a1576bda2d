//! Builds the standard library from Debian's sources with Debian's compiler.
//!
//! `rustc-web` and `rust-web-src` are recent Rust versions in Debian's stable releases, kept there
//! for building browsers. Both always have the same version, so cargo can build the standard
//! library of one with the compiler of the other. rustup's compiler is not used: it needs
//! sources of exactly its own version, and this module is for machines that cannot download those
//! from rustup's servers.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::apt::{self, Apt};
use super::control::{self, Package};
use super::toolchain::{self, Compiler};
use super::{Options, process};

/// The compiler and the sources of its standard library.
const ROOTS: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Returns Debian's compiler. The first call downloads it; later calls find it in `target/`.
pub(super) fn compiler(options: &Options) -> Result<Compiler> {
    let folder = options.std_folder();
    let root = folder.join("debian");
    if !root.is_dir() {
        let partial = folder.join("debian.partial");
        remove(&partial)?;
        let downloaded = download(&partial, options).and_then(|unpacked| {
            // Do not keep a compiler that does not work.
            compiler_in(&unpacked)?;
            // Rename the folder last: an interrupted download must not look complete.
            fs::rename(&unpacked, &root)
                .with_context(|| format!("cannot create {}", root.display()))
        });
        remove(&partial)?;
        downloaded?;
    }
    compiler_in(&root)
}

/// Returns the compiler that is unpacked in `root`.
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
            "the sources of the standard library are not at {}, where cargo needs them",
            sources.display()
        );
    }
    let linker = toolchain::linker()
        .or_else(|| debian_linker(root))
        .context("no linker for the target was found")?;
    let release = toolchain::field(&version, "release").unwrap_or("(unknown version)");
    Ok(Compiler {
        described: format!(
            "built from source with Debian's rustc {release}, in {}",
            root.display()
        ),
        variables: vec![
            ("RUSTC", rustc.into()),
            // cargo builds the standard library only with a nightly compiler. This variable makes a
            // stable compiler pass as one.
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("LD_LIBRARY_PATH", libraries),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.into()),
        ],
        arguments: vec![
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
        ],
        ..Compiler::default()
    })
}

/// Returns Debian's linker from a folder with its unpacked package.
pub(super) fn debian_linker(root: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join("usr/lib")).ok()?.flatten();
    versions
        .map(|version| version.path().join("bin/wasm-ld"))
        .find(|linker| linker.is_file())
}

/// Downloads everything into `partial`. Returns the folder inside `partial` to keep.
fn download(partial: &Path, options: &Options) -> Result<PathBuf> {
    apt::check_available()?;
    options.log(
        "Downloading Debian's compiler and the sources of its standard library (140 MB) into target/",
    );
    let root = apt::download_and_unpack(partial, choose_packages)?;
    keep_only_the_library(&root.join("usr/src"))?;
    Ok(root)
}

fn choose_packages(apt: &Apt) -> Result<Vec<Package>> {
    let needed = |roots: &[&str]| control::needed(roots, |names| apt.show(names), apt::installed);
    let packages = needed(&ROOTS)?;
    check_version(&packages, env!("CARGO_PKG_RUST_VERSION"))?;
    if toolchain::linker().is_some() {
        return Ok(packages);
    }
    // Use the linker of the LLVM version that the compiler uses. The system may have it already.
    let mut names = packages.iter().flat_map(Package::depends);
    let version = names
        .find_map(|name| name.strip_prefix("libllvm"))
        .context("the compiler's packages do not depend on an LLVM library, so its linker cannot be chosen")?;
    let [compiler, sources] = ROOTS;
    needed(&[compiler, sources, &format!("lld-{version}")])
}

fn check_version(packages: &[Package], minimum: &str) -> Result<()> {
    for package in packages
        .iter()
        .filter(|package| ROOTS.contains(&package.name.as_str()))
    {
        if package.upstream_version() < control::numbers(minimum) {
            bail!(
                "the version of {} is {}, but Rust {minimum} or later is required",
                package.name,
                package.version
            );
        }
    }
    Ok(())
}

/// Removes the compiler's own sources: they are most of the 430 MB and are not needed.
fn keep_only_the_library(sources: &Path) -> Result<()> {
    for version in fs::read_dir(sources).context("the source package contains no sources")? {
        for entry in fs::read_dir(version?.path())? {
            let entry = entry?;
            if entry.file_name() != "library" {
                remove(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// Returns a library search path: the folders with the compiler's shared libraries, then the
/// inherited path.
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
        let error = check_version(&packages, "1.95").unwrap_err().to_string();
        assert_eq!(
            error,
            "the version of rustc-web is 1.85.0+dfsg3-1~deb12u3, but Rust 1.95 or later is required"
        );
        check_version(&packages, "1.85").unwrap();
        check_version(&packages, "1.9.9").unwrap();
    }

    #[test]
    fn only_the_sources_of_the_standard_library_stay() {
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
    fn the_folders_of_shared_libraries_are_found() {
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
