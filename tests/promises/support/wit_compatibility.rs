//! Compatibility of two versions of the WIT.

use anyhow::{Context as _, Result, anyhow};
use wac_graph::types::{
    ItemKind, Package, SubtypeChecker, Type, Types, World, are_semver_compatible,
};

use xtask::wit::Wit;

/// Checks that `new` can replace `old` in a component that imports its interfaces and in a host of
/// its worlds:
///
/// - Each interface has all its old types and functions with the same shape. No field, case or
///   parameter is added, removed, moved, renamed or changed in type. Functions and types may be
///   added.
/// - Each world exports all its old exports and has no new imports. It may export more and import
///   less.
///
/// `wit_component::semver_check` checks something else: whether a component of the *old* world can
/// be used as one of the new world, which matters to the author of a host. With swapped arguments
/// it still rejects a new type in an interface that is imported only for its types, although this
/// affects no host. This function makes the same checks as `wac plug` and Spin do when they compose
/// components.
///
/// It does not detect: a change of meaning (another default, unit or failure); a change in the WASI
/// packages without a new version; a component that implements the interfaces itself and lacks an
/// added function; changed names or types in code that a bindings generator produces.
///
/// # Errors
/// Returns the first incompatible change.
pub fn compatible(old: &Wit, new: &Wit) -> Result<()> {
    let own = format!("{}/", new.name()?);
    let mut types = Types::default();
    let old = Package::from_bytes("old", None, old.encode()?, &mut types)?;
    let new = Package::from_bytes("new", None, new.encode()?, &mut types)?;
    for (name, &before) in old.definitions() {
        let &after = new
            .definitions()
            .get(name)
            .with_context(|| format!("`{name}` is gone"))?;
        match (before, after) {
            (ItemKind::Type(Type::World(before)), ItemKind::Type(Type::World(after))) => {
                stands_in(&types[before], &types[after], &own)
                    .with_context(|| format!("the world `{name}`"))?;
            }
            _ => {
                let mut seen = Default::default();
                let mut checker = SubtypeChecker::new(&mut seen);
                checker
                    .is_subtype(after, &types, before, &types)
                    .with_context(|| format!("the interface `{name}`"))?;
            }
        }
    }
    Ok(())
}

/// Compares names only. The package's own interfaces are compared separately, and other interfaces
/// are defined by their version.
fn stands_in(old: &World, new: &World, own: &str) -> Result<()> {
    for name in old.exports.keys() {
        let found = new
            .exports
            .keys()
            .any(|export| export == name || are_semver_compatible(export, name));
        found
            .then_some(())
            .with_context(|| format!("does not export {name} any more"))?;
    }
    // An import of the package's own interfaces requires only types from the host.
    let mut asked = new.imports.keys().filter(|name| !name.starts_with(own));
    match asked.find(|name| !old.imports.contains_key(*name)) {
        Some(name) => Err(anyhow!("imports {name}, which it did not")),
        None => Ok(()),
    }
}

mod tests {
    use super::*;
    use xtask::build::workspace;
    use xtask::wit::freeze;

    /// Compares the current WIT with a copy in which one text is replaced. Neither has doc
    /// comments.
    fn changed(from: &str, to: &str) -> Result<()> {
        let now = Wit::read(&workspace().join("wit")).unwrap();
        let text = freeze(&now).unwrap();
        assert!(text.contains(from), "no {from:?} in {text}");
        let changed = Wit::parse("changed.wit", &text.replacen(from, to, 1)).unwrap();
        compatible(&Wit::parse("frozen.wit", &text).unwrap(), &changed)
    }

    fn refused(from: &str, to: &str) -> String {
        format!(
            "{:#}",
            changed(from, to)
                .err()
                .unwrap_or_else(|| panic!("{from:?} became {to:?} and nobody minded"))
        )
    }

    #[test]
    fn what_stays_the_same_is_compatible() {
        changed("interface runs", "interface runs").unwrap();
    }

    #[test]
    fn a_function_that_goes_is_refused_by_its_name() {
        let error = refused("await-run: func", "await-runs: func");
        assert!(
            error.contains("`runs`") && error.contains("`await-run`"),
            "{error}"
        );
    }

    #[test]
    fn a_type_that_changes_is_refused_by_the_names_of_all_that_holds_it() {
        let error = refused("elapsed-ms: u64", "elapsed-ms: u32");
        assert!(
            error.contains("`types`") && error.contains("`report`") && error.contains("elapsed-ms"),
            "{error}"
        );
    }

    #[test]
    fn fields_and_cases_cannot_be_added_renamed_or_moved() {
        refused("requests: u32,", "requests: u32, retries: u32,");
        refused("joined: bool,", "taken-up: bool,");
        refused("busy,", "busy, too-busy,");
        refused("queued,\n    querying,", "querying,\n    queued,");
        refused(
            "run: run-ref, options: run-options",
            "the-run: run-ref, options: run-options",
        );
    }

    #[test]
    fn a_function_may_be_added_with_a_type_of_its_own() {
        let text = freeze(&Wit::read(&workspace().join("wit")).unwrap()).unwrap();
        let function =
            "count-runs: func(connection: connection, filter: run-filter) -> result<u32, failure>;";
        let record = "record run-filter { since: option<string> }";
        let since = "@since(version = 0.1.0)";
        let grown = text
            .replacen(
                "await-run: func",
                &format!("{function} {since} await-run: func"),
                1,
            )
            .replacen(
                "record connection {",
                &format!("{record} {since} record connection {{"),
                1,
            )
            .replace(
                "use types.{connection,",
                "use types.{run-filter, connection,",
            );
        let grown = Wit::parse("grown.wit", &grown).unwrap();
        let frozen = Wit::parse("frozen.wit", &text).unwrap();
        compatible(&frozen, &grown).unwrap();
        let error = format!("{:#}", compatible(&grown, &frozen).unwrap_err());
        assert!(
            error.contains("count-runs") || error.contains("run-filter"),
            "the way back is none: {error}"
        );
    }

    #[test]
    fn a_world_may_export_more_and_ask_for_less_but_not_the_other_way() {
        let error = refused(
            "import wasi:io/poll@0.2.2;",
            "import wasi:io/poll@0.2.2; import wasi:cli/stderr@0.2.2;",
        );
        assert!(error.contains("imports wasi:cli/stderr@0.2.2"), "{error}");
        let error = refused(
            "@since(version = 0.1.0)\n  export wasi:http/incoming-handler@0.2.2;",
            "",
        );
        assert!(
            error.contains("does not export wasi:http/incoming-handler@0.2.2"),
            "{error}"
        );
        let error = refused("world endpoint", "world http-endpoint");
        assert!(error.contains("`endpoint` is gone"), "{error}");
    }
}
