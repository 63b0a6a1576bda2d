//! The README says of each promise which tests hold it: they are there.

use std::path::Path;

/// The README's tables of promises and of who can do what: their rows, less the heads.
fn rows(readme: &str) -> Vec<&str> {
    let section = readme.split("## What it promises").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.contains("held by"));
    rows.filter(|line| !line.starts_with("| ---")).collect()
}

#[test]
fn each_line_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let rows = rows(&readme);
    assert_eq!(rows.len(), 9 + 6, "{rows:#?}");
    for row in rows {
        let held_by = row.split(" | ").nth(2).unwrap();
        let names: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing holds {row}");
        for name in names {
            let places = [format!("tests/promises/{name}.rs"), format!("tests/{name}.rs"), format!("src/{name}.rs")];
            assert!(places.iter().any(|place| root.join(place).is_file()), "there is no {name}: {row}");
        }
    }
}
