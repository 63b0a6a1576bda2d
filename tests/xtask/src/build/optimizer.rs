//! Binaryen's `wasm-opt`, which takes a sixth off what the compiler leaves. A build without it makes the same components, only larger.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Options, apt, control, debian, process};

/// What the compiler's output may hold: the features that its target has by itself. Not more, so that nothing of the kind is put in.
const FEATURES: [&str; 6] = [
    "bulk-memory",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
];

/// What is done to it. The stack lies at the start of the memory, so that nothing else has a place in the first kilobyte: what is added to an
/// address that is not below goes into the instruction. And a control flow that is made anew, from code without nesting, is a smaller one.
pub(super) const PASSES: [&str; 7] = [
    "--low-memory-unused",
    "-Oz",
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--converge",
];

/// How to call `wasm-opt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Optimizer {
    program: PathBuf,
    /// Where its shared libraries are, if not where the system looks.
    libraries: Option<OsString>,
    /// Which it is, for the line that says so.
    pub(super) described: String,
}

/// The machine's own, or Debian's, which is fetched on the first call and never again while `target/` lives.
pub(super) fn find(options: &Options) -> Result<Optimizer> {
    let own = Optimizer {
        program: "wasm-opt".into(),
        libraries: None,
        described: String::new(),
    };
    own.asked("").or_else(|_| debians(options))
}

fn debians(options: &Options) -> Result<Optimizer> {
    let root = options.std_folder().join("binaryen");
    if !root.is_dir() {
        let partial = options.std_folder().join("binaryen.partial");
        debian::remove(&partial)?;
        let fetched = fetch(&partial, options).and_then(|unpacked| {
            in_folder(&unpacked)?;
            fs::rename(&unpacked, &root).with_context(|| format!("cannot make {}", root.display()))
        });
        debian::remove(&partial)?;
        fetched?;
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
    .asked(", Debian's")
}

/// Everything into `partial`; gives the folder in it that is to be kept.
fn fetch(partial: &Path, options: &Options) -> Result<PathBuf> {
    apt::is_there()?;
    options.say("Fetching Debian's wasm-opt (3 MB) into target/");
    apt::fetch(partial, |apt| {
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

    /// The same, if it answers, with what it says of itself.
    fn asked(self, whose: &str) -> Result<Self> {
        let version = process::run(self.command().arg("--version"), None)?.stdout;
        // `wasm-opt version 108 (…)`
        let described = format!(
            "{}{whose}",
            version.lines().next().unwrap_or_default().trim()
        );
        Ok(Self { described, ..self })
    }

    /// Makes a core module smaller. What its custom sections say stays.
    pub(super) fn shrink(&self, module: &[u8], scratch: &Path) -> Result<Vec<u8>> {
        let (before, after) = (scratch.join("large.wasm"), scratch.join("small.wasm"));
        fs::write(&before, module).with_context(|| format!("cannot write {}", before.display()))?;
        let mut command = self.command();
        command.args(FEATURES.map(|feature| format!("--enable-{feature}")));
        command
            .args(PASSES)
            .arg(&before)
            .arg("--output")
            .arg(&after);
        process::run(&mut command, None).context("wasm-opt failed")?;
        fs::read(&after).with_context(|| format!("wasm-opt left no {}", after.display()))
    }
}
