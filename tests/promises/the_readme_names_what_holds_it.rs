//! The tests that the READMEs name for each promise exist, and so do the files that they link to.

use std::path::{Path, PathBuf};

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
    let root = xtask::build::workspace();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (engine, tests) = (read("src/engine/README.md"), read("tests/README.md"));
    let promises = cells(&engine, "## What it promises", 2);
    assert_eq!(promises.len(), 14, "{promises:#?}");
    let threats = cells(&engine, "## Threat model", 2);
    assert_eq!(threats.len(), 9, "{threats:#?}");
    let claims = cells(&tests, "## Other tools", 1);
    assert_eq!(claims.len(), 14, "{claims:#?}");
    for (row, tests_cell) in promises.into_iter().chain(threats).chain(claims) {
        // API and HTTP names are formatted as code too. Ignore them.
        let code = tests_cell.split('`').skip(1).step_by(2);
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

/// Folders without READMEs of this project.
const SKIPPED: [&str; 4] = ["target", "deps", "node_modules", ".git"];

/// Returns every README in a folder and in its subfolders.
fn readmes(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                found.extend(readmes(&entry.path()));
            }
        } else if name == "README.md" {
            found.push(entry.path());
        }
    }
    found
}

/// Returns the lines of a page outside its code blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push(line);
        }
    }
    lines
}

/// Returns the anchor that GitHub gives to a heading.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// Returns why a relative link does not lead anywhere, or `None` if it does.
fn broken(page: &Path, link: &str) -> Option<String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        page.to_path_buf()
    } else {
        page.parent().unwrap().join(file)
    };
    if !target.exists() {
        return Some(format!("{} links to {link}", page.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    let text = std::fs::read_to_string(&target).unwrap();
    let has_heading = prose(&text)
        .iter()
        .any(|line| line.starts_with('#') && anchor_of(line) == anchor);
    (!has_heading).then(|| format!("{} links to {link}: no such heading", page.display()))
}

#[test]
fn every_link_leads_to_a_file() {
    let root = xtask::build::workspace();
    let mut pages = readmes(&root);
    for known in [
        "README.md",
        "src/README.md",
        "src/endpoint/README.md",
        "src/engine/README.md",
        "src/exports/README.md",
        "tests/README.md",
        "tests/xtask/README.md",
        "wit/README.md",
    ] {
        assert!(pages.contains(&root.join(known)), "{known}: {pages:?}");
    }
    for page in [
        "CHANGELOG.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
    ] {
        pages.push(root.join(page));
    }
    let mut broken_links = Vec::new();
    let mut followed = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in prose(&text) {
            let links = line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
                .filter(|link| !link.contains("://"));
            for link in links {
                followed += 1;
                broken_links.extend(broken(&page, link));
            }
        }
    }
    assert!(broken_links.is_empty(), "{broken_links:#?}");
    assert!(followed > 40, "only {followed} links were found");
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_found() {
    let page = xtask::build::workspace().join("README.md");
    assert_eq!(broken(&page, "#test"), None);
    assert_eq!(broken(&page, "src/endpoint/README.md#the-dbt-hook"), None);
    assert!(broken(&page, "#no-such-heading").is_some());
    assert!(broken(&page, "src/no-such-file.md").is_some());
    assert_eq!(
        anchor_of("### Which `wait`, and why?"),
        "which-wait-and-why"
    );
    assert_eq!(prose("# a\n```sh\n# b\n```\nc"), ["# a", "c"]);
}

#[test]
fn the_front_page_is_short() {
    let page = xtask::build::workspace().join("README.md");
    let lines = std::fs::read_to_string(page).unwrap().lines().count();
    assert!(lines <= 150, "README.md has {lines} lines");
}

/// The map names files from the root of the repository, from `src`, from `src/engine` or from
/// `src/endpoint`.
#[test]
fn every_file_that_the_map_of_the_code_names_exists() {
    let root = xtask::build::workspace();
    let text = std::fs::read_to_string(root.join("src/README.md")).unwrap();
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            let extension = Path::new(name).extension().and_then(|end| end.to_str());
            matches!(extension, Some("rs" | "json" | "wit" | "toml" | "md"))
        })
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let places = [
            root.join(name),
            root.join("src").join(name),
            root.join("src/engine").join(name),
            root.join("src/endpoint").join(name),
        ];
        assert!(
            places.iter().any(|place| place.is_file()),
            "there is no {name}"
        );
    }
}
