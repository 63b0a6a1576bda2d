//! The component build: sources in, `target/components/{library,endpoint,spin-endpoint}.wasm` out.
//!
//! One crate is compiled three times, once for each world, by the cargo that runs us; each core module becomes a
//! component, and a component that imports more than its world declares is refused. What the target's standard library
//! is taken from is [`StdSource`]'s story. Other components that the tests need are built the same way: see [`Guest`].

mod apt;
mod component;
mod compose;
mod control;
mod debian;
mod environment;
mod fingerprint;
mod guest;
mod imports;
mod kind;
mod linker;
mod module;
mod optimizer;
mod options;
mod process;
mod rustup;
mod std_source;
mod toolchain;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};

pub use compose::composed;
pub use guest::{Guest, build_guest, guest};
pub use imports::{declared_exports, declared_imports, exports, imports};
pub use kind::Kind;
pub use module::STACK_BYTES;
pub use options::{Children, Options, workspace};
pub use std_source::{STD_VARIABLE, StdSource};

use toolchain::Compiler;

/// The target triple of the components' core modules.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where the built components are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// The component of [`Kind::Library`].
    pub library: PathBuf,
    /// The component of [`Kind::Endpoint`].
    pub endpoint: PathBuf,
    /// The component of [`Kind::SpinEndpoint`].
    pub spin_endpoint: PathBuf,
}

impl Components {
    fn of(workspace: &Path) -> Self {
        let path = |kind: Kind| folder(workspace).join(kind.file_name());
        Self {
            library: path(Kind::Library),
            endpoint: path(Kind::Endpoint),
            spin_endpoint: path(Kind::SpinEndpoint),
        }
    }

    /// The component of one kind.
    #[must_use]
    pub fn path(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Library => &self.library,
            Kind::Endpoint => &self.endpoint,
            Kind::SpinEndpoint => &self.spin_endpoint,
        }
    }
}

/// Builds the components that are out of date and says in one line which standard library it took.
///
/// Costs a few milliseconds where the sources are those of the last build. Safe to call from several processes at once:
/// one builds, the others wait for it.
///
/// # Errors
/// No standard library for [`TARGET`] could be had (the error lists what was tried and the one command that mends it),
/// the crate does not compile, or a component's imports or exports are not those of its world.
pub fn build(options: &Options) -> Result<Components> {
    let components = Components::of(&options.workspace);
    let sources = ["src"]
        .into_iter()
        .chain(fingerprint::SHARED.iter().copied());
    let stamp = folder(&options.workspace).join(".built-from");
    let files = Kind::ALL.map(|kind| components.path(kind));
    bring_up_to_date(&stamp, sources, &files, options, |compiler| {
        for kind in Kind::ALL {
            let mute = compiler.without_last_words();
            let compiler = if kind.has_stderr() { compiler } else { &mute };
            let module = module::compile(module::PACKAGE, kind.features(), compiler, options)
                .with_context(|| format!("cannot compile the `{}` world", kind.world()))?;
            let component = component::encode(&module).with_context(|| {
                format!("cannot make a component of the `{}` world", kind.world())
            })?;
            imports::check(&component, kind, &options.workspace)?;
            write_if_changed(components.path(kind), &component)?;
        }
        Ok(())
    })?;
    Ok(components)
}

/// Lets `make` write `files`, unless they are there already and `stamp` says that they were made from what these sources hold.
fn bring_up_to_date<'a>(
    stamp: &Path,
    sources: impl IntoIterator<Item = &'a str>,
    files: &[&Path],
    options: &Options,
    make: impl FnOnce(&Compiler) -> Result<()>,
) -> Result<()> {
    let folder = folder(&options.workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // One lock for all that is built: the standard library is fetched once.
    let _lock = lock(&folder.join(".lock"), options)?;
    let sources = fingerprint::of_sources(&options.workspace, sources)?;
    if fingerprint::is_current(stamp, &sources, options.std_source, files) {
        return Ok(());
    }
    let (source, mut compiler) = std_source::find(options)?;
    options.say(&format!(
        "Standard library for {TARGET}: {}",
        compiler.described
    ));
    match optimizer::find(options) {
        Ok(optimizer) => {
            options.say(&format!("Made smaller by {}", optimizer.described));
            compiler.optimizer = Some(optimizer);
        }
        Err(error) => options.say(&format!(
            "There is no wasm-opt, so components are a sixth larger: {error:#}"
        )),
    }
    // A build that stops half-way must not leave new components under an old stamp.
    fingerprint::forget(stamp)?;
    make(&compiler)?;
    fingerprint::remember(stamp, &sources, source)
}

/// For tests: the components of this workspace, built once per process. Prints nothing unless the build fails.
///
/// # Errors
/// As [`build`], with all that the build printed; every later call gives the same error.
pub fn components() -> Result<&'static Components> {
    static BUILT: OnceLock<Result<Components, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            Options::quiet()
                .and_then(|options| build(&options))
                .map_err(|error| format!("{error:#}"))
        })
        .as_ref()
        .map_err(|error| anyhow::anyhow!("the components could not be built: {error}"))
}

fn folder(workspace: &Path) -> PathBuf {
    workspace.join("target").join("components")
}

/// Held until the returned file is closed, which the system does too when a process dies.
fn lock(path: &Path, options: &Options) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => options.say("Waiting for another build of the components"),
        Err(TryLockError::Error(_)) => {}
    }
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Whole or not at all: whoever reads meanwhile sees the old file or the new one.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Keeps the modification time of a component that came out the same.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
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
    fn a_component_that_came_out_the_same_is_not_written_again() {
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
            "no temporary file stays behind"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
