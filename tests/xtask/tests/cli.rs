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
        "ENDPOINT_TOKEN",
    ] {
        command.env_remove(setting);
    }
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
    assert!(
        stderr(&output).contains("processing"),
        "the progress is shown: {}",
        stderr(&output)
    );
}

#[test]
fn a_sync_that_does_not_succeed_ends_in_one_clear_line_and_a_failure() {
    for (arguments, expected) in [
        (&["--sync", "3"][..], "INVALID_SESSION_ID"),
        (&["--sync", "404"][..], "Not Found"),
        (&["--sync", "no-such-sync"][..], "Not Found"),
        (&["--sync", "demo-warning"][..], "rejected"),
        (&["--sync", "0"][..], "ID"),
    ] {
        let output = command(&["run", "--local-hightouch"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let stderr = stderr(&output);
        let last = stderr.lines().last().unwrap();
        assert!(
            last.starts_with("error: ") && last.contains(expected),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn warnings_can_be_accepted() {
    let output = command(&[
        "run",
        "--local-hightouch",
        "--sync",
        "2",
        "--accept-warnings",
    ])
    .output()
    .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
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
        let mut run = command(&["run", "--sync", "1"]);
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
    let output = command(&["run", "--local-hightouch", "--sync", "5"])
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
