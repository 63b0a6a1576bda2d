//! A crate as a core module: cargo's part of the build.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::toolchain::Compiler;
use super::{Options, TARGET, environment, process};

/// The stack of a component, in bytes. It lies at the start of the linear memory, so that outgrowing it is a trap
/// rather than a silent overwriting of data. The linker's own choice of 1 MiB would be nearly all of the memory that a
/// fresh instance starts with.
pub const STACK_BYTES: u32 = 64 * 1024;

/// The crate that our own components are made of.
pub(super) const PACKAGE: &str = "hightouch-sync";
const PROFILE: &str = "component";

/// The target's flags for rustc, as cargo's `CARGO_ENCODED_RUSTFLAGS` has them: that one takes paths with spaces.
///
/// Messages of panics name source files: without the folders that they lie in on this machine, two machines make the
/// same component.
pub(super) fn rust_flags(workspace: &Path, more: &[&str]) -> String {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK_BYTES}")];
    // Where several match, the last counts: cargo's folder may lie in the workspace.
    for (folder, name) in [(Some(workspace), "."), (cargo_home.as_deref(), "/cargo")] {
        if let Some(folder) = folder.and_then(Path::to_str) {
            flags.push(format!("--remap-path-prefix={folder}={name}"));
        }
    }
    flags.extend(more.iter().copied().map(str::to_owned));
    flags.join("\u{1f}")
}

/// Compiles a package of the workspace with these features and gives the core module.
pub(super) fn compile(
    package: &str,
    features: &[&str],
    compiler: &Compiler,
    options: &Options,
) -> Result<Vec<u8>> {
    let workspace = &options.workspace;
    // Not the folder of the cargo that runs us: no waiting for its lock, and dependencies are compiled once for all.
    // Nor one folder for two sets of flags, between which everything would be compiled anew.
    let target = workspace.join("target").join(if compiler.flags.is_empty() {
        "wasm"
    } else {
        "wasm-mute"
    });
    let output = target.join(TARGET).join(PROFILE);
    let file = package.replace('-', "_") + ".wasm";

    let mut command = environment::cargo();
    command
        .current_dir(workspace)
        .args([
            "build",
            "--lib",
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
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            rust_flags(workspace, &compiler.flags),
        )
        .args(&compiler.arguments)
        .envs(compiler.variables.iter().map(|(name, value)| (name, value)));
    if workspace.join("Cargo.lock").is_file() {
        command.arg("--locked");
    }
    for feature in features {
        command.args(["--features", feature]);
    }
    process::run_shown(&mut command, options.children)?;
    // Read at once: the module of another world has the same name.
    let module = output.join(&file);
    let module =
        fs::read(&module).with_context(|| format!("cargo left no {}", module.display()))?;
    match &compiler.optimizer {
        Some(optimizer) => optimizer.shrink(&module, &output),
        None => Ok(module),
    }
}
