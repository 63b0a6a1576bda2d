//! Finds missing documentation and version gates in the WIT.

use wit_parser::{Docs, Interface, Stability, TypeDefKind, World};

use super::Wit;

impl Wit {
    /// Returns the items without a doc comment: worlds, interfaces, functions, types, fields, cases
    /// and flags.
    #[must_use]
    pub fn undocumented(&self) -> Vec<String> {
        let mut bare = Vec::new();
        let mut look = |name: String, docs: &Docs| {
            if docs
                .contents
                .as_deref()
                .unwrap_or_default()
                .trim()
                .is_empty()
            {
                bare.push(name);
            }
        };
        for (name, world) in self.worlds() {
            look(name.to_owned(), &world.docs);
        }
        for (name, interface) in self.interfaces() {
            look(name.to_owned(), &interface.docs);
            for (function, item) in &interface.functions {
                look(format!("{name}/{function}"), &item.docs);
            }
            for (ty, item) in interface
                .types
                .iter()
                .filter_map(|(ty, &id)| Some((ty, self.resolve.types.get(id)?)))
            {
                let name = format!("{name}/{ty}");
                let part = |part: &str| format!("{name}.{part}");
                match &item.kind {
                    // An alias of a type in another interface.
                    TypeDefKind::Type(_) => continue,
                    TypeDefKind::Record(record) => record
                        .fields
                        .iter()
                        .for_each(|one| look(part(&one.name), &one.docs)),
                    TypeDefKind::Variant(variant) => variant
                        .cases
                        .iter()
                        .for_each(|one| look(part(&one.name), &one.docs)),
                    TypeDefKind::Enum(cases) => cases
                        .cases
                        .iter()
                        .for_each(|one| look(part(&one.name), &one.docs)),
                    TypeDefKind::Flags(flags) => flags
                        .flags
                        .iter()
                        .for_each(|one| look(part(&one.name), &one.docs)),
                    _ => {}
                }
                look(name, &item.docs);
            }
        }
        bare
    }

    /// Returns the items without `@since` or `@unstable`: worlds, their imports and exports,
    /// interfaces, functions and types.
    #[must_use]
    pub fn ungated(&self) -> Vec<String> {
        let mut bare = Vec::new();
        let mut look = |name: String, stability: &Stability| {
            if *stability == Stability::Unknown {
                bare.push(name);
            }
        };
        for (name, world) in self.worlds() {
            look(name.to_owned(), &world.stability);
            for (key, item) in world.imports.iter().chain(&world.exports) {
                look(
                    format!("{name}: {}", self.resolve.name_world_key(key)),
                    item.stability(&self.resolve),
                );
            }
        }
        for (name, interface) in self.interfaces() {
            look(name.to_owned(), &interface.stability);
            for (function, item) in &interface.functions {
                look(format!("{name}/{function}"), &item.stability);
            }
            for (ty, item) in interface
                .types
                .iter()
                .filter_map(|(ty, &id)| Some((ty, self.resolve.types.get(id)?)))
            {
                look(format!("{name}/{ty}"), &item.stability);
            }
        }
        bare
    }

    fn worlds(&self) -> impl Iterator<Item = (&str, &World)> {
        let package = self.resolve.packages.get(self.package);
        let worlds = package.into_iter().flat_map(|package| &package.worlds);
        worlds.filter_map(|(name, &id)| Some((name.as_str(), self.resolve.worlds.get(id)?)))
    }

    fn interfaces(&self) -> impl Iterator<Item = (&str, &Interface)> {
        let package = self.resolve.packages.get(self.package);
        let interfaces = package.into_iter().flat_map(|package| &package.interfaces);
        interfaces.filter_map(|(name, &id)| Some((name.as_str(), self.resolve.interfaces.get(id)?)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn items_without_documentation_are_named() {
        let text = "package a:b@1.0.0;
            /// Said.
            @since(version = 1.0.0)
            interface i {
                /// Said.
                enum e { /** Said. */ one, two }
                @since(version = 1.0.0)
                f: func();
            }
            world w { export i; }";
        let wit = Wit::parse("a.wit", text).unwrap();
        assert_eq!(wit.undocumented(), ["w", "i/f", "i/e.two"]);
        assert_eq!(wit.ungated(), ["w", "w: a:b/i@1.0.0", "i/e"]);
    }
}
