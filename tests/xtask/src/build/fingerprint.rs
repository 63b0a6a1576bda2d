//! Records which sources the components were built from, so that an up-to-date build takes almost
//! no time.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{StdSource, compile, optimizer};

/// Sources that every component is built from, in addition to its own code. Paths are relative to
/// the workspace root. The compiler is not included: a compiler update does not cause a rebuild.
pub(super) const SHARED: &[&str] = &[
    "wit",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    ".cargo/config.toml",
];

/// Returns a hash of the names and contents of these sources. Each is a file or folder, relative to
/// the workspace root.
pub(super) fn hash_sources<'a>(
    workspace: &Path,
    sources: impl IntoIterator<Item = &'a str>,
) -> Result<String> {
    let mut files = Vec::new();
    for source in sources {
        collect(&workspace.join(source), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    compile::rust_flags(workspace).hash(&mut hasher);
    optimizer::PASSES.hash(&mut hasher);
    for file in files {
        file.strip_prefix(workspace)
            .unwrap_or(&file)
            .hash(&mut hasher);
        fs::read(&file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Returns whether the files exist and were built from these sources with the requested standard
/// library.
pub(super) fn is_current(
    stamp: &Path,
    sources: &str,
    requested: Option<StdSource>,
    files: &[&Path],
) -> bool {
    let Ok(text) = fs::read_to_string(stamp) else {
        return false;
    };
    let Some((built_from, built_with)) = text.trim().split_once(' ') else {
        return false;
    };
    built_from == sources
        && requested.is_none_or(|requested| requested.name() == built_with)
        && files.iter().all(|file| file.is_file())
}

/// Marks the files as out of date.
pub(super) fn forget(stamp: &Path) -> Result<()> {
    match fs::remove_file(stamp) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", stamp.display()))
        }
        _ => Ok(()),
    }
}

/// Records the sources and the standard library that the files were built from.
pub(super) fn remember(stamp: &Path, sources: &str, source: StdSource) -> Result<()> {
    super::write_atomically(stamp, format!("{sources} {source}\n").as_bytes())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in
            fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?
        {
            collect(&entry?.path(), files)?;
        }
    } else if path.is_file() {
        files.push(path.to_path_buf());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn workspace(name: &str) -> PathBuf {
        let workspace = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(workspace.join("src/engine")).unwrap();
        fs::write(workspace.join("src/engine/a.rs"), "one").unwrap();
        fs::write(workspace.join("Cargo.toml"), "[package]").unwrap();
        workspace
    }

    #[test]
    fn a_source_that_is_changed_added_or_renamed_changes_the_fingerprint() {
        let workspace = workspace("fingerprint");
        let hash_sources = |workspace| hash_sources(workspace, ["src", "Cargo.toml", "Cargo.lock"]);
        let mut seen = vec![hash_sources(&workspace).unwrap()];
        assert_eq!(seen.first().unwrap(), &hash_sources(&workspace).unwrap());
        fs::write(workspace.join("src/engine/a.rs"), "two").unwrap();
        seen.push(hash_sources(&workspace).unwrap());
        fs::write(workspace.join("Cargo.lock"), "").unwrap();
        seen.push(hash_sources(&workspace).unwrap());
        fs::rename(
            workspace.join("src/engine/a.rs"),
            workspace.join("src/engine/b.rs"),
        )
        .unwrap();
        seen.push(hash_sources(&workspace).unwrap());
        fs::write(workspace.join("README.md"), "no source").unwrap();
        assert_eq!(seen.last().unwrap(), &hash_sources(&workspace).unwrap());
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        fs::remove_dir_all(&workspace).unwrap();
    }

    #[test]
    fn files_are_current_while_their_sources_and_what_is_requested_stay_the_same() {
        let workspace = workspace("current");
        let (one, other) = (workspace.join("one.wasm"), workspace.join("other.wasm"));
        let files: &[&Path] = &[&one, &other];
        let stamp = workspace.join("stamp");
        remember(&stamp, "1a", StdSource::Debian).unwrap();
        fs::write(&one, "").unwrap();
        assert!(!is_current(&stamp, "1a", None, files), "one is missing");
        fs::write(&other, "").unwrap();
        assert!(is_current(&stamp, "1a", None, files));
        assert!(is_current(&stamp, "1a", Some(StdSource::Debian), files));
        assert!(!is_current(&stamp, "1a", Some(StdSource::Rustup), files));
        assert!(!is_current(&stamp, "1b", None, files));
        forget(&stamp).unwrap();
        forget(&stamp).unwrap();
        assert!(!is_current(&stamp, "1a", None, files));
        fs::remove_dir_all(&workspace).unwrap();
    }
}
