//! Options of a build.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::StdSource;

/// The destination of the output of cargo and other programs that a build runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// Prints the output to stderr immediately.
    Shown,
    /// Keeps the output and adds it to the error if the program fails.
    OnFailure,
}

/// Options of a build.
pub struct Options {
    /// The workspace root, which contains the crate's `Cargo.toml` and `wit/`.
    pub workspace: PathBuf,
    /// The only standard library to try. `None` tries all and uses the first that is available.
    pub std_source: Option<StdSource>,
    /// The destination of the output of the programs that a build runs.
    pub children: Children,
    /// Called with each line that the build itself prints.
    pub log: Box<dyn Fn(&str) + Send + Sync>,
}

impl Options {
    /// Returns options for an interactive build, which prints everything to stderr.
    ///
    /// # Errors
    /// Fails if [`STD_VARIABLE`](super::STD_VARIABLE) names an unknown standard library.
    pub fn terminal() -> Result<Self> {
        Ok(Self {
            workspace: workspace(),
            std_source: StdSource::from_environment()?,
            children: Children::Shown,
            log: Box::new(|line| eprintln!("{line}")),
        })
    }

    /// Returns options for tests: the build prints nothing, and an error contains all output of the
    /// failed program.
    ///
    /// # Errors
    /// As [`Options::terminal`].
    pub fn quiet() -> Result<Self> {
        Ok(Self {
            children: Children::OnFailure,
            log: Box::new(|_| {}),
            ..Self::terminal()?
        })
    }

    pub(super) fn log(&self, line: &str) {
        (self.log)(line);
    }

    /// Returns the folder for downloaded compilers and standard libraries.
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

/// Returns the root of the workspace that this crate was compiled in.
#[must_use]
pub fn workspace() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.ancestors().nth(2).unwrap_or(member).to_path_buf()
}
