//! The files in tests/recipes are valid, and the recipes fail if the sync fails.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde::Deserialize as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use toml::Table;
use xtask::build::{Guest, Kind, components, exports, guest, imports, workspace};
use xtask::embedder::{Captured, Config, Host, Outbound, Stderr};
use xtask::local_hightouch::{KEY, LocalHightouch, Options};

use super::support::stage::{Scripted, respond_with};

fn recipe(name: &str) -> PathBuf {
    workspace().join("tests/recipes").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(recipe(name)).unwrap()
}

fn yaml(name: &str) -> Vec<Value> {
    let text = text(name);
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// Runs the script if curl has the required options. Otherwise returns `None`.
async fn run_sync(endpoint: String, sync: &'static str) -> Option<Output> {
    run_sync_since(endpoint, sync, "").await
}

/// Runs the script with this `UNLESS_RUN_SINCE`, which may be empty.
async fn run_sync_since(
    endpoint: String,
    sync: &'static str,
    since: &'static str,
) -> Option<Output> {
    let curl = Command::new("curl").arg("--version").output().ok()?;
    let version: Vec<u32> = String::from_utf8_lossy(&curl.stdout)
        .split([' ', '.'])
        .skip(1)
        .take(2)
        .filter_map(|number| number.parse().ok())
        .collect();
    if version < vec![7, 84] {
        println!("NOT TESTED: there is no curl 7.84 or later");
        return None;
    }
    let mut script = Command::new("sh");
    script
        .arg(recipe("run-sync.sh"))
        .arg(sync)
        .env("ENDPOINT", endpoint)
        .env("TOKEN", KEY)
        .env("UNLESS_RUN_SINCE", since)
        .env("no_proxy", "*");
    tokio::task::spawn_blocking(move || script.output().ok())
        .await
        .unwrap()
}

/// This test uses the real clock, because the script waits in real time.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_succeeds_only_if_the_sync_did() {
    let local = LocalHightouch::start(Options::default()).await.unwrap();
    let config = Config {
        outbound: Outbound::only([local.origin()]),
        environment: vec![("HIGHTOUCH_API_ORIGIN".into(), local.origin())],
        stderr: Stderr::Captured(Captured::new()),
        ..Config::default()
    };
    let host = Host::new(components().unwrap().path(Kind::Endpoint), config).unwrap();
    let serving = host
        .serve((std::net::Ipv4Addr::LOCALHOST, 0).into())
        .await
        .unwrap();
    for (sync, succeeds, expected_text) in [
        ("demo-empty", true, r#""status":"success""#),
        ("3", false, "sync-failed"),
        ("404", false, "not-found"),
    ] {
        let Some(output) = run_sync(serving.url(), sync).await else {
            return;
        };
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), succeeds, "{sync}: {output:?}");
        assert!(out.contains(expected_text), "{sync}: {output:?}");
    }
    assert_eq!(local.triggers(), 2);
    // A repeated script with the same time waits for the run of the first.
    for _ in 0..2 {
        let time = "2020-01-01T00:00:00Z";
        let output = run_sync_since(serving.url(), "demo-empty", time).await;
        assert!(output.unwrap().status.success());
    }
    assert_eq!(local.triggers(), 2, "the run of the first call counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_goes_on_asking_while_a_run_is_going_and_starts_it_once() {
    for (end, succeeds) in [(200, true), (424, false)] {
        let mut asked = 0;
        let endpoint = Scripted::start(move |what, _| {
            asked += 1;
            let mut response = respond_with(if asked < 3 { 202 } else { end }, r#"{"runId":42}"#);
            if asked < 3 {
                response.headers = vec![
                    ("location", "/syncs/1/runs/42".into()),
                    ("retry-after", "1".into()),
                ];
            }
            assert_eq!(what.starts_with("POST"), asked == 1);
            response
        })
        .await;
        let Some(output) = run_sync(endpoint.origin().to_owned(), "1").await else {
            return;
        };
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        assert_eq!(
            endpoint.seen(),
            [
                "POST /syncs/1/runs",
                "GET /syncs/1/runs/42",
                "GET /syncs/1/runs/42"
            ]
        );
    }
}

/// Sends these bytes as responses to consecutive requests, each on its own connection.
pub async fn responses(all: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for response in all {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            asked.push(line.trim_end().trim_end_matches(" HTTP/1.1").to_owned());
            while line.trim_end() != "" {
                line.clear();
                stream.read_line(&mut line).await.unwrap();
            }
            stream.write_all(response.as_bytes()).await.unwrap();
        }
        asked
    });
    (origin, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_goes_on_asking_where_an_answer_is_lost_or_an_error_passes() {
    let whole = |status: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let in_progress = "HTTP/1.1 202 \r\nlocation: /syncs/1/runs/42\r\nretry-after: 1\r\nconnection: close\r\n\r\n{}";
    let failures = [
        String::new(),
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"status\":\"succ".into(),
        whole("503 Service Unavailable", r#"{"kind":"api"}"#),
        whole("502 Bad Gateway", "<html>"),
    ];
    for (end, succeeds) in [
        (whole("200 OK", r#"{"status":"success"}"#), true),
        (
            whole("424 Failed Dependency", r#"{"kind":"sync-failed"}"#),
            false,
        ),
        (
            whole("502 Bad Gateway", r#"{"kind":"unauthorized"}"#),
            false,
        ),
    ] {
        let all = std::iter::once(in_progress.to_owned())
            .chain(failures.clone())
            .chain([end.clone()]);
        let (origin, asked) = responses(all.collect()).await;
        let Some(output) = run_sync(origin, "1").await else {
            return;
        };
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(
            out.trim_end(),
            end.split("\r\n\r\n").nth(1).unwrap(),
            "the script prints the last response and nothing else"
        );
        assert!(err.contains("still running: /syncs/1/runs/42"), "{err}");
        let asked = asked.await.unwrap();
        assert_eq!(asked[0], "POST /syncs/1/runs");
        assert!(
            asked.len() == 6 && asked[1..].iter().all(|what| what == "GET /syncs/1/runs/42"),
            "{asked:?}"
        );
    }
}

#[test]
fn a_retry_of_the_cron_job_passes_the_time_for_which_it_was_scheduled() {
    let [job] = yaml("cronjob.yaml").try_into().unwrap();
    assert_eq!(job["kind"], "CronJob");
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    let container = &pod["containers"][0];
    assert_eq!(names(&container["env"]), ["JOB_NAME", "ENDPOINT", "TOKEN"]);
    let folder = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let [shell, flags, script] = [0, 1, 2].map(|part| container["command"][part].as_str().unwrap());
    // The recipe's script runs, with a stub in place of run-sync.sh.
    let stub = tests_folder("cronjob");
    std::fs::write(stub.join("run-sync.sh"), "echo \"$UNLESS_RUN_SINCE $1\"").unwrap();
    let output = Command::new(shell)
        .arg(flags)
        .arg(script.replace(folder, stub.to_str().unwrap()))
        .env("JOB_NAME", "customers-to-salesforce-29400840")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "2025-11-25T06:00:00Z 1234567\n",
        "{output:?}"
    );
    assert!(recipe("run-sync.sh").is_file());
}

/// Creates an empty folder for the files of one test.
fn tests_folder(name: &str) -> PathBuf {
    let folder = workspace().join("target/tmp/recipes").join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// This test uses the real clock, because the scripts wait in real time.
#[tokio::test(flavor = "multi_thread")]
async fn after_dbt_core_the_sync_runs_once_and_only_if_the_tests_passed() {
    let endpoint = Scripted::start(|what, _| {
        assert_eq!(what, "POST /syncs/7/runs");
        respond_with(200, r#"{"runId":42,"status":"success"}"#)
    })
    .await;
    let folder = tests_folder("dbt-core");
    for (dbt, succeeds, posts) in [("exit 1", false, 0), ("echo \"$@\"", true, 1)] {
        let program = folder.join("dbt");
        std::fs::write(&program, format!("#!/bin/sh\n{dbt}\n")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, executable).unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut script = Command::new("sh");
        script
            .arg(recipe("dbt-core.sh"))
            .args(["7", "--select", "customers"])
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("ENDPOINT", endpoint.origin())
            .env("TOKEN", KEY)
            .env("no_proxy", "*");
        let output = tokio::task::spawn_blocking(move || script.output().unwrap())
            .await
            .unwrap();
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.contains("build --select customers"), succeeds);
        assert_eq!(endpoint.triggers(), posts, "{output:?}");
    }
}

#[test]
fn the_workflow_runs_the_script_after_the_data_was_tested() {
    let [workflow] = yaml("github-actions.yml").try_into().unwrap();
    let sync = &workflow["jobs"]["sync"];
    assert_eq!(sync["needs"], "dbt");
    assert!(sync["timeout-minutes"].is_number());
    let step = &sync["steps"][1];
    assert!(step["run"].as_str().unwrap().contains("run-sync.sh "));
    assert!(
        step["env"]["ENDPOINT"].is_string()
            && step["env"]["TOKEN"].as_str().unwrap().contains("secrets.")
    );
}

/// The fields of the resource `SpinApp` of `core.spinkube.dev/v1alpha1`, with their types.
///
/// Source: `spec` in `config/crd/bases/core.spinkube.dev_spinapps.yaml` of spin-operator, commit
/// 943f5b1732b185f0f442c0fd813cf0ebf6839eca.
/// <https://github.com/spinframework/spin-operator/blob/943f5b1732b185f0f442c0fd813cf0ebf6839eca/config/crd/bases/core.spinkube.dev_spinapps.yaml>
const SPIN_APP: [(&str, &str); 18] = [
    ("checks", "object"),
    ("components", "array"),
    ("deploymentAnnotations", "object"),
    ("enableAutoscaling", "boolean"),
    ("executor", "string"),
    ("image", "string"),
    ("imagePullSecrets", "array"),
    ("invocationLimits", "object"),
    ("podAnnotations", "object"),
    ("podLabels", "object"),
    ("replicas", "integer"),
    ("resources", "object"),
    ("runtimeConfig", "object"),
    ("serviceAccountName", "string"),
    ("serviceAnnotations", "object"),
    ("variables", "array"),
    ("volumeMounts", "array"),
    ("volumes", "array"),
];

/// Checks that an object has only the given fields, and all required ones.
fn has_fields(object: &Value, allowed: &[&str], required: &[&str]) {
    let object = object.as_object().unwrap();
    for name in object.keys() {
        assert!(allowed.contains(&name.as_str()), "{name}: {object:?}");
    }
    for name in required {
        assert!(object.contains_key(*name), "{name}: {object:?}");
    }
}

#[test]
fn the_spinkube_manifest_has_the_fields_of_the_published_resource() {
    let [app, _] = yaml("spinkube.yaml").try_into().unwrap();
    assert_eq!(app["apiVersion"], "core.spinkube.dev/v1alpha1");
    assert_eq!(app["kind"], "SpinApp");
    let spec = &app["spec"];
    has_fields(
        spec,
        &SPIN_APP.map(|(name, _)| name),
        &["executor", "image"],
    );
    for (name, kind) in SPIN_APP {
        let value = &spec[name];
        let fits = match kind {
            "array" => value.is_array(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64(),
            "string" => value.is_string(),
            _ => value.is_object(),
        };
        assert!(fits || value.is_null(), "{name} is not of type {kind}");
    }
    for variable in spec["variables"].as_array().unwrap() {
        has_fields(variable, &["name", "value", "valueFrom"], &["name"]);
        let sources = [
            "configMapKeyRef",
            "fieldRef",
            "fileKeyRef",
            "resourceFieldRef",
            "secretKeyRef",
        ];
        has_fields(&variable["valueFrom"], &sources, &["secretKeyRef"]);
        let key = &variable["valueFrom"]["secretKeyRef"];
        has_fields(key, &["key", "name", "optional"], &["key", "name"]);
    }
    let resources = &spec["resources"];
    has_fields(resources, &["limits", "requests"], &[]);
    for amounts in resources.as_object().unwrap().values() {
        has_fields(amounts, &["cpu", "memory"], &[]);
        assert!(amounts.as_object().unwrap().values().all(Value::is_string));
    }
}

#[test]
fn what_spinkube_is_told_fits_the_spin_manifest() {
    let [app, scaler] = yaml("spinkube.yaml").try_into().unwrap();
    let manifest: Table = std::fs::read_to_string(workspace().join("spin.toml"))
        .unwrap()
        .parse()
        .unwrap();
    for name in names(&app["spec"]["variables"]) {
        assert_eq!(
            manifest["variables"][&name]["secret"].as_bool(),
            Some(true),
            "{name}"
        );
    }
    assert_eq!(
        scaler["spec"]["scaleTargetRef"]["name"],
        app["metadata"]["name"]
    );
    assert_eq!(app["spec"]["enableAutoscaling"], true);
    assert!(
        app["spec"]["replicas"].is_null(),
        "with autoscaling there is no fixed number"
    );
}

fn names(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Spin matches an entry with every import of the package or of its only interface, and requires
/// that the dependency exports each of them.
#[test]
fn spin_finds_in_the_library_what_its_manifests_take_from_it() {
    let wanted = imports(&guest(Guest::Consumer).unwrap()).unwrap();
    let library = components().unwrap().path(Kind::Library);
    let given = exports(library).unwrap();
    for name in ["spin-dependency.toml", "spin-cron.toml"] {
        let manifest: Table = text(name).parse().unwrap();
        let component = &manifest["component"]["pipeline"];
        let dependencies = component["dependencies"].as_table().unwrap();
        assert_eq!(dependencies.len(), 1);
        for (entry, dependency) in dependencies {
            let of_entry = |import: &&String| {
                import.split('@').next() == Some(entry) || import.starts_with(&format!("{entry}/"))
            };
            let matched: Vec<_> = wanted.iter().filter(of_entry).collect();
            assert!(
                !matched.is_empty(),
                "{name}: {entry} matches none of {wanted:?}"
            );
            assert!(
                matched.iter().all(|import| given.contains(import)),
                "{name}: {matched:?} of {given:?}"
            );
            let path = recipe(name).with_file_name(dependency["path"].as_str().unwrap());
            assert_eq!(
                path.canonicalize().unwrap(),
                library.canonicalize().unwrap()
            );
            let inherited = dependency["inherit_configuration"].as_array().unwrap();
            assert_eq!(
                inherited
                    .iter()
                    .map(|one| one.as_str().unwrap())
                    .collect::<Vec<_>>(),
                ["allowed_outbound_hosts"]
            );
        }
        assert_eq!(
            component["allowed_outbound_hosts"][0].as_str(),
            Some("https://api.hightouch.com")
        );
    }
}

/// Renders the part of Liquid that the Spin template uses: blocks that are copied as they are, and
/// these two values.
fn render(text: &str, name: &str, file: &str) -> String {
    let fill = |text: &str| {
        text.replace("{{project-name | kebab_case}}", name)
            .replace("{{project-name}}", name)
            .replace("{{component-file}}", file)
    };
    let text = text.replace("{%- ", "{% ");
    let mut rendered = String::new();
    for (at, part) in text.split("{% raw %}").enumerate() {
        let (raw, rest) = match part.split_once("{% endraw %}") {
            Some(split) => split,
            None => ("", part),
        };
        assert_eq!(raw.is_empty(), at == 0, "each block is closed: {part}");
        rendered.push_str(raw);
        let filled = fill(rest);
        assert!(!filled.contains(['{', '%']) || at == 0, "{filled}");
        rendered.push_str(&filled);
    }
    rendered
}

/// The fields of a template's manifest. Source: `crates/templates/src/reader.rs` of Spin, which
/// rejects all others.
/// <https://github.com/spinframework/spin/blob/3c47cf880953ff1a1309681c8dfa950ffc40c241/crates/templates/src/reader.rs>
const TEMPLATE_FIELDS: [&str; 9] = [
    "manifest_version",
    "id",
    "description",
    "trigger_type",
    "tags",
    "new_application",
    "add_component",
    "parameters",
    "outputs",
];

/// An application of the template has the variables, the permissions and the route of `spin.toml`.
#[test]
fn the_spin_template_makes_the_application_of_the_spin_manifest() {
    let template = "spin-template/templates/hightouch-sync";
    let metadata: Table = text(&format!("{template}/metadata/spin-template.toml"))
        .parse()
        .unwrap();
    assert_eq!(metadata["manifest_version"].as_str(), Some("1"));
    assert_eq!(metadata["id"].as_str(), Some("hightouch-sync"));
    for name in metadata.keys() {
        assert!(TEMPLATE_FIELDS.contains(&name.as_str()), "{name}");
    }
    let parameters = metadata["parameters"].as_table().unwrap();
    assert!(parameters.keys().eq(["component-file"]));
    let parameter = parameters["component-file"].as_table().unwrap();
    for name in parameter.keys() {
        let known = ["type", "prompt", "default", "pattern", "allowed_values"];
        assert!(known.contains(&name.as_str()), "{name}");
    }

    let content = text(&format!("{template}/content/spin.toml"));
    let made: Table = render(&content, "my-syncs", "a/b.wasm").parse().unwrap();
    let manifest: Table = std::fs::read_to_string(workspace().join("spin.toml"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(made["variables"], manifest["variables"]);
    assert_eq!(
        made["spin_manifest_version"],
        manifest["spin_manifest_version"]
    );
    assert_eq!(made["application"]["name"].as_str(), Some("my-syncs"));
    let trigger = &made["trigger"]["http"][0];
    assert_eq!(trigger["route"], manifest["trigger"]["http"][0]["route"]);
    assert_eq!(trigger["component"].as_str(), Some("my-syncs"));
    let ours = &made["component"]["my-syncs"];
    let theirs = &manifest["component"]["hightouch-sync"];
    for field in ["variables", "allowed_outbound_hosts"] {
        assert_eq!(ours[field], theirs[field], "{field}");
    }
    assert_eq!(ours["source"].as_str(), Some("a/b.wasm"));
    let readme = text(&format!("{template}/content/README.md"));
    assert!(render(&readme, "my-syncs", "a/b.wasm").contains("# my-syncs\n"));
}

/// Returns the values of a setting in a systemd unit, with continued lines joined.
fn unit_values(unit: &str, name: &str) -> Vec<String> {
    let joined = unit.replace("\\\n", " ");
    let values = joined
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values.map(str::to_owned).collect()
}

#[test]
fn the_systemd_unit_passes_each_setting_and_stops_gracefully() {
    let unit = text("hightouch-sync.service");
    let [command] = unit_values(&unit, "ExecStart").try_into().unwrap();
    let words: Vec<&str> = command.split_whitespace().collect();
    let passed: std::collections::BTreeSet<String> = words
        .windows(2)
        .filter(|pair| pair[0] == "--env")
        .map(|pair| pair[1].to_lowercase())
        .collect();
    assert_eq!(
        passed,
        super::the_spin_manifest_fits_the_component::settings()
    );
    assert!(
        !command.contains("=http") && !command.contains("KEY="),
        "a value in the command is visible in a list of processes"
    );
    // The command is the one on the front page, apart from its settings.
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let options = |text: &str| -> Vec<String> {
        let words = text
            .split_whitespace()
            .filter(|word| word.starts_with("pooling-") || word.starts_with("--max-"));
        words.map(str::to_owned).collect()
    };
    let front_page = readme
        .split("wasmtime serve -Scli")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    assert_eq!(options(&command), options(front_page));
    assert!(!options(&command).is_empty());
    assert_eq!(unit_values(&unit, "KillSignal"), ["SIGINT"]);
    assert_eq!(unit_values(&unit, "DynamicUser"), ["yes"]);
    assert_eq!(
        unit_values(&unit, "EnvironmentFile"),
        ["/etc/hightouch-sync.env"]
    );
    let limit: u64 = unit_values(&unit, "LimitNOFILE")[0].parse().unwrap();
    assert!(limit >= 2 * 1200, "a waiting caller has two open files");

    // The unit with a program that exists.
    let path = tests_folder("systemd").join("hightouch-sync.service");
    let program = words[0];
    std::fs::write(&path, unit.replace(program, "/bin/true")).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output();
    match verified {
        Ok(output) => assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        ),
        Err(_) => println!("NOT TESTED: systemd-analyze is not installed"),
    }
}
