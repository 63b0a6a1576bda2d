//! The linker for the target: LLVM's, under one of its names.

use std::fs;
use std::path::{Path, PathBuf};

use super::toolchain;

/// The one that rustup brings along for its own compiler. Its folder is not on `PATH`.
pub(super) fn rustups() -> Option<PathBuf> {
    let tools = toolchain::sysroot()
        .ok()?
        .join("lib/rustlib")
        .join(toolchain::host().ok()?)
        .join("bin");
    let linker = tools.join(format!("rust-lld{}", std::env::consts::EXE_SUFFIX));
    linker.is_file().then_some(linker)
}

/// Debian's, in a folder that its package was unpacked into.
pub(super) fn debians(root: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join("usr/lib")).ok()?.flatten();
    versions
        .map(|version| version.path().join("bin/wasm-ld"))
        .find(|linker| linker.is_file())
}
