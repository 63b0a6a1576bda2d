//! Reads a component's imports and exports, and compares them with its world in `wit/`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldId, WorldKey};

use super::{Kind, workspace};

/// Returns the imports of the component in this file, sorted, such as `wasi:http/types@0.2.2`.
///
/// # Errors
/// Fails if the file cannot be read or is not a component.
pub fn imports(component: &Path) -> Result<Vec<String>> {
    Ok(Interfaces::of_component(&read(component)?)?.imports)
}

/// Returns the exports of the component in this file, sorted.
///
/// # Errors
/// As [`imports`].
pub fn exports(component: &Path) -> Result<Vec<String>> {
    Ok(Interfaces::of_component(&read(component)?)?.exports)
}

/// Returns the imports that the world of this kind declares, sorted. They include the interfaces
/// whose types its imports and exports use.
///
/// # Errors
/// Fails if `wit/` cannot be read or does not contain the world.
pub fn declared_imports(kind: Kind) -> Result<Vec<String>> {
    Ok(Interfaces::of_world(&workspace(), kind)?.imports)
}

/// Returns the exports that the world of this kind declares, sorted.
///
/// # Errors
/// As [`declared_imports`].
pub fn declared_exports(kind: Kind) -> Result<Vec<String>> {
    Ok(Interfaces::of_world(&workspace(), kind)?.exports)
}

/// Fails if a component imports something that its world does not declare, or if its exports differ
/// from those of its world. A component may import less than its world declares, because the
/// encoder drops unused imports.
pub(super) fn check(component: &[u8], kind: Kind, workspace: &Path) -> Result<()> {
    let found = Interfaces::of_component(component)?;
    compare(
        &found,
        &Interfaces::of_world(workspace, kind)?,
        kind.world(),
    )
}

fn compare(found: &Interfaces, declared: &Interfaces, world: &str) -> Result<()> {
    let undeclared = missing_from(&declared.imports, &found.imports);
    let unexported = missing_from(&found.exports, &declared.exports);
    let surplus = missing_from(&declared.exports, &found.exports);
    for (names, fault) in [
        (undeclared, "imports what the world does not declare"),
        (unexported, "does not export what the world declares"),
        (surplus, "exports what the world does not declare"),
    ] {
        if !names.is_empty() {
            bail!(
                "the component of the `{world}` world {fault}: {}",
                names.join(", ")
            );
        }
    }
    Ok(())
}

fn missing_from(list: &[String], wanted: &[String]) -> Vec<String> {
    wanted
        .iter()
        .filter(|name| !list.contains(name))
        .cloned()
        .collect()
}

/// Sorted names of interfaces, and of functions and types outside of interfaces.
struct Interfaces {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Interfaces {
    fn of_component(bytes: &[u8]) -> Result<Self> {
        match wit_component::decode(bytes)? {
            DecodedWasm::Component(resolve, world) => Self::of(&resolve, world),
            DecodedWasm::WitPackage(..) => bail!("this is a WIT package, not a component"),
        }
    }

    fn of_world(workspace: &Path, kind: Kind) -> Result<Self> {
        let wit = workspace.join("wit");
        let mut resolve = Resolve::new();
        let (package, _) = resolve
            .push_dir(&wit)
            .with_context(|| format!("cannot read {}", wit.display()))?;
        let world = resolve.select_world(&[package], Some(kind.world()))?;
        Self::of(&resolve, world)
    }

    /// `Resolve` has already added the interfaces that the world's own interfaces use.
    fn of(resolve: &Resolve, world: WorldId) -> Result<Self> {
        let world = resolve
            .worlds
            .get(world)
            .context("a world is missing from its own package")?;
        let names = |items: &mut dyn Iterator<Item = &WorldKey>| {
            let mut names: Vec<_> = items.map(|key| resolve.name_world_key(key)).collect();
            names.sort();
            names
        };
        Ok(Self {
            imports: names(&mut world.imports.keys()),
            exports: names(&mut world.exports.keys()),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use wit_component::{StringEncoding, embed_component_metadata};

    use super::*;
    use crate::build::compile;

    const DEPENDENCY: &str = "package test:host@1.0.0;
        interface types { record thing { a: u32 } }
        interface clock { f: func(); }
        interface disk { use types.{thing}; f: func(); }";

    /// Creates a workspace whose `library` world imports only the clock and exports nothing.
    fn workspace(name: &str) -> PathBuf {
        let workspace = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(workspace.join("wit/deps/host")).unwrap();
        fs::write(workspace.join("wit/deps/host/host.wit"), DEPENDENCY).unwrap();
        let worlds = "package test:guest@0.1.0;
            world library { import test:host/clock@1.0.0; }
            world greedy { include library; import test:host/disk@1.0.0; }
            world endpoint { import test:host/disk@1.0.0; }";
        fs::write(workspace.join("wit/worlds.wit"), worlds).unwrap();
        workspace
    }

    /// Creates a component for `world` that calls the function `f` of each of `interfaces`.
    fn component(workspace: &Path, world: &str, interfaces: &[&str]) -> Vec<u8> {
        let mut resolve = Resolve::new();
        let (package, _) = resolve.push_dir(workspace.join("wit")).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        // One function type without parameters and results, and one import of that type for each
        // interface.
        let mut imports = vec![u8::try_from(interfaces.len()).unwrap()];
        for interface in interfaces {
            imports.push(u8::try_from(interface.len()).unwrap());
            imports.extend_from_slice(interface.as_bytes());
            imports.extend_from_slice(&[1, b'f', 0, 0]);
        }
        let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02".to_vec();
        module.push(u8::try_from(imports.len()).unwrap());
        module.extend_from_slice(&imports);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        compile::component(&module).unwrap()
    }

    #[test]
    fn an_import_that_the_world_does_not_declare_is_an_error_that_names_it() {
        let workspace = workspace("undeclared");
        let modest = component(&workspace, "greedy", &["test:host/clock@1.0.0"]);
        check(&modest, Kind::Library, &workspace).unwrap();
        let greedy = component(
            &workspace,
            "greedy",
            &["test:host/clock@1.0.0", "test:host/disk@1.0.0"],
        );
        let error = check(&greedy, Kind::Library, &workspace)
            .unwrap_err()
            .to_string();
        let expected = "the component of the `library` world imports what the world does not declare: \
            test:host/disk@1.0.0";
        assert_eq!(error, expected);
        fs::remove_dir_all(&workspace).unwrap();
    }

    #[test]
    fn an_interface_that_a_declared_one_uses_counts_as_declared() {
        let workspace = workspace("transitive");
        let imports = Interfaces::of_world(&workspace, Kind::Endpoint)
            .unwrap()
            .imports;
        assert_eq!(imports, ["test:host/disk@1.0.0", "test:host/types@1.0.0"]);
        let component = component(&workspace, "endpoint", &["test:host/disk@1.0.0"]);
        check(&component, Kind::Endpoint, &workspace).unwrap();
        fs::remove_dir_all(&workspace).unwrap();
    }

    #[test]
    fn exports_are_those_of_the_world_no_more_and_no_fewer() {
        let of = |exports: &[&str]| Interfaces {
            imports: Vec::new(),
            exports: exports.iter().map(|&name| name.to_owned()).collect(),
        };
        compare(&of(&["a"]), &of(&["a"]), "w").unwrap();
        let error = compare(&of(&["a"]), &of(&["a", "b"]), "w")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the component of the `w` world does not export what the world declares: b"
        );
        let error = compare(&of(&["a", "b"]), &of(&["a"]), "w")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the component of the `w` world exports what the world does not declare: b"
        );
    }
}
