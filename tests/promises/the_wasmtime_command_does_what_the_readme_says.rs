//! The README's commands for `wasmtime` work as described, if `wasmtime` is installed.
//! `.ci/wasmtime install` installs it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;
use xtask::build::{components, workspace};
use xtask::local_hightouch::{
    KEY, LocalHightouch, Options, RateLimit, Status, SyncFixture, Timeline,
};

/// Returns the README's first code block in which a line begins with this text. Puts `exec` before
/// the text, so that the block is a script to run in the workspace root. Returns `None` if
/// wasmtime is not installed.
fn block(begins: &str) -> Option<String> {
    if !Command::new("wasmtime")
        .arg("--version")
        .output()
        .is_ok_and(|received| received.status.success())
    {
        println!("NOT TESTED: there is no wasmtime command");
        return None;
    }
    components().unwrap();
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let mut blocks = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let block = blocks
        .find(|block| block.lines().any(|line| line.starts_with(begins)))
        .unwrap();
    Some(replaced(block, begins, &format!("exec {begins}")))
}

fn shell(block: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-ec", block])
        .current_dir(workspace())
        .stdin(Stdio::null());
    shell
}

/// Panics if there is nothing to replace.
fn replaced(line: &str, what: &str, by: &str) -> String {
    assert!(line.contains(what), "{what}: {line}");
    line.replace(what, by)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_is_called_from_the_command_line() {
    let Some(line) = block("wasmtime run ") else {
        return;
    };
    let local = LocalHightouch::start(Options::default()).await.unwrap();
    let connection = format!(
        r#"api-key: "{KEY}", api-origin: some("{}")"#,
        local.origin()
    );
    let line = replaced(&line, r#"api-key: "…""#, &connection);
    for (sync, begins, expected_text) in [
        (r#"slug("demo-empty")"#, "ok({", "status: success"),
        ("id(3)", "err({", "kind: sync-failed"),
    ] {
        let mut command = shell(&replaced(&line, "id(1234567)", sync));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && out.starts_with(begins) && out.contains(expected_text),
            "{sync}: {output:?}"
        );
    }
    assert_eq!(local.triggers(), 2);
}

/// The README's `wasmtime serve` with the local Hightouch. Dropping it stops it.
struct Serving {
    process: Child,
    url: String,
    /// Reads the stderr of the process after its address, so that the process never blocks on a
    /// full pipe.
    reading: Option<JoinHandle<String>>,
}

impl Serving {
    fn start(block: &str, local: &LocalHightouch) -> Self {
        let block = replaced(block, "https://api.hightouch.com", &local.origin());
        let block = replaced(
            &block,
            "serve ",
            &format!("serve --addr {}:0 ", Ipv4Addr::LOCALHOST),
        );
        let mut process = shell(&block)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut serving = Self {
            process,
            url: String::new(),
            reading: None,
        };
        let mut received = String::new();
        while !received.contains("http://") {
            assert_ne!(stderr.read_line(&mut received).unwrap(), 0, "{received}");
        }
        let url = received
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .unwrap();
        serving.url = url.trim_end_matches('/').to_owned();
        serving.reading = Some(std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        }));
        serving
    }

    /// Stops the process. Returns its stderr after the address.
    fn log(mut self) -> String {
        self.process.kill().unwrap();
        self.reading.take().unwrap().join().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_is_served() {
    let Some(block) = block("wasmtime serve ") else {
        return;
    };
    let local = LocalHightouch::start(Options::default()).await.unwrap();
    let serving = Serving::start(&block, &local);
    let client = reqwest::Client::new();
    for (sync, status, expected_text) in [
        ("demo-empty", 200, r#""status":"success""#),
        ("3", 424, "sync-failed"),
    ] {
        let request = client
            .post(format!("{}/syncs/{sync}/runs", serving.url))
            .bearer_auth(KEY);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{sync}");
        let text = response.text().await.unwrap();
        assert!(text.contains(expected_text), "{text}");
    }
    let log = serving.log();
    for event in ["started", "answered"] {
        let line = format!(r#"{{"event":"{event}","request":"run""#);
        assert_eq!(
            log.matches(&line).count(),
            2,
            "one log line per request: {log}"
        );
    }
    assert!(!log.contains(KEY), "{log}");
}

/// Number of simultaneous callers. Without the README's pool options, wasmtime serves 333.
const CALLERS: u64 = 1_000;
/// Timeout of each caller. The first one still waits when the request of the last one arrives.
const WAIT: Duration = Duration::from_secs(20);
/// Open files of this process for each caller: the caller's connection and the local Hightouch's.
const FILES: u64 = 2;

/// Returns whether this process may open enough files for the callers.
fn enough_files() -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let limit = limit.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    limit.is_none_or(|limit| limit >= CALLERS * FILES + 200)
}

/// The response to one caller, and the start and end of its wait.
struct EndpointResponse {
    status: u16,
    text: String,
    began: Instant,
    ended: Instant,
}

async fn wait_for_a_run(client: reqwest::Client, url: String, sync: u64) -> EndpointResponse {
    let request = client
        .post(format!("{url}/syncs/{sync}/runs"))
        .bearer_auth(KEY);
    let began = Instant::now();
    let response = request
        .header("prefer", format!("wait={}", WAIT.as_secs()))
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    EndpointResponse {
        status,
        text: response.text().await.unwrap(),
        began,
        ended: Instant::now(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_callers_wait_at_once() {
    let Some(block) = block("wasmtime serve ") else {
        return;
    };
    if !enough_files() {
        println!("NOT TESTED: a process may not open enough files. Run `ulimit -n 4096` first");
        return;
    }
    let hour = Timeline::over(Duration::from_secs(3600), Status::Success);
    let syncs =
        (1..=CALLERS).map(|sync| SyncFixture::new(sync, format!("sync-{sync}"), hour.clone()));
    let rate_limit = RateLimit {
        requests: usize::MAX,
        ..RateLimit::default()
    };
    let options = Options {
        syncs: syncs.collect(),
        sequences: Vec::new(),
        rate_limit,
        ..Options::default()
    };
    let local = LocalHightouch::start(options).await.unwrap();
    let serving = Serving::start(&block, &local);
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let mut waiting = JoinSet::new();
    for sync in 1..=CALLERS {
        waiting.spawn(wait_for_a_run(client.clone(), serving.url.clone(), sync));
    }
    let received = waiting.join_all().await;
    let log = serving.log();

    let not_from_the_component: Vec<_> = received
        .iter()
        .filter(|received| received.status != 202)
        .collect();
    assert!(
        not_from_the_component.is_empty(),
        "{} of {CALLERS} callers did not receive 202; the first received {} {}; the host's log ends with {}",
        not_from_the_component.len(),
        not_from_the_component[0].status,
        not_from_the_component[0].text,
        log.lines().rev().take(3).collect::<Vec<_>>().join("\n"),
    );
    for received in &received {
        let body: Value = serde_json::from_str(&received.text).unwrap();
        assert!(body["runId"].is_u64(), "{body}");
    }
    let last_began = received.iter().map(|received| received.began).max();
    let first_ended = received.iter().map(|received| received.ended).min();
    assert!(
        last_began < first_ended,
        "the callers did not all wait at the same time"
    );
    assert_eq!(local.triggers() as u64, CALLERS);
}
