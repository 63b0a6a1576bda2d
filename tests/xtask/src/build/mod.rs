//! Builds the components in `target/components/`, one for each world in `wit/`.
//!
//! The crate is compiled six times, once for each world, by the cargo that runs this program.
//! Each core module is encoded as a component. The build fails if a component imports more than its
//! world declares. [`StdSource`] describes where the standard library of the target comes from.
//! Test components are built in the same way: see [`Guest`].

mod apt;
mod compile;
mod control;
mod debian;
mod environment;
mod fingerprint;
mod guest;
mod imports;
mod optimizer;
mod options;
mod process;
mod rustup;
mod std_source;
mod toolchain;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use anyhow::{Context as _, Result};

pub use compile::STACK_BYTES;
pub use guest::{Guest, build_guest, guest};
pub use imports::{declared_exports, declared_imports, exports, imports};
pub use options::{Children, Options, workspace};
pub use std_source::{STD_VARIABLE, StdSource};

/// The target triple of the components' core modules.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A version of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wasi {
    /// WASI 0.2.
    V0_2,
    /// WASI 0.3, with async functions.
    V0_3,
}

impl Wasi {
    /// All versions.
    pub const ALL: [Self; 2] = [Self::V0_2, Self::V0_3];
}

/// One of the six shipped components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Exports the interface `runs` and nothing else.
    Library,
    /// The HTTP endpoint with its settings in environment variables.
    Endpoint,
    /// The HTTP endpoint with its settings in Spin's variables.
    SpinEndpoint,
    /// WASI 0.3: exports the interface `async-runs` and nothing else.
    AsyncLibrary,
    /// WASI 0.3: the HTTP endpoint with its settings in environment variables.
    Service,
    /// WASI 0.3: the HTTP endpoint with its settings in Spin's variables.
    SpinService,
}

impl Kind {
    /// All kinds, in build order.
    pub const ALL: [Self; 6] = [
        Self::Library,
        Self::Endpoint,
        Self::SpinEndpoint,
        Self::AsyncLibrary,
        Self::Service,
        Self::SpinService,
    ];

    /// The kinds without an HTTP endpoint, one for each version of WASI.
    pub const LIBRARIES: [Self; 2] = [Self::Library, Self::AsyncLibrary];

    /// The kinds with an HTTP endpoint.
    pub const ENDPOINTS: [Self; 4] = [
        Self::Endpoint,
        Self::SpinEndpoint,
        Self::Service,
        Self::SpinService,
    ];

    /// Returns the version of WASI that it needs.
    #[must_use]
    pub const fn wasi(self) -> Wasi {
        match self {
            Self::Library | Self::Endpoint | Self::SpinEndpoint => Wasi::V0_2,
            Self::AsyncLibrary | Self::Service | Self::SpinService => Wasi::V0_3,
        }
    }

    /// Returns whether it is a library, and not an HTTP endpoint.
    #[must_use]
    pub const fn is_library(self) -> bool {
        matches!(self, Self::Library | Self::AsyncLibrary)
    }

    /// Returns whether its settings are Spin's variables.
    #[must_use]
    pub const fn is_for_spin(self) -> bool {
        matches!(self, Self::SpinEndpoint | Self::SpinService)
    }

    /// Returns the name of its world in `wit/`.
    #[must_use]
    pub const fn world(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Endpoint => "endpoint",
            Self::SpinEndpoint => "spin-endpoint",
            Self::AsyncLibrary => "async-library",
            Self::Service => "service",
            Self::SpinService => "spin-service",
        }
    }

    /// Returns the crate features that select its world.
    #[must_use]
    pub const fn features(self) -> &'static [&'static str] {
        match self {
            Self::Library => &[],
            Self::Endpoint => &["endpoint"],
            Self::SpinEndpoint => &["spin"],
            Self::AsyncLibrary => &["async"],
            Self::Service => &["service"],
            Self::SpinService => &["spin-service"],
        }
    }

    /// Returns its file name in `target/components/`.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{}.wasm", self.world())
    }
}

/// Paths of the built components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// The component of [`Kind::Library`].
    pub library: PathBuf,
    /// The component of [`Kind::Endpoint`].
    pub endpoint: PathBuf,
    /// The component of [`Kind::SpinEndpoint`].
    pub spin_endpoint: PathBuf,
    /// The component of [`Kind::AsyncLibrary`].
    pub async_library: PathBuf,
    /// The component of [`Kind::Service`].
    pub service: PathBuf,
    /// The component of [`Kind::SpinService`].
    pub spin_service: PathBuf,
}

impl Components {
    fn in_workspace(workspace: &Path) -> Self {
        let path = |kind: Kind| folder(workspace).join(kind.file_name());
        Self {
            library: path(Kind::Library),
            endpoint: path(Kind::Endpoint),
            spin_endpoint: path(Kind::SpinEndpoint),
            async_library: path(Kind::AsyncLibrary),
            service: path(Kind::Service),
            spin_service: path(Kind::SpinService),
        }
    }

    /// Returns the path of the component of this kind.
    #[must_use]
    pub fn path(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Library => &self.library,
            Kind::Endpoint => &self.endpoint,
            Kind::SpinEndpoint => &self.spin_endpoint,
            Kind::AsyncLibrary => &self.async_library,
            Kind::Service => &self.service,
            Kind::SpinService => &self.spin_service,
        }
    }
}

/// Builds the components that are out of date, and prints which standard library it uses.
///
/// It takes a few milliseconds if the sources have not changed since the last build. Several
/// processes may call it at once: one builds and the others wait.
///
/// # Errors
/// Fails if there is no standard library for [`TARGET`] (the error lists the attempts and the
/// command that solves the problem), if the crate does not compile, or if the imports or exports of
/// a component differ from those of its world.
pub fn build(options: &Options) -> Result<Components> {
    build_kinds(&Kind::ALL, options)?;
    Ok(Components::in_workspace(&options.workspace))
}

/// Builds one component if it is out of date, and returns its path. The optimisation of a component
/// uses one core for many seconds, so a program that needs one component does not build the others.
///
/// # Errors
/// As [`build`].
pub fn build_one(kind: Kind, options: &Options) -> Result<PathBuf> {
    build_kinds(&[kind], options)?;
    Ok(Components::in_workspace(&options.workspace)
        .path(kind)
        .to_owned())
}

fn build_kinds(kinds: &[Kind], options: &Options) -> Result<()> {
    let components = Components::in_workspace(&options.workspace);
    let sources = ["src"]
        .into_iter()
        .chain(fingerprint::SHARED.iter().copied());
    let outputs = kinds.iter().map(|&kind| Output {
        name: format!("the `{}` world", kind.world()),
        package: compile::PACKAGE.to_owned(),
        features: kind.features(),
        world: Some(kind),
        stamp: folder(&options.workspace).join(format!(".{}-built-from", kind.world())),
        file: components.path(kind).to_owned(),
    });
    rebuild_outdated(outputs, sources, options)
}

/// A component that is built from the sources.
struct Output {
    /// What is built, for error messages.
    name: String,
    package: String,
    features: &'static [&'static str],
    /// The world whose imports and exports it must have.
    world: Option<Kind>,
    /// Records the sources of the file.
    stamp: PathBuf,
    file: PathBuf,
}

/// Builds each file that does not exist, or whose stamp does not record the current sources.
///
/// cargo compiles one module at a time, mostly on one core. Meanwhile, the modules before it are
/// optimised, encoded and written.
fn rebuild_outdated<'a>(
    outputs: impl IntoIterator<Item = Output>,
    sources: impl IntoIterator<Item = &'a str>,
    options: &Options,
) -> Result<()> {
    let folder = folder(&options.workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // All builds share one lock, so that the standard library is downloaded only once.
    let _lock = lock(&folder.join(".lock"), options)?;
    let sources = fingerprint::hash_sources(&options.workspace, sources)?;
    let outdated: Vec<_> = outputs
        .into_iter()
        .filter(|output| {
            let Output { stamp, file, .. } = output;
            !fingerprint::is_current(stamp, &sources, options.std_source, &[file])
        })
        .collect();
    if outdated.is_empty() {
        return Ok(());
    }
    let (source, mut compiler) = std_source::find(options)?;
    options.log(&format!(
        "Standard library for {TARGET}: {}",
        compiler.described
    ));
    match optimizer::find(options) {
        Ok(optimizer) => {
            options.log(&format!(
                "Optimizer that makes the components smaller: {}",
                optimizer.described
            ));
            compiler.optimizer = Some(optimizer);
        }
        Err(error) => options.log(&format!(
            "wasm-opt is not available. The components are built without it and are about a sixth larger: {error:#}"
        )),
    }
    let finish = |output: &Output, mut module: Vec<u8>| {
        if let Some(optimizer) = &compiler.optimizer {
            module = optimizer.shrink(&module, &output.file)?;
        }
        let component = compile::component(&module).context("cannot encode the component")?;
        if let Some(kind) = output.world {
            imports::check(&component, kind, &options.workspace)?;
        }
        write_if_changed(&output.file, &component)?;
        fingerprint::remember(&output.stamp, &sources, source)
    };
    thread::scope(|scope| {
        let mut unfinished = Vec::new();
        for output in &outdated {
            let described = || format!("cannot build {}", output.name);
            // Remove the stamp first: an interrupted build must not leave a new component with an
            // old stamp.
            fingerprint::forget(&output.stamp)?;
            let module = compile::core_module(&output.package, output.features, &compiler, options)
                .with_context(described)?;
            unfinished.push(scope.spawn(move || finish(output, module).with_context(described)));
        }
        unfinished.into_iter().try_for_each(|finished| {
            finished
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// For tests: builds the components of this workspace at most once per process. Prints nothing
/// unless the build fails.
///
/// # Errors
/// As [`build`]. The error contains all output of the build. Later calls return the same error.
pub fn components() -> Result<&'static Components> {
    static BUILT: OnceLock<Result<Components, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            Options::quiet()
                .and_then(|options| build(&options))
                .map_err(|error| format!("{error:#}"))
        })
        .as_ref()
        .map_err(|error| anyhow::anyhow!("cannot build the components: {error}"))
}

fn folder(workspace: &Path) -> PathBuf {
    workspace.join("target").join("components")
}

/// Locks a file until the returned handle is closed. The system closes it if the process dies.
fn lock(path: &Path, options: &Options) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            options.log("Waiting for another process that builds the components")
        }
        Err(TryLockError::Error(_)) => {}
    }
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Writes a file by renaming a temporary file, so that readers see either the old or the new
/// content.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file in one step, unless it has this content already. An unchanged file keeps its
/// modification time.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    write_atomically(path, bytes)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;

    #[test]
    fn an_unchanged_component_is_not_written_again() {
        let folder = std::env::temp_dir().join(format!("write-if-changed-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.wasm");
        write_if_changed(&file, b"one").unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        write_if_changed(&file, b"one").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), long_ago);
        write_if_changed(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "no temporary file is left"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
