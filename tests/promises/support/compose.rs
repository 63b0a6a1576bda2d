//! Composes two components.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};
use xtask::build::{Kind, declared_imports, imports, workspace, write_if_changed};

/// Connects the exports of `plug` to the imports of `socket` that have the same names, as `wac
/// plug` and Spin's component dependencies do. Writes the component to `target/guests/NAME.wasm`
/// and returns its path. The component imports everything else that either of them imports.
///
/// # Errors
/// Fails if a file is not a component, if `plug` exports nothing that `socket` imports with the
/// same type, or if the component cannot be written.
pub fn compose(name: &str, socket: &Path, plug: &Path) -> Result<PathBuf> {
    let mut graph = CompositionGraph::new();
    let mut register = |path: &Path, role: &str| -> Result<_> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let package = Package::from_bytes(role, None, bytes, graph.types_mut())
            .with_context(|| format!("{} is not a component", path.display()))?;
        Ok(graph.register_package(package)?)
    };
    let (socket, plug) = (register(socket, "socket")?, register(plug, "plug")?);
    wac_graph::plug(&mut graph, vec![plug], socket)?;
    let component = graph.encode(EncodeOptions::default())?;
    let folder = workspace().join("target").join("guests");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = folder.join(format!("{name}.wasm"));
    write_if_changed(&file, &component)?;
    Ok(file)
}

/// Checks that a composition with the library of this kind imports `client`, nothing that the
/// library does not import, and not the library's own `interface`.
pub fn check_imports(composition: &Path, library: Kind, client: &str, interface: &str) {
    let allowed = declared_imports(library).unwrap();
    let found = imports(composition).unwrap();
    assert!(found.contains(&client.into()), "{found:?}");
    assert!(
        found.iter().all(|import| allowed.contains(import)),
        "{found:?}"
    );
    assert!(
        !found.iter().any(|import| import.starts_with(interface)),
        "{found:?}"
    );
}
