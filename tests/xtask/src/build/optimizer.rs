//! Calls Binaryen's `wasm-opt`, which makes components about a sixth smaller. Components work the
//! same without it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Options, apt, control, debian, process};

/// WebAssembly features that the target enables by default. `wasm-opt` may use no others, so that
/// components need no newer runtime.
const FEATURES: [&str; 6] = [
    "bulk-memory",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// The passes of `wasm-opt`. The stack lies at the start of the memory, so no data has an address
/// below 1 KiB. `--low-memory-unused` uses this to move address offsets into instructions. More
/// passes make components 1 % smaller and take five times as long.
pub(super) const PASSES: [&str; 2] = ["--low-memory-unused", "-Oz"];

/// A `wasm-opt` program and its libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Optimizer {
    program: PathBuf,
    /// The folder of its shared libraries, unless the system finds them.
    libraries: Option<OsString>,
    /// Its version and origin, for a log line.
    pub(super) described: String,
}

/// Returns the system's `wasm-opt`, or else Debian's. The first call downloads Debian's; later
/// calls find it in `target/`.
pub(super) fn find(options: &Options) -> Result<Optimizer> {
    let own = Optimizer {
        program: "wasm-opt".into(),
        libraries: None,
        described: String::new(),
    };
    own.with_version("").or_else(|_| from_debian(options))
}

fn from_debian(options: &Options) -> Result<Optimizer> {
    let root = options.std_folder().join("binaryen");
    if !root.is_dir() {
        let partial = options.std_folder().join("binaryen.partial");
        debian::remove(&partial)?;
        let downloaded = download(&partial, options).and_then(|unpacked| {
            in_folder(&unpacked)?;
            fs::rename(&unpacked, &root)
                .with_context(|| format!("cannot create {}", root.display()))
        });
        debian::remove(&partial)?;
        downloaded?;
    }
    in_folder(&root)
}

fn in_folder(root: &Path) -> Result<Optimizer> {
    let libraries = Some(debian::library_path(root)?);
    Optimizer {
        program: root.join("usr/bin/wasm-opt"),
        libraries,
        described: String::new(),
    }
    .with_version(", from Debian")
}

/// Downloads everything into `partial`. Returns the folder inside `partial` to keep.
fn download(partial: &Path, options: &Options) -> Result<PathBuf> {
    apt::check_available()?;
    options.log("Downloading Debian's wasm-opt (3 MB) into target/");
    apt::download_and_unpack(partial, |apt| {
        control::needed(&["binaryen"], |names| apt.show(names), apt::installed)
    })
}

impl Optimizer {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.envs(
            self.libraries
                .iter()
                .map(|libraries| ("LD_LIBRARY_PATH", libraries)),
        );
        command
    }

    /// Asks the program for its version. Fails if it does not run.
    fn with_version(self, origin: &str) -> Result<Self> {
        let version = process::run(self.command().arg("--version"), None)?.stdout;
        // Such as `wasm-opt version 108 (…)`.
        let described = format!(
            "{}{origin}",
            version.lines().next().unwrap_or_default().trim()
        );
        Ok(Self { described, ..self })
    }

    /// Makes a core module smaller. Keeps its custom sections. Meanwhile, there are two files beside
    /// `component`, with the same name and the extensions `large.wasm` and `small.wasm`.
    pub(super) fn shrink(&self, module: &[u8], component: &Path) -> Result<Vec<u8>> {
        let before = component.with_extension("large.wasm");
        let after = component.with_extension("small.wasm");
        fs::write(&before, module).with_context(|| format!("cannot write {}", before.display()))?;
        let mut command = self.command();
        command.args(FEATURES.map(|feature| format!("--enable-{feature}")));
        command
            .args(PASSES)
            .arg(&before)
            .arg("--output")
            .arg(&after);
        process::run(&mut command, None).context("wasm-opt failed")?;
        let small = fs::read(&after)
            .with_context(|| format!("wasm-opt did not write {}", after.display()))?;
        for file in [before, after] {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(small)
    }
}
