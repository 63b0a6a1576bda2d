//! A tag is released only if it matches the version of all files and CHANGELOG.md lists it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use xtask::build::workspace;

/// Runs `.ci/release` with the files of a folder.
fn release(sources: &Path, arguments: &[&str]) -> Output {
    Command::new(workspace().join(".ci/release"))
        .args(arguments)
        .env("RELEASE_SOURCES", sources)
        .output()
        .unwrap()
}

/// Creates a folder with the files that have a version, and with this list of versions.
fn sources(name: &str, changelog: &str) -> PathBuf {
    let folder = workspace().join("target/tmp/release").join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(folder.join("wit")).unwrap();
    for file in ["Cargo.toml", "spin.toml", "wit/types.wit"] {
        std::fs::copy(workspace().join(file), folder.join(file)).unwrap();
    }
    std::fs::write(folder.join("CHANGELOG.md"), changelog).unwrap();
    folder
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn a_listed_version_is_released_with_its_section() {
    let changelog = format!(
        "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [{VERSION}] - 2026-12-01\n\n### Added\n\n- this\n\n\
        ## [0.0.9]\n\n- earlier\n\n[{VERSION}]: https://example.com\n"
    );
    let folder = sources("listed", &changelog);
    let tag = format!("v{VERSION}");
    let checked = release(&folder, &["check", &tag]);
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(
        String::from_utf8(checked.stdout).unwrap(),
        format!("{VERSION}\n")
    );
    let notes = release(&folder, &["notes", &tag]);
    assert_eq!(
        String::from_utf8(notes.stdout).unwrap().trim_end(),
        "### Added\n\n- this"
    );
}

#[test]
fn any_other_tag_is_refused() {
    let listed = |version: &str| format!("# Changelog\n\n## [{version}]\n\n- this\n");
    for (name, changelog, tag, reason) in [
        (
            "unlisted",
            listed("Unreleased"),
            format!("v{VERSION}"),
            "CHANGELOG.md has no section",
        ),
        (
            "empty",
            format!("## [{VERSION}]\n\n## [0.0.9]\n\n- earlier\n"),
            format!("v{VERSION}"),
            "CHANGELOG.md has no section",
        ),
        (
            "longer",
            listed(&format!("{VERSION}0")),
            format!("v{VERSION}"),
            "CHANGELOG.md has no section",
        ),
        (
            "wrong",
            listed("99.0.0"),
            "v99.0.0".into(),
            "does not match the version in Cargo.toml",
        ),
        (
            "no-v",
            listed(VERSION),
            VERSION.into(),
            "is not v and a version",
        ),
        (
            "branch",
            listed(VERSION),
            "v1".into(),
            "is not v and a version",
        ),
        (
            "command",
            listed(VERSION),
            format!("v{VERSION};id"),
            "is not v and a version",
        ),
    ] {
        let refused = release(&sources(name, &changelog), &["check", &tag]);
        assert!(!refused.status.success(), "{name}: {refused:?}");
        assert!(refused.stdout.is_empty(), "{name}: {refused:?}");
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(error.contains(reason), "{name}: {error}");
        assert!(error.contains("Nothing was released."), "{name}: {error}");
    }
}

#[test]
fn a_file_with_another_version_is_named() {
    for (file, from, named) in [
        ("spin.toml", "version = \"", "spin.toml"),
        ("wit/types.wit", "package hightouch:sync@", "wit/"),
    ] {
        let folder = sources("another", &format!("## [{VERSION}]\n\n- this\n"));
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let changed = text.replace(&format!("{from}{VERSION}"), &format!("{from}9.9.9"));
        assert_ne!(changed, text);
        std::fs::write(&path, changed).unwrap();
        let refused = release(&folder, &["check", &format!("v{VERSION}")]);
        assert!(!refused.status.success(), "{refused:?}");
        let error = String::from_utf8(refused.stderr).unwrap();
        let expected = format!("does not match the version in {named}, which is 9.9.9");
        assert!(error.contains(&expected), "{error}");
    }
}
