//! One component out of two.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};

use super::{workspace, write_if_changed};

/// Gives the socket's imports what the plug exports under the same names, as `wac plug` does and Spin with a dependency. What is left of the
/// imports of both is what the result imports, `target/guests/NAME.wasm`.
///
/// # Errors
/// One of them is no component, the plug exports nothing that the socket imports in the same shape, or the result cannot be written.
pub fn composed(name: &str, socket: &Path, plug: &Path) -> Result<PathBuf> {
    let mut graph = CompositionGraph::new();
    let mut register = |path: &Path, role: &str| -> Result<_> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let package = Package::from_bytes(role, None, bytes, graph.types_mut())
            .with_context(|| format!("{} is no component", path.display()))?;
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
