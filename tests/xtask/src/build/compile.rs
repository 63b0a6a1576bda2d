//! Compiles a crate to a core module, and encodes it as a component.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use wasmparser::BinaryReader;
use wit_component::ComponentEncoder;

use super::toolchain::Compiler;
use super::{Options, TARGET, environment, process};

/// Stack size of a component, in bytes. The stack lies at the start of the linear memory, so a
/// stack overflow traps and does not overwrite data. The linker's default of 1 MiB would be most of
/// the initial memory of an instance.
///
/// This is twice the size with which all tests in `tests/promises` pass. With it, the stack and the
/// data of a component fit into two pages of 64 KiB.
pub const STACK_BYTES: u32 = 40 * 1024;

/// The package that the shipped components are built from.
pub(super) const PACKAGE: &str = "hightouch-sync";
const PROFILE: &str = "component";

/// Returns the rustc flags for the target in the format of `CARGO_ENCODED_RUSTFLAGS`, which allows
/// paths with spaces.
///
/// Panic messages contain source paths. The flags remove this machine's folders from them, so that
/// all machines build identical components.
pub(super) fn rust_flags(workspace: &Path) -> String {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK_BYTES}")];
    // The last matching flag wins. cargo's folder comes last because it may be inside the
    // workspace.
    for (folder, name) in [(Some(workspace), "."), (cargo_home.as_deref(), "/cargo")] {
        if let Some(folder) = folder.and_then(Path::to_str) {
            flags.push(format!("--remap-path-prefix={folder}={name}"));
        }
    }
    flags.join("\u{1f}")
}

/// Compiles a package of the workspace with these features, and returns the core module.
pub(super) fn core_module(
    package: &str,
    features: &[&str],
    compiler: &Compiler,
    options: &Options,
) -> Result<Vec<u8>> {
    let workspace = &options.workspace;
    // The cargo that runs this program locks its own target folder, and this build would wait for
    // that lock. So use another folder. All components share it, so that each dependency is
    // compiled once.
    let target = workspace.join("target").join("wasm");
    let output = target.join(TARGET).join(PROFILE);
    let file = package.replace('-', "_") + ".wasm";

    let mut command = environment::cargo();
    command
        .current_dir(workspace)
        .args([
            "rustc",
            "--lib",
            // Without the package's other crate type, `rlib`, which disables `lto`.
            "--crate-type",
            "cdylib",
            "--package",
            package,
            "--profile",
            PROFILE,
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_BUILD_BUILD_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(workspace))
        .args(&compiler.arguments)
        .envs(compiler.variables.iter().map(|(name, value)| (name, value)));
    if workspace.join("Cargo.lock").is_file() {
        command.arg("--locked");
    }
    for feature in features {
        command.args(["--features", feature]);
    }
    process::run_shown(&mut command, options.children)?;
    // Read the module immediately: the build for the next world overwrites it.
    let module = output.join(&file);
    fs::read(&module).with_context(|| format!("cargo did not write {}", module.display()))
}

/// Encodes a core module as a component. A custom section of the module describes its world.
pub(super) fn component(module: &[u8]) -> Result<Vec<u8>> {
    let encoder = ComponentEncoder::default()
        .validate(true)
        .debug_names(false);
    without_names(&encoder.module(module)?.encode()?)
}

/// Removes the names that the encoder gives to internal items: a few kilobytes that no tool needs.
fn without_names(component: &[u8]) -> Result<Vec<u8>> {
    const HEADER: usize = 8;
    const CUSTOM: u8 = 0;
    let mut reader = BinaryReader::new(component, 0);
    let mut kept = reader.read_bytes(HEADER)?.to_vec();
    while !reader.eof() {
        let begin = reader.current_position();
        let id = reader.read_u8()?;
        let length = reader.read_var_u32()?;
        let content = reader.read_bytes(length as usize)?;
        let is_names =
            id == CUSTOM && BinaryReader::new(content, 0).read_string()? == "component-name";
        if !is_names {
            kept.extend_from_slice(
                component
                    .get(begin..reader.current_position())
                    .context("a section of the component is truncated")?,
            );
        }
    }
    Ok(kept)
}
