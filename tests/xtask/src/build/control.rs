//! Parses Debian's package records, as `apt-cache show` prints them, and selects the packages to
//! download.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

/// A package in the version that apt would install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    source: String,
    section: String,
    depends: Vec<String>,
}

impl Package {
    /// Parses the records that `apt-cache show` prints.
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
            // The source name may be followed by a version in parentheses.
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

    /// Returns the names of the packages that this package depends on.
    pub(super) fn depends(&self) -> &[String] {
        &self.depends
    }

    /// Returns the leading numbers of the version, without the epoch. For `1:22.1.8-1`: 22, 1, 8.
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

/// Returns the numbers at the start of a version.
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

/// Returns `roots` and those of their dependencies that must be downloaded.
///
/// A dependency is downloaded if it is built from the same source package as a root, because only
/// the same version fits, or if it is a shared library that the system lacks. The C compiler, its
/// headers and the linker are not downloaded: every build for the host needs them on the system
/// already.
///
/// `show` returns package records and leaves out unknown packages. `installed` returns the packages
/// that the system has.
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
            .with_context(|| format!("apt does not know the package {root}"))?;
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

/// Returns the names in a dependency field. If a dependency has alternatives, it returns the first
/// of them, which is Debian's default.
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
    fn the_compilers_own_packages_are_downloaded_even_if_the_system_has_a_version_of_them() {
        assert_eq!(
            needed_with(&["libc6", "compiler-std", "libback1"]).unwrap(),
            ["compiler", "compiler-std"]
        );
    }

    #[test]
    fn a_root_that_does_not_exist_is_an_error_that_names_it() {
        let error = needed(&["nothing"], |_| Ok(Vec::new()), |_| Ok(BTreeSet::new())).unwrap_err();
        assert_eq!(error.to_string(), "apt does not know the package nothing");
    }
}
