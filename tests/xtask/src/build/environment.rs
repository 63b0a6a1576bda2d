//! The environment of the cargo that is run by a program that cargo runs.
//!
//! `cargo run` and `cargo test` set variables that describe the crate they run, and people and build machines set others
//! that are meant for the host's code. Neither may reach the build of the components.

use std::env;
use std::process::Command;

/// Names of variables, and beginnings of names, that are not passed on.
const DROPPED: &[&str] = &[
    // The host's flags; the target has its own.
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    // Where the result is put is ours to say.
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_TARGET",
    // What cargo tells the program it runs about itself.
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
    // Coverage of the host's code: the target has no profiler runtime.
    "LLVM_PROFILE_FILE",
];

/// The cargo that runs us, without what it and others have set for us.
pub(super) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_dropped) {
            command.env_remove(&name);
        }
    }
    // Empty means none, also where a configuration file names one: a wrapper is made for another compiler or another
    // purpose (clippy, coverage).
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
