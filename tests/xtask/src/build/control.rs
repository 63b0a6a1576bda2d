//! Debian's package records, as `apt-cache show` prints them, and which packages a package needs from us.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

/// One package, in the version that apt would install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    source: String,
    section: String,
    depends: Vec<String>,
}

impl Package {
    /// Reads the records that `apt-cache show` prints.
    pub(super) fn parse_all(text: &str) -> Vec<Self> {
        text.split("\n\n").filter_map(Self::parse).collect()
    }

    fn parse(record: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = record.lines().filter_map(|line| line.split_once(": "));
            fields.find_map(|(key, value)| (key == name).then(|| value.trim().to_owned()))
        };
        let name = field("Package")?;
        Some(Self {
            // A source may be followed by its version in parentheses.
            source: field("Source")
                .as_deref()
                .and_then(first_word)
                .unwrap_or(&name)
                .to_owned(),
            version: field("Version")?,
            section: field("Section").unwrap_or_default(),
            depends: field("Depends")
                .map(|depends| names(&depends))
                .unwrap_or_default(),
            name,
        })
    }

    /// The names of the packages that it needs.
    pub(super) fn depends(&self) -> &[String] {
        &self.depends
    }

    /// The first numbers of its version, without an epoch: `1:22.1.8-1` gives 22, 1, 8.
    pub(super) fn upstream_version(&self) -> Vec<u32> {
        let version = self
            .version
            .split_once(':')
            .map_or(self.version.as_str(), |(_, version)| version);
        numbers(version)
    }

    fn is_shared_library(&self) -> bool {
        self.section.rsplit('/').next() == Some("libs")
    }
}

/// The numbers that a version begins with.
pub(super) fn numbers(version: &str) -> Vec<u32> {
    let end = version
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(version.len());
    let (start, _) = version.split_at(end);
    start
        .split('.')
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// `roots` and what they need that the system lacks.
///
/// Taken are packages made from the same sources as a root, for those fit no other version, and shared libraries. Not
/// taken is what any build for the host needs of the system anyway: the C compiler, its headers, the linker.
///
/// `show` gives the records of packages, leaving out those that it does not know; `installed` says whether the system
/// has one.
pub(super) fn needed(
    roots: &[&str],
    mut show: impl FnMut(&[String]) -> Result<Vec<Package>>,
    mut installed: impl FnMut(&[String]) -> Result<BTreeSet<String>>,
) -> Result<Vec<Package>> {
    let names: Vec<_> = roots.iter().map(|&root| root.to_owned()).collect();
    let mut taken = show(&names)?;
    for root in roots {
        taken
            .iter()
            .find(|package| package.name == *root)
            .with_context(|| format!("there is no package {root}"))?;
    }
    let sources: BTreeSet<_> = taken.iter().map(|package| package.source.clone()).collect();
    let mut seen: BTreeSet<String> = names.into_iter().collect();
    let mut next: Vec<String> = taken
        .iter()
        .flat_map(|package| package.depends.clone())
        .collect();
    loop {
        next.retain(|name| seen.insert(name.clone()));
        if next.is_empty() {
            return Ok(taken);
        }
        let present = installed(&next)?;
        let new: Vec<_> = show(&next)?
            .into_iter()
            .filter(|package| {
                let ours = sources.contains(&package.source);
                ours || package.is_shared_library() && !present.contains(&package.name)
            })
            .collect();
        next = new
            .iter()
            .flat_map(|package| package.depends.clone())
            .collect();
        taken.extend(new);
    }
}

/// The names in a dependency field; of alternatives the first, which is the one that Debian itself uses.
fn names(depends: &str) -> Vec<String> {
    let names = depends
        .split(',')
        .filter_map(|one| first_word(one.split('|').next()?));
    names
        .map(|name| name.split(':').next().unwrap_or(name).to_owned())
        .collect()
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RECORDS: &str = "\
Package: compiler
Source: compiler-src
Version: 1.96.0+dfsg1-1~deb12u2
Section: rust
Depends: libc6 (>= 2.34), compiler-std (= 1.96.0+dfsg1-1~deb12u2), gcc:any | c-compiler, libshape9
Description: compiles
 Package: not a field, for the line begins with a space

Package: compiler-std
Source: compiler-src (1.96.0)
Version: 1.96.0+dfsg1-1~deb12u2
Section: rust
Depends: libback1

Package: libc6
Version: 2.36-9
Section: libs

Package: gcc
Version: 4:12.2.0-3
Section: devel
Depends: libisl23

Package: libback1
Version: 1:22.1.8-1~deb12u1
Section: non-free/libs
Depends: libc6

Package: libisl23
Version: 1
Section: libs
";

    fn needed_with(installed: &[&str]) -> Result<Vec<String>> {
        let all = Package::parse_all(RECORDS);
        let show = |names: &[String]| {
            Ok(all
                .iter()
                .filter(|one| names.contains(&one.name))
                .cloned()
                .collect())
        };
        let present = |names: &[String]| {
            Ok(names
                .iter()
                .filter(|name| installed.contains(&name.as_str()))
                .cloned()
                .collect())
        };
        Ok(needed(&["compiler"], show, present)?
            .into_iter()
            .map(|package| package.name)
            .collect())
    }

    #[test]
    fn a_record_is_read_field_by_field() {
        let all = Package::parse_all(RECORDS);
        let compiler = all.first().unwrap();
        assert_eq!(compiler.source, "compiler-src");
        assert_eq!(
            compiler.depends,
            ["libc6", "compiler-std", "gcc", "libshape9"]
        );
        assert_eq!(compiler.upstream_version(), [1, 96, 0]);
        assert_eq!(all.get(4).unwrap().upstream_version(), [22, 1, 8]);
        assert!(all.get(4).unwrap().is_shared_library());
    }

    #[test]
    fn libraries_that_the_system_lacks_are_taken_and_the_c_compiler_is_not() {
        assert_eq!(
            needed_with(&["libc6"]).unwrap(),
            ["compiler", "compiler-std", "libback1"]
        );
    }

    #[test]
    fn the_compilers_own_packages_are_taken_even_where_the_system_has_some_version_of_them() {
        assert_eq!(
            needed_with(&["libc6", "compiler-std", "libback1"]).unwrap(),
            ["compiler", "compiler-std"]
        );
    }

    #[test]
    fn a_root_that_does_not_exist_is_an_error_that_names_it() {
        let error = needed(&["nothing"], |_| Ok(Vec::new()), |_| Ok(BTreeSet::new())).unwrap_err();
        assert_eq!(error.to_string(), "there is no package nothing");
    }
}
