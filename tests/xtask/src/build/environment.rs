//! The environment of the cargo process that builds the components.
//!
//! `cargo run` and `cargo test` set variables that describe the crate they run. Users and CI
//! machines set variables that are meant for the host's code. The build of the components must see
//! neither.

use std::env;
use std::process::Command;

/// Variables that are removed. A name that ends in `_` is a prefix.
const DROPPED: &[&str] = &[
    // Flags for the host. The WebAssembly target has its own flags.
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    // The component build chooses its own target directory.
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_TARGET",
    // Variables by which cargo describes the crate that it runs.
    "CARGO_BIN_",
    "CARGO_CFG_",
    "CARGO_CRATE_NAME",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_RUSTC_CURRENT_DIR",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
    "CLIPPY_ARGS",
    // Coverage of the host's code. The WebAssembly target has no profiler runtime.
    "LLVM_PROFILE_FILE",
];

/// Returns a command for the cargo that runs this program, without the variables in [`DROPPED`].
pub(super) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_dropped) {
            command.env_remove(&name);
        }
    }
    // An empty value disables the wrapper, even one from a configuration file. Such a wrapper is
    // meant for another compiler or another purpose, such as clippy or coverage.
    command
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "");
    command
}

fn is_dropped(name: &str) -> bool {
    DROPPED
        .iter()
        .any(|dropped| match dropped.strip_suffix('_') {
            Some(_) => name.starts_with(dropped),
            None => name == *dropped,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_describes_the_running_crate_is_dropped_and_what_configures_cargo_is_kept() {
        for dropped in [
            "CARGO_PKG_NAME",
            "CARGO_MANIFEST_DIR",
            "RUSTFLAGS",
            "CARGO_TARGET_DIR",
        ] {
            assert!(is_dropped(dropped), "{dropped}");
        }
        for kept in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "RUSTUP_TOOLCHAIN",
            "PATH",
            "CARGO_HTTP_PROXY",
            "RUSTC",
        ] {
            assert!(!is_dropped(kept), "{kept}");
        }
    }
}
