//! The commands, as a person at a terminal meets them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hightouch-sync"));
    command.args(arguments).env_remove("HIGHTOUCH_API_KEY").env_remove("HIGHTOUCH_API_ORIGIN").stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_arguments_a_sync_runs_and_its_report_is_printed() {
    let output = command(&[]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.get("status"), Some(&"success".into()));
    assert_eq!(report.get("syncId"), Some(&1.into()));
    assert!(stderr(&output).contains("processing"), "the way there shows: {}", stderr(&output));
}

#[test]
fn a_sync_that_does_not_succeed_ends_in_one_clear_line_and_a_failure() {
    for (arguments, says) in [
        (&["run", "--sync", "3"][..], "INVALID_SESSION_ID"),
        (&["run", "--sync", "404"][..], "Not Found"),
        (&["run", "--sync", "no-such-sync"][..], "Not Found"),
        (&["run", "--sync", "demo-warning"][..], "rejected"),
        (&["run", "--sync", "0"][..], "ID"),
    ] {
        let output = command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let stderr = stderr(&output);
        let last = stderr.lines().last().unwrap();
        assert!(last.starts_with("error: ") && last.contains(says), "{arguments:?}: {stderr}");
    }
}

#[test]
fn warnings_can_be_accepted() {
    let output = command(&["run", "--sync", "2", "--accept-warnings"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_wrong_key_is_told_in_hightouchs_own_words_and_not_printed() {
    let output = command(&["run", "--local-hightouch"]).env("HIGHTOUCH_API_KEY", "marked-key").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Authentication error (Token is invalid)"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("marked-key"));
}

#[test]
fn with_a_key_the_sync_runs_where_the_environment_says() {
    let (_server, origin) = serving(&["hightouch", "--listen", "127.0.0.1:0"]);
    let output = command(&["run", "--sync", "5"])
        .env("HIGHTOUCH_API_KEY", "local-two")
        .env("HIGHTOUCH_API_ORIGIN", &origin)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains(&origin));
}

#[test]
fn the_endpoint_is_served_until_interrupted() {
    let (_server, origin) = serving(&["serve", "--listen", "127.0.0.1:0", "--local-hightouch"]);
    assert!(get(&origin, "/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn the_local_hightouch_is_served_under_a_scenario() {
    let (_server, origin) = serving(&["hightouch", "--listen", "127.0.0.1:0", "--scenario", "forbidden"]);
    assert!(get(&origin, "/api/v1/syncs").starts_with("HTTP/1.1 403"));
    let list = command(&["hightouch", "--scenario", "list"]).output().unwrap();
    assert!(String::from_utf8_lossy(&list.stdout).contains("forbidden"));
    let unknown = command(&["hightouch", "--scenario", "no-such"]).output().unwrap();
    assert!(!unknown.status.success() && stderr(&unknown).contains("no-such"), "{}", stderr(&unknown));
}

#[test]
fn each_of_a_load_is_told_the_truth() {
    for kind in ["endpoint", "library"] {
        let output =
            command(&["load", "--runs", "8", "--longest", "2", "--mishaps", "10", "--kind", kind]).output().unwrap();
        assert!(output.status.success(), "{kind}: {}", stderr(&output));
        let table = String::from_utf8_lossy(&output.stdout);
        let row = |name: &str| table.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(String::from);
        assert_eq!(row("told the truth").as_deref(), Some("9 of 9"), "{table}");
        assert!(row("  linear memory of an instance").is_some_and(|pages| !pages.contains("most 0")), "{table}");
    }
}

#[test]
fn build_says_where_the_components_are() {
    let output = command(&["build"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for name in ["library.wasm", "endpoint.wasm", "spin-endpoint.wasm"] {
        assert!(String::from_utf8_lossy(&output.stdout).contains(name));
    }
}

/// A command that serves until it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a command that serves, and reads from its first line where.
fn serving(arguments: &[&str]) -> (Server, String) {
    let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let server = Server(child);
    let first = lines.next().expect("a line").unwrap();
    // Read on, so that it never writes to a pipe that nobody reads.
    std::thread::spawn(move || lines.for_each(drop));
    let origin = first.split_whitespace().find(|word| word.starts_with("http://")).expect(&first).to_owned();
    (server, origin)
}

fn get(origin: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(origin.trim_start_matches("http://")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer local\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
