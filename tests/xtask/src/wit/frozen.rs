//! Frozen copies of the WIT's versions, for comparison with later versions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::PackageId;

use super::{PAGE, Wit, page};

/// Formats the WIT as one text that includes its dependencies, without doc comments. The format is
/// canonical.
///
/// # Errors
/// Fails if the WIT cannot be encoded.
pub fn freeze(wit: &Wit) -> Result<String> {
    // Encoding and decoding removes everything that is not used.
    let DecodedWasm::WitPackage(resolve, package) = wit_component::decode(&wit.encode()?)? else {
        anyhow::bail!("a WIT package was encoded as a component");
    };
    let others: Vec<PackageId> = resolve
        .packages
        .iter()
        .map(|(id, _)| id)
        .filter(|&id| id != package)
        .collect();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false).print(&resolve, package, &others)?;
    Ok(printer.output.to_string())
}

/// Returns the frozen versions with their texts.
///
/// # Errors
/// Fails if they cannot be read.
pub fn frozen(workspace: &Path) -> Result<Vec<(String, String)>> {
    let folder = folder(workspace);
    let mut all = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let version = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_owned();
        all.push((version, fs::read_to_string(&path)?));
    }
    all.sort();
    Ok(all)
}

/// Returns whether the changelog has a section for this version.
///
/// # Errors
/// Fails if the changelog cannot be read.
pub fn is_released(workspace: &Path, version: &str) -> Result<bool> {
    let changelog =
        fs::read_to_string(workspace.join("CHANGELOG.md")).context("cannot read CHANGELOG.md")?;
    Ok(changelog
        .lines()
        .any(|line| line.starts_with(&format!("## [{version}]"))))
}

/// Generates the page of `wit/`, and freezes the current version if it is not released. Returns the
/// written files.
///
/// # Errors
/// Fails if `wit/` cannot be read or a file cannot be written.
pub fn renew(workspace: &Path) -> Result<Vec<PathBuf>> {
    let wit = Wit::read(&workspace.join("wit"))?;
    let version = wit.version()?;
    let mut files = vec![(workspace.join("wit").join(PAGE), page(&wit)?)];
    if !is_released(workspace, &version)? {
        files.push((
            folder(workspace).join(format!("{version}.wit")),
            freeze(&wit)?,
        ));
    }
    for (path, text) in &files {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

fn folder(workspace: &Path) -> PathBuf {
    workspace.join("tests").join("wit")
}
