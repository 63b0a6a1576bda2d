//! `spin.toml` maps every variable that the component reads, and allows only the origins that it
//! calls.

use std::collections::BTreeSet;

use toml::{Table, Value};
use xtask::build::{Kind, components};

fn manifest() -> Table {
    let text = std::fs::read_to_string(xtask::build::workspace().join("spin.toml")).unwrap();
    text.parse().unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_table().unwrap().keys().cloned().collect()
}

/// Returns the names of the settings in the endpoint's sources.
pub fn settings() -> BTreeSet<String> {
    let endpoint = xtask::build::workspace().join("src/endpoint");
    let mut found = BTreeSet::new();
    for file in ["settings/mod.rs", "reporting/targets.rs"] {
        let text = std::fs::read_to_string(endpoint.join(file)).unwrap();
        for line in text.lines().filter(|line| line.contains("const ")) {
            let Some((_, value)) = line.split_once(": &str = \"") else {
                continue;
            };
            let name = value.trim_end_matches("\";");
            let is_setting = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
            if name.bytes().all(is_setting) {
                found.insert(name.to_ascii_lowercase());
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
    let mapped = keys(&component["variables"]);
    let variables = keys(&manifest["variables"]);
    let unmapped: Vec<&String> = variables.difference(&mapped).collect();
    assert_eq!(unmapped, ["notify_origin"], "only the host uses it");
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
            ["key", "token", "secret", "notify_url"]
                .iter()
                .any(|word| name.contains(word)),
            "{name}"
        );
        if mapped.contains(name) {
            assert_eq!(
                component["variables"][name].as_str().unwrap(),
                format!("{{{{ {name} }}}}")
            );
        }
    }
}

#[test]
fn the_source_is_what_the_build_command_builds() {
    let manifest = manifest();
    let component = &manifest["component"]["hightouch-sync"];
    let source = xtask::build::workspace().join(component["source"].as_str().unwrap());
    assert_eq!(source, components().unwrap().path(Kind::SpinEndpoint));
    assert_eq!(
        component["build"]["command"].as_str(),
        Some("cargo run -- build")
    );
    let hosts = component["allowed_outbound_hosts"].as_array().unwrap();
    let hosts: Vec<&str> = hosts.iter().filter_map(Value::as_str).collect();
    assert_eq!(
        hosts,
        [
            "{{ hightouch_api_origin }}",
            "{{ openlineage_url }}",
            "{{ notify_origin }}"
        ]
    );
}
