//! The WIT package is fully documented and rendered as a page, and later versions stay compatible.

use std::path::Path;

use toml::Table;
use xtask::build::workspace;
use xtask::wit::{PAGE, Wit, freeze, frozen, is_released, page};

use super::support::wit_compatibility::compatible;

const RENEW: &str = "`cargo run -- wit` renews it";

fn wit() -> Wit {
    Wit::read(&workspace().join("wit")).unwrap()
}

#[test]
fn everything_in_it_has_a_doc_comment_and_says_since_when() {
    assert_eq!(wit().undocumented(), Vec::<String>::new());
    assert_eq!(wit().ungated(), Vec::<String>::new());
}

#[test]
fn the_page_is_what_the_wit_renders_to() {
    let file = workspace().join("wit").join(PAGE);
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page(&wit()).unwrap(),
        "wit/{PAGE} does not match the WIT: {RENEW}"
    );
}

/// Before 1.0.0, versions with the same second number are compatible.
fn promise(version: &str) -> Vec<&str> {
    let numbers: Vec<&str> = version.split('.').collect();
    numbers[..if numbers[0] == "0" { 2 } else { 1 }].to_vec()
}

#[test]
fn what_worked_with_an_earlier_version_of_the_same_promise_works_with_this_one() {
    let now = wit();
    let version = now.version().unwrap();
    for (earlier, text) in frozen(&workspace()).unwrap() {
        if promise(&earlier) == promise(&version) {
            let earlier_wit = Wit::parse(&earlier, &text).unwrap();
            assert_eq!(
                earlier_wit.version().unwrap(),
                earlier,
                "tests/wit/{earlier}.wit contains another version"
            );
            compatible(&earlier_wit, &now).unwrap_or_else(|error| {
                let way_out = way_out(&version);
                panic!("what was written against {earlier} does not work with {version}: {error:#}.\n{way_out}");
            });
        }
    }
}

#[test]
fn what_a_version_says_is_frozen_with_its_number() {
    let now = wit();
    let version = now.version().unwrap();
    let frozen = frozen(&workspace()).unwrap();
    let text = frozen
        .iter()
        .find(|(frozen, _)| *frozen == version)
        .map_or("", |(_, text)| text.as_str());
    assert!(
        text == freeze(&now).unwrap(),
        "wit/ differs from the frozen copy of {version}.\n{}",
        way_out(&version)
    );
}

fn way_out(version: &str) -> String {
    if is_released(&workspace(), version).unwrap() {
        return format!(
            "{version} is released, so tests/wit/{version}.wit stays as it is. Raise the version of the package in wit/*.wit, gate what \
             is new with `@since` of that version, and freeze it with `cargo run -- wit`. An \
             incompatible change needs a new second number (before 1.0.0) or a new first number."
        );
    }
    format!(
        "{version} is not released (CHANGELOG.md has no section for it), so nobody depends on it yet. `cargo run -- wit` renews tests/wit/{version}.wit"
    )
}

#[test]
fn the_package_can_be_published_from_what_is_here() {
    let folder = workspace().join("wit");
    let manifest: Table = std::fs::read_to_string(folder.join("wkg.toml"))
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        manifest
            .keys()
            .all(|key| ["metadata", "overrides"].contains(&key.as_str())),
        "{manifest}"
    );
    let known = [
        "authors",
        "description",
        "licenses",
        "source",
        "homepage",
        "revision",
    ];
    let metadata = manifest["metadata"].as_table().unwrap();
    assert!(
        metadata
            .iter()
            .all(|(key, value)| known.contains(&key.as_str()) && value.is_str()),
        "{metadata}"
    );
    let mut listed: Vec<_> = manifest["overrides"]
        .as_table()
        .unwrap()
        .iter()
        .map(|(name, at)| (name.clone(), at))
        .collect();
    for (name, at) in &listed {
        let package = package_in(&folder.join(at["path"].as_str().unwrap()));
        // wkg allows one folder per key, so the packages of WASI 0.3 have keys of their own.
        let (expected, version) = match name.strip_suffix("-p3") {
            Some(name) => (name, "0.3."),
            None => (name.as_str(), ""),
        };
        let (found, found_version) = package.split_once('@').unwrap();
        assert_eq!(found, expected);
        assert!(found_version.starts_with(version), "{package}");
    }
    let mut present: Vec<_> = std::fs::read_dir(folder.join("deps"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    present.sort();
    listed.sort_by_key(|(_, at)| at["path"].as_str().map(str::to_owned));
    assert_eq!(listed.len(), present.len(), "{present:?}");
}

/// Returns the name of the package in a folder.
fn package_in(folder: &Path) -> String {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let line = files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let mut names = line.filter_map(|line| {
        line.strip_prefix("package ")
            .map(|name| name.trim_end_matches(';').to_owned())
    });
    names
        .next()
        .unwrap_or_else(|| panic!("{} is not a package", folder.display()))
}
