//! The tests that the README names for each promise exist.

use std::path::Path;

/// Returns the rows of the tables in a section of the README without their headers, each with the
/// cell that names tests.
fn cells<'a>(readme: &'a str, section: &str, cell: usize) -> Vec<(&'a str, &'a str)> {
    let section = readme
        .split(section)
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let lines: Vec<&str> = section.lines().collect();
    let is_row = |at: &usize| lines[*at].starts_with("| ") && !lines[*at].starts_with("| ---");
    let is_head = |at: &usize| {
        lines
            .get(at + 1)
            .is_some_and(|line| line.starts_with("| ---"))
    };
    let rows = (0..lines.len())
        .filter(is_row)
        .filter(|at| !is_head(at))
        .map(|at| lines[at]);
    rows.map(|row| (row, row.split(" | ").nth(cell).unwrap()))
        .collect()
}

#[test]
fn each_line_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let promises = cells(&readme, "## What it promises", 2);
    assert_eq!(promises.len(), 9 + 6, "{promises:#?}");
    let beside_others = cells(&readme, "## Beside other ways", 1);
    assert_eq!(beside_others.len(), 13, "{beside_others:#?}");
    for (row, held_by) in promises.into_iter().chain(beside_others) {
        // API and HTTP names are formatted as code too. Ignore them.
        let code = held_by.split('`').skip(1).step_by(2);
        let names: Vec<&str> = code
            .filter(|name| !matches!(*name, "respond-async" | "Retry-After"))
            .collect();
        assert!(!names.is_empty(), "nothing holds {row}");
        for name in names {
            let places = [
                format!("tests/promises/{name}.rs"),
                format!("tests/{name}/main.rs"),
                format!("src/{name}.rs"),
            ];
            assert!(
                places.iter().any(|place| root.join(place).is_file()),
                "there is no {name}: {row}"
            );
        }
    }
}
