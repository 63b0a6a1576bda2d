//! Tests of the commands from a user's point of view.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hightouch-sync"));
    command.args(arguments).stdin(Stdio::null());
    for setting in [
        "HIGHTOUCH_API_KEY",
        "HIGHTOUCH_API_ORIGIN",
        "HIGHTOUCH_WORKSPACE",
        "ENDPOINT_TOKEN",
        "NO_COLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(setting);
    }
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs syncs of the local Hightouch.
fn run(arguments: &[&str]) -> Output {
    command(&["run", "--local-hightouch"])
        .args(arguments)
        .output()
        .unwrap()
}

/// Reads stdout, which must be exactly one JSON document.
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), stderr(output)))
}

#[test]
fn without_arguments_a_sync_runs_and_a_summary_is_printed() {
    // The local Hightouch has its own key.
    let output = command(&[])
        .env("HIGHTOUCH_API_KEY", "marked-key")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let (stdout, stderr) = (stdout(&output), stderr(&output));
    for expected in [
        "sync 1: success\n",
        "640 added, 120 changed, 13 removed, 0 rejected",
    ] {
        assert!(stdout.contains(expected), "{stdout}");
    }
    // The run ends after five seconds. It is queued at first.
    let duration = stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("duration"))
        .unwrap();
    assert!(duration.trim().starts_with("4."), "{stdout}");
    assert!(
        stderr.contains("processing"),
        "the progress is shown: {stderr}"
    );
    for text in [stdout, stderr] {
        assert!(!text.contains('{'), "a log line: {text}");
        assert!(!text.contains('\u{1b}'), "a colour: {text}");
        assert!(!text.contains("marked-key"), "{text}");
    }
}

#[test]
fn a_report_is_the_only_json_document_on_stdout() {
    let output = run(&["5", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = document(&output);
    assert_eq!(report["status"], "success");
    assert_eq!(report["syncId"], 5);
    assert!(
        !stderr(&output).contains("\"event\""),
        "{}",
        stderr(&output)
    );
}

#[test]
fn log_lines_are_printed_to_stderr_if_requested() {
    let output = run(&["5", "--json", "-v"]);
    assert_eq!(document(&output)["status"], "success");
    let stderr = stderr(&output);
    for event in ["started", "answered"] {
        let start = format!("{{\"event\":\"{event}\"");
        assert!(
            stderr.lines().any(|line| line.starts_with(&start)),
            "{stderr}"
        );
    }
}

#[test]
fn a_sync_that_does_not_succeed_ends_in_one_clear_line_and_a_failure() {
    for (sync, code, expected) in [
        ("3", 1, "INVALID_SESSION_ID"),
        ("404", 1, "Not Found"),
        ("no-such-sync", 1, "Not Found"),
        ("demo-warning", 1, "rejected"),
        ("0", 2, "ID"),
    ] {
        let output = run(&[sync]);
        assert_eq!(output.status.code(), Some(code), "{sync}");
        let (stdout, stderr) = (stdout(&output), stderr(&output));
        assert!(!stdout.contains("success"), "{stdout}");
        let last = stderr.lines().last().unwrap();
        assert!(
            last.starts_with("error: ") && last.contains(expected),
            "{sync}: {stderr}"
        );
    }
}

#[test]
fn a_failed_run_has_a_summary_and_a_sync_that_was_not_started_has_none() {
    let output = stdout(&run(&["2"]));
    assert!(output.contains("sync 2: failed (warning)\n"), "{output}");
    assert!(output.contains("3 rejected"), "{output}");
    assert_eq!(stdout(&run(&["404"])), "");
}

#[test]
fn a_failure_is_printed_as_json_too() {
    for (sync, code, kind) in [
        ("3", 1, "sync-failed"),
        ("404", 1, "not-found"),
        ("0", 2, "invalid-input"),
    ] {
        let output = run(&[sync, "--json"]);
        assert_eq!(output.status.code(), Some(code), "{sync}");
        assert_eq!(document(&output)["kind"], kind);
    }
    let output = command(&["run", "1", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let problem = document(&output);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("HIGHTOUCH_API_KEY is not set"),
        "{problem}"
    );
}

#[test]
fn a_run_that_outlasts_the_wait_is_named_and_has_its_own_exit_code() {
    let output = run(&["4", "--wait", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains("sync 4: in progress ("));
    for expected in ["run 15 of sync 4", "hightouch-sync runs"] {
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    let problem = document(&run(&["4", "--wait", "1", "--json"]));
    assert_eq!(problem["kind"], "still-running");
    assert_eq!(problem["runId"], 15);
    // A failure of another sync does not hide the run in progress.
    let output = run(&["4", "404", "--wait", "1", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let batch = document(&output);
    assert_eq!(
        (&batch["running"], &batch["failed"]),
        (&1.into(), &1.into())
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_names_the_run_that_continues() {
    let mut child = command(&["run", "--local-hightouch", "6", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap().contains("(run "))
        .unwrap()
        .unwrap();
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let problem = document(&output);
    let detail = problem["detail"].as_str().unwrap();
    for expected in ["interrupted", "run 15 of sync 6", "still be in progress"] {
        assert!(detail.contains(expected), "{detail}");
    }
}

#[test]
fn a_run_that_may_have_been_started_has_the_same_exit_code() {
    let hightouch = command(&[
        "hightouch",
        "--listen",
        "127.0.0.1:0",
        "--scenario",
        "polls-fail",
    ]);
    let (_server, origin) = serving(hightouch);
    let output = command(&["run", "5", "--wait", "2", "--json"])
        .env("HIGHTOUCH_API_KEY", "local")
        .env("HIGHTOUCH_API_ORIGIN", &origin)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(document(&output)["runId"].is_u64());
}

#[test]
fn invalid_arguments_are_a_usage_error_and_nothing_is_printed_to_stdout() {
    let long = "1,".repeat(101);
    let many: Vec<&str> = long.split(',').filter(|sync| !sync.is_empty()).collect();
    for arguments in [
        &["run"][..],
        &["run", "1", "--sync", "1"],
        &["run", "1", "--if-running", "later"],
        &["run", "1", "--parallel", "0"],
        &["run", "1", "--parallel", "51"],
        &["run", "1", "--max-rejected", "-1"],
        &["run", "1", "--max-rejected-percent", "101"],
        &["run", "1", "--max-rejected-percent", "NaN"],
        &["run", "1", "--accept-warnings", "--max-rejected", "1"],
        &[
            "run",
            "1",
            "--accept-warnings",
            "--max-rejected-percent",
            "1",
        ],
        &["run", "1", "--wait", "soon"],
        &["run", "1", "--api-key", "marked-key"],
        &["runs"],
        &["runs", "1", "2"],
        &["runs", "1", "--limit", "0"],
        &["runs", "1", "--limit", "101"],
        &["completions", "none"],
    ] {
        let output = command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    // The endpoint checks these.
    for arguments in [
        &["1", "--unless-run-since", "yesterday"][..],
        &["1", "--unless-run-since", "2026-01-01T00:00:00"],
        &["1", "1"],
        &["1", "a/b"],
        &many,
    ] {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let stderr = stderr(&output);
        assert!(stderr.contains("Nothing was sent to Hightouch"), "{stderr}");
    }
}

#[test]
fn warnings_can_be_accepted() {
    for arguments in [
        &["2", "--accept-warnings"][..],
        &["2", "--max-rejected", "3"],
        &["2", "--max-rejected-percent", "6.5", "--max-rejected", "3"],
    ] {
        let output = run(arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let stdout = stdout(&output);
        assert!(
            stdout.contains("sync 2: success (warning accepted)"),
            "{stdout}"
        );
    }
    for arguments in [
        &["2", "--max-rejected", "2"][..],
        &["2", "--max-rejected-percent", "5.9"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn several_syncs_run_one_after_another_until_one_fails() {
    let output = run(&[
        "5",
        "demo-failed",
        "1",
        "--parallel",
        "1",
        "--stop-on-failure",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let stdout = stdout(&output);
    let rows: Vec<Vec<&str>> = stdout
        .lines()
        .map(|line| {
            let cells = line.split("  ").map(str::trim);
            cells.filter(|cell| !cell.is_empty()).collect()
        })
        .collect();
    assert_eq!(rows[0][..3], ["SYNC", "STATUS", "RUN"], "{stdout}");
    for (row, expected) in rows[1..].iter().zip([
        ["5", "success"],
        ["demo-failed", "failed"],
        ["1", "not started"],
    ]) {
        assert_eq!(row[..2], expected, "{stdout}");
    }
    assert!(
        stdout.ends_with("1 of 3 syncs: success. Failed or not started: 2. In progress: 0.\n"),
        "{stdout}"
    );
    let stderr = stderr(&output);
    for expected in [
        "error: sync demo-failed did not succeed: INVALID_SESSION_ID",
        "error: sync 1 was not started: ",
        "sync 5: started (run ",
        "sync 3: started (run ",
    ] {
        assert!(stderr.contains(expected), "{stderr}");
    }
    assert!(!stderr.contains('{'), "{stderr}");
}

#[test]
fn the_json_of_several_syncs_is_the_endpoints() {
    let output = run(&["5", "demo-failed", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let batch = document(&output);
    assert_eq!(batch["succeeded"], 1);
    assert_eq!(batch["runs"][0]["sync"], 5);
    assert_eq!(batch["runs"][0]["report"]["status"], "success");
    assert_eq!(batch["runs"][1]["sync"], "demo-failed");
    assert_eq!(batch["runs"][1]["problem"]["kind"], "sync-failed");
}

#[test]
fn a_repeated_command_joins_the_run_of_the_first() {
    let (_server, origin) = serving(command(&["hightouch", "--listen", "127.0.0.1:0"]));
    let again = |arguments: &[&str]| {
        let output = command(&["run", "5", "--json"])
            .args(arguments)
            .env("HIGHTOUCH_API_KEY", "local")
            .env("HIGHTOUCH_API_ORIGIN", &origin)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stdout(&output));
        document(&output)
    };
    let first = again(&["--full-resync"]);
    let since = first["jobs"][0]["startedAt"].as_str().unwrap();
    let second = again(&["--unless-run-since", since]);
    assert_eq!(first["joined"], false);
    assert_eq!(second["joined"], true);
    assert_eq!(first["runId"], second["runId"]);
    // The first run started before this time.
    let later = first["jobs"][0]["finishedAt"].as_str().unwrap();
    let third = again(&["--unless-run-since", later]);
    assert_eq!(third["joined"], false);
    assert_ne!(first["runId"], third["runId"]);
}

#[test]
fn each_option_reaches_hightouch() {
    let (_server, origin) = serving(command(&["hightouch", "--listen", "127.0.0.1:0"]));
    let forwarder = Forwarder::to(origin.trim_start_matches("http://"));
    for (option, field) in [
        ("--full-resync", "fullResync"),
        ("--reset-cdc", "resetCDC"),
        ("--clear-and-fill", "clearAndFill"),
    ] {
        let output = command(&["run", "5", option])
            .env("HIGHTOUCH_API_KEY", "local")
            .env("HIGHTOUCH_API_ORIGIN", forwarder.origin())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let expected = format!("\"{field}\":true");
        assert_eq!(forwarder.recorded().matches(&expected).count(), 1);
    }
}

#[test]
fn a_run_in_progress_is_joined_or_refused_if_requested() {
    let (_server, origin) = serving(command(&["hightouch", "--listen", "127.0.0.1:0"]));
    let with = |arguments: &[&str]| {
        command(&["run", "4", "--wait", "1", "--json"])
            .args(arguments)
            .env("HIGHTOUCH_API_KEY", "local")
            .env("HIGHTOUCH_API_ORIGIN", &origin)
            .output()
            .unwrap()
    };
    let first = document(&with(&[]));
    let joined = document(&with(&["--if-running", "join"]));
    assert_eq!(joined["runId"], first["runId"]);
    let refused = with(&["--if-running", "refuse"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(document(&refused)["kind"], "busy");
    assert_ne!(
        document(&with(&["--if-running", "queue"]))["runId"],
        first["runId"]
    );
}

#[test]
fn recent_runs_are_listed_newest_first() {
    let list = |arguments: &[&str]| {
        command(&["runs", "--local-hightouch"])
            .args(arguments)
            .output()
            .unwrap()
    };
    let output = list(&["demo"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let stdout = stdout(&output);
    let lines: Vec<&str> = stdout.lines().collect();
    let heads: Vec<&str> = lines[0].split_whitespace().collect();
    let expected = ["RUN", "STATUS", "STARTED", "DURATION", "ROWS", "REJECTED"];
    assert_eq!(heads, expected);
    let first: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(first[..2], ["3", "success"], "{stdout}");
    assert_eq!(first[4..], ["UTC", "6.4s", "773", "0"], "{stdout}");
    assert!(lines[2].starts_with("1    failed "), "{stdout}");
    assert_eq!(lines.len(), 3, "{stdout}");
    assert_eq!(stderr(&output), "");

    let runs = document(&list(&["1", "--limit", "1", "--json"]));
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
    assert_eq!(runs["runs"][0]["id"], 3);
    let none = list(&["404"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        stderr(&none).contains("error: the runs of sync 404 could not be listed: Not Found"),
        "{}",
        stderr(&none)
    );
}

#[test]
fn the_summary_has_a_link_if_the_workspace_is_known() {
    let (_server, origin) = serving(command(&["hightouch", "--listen", "127.0.0.1:0"]));
    let link = |syncs: &[&str]| {
        let output = command(&["run"])
            .args(syncs)
            .env("HIGHTOUCH_API_KEY", "local")
            .env("HIGHTOUCH_API_ORIGIN", &origin)
            .env("HIGHTOUCH_WORKSPACE", "acme")
            .output()
            .unwrap();
        let stdout = stdout(&output);
        let url = stdout
            .split_whitespace()
            .find(|word| word.starts_with("https://app.hightouch.com/acme/syncs/"));
        url.map(String::from).expect(&stdout)
    };
    assert!(link(&["5"]).contains("/syncs/5/runs/"));
    // A failed run has the same link, which the endpoint does not report.
    assert!(link(&["3"]).contains("/syncs/3/runs/"));
    assert!(link(&["404", "3"]).contains("/syncs/3/runs/"));
}

#[test]
fn colours_can_be_forced_and_no_color_is_respected() {
    let colored = |variables: &[(&str, &str)]| {
        let output = command(&["runs", "--local-hightouch", "1"])
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(stdout(&output).contains("success"), "{}", stderr(&output));
        stdout(&output).contains('\u{1b}')
    };
    assert!(!colored(&[]), "stdout is not a terminal");
    assert!(colored(&[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = command(&["completions", shell]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let script = stdout(&output);
        for expected in ["hightouch-sync", "stop-on-failure", "unless-run-since"] {
            assert!(script.contains(expected), "{shell}: {script}");
        }
    }
}

#[test]
fn the_help_documents_the_exit_codes() {
    for arguments in [&["--help"][..], &["run", "--help"], &["runs", "-h"]] {
        let help = stdout(&command(arguments).output().unwrap());
        for expected in [
            "Exit codes:",
            "0  success",
            "1  failure",
            "2  usage",
            "3  unconfirmed",
        ] {
            assert!(help.contains(expected), "{help}");
        }
        assert!(!help.contains("api-key"), "{help}");
    }
}

#[test]
fn a_wrong_key_gives_hightouchs_own_message_and_is_not_printed() {
    let output = command(&["run", "--local-hightouch"])
        .env("HIGHTOUCH_API_KEY", "marked-key")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("Authentication error (Token is invalid)"),
        "{}",
        stderr(&output)
    );
    assert!(!stderr(&output).contains("marked-key"));
}

#[test]
fn a_run_without_a_key_is_an_error_and_nothing_is_sent() {
    let hightouch = Forwarder::to("127.0.0.1:1");
    for key in [None, Some(""), Some(" ")] {
        let mut run = command(&["run", "1"]);
        run.env("HIGHTOUCH_API_ORIGIN", hightouch.origin());
        if let Some(key) = key {
            run.env("HIGHTOUCH_API_KEY", key);
        }
        let output = run.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        let stderr = stderr(&output);
        for expected in [
            "HIGHTOUCH_API_KEY is not set",
            "no run was started",
            "--local-hightouch",
        ] {
            assert!(stderr.contains(expected), "{stderr}");
        }
        assert!(!stderr.contains("success"), "{stderr}");
    }
    assert_eq!(hightouch.recorded(), "");
}

#[test]
fn a_run_without_a_key_uses_the_local_hightouch_if_requested() {
    let output = command(&["run", "--local-hightouch", "5"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_served_endpoint_has_its_settings_and_hightouch_never_sees_the_token() {
    let (_hightouch, origin) = serving(command(&["hightouch", "--listen", "127.0.0.1:0"]));
    let forwarder = Forwarder::to(origin.trim_start_matches("http://"));
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("HIGHTOUCH_API_ORIGIN", forwarder.origin());
    serve
        .env("ENDPOINT_TOKEN", "marked-token")
        .env("HIGHTOUCH_API_KEY", "local")
        .env("HIGHTOUCH_WORKSPACE", "acme");
    serve.env("HIGHTOUCH_API_KEY_OTHER", "local-two");
    let (server, url) = serving(serve);

    let post = |path: &str, token: &str| {
        let head = format!("authorization: Bearer {token}\r\ncontent-length: 0\r\n");
        send(
            &url,
            &format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n"),
        )
    };
    // If keys are stored, a caller that sends a Hightouch key is rejected.
    assert!(post("/syncs/5/runs", "local").starts_with("HTTP/1.1 401"));
    assert_eq!(forwarder.recorded(), "");
    for path in ["/syncs/5/runs", "/syncs/5/runs?account=other"] {
        let response = post(path, "marked-token");
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(response.contains(r#""status":"success""#), "{response}");
    }
    assert!(post("/syncs/5/runs", "marked-token").contains("/acme/"));
    let recorded = forwarder.recorded().to_ascii_lowercase();
    for key in ["bearer local\r\n", "bearer local-two\r\n"] {
        assert!(recorded.contains(key), "{recorded}");
    }
    assert!(!recorded.contains("marked-token"), "{recorded}");

    let stdout = server.stdout();
    let settings = "ENDPOINT_TOKEN, HIGHTOUCH_API_KEY, HIGHTOUCH_API_KEY_OTHER, HIGHTOUCH_API_ORIGIN, HIGHTOUCH_WORKSPACE";
    assert!(stdout.contains(settings), "{stdout}");
    for value in ["marked-token", "local-two", "acme"] {
        assert!(!stdout.contains(value), "{stdout}");
    }
}

#[test]
fn with_a_key_the_sync_runs_at_the_origin_in_the_environment() {
    let (_server, origin) = serving(command(&["hightouch", "--listen", "127.0.0.1:0"]));
    let output = command(&["run", "5"])
        .env("HIGHTOUCH_API_KEY", "local-two")
        .env("HIGHTOUCH_API_ORIGIN", &origin)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains(&origin));
}

#[test]
fn the_endpoint_is_served_until_interrupted() {
    let (_server, origin) = serving(command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--local-hightouch",
    ]));
    assert!(get(&origin, "/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn the_local_hightouch_is_served_under_a_scenario() {
    let (_server, origin) = serving(command(&[
        "hightouch",
        "--listen",
        "127.0.0.1:0",
        "--scenario",
        "forbidden",
    ]));
    assert!(get(&origin, "/api/v1/syncs").starts_with("HTTP/1.1 403"));
    let list = command(&["hightouch", "--scenario", "list"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).contains("forbidden"));
    let unknown = command(&["hightouch", "--scenario", "no-such"])
        .output()
        .unwrap();
    assert!(
        !unknown.status.success() && stderr(&unknown).contains("no-such"),
        "{}",
        stderr(&unknown)
    );
}

#[test]
fn each_caller_of_a_load_test_receives_the_correct_result() {
    for kind in ["endpoint", "library"] {
        let output = command(&[
            "load",
            "--runs",
            "8",
            "--longest",
            "2",
            "--mishaps",
            "10",
            "--kind",
            kind,
        ])
        .output()
        .unwrap();
        assert!(output.status.success(), "{kind}: {}", stderr(&output));
        let table = String::from_utf8_lossy(&output.stdout);
        let row = |name: &str| {
            table
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
                .map(String::from)
        };
        assert_eq!(row("correct results").as_deref(), Some("9 of 9"), "{table}");
        assert!(
            row("  linear memory of an instance").is_some_and(|pages| !pages.contains("most 0")),
            "{table}"
        );
    }
}

#[test]
fn build_prints_the_paths_of_the_components() {
    let output = command(&["build"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for name in ["library.wasm", "endpoint.wasm", "spin-endpoint.wasm"] {
        assert!(String::from_utf8_lossy(&output.stdout).contains(name));
    }
}

/// A running server command. Dropping it stops it.
struct Server {
    child: Child,
    stdout: Arc<Mutex<String>>,
}

impl Server {
    /// Returns its stdout so far.
    fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ignore an error here: it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forwards connections to a server and records the clients' data. Its threads end with the test
/// process.
struct Forwarder {
    address: std::net::SocketAddr,
    recorded: Arc<Mutex<Vec<u8>>>,
}

impl Forwarder {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let (server, kept) = (server.to_owned(), Arc::clone(&recorded));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                kept.lock().unwrap().extend_from_slice(b"connected\r\n");
                let Ok(upstream) = TcpStream::connect(&server) else {
                    continue;
                };
                let (back, to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    copy(client, to, |bytes| {
                        kept.lock().unwrap().extend_from_slice(bytes)
                    })
                });
                std::thread::spawn(move || copy(upstream, back, |_| ()));
            }
        });
        Self { address, recorded }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the recorded data.
    fn recorded(&self) -> String {
        String::from_utf8_lossy(&self.recorded.lock().unwrap()).into_owned()
    }
}

/// Copies data from one connection to the other until either ends, and passes it to `note`.
fn copy(mut from: TcpStream, mut to: TcpStream, note: impl Fn(&[u8])) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        note(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Ignore an error here: the other side may be closed already.
    let _ = to.shutdown(Shutdown::Write);
}

/// Starts a server command, and reads its URL from the first line of its stdout.
fn serving(mut command: Command) -> (Server, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stdout = Arc::new(Mutex::new(String::new()));
    let server = Server {
        child,
        stdout: Arc::clone(&stdout),
    };
    let first = lines.next().expect("a line").unwrap();
    // Keep reading, so that the command never blocks on a full pipe.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            stdout.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    let origin = first
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .expect(&first)
        .to_owned();
    (server, origin)
}

fn get(origin: &str, path: &str) -> String {
    send(
        origin,
        &format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer local\r\nconnection: close\r\n\r\n"
        ),
    )
}

/// Sends a request and returns the whole response.
fn send(origin: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(origin.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
