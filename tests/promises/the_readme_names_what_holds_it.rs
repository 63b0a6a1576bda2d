//! The tests that the READMEs name for each promise exist, and so do the files that they link to.

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
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (engine, tests) = (read("src/engine/README.md"), read("tests/README.md"));
    let promises = cells(&engine, "## What it promises", 2);
    assert_eq!(promises.len(), 9, "{promises:#?}");
    let threats = cells(&engine, "## Threat model", 2);
    assert_eq!(threats.len(), 6, "{threats:#?}");
    let claims = cells(&tests, "## Other tools", 1);
    assert_eq!(claims.len(), 13, "{claims:#?}");
    for (row, held_by) in promises.into_iter().chain(threats).chain(claims) {
        // API and HTTP names are formatted as code too. Ignore them.
        let code = held_by.split('`').skip(1).step_by(2);
        let names: Vec<&str> = code
            .filter(|name| !matches!(*name, "respond-async" | "Retry-After"))
            .collect();
        assert!(!names.is_empty(), "no test is named: {row}");
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

#[test]
fn every_link_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for readme in [
        "README.md",
        "src/README.md",
        "src/endpoint/README.md",
        "src/engine/README.md",
        "src/exports/README.md",
        "tests/README.md",
    ] {
        let path = root.join(readme);
        let text = std::fs::read_to_string(&path).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|link| !link.contains("://"));
        for link in links {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{readme} links to {link}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let has_heading = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| line.trim_start_matches('#').trim())
                    .any(|heading| heading.to_lowercase().replace(' ', "-") == anchor);
                assert!(has_heading, "{readme} links to {link}");
            }
        }
    }
}
