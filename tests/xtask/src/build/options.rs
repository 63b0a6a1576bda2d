//! What a build may be told.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::StdSource;

/// What becomes of the output of cargo and the other programs that a build runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// It goes to our stderr as it comes.
    Shown,
    /// It is kept, and is part of the error where a program fails.
    OnFailure,
}

/// How to build.
pub struct Options {
    /// The workspace's root: where the crate's `Cargo.toml` and `wit/` are.
    pub workspace: PathBuf,
    /// Take this standard library and try no other. None: the first that can be had.
    pub std_source: Option<StdSource>,
    /// What becomes of the output of the programs that are run.
    pub children: Children,
    /// Called with each line that the build itself has to say.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
}

impl Options {
    /// For a person at a terminal: everything goes to stderr.
    ///
    /// # Errors
    /// [`STD_VARIABLE`](super::STD_VARIABLE) names no standard library that we know.
    pub fn terminal() -> Result<Self> {
        Ok(Self {
            workspace: workspace(),
            std_source: StdSource::from_environment()?,
            children: Children::Shown,
            say: Box::new(|line| eprintln!("{line}")),
        })
    }

    /// For tests: silent, but an error holds all that the failed program printed.
    ///
    /// # Errors
    /// As [`Options::terminal`].
    pub fn quiet() -> Result<Self> {
        Ok(Self {
            children: Children::OnFailure,
            say: Box::new(|_| {}),
            ..Self::terminal()?
        })
    }

    pub(super) fn say(&self, line: &str) {
        (self.say)(line);
    }

    /// Where the parts of a standard library are kept that are ours to fetch.
    pub(super) fn std_folder(&self) -> PathBuf {
        self.workspace.join("target").join("wasm-std")
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("workspace", &self.workspace)
            .field("std_source", &self.std_source)
            .field("children", &self.children)
            .finish_non_exhaustive()
    }
}

/// The root of the workspace that this crate was compiled in.
#[must_use]
pub fn workspace() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.ancestors().nth(2).unwrap_or(member).to_path_buf()
}
