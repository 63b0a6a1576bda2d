//! Caches compiled components next to the component files, so that not every test process compiles
//! them again.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::into_anyhow;

/// Minimum age of an artifact that is removed when a newer artifact of the component is written.
const STALE: Duration = Duration::from_secs(60 * 60);

/// Loads the component in this file, from the cache if possible.
///
/// The cache is trusted as much as the component's own folder: a user who can write to it can run
/// code in this process.
pub(super) fn load(engine: &Engine, path: &Path) -> anyhow::Result<Component> {
    let wasm = fs::read(path)?;
    let artifact = artifact_of(engine, path, &wasm);
    // SAFETY: `store` below wrote the file, or a user who can also write the component.
    if let Ok(component) = unsafe { Component::deserialize_file(engine, &artifact) } {
        return Ok(component);
    }
    let compiled = engine.precompile_component(&wasm).map_err(into_anyhow)?;
    // Ignore an error here: without the artifact, the next process compiles the component again.
    drop(keep(&artifact, &compiled));
    // SAFETY: the engine itself made these bytes.
    unsafe { Component::deserialize(engine, &compiled) }.map_err(into_anyhow)
}

/// Returns the path of the artifact. Its name contains a hash of everything that the compiled code
/// depends on: the component, wasmtime's version and its settings.
fn artifact_of(engine: &Engine, path: &Path, wasm: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    wasm.hash(&mut hasher);
    path.with_extension(format!("{:016x}.cwasm", hasher.finish()))
}

/// Writes an artifact by renaming a temporary file, so that no process reads a partial one.
fn keep(artifact: &Path, compiled: &[u8]) -> std::io::Result<()> {
    static WRITTEN: AtomicU32 = AtomicU32::new(0);
    let unique = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let draft = artifact.with_extension(format!("{}-{unique}.tmp", process::id()));
    let written = fs::write(&draft, compiled).and_then(|()| fs::rename(&draft, artifact));
    if written.is_err() {
        drop(fs::remove_file(&draft));
    }
    drop(remove_stale(artifact));
    written
}

fn remove_stale(artifact: &Path) -> std::io::Result<()> {
    let (Some(directory), Some(component)) = (artifact.parent(), component_of(artifact)) else {
        return Ok(());
    };
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path == artifact || component_of(&path) != Some(component) {
            continue;
        }
        let age = fs::metadata(&path)?.modified()?.elapsed();
        if age.is_ok_and(|age| age > STALE) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Returns `endpoint` for `endpoint.0123456789abcdef.cwasm`, and `None` for any other file.
fn component_of(artifact: &Path) -> Option<&str> {
    let name = artifact.file_name()?.to_str()?.strip_suffix(".cwasm")?;
    let (component, hash) = name.rsplit_once('.')?;
    (hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit())).then_some(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_artifacts_are_taken_for_artifacts() {
        let component = |name| component_of(Path::new(name)).map(str::to_owned);
        assert_eq!(
            component("/c/endpoint.0123456789abcdef.cwasm").as_deref(),
            Some("endpoint")
        );
        for other in ["/c/endpoint.cwasm", "/c/endpoint.wasm", "/c/a.0123.cwasm"] {
            assert_eq!(component(other), None, "{other}");
        }
    }
}
