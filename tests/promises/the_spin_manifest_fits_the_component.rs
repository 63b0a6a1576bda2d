//! `spin.toml` maps every variable that the component reads, and allows only the origin that it
//! calls.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};
use xtask::build::{Kind, components};

fn manifest() -> Table {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("spin.toml")).unwrap();
    text.parse().unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_table().unwrap().keys().cloned().collect()
}

/// Returns the names of the settings in the endpoint's sources.
fn settings() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/endpoint/settings");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(sources).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for part in text.split('"').skip(1).step_by(2) {
            let name = part.trim_end_matches('_');
            if name.starts_with("HIGHTOUCH_")
                || matches!(
                    name,
                    "ALLOWED_SYNCS" | "ENDPOINT_TOKEN" | "DBT_WEBHOOK_SECRET"
                )
            {
                let upper = name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
                found.extend(upper.then(|| name.to_ascii_lowercase()));
            }
        }
    }
    found
}

#[test]
fn every_setting_is_a_variable_with_a_default() {
    let manifest = manifest();
    let component = &manifest["component"]["hightouch-sync"];
    assert_eq!(keys(&component["variables"]), settings());
    for (name, variable) in manifest["variables"].as_table().unwrap() {
        assert!(
            variable.get("default").is_some(),
            "{name}: Spin resolves every variable before any outbound call"
        );
        let secret = variable
            .get("secret")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        assert_eq!(
            secret,
            ["key", "token", "secret"]
                .iter()
                .any(|word| name.contains(word)),
            "{name}"
        );
        assert_eq!(
            component["variables"][name].as_str().unwrap(),
            format!("{{{{ {name} }}}}")
        );
    }
}

#[test]
fn the_source_is_what_the_build_command_builds() {
    let manifest = manifest();
    let component = &manifest["component"]["hightouch-sync"];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(component["source"].as_str().unwrap());
    assert_eq!(source, components().unwrap().path(Kind::SpinEndpoint));
    assert_eq!(
        component["build"]["command"].as_str(),
        Some("cargo run -- build")
    );
    assert_eq!(
        component["allowed_outbound_hosts"].as_array().unwrap()[0].as_str(),
        Some("{{ hightouch_api_origin }}")
    );
}
