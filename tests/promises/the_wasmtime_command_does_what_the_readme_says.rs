//! The README's lines for the `wasmtime` command do what it says of them, where that command is there: it is no package of any registry that
//! tests could take it from in reasonable time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use hightouch_sync_host::build::{components, workspace};
use hightouch_sync_host::hightouch::{KEY, LocalHightouch, Options};

/// The README's line that begins so, for a shell in the workspace's root; none where there is no wasmtime.
fn line(begins: &str) -> Option<String> {
    if !Command::new("wasmtime").arg("--version").output().is_ok_and(|told| told.status.success()) {
        println!("NOT TESTED: there is no wasmtime command");
        return None;
    }
    components().unwrap();
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    Some(readme.lines().find(|line| line.starts_with(begins)).unwrap().to_owned())
}

fn shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {line}")]).current_dir(workspace()).stdin(Stdio::null());
    shell
}

/// What it replaces has to be there.
fn replaced(line: &str, what: &str, by: &str) -> String {
    assert!(line.contains(what), "{what}: {line}");
    line.replace(what, by)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_is_called_from_the_command_line() {
    let Some(line) = line("wasmtime run ") else { return };
    let local = LocalHightouch::start(Options::default()).await.unwrap();
    let connection = format!(r#"api-key: "{KEY}", api-origin: some("{}")"#, local.origin());
    let line = replaced(&line, r#"api-key: "…""#, &connection);
    for (sync, begins, says) in
        [(r#"slug("demo-empty")"#, "ok({", "status: success"), ("id(3)", "err({", "kind: sync-failed")]
    {
        let mut command = shell(&replaced(&line, "id(1234567)", sync));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && out.starts_with(begins) && out.contains(says), "{sync}: {output:?}");
    }
    assert_eq!(local.triggers(), 2);
}

/// Ends what it holds when it is dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_is_served() {
    let Some(line) = line("wasmtime serve ") else { return };
    let local = LocalHightouch::start(Options::default()).await.unwrap();
    let line = replaced(&line, "https://api.hightouch.com", &local.origin());
    let line = replaced(&line, "serve ", &format!("serve --addr {}:0 ", Ipv4Addr::LOCALHOST));
    let mut serving = Serving(shell(&line).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    let mut stderr = BufReader::new(serving.0.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("http://") {
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "{told}");
    }
    let url =
        told.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches('/').to_owned();
    let client = reqwest::Client::new();
    for (sync, status, says) in [("demo-empty", 200, r#""status":"success""#), ("3", 424, "sync-failed")] {
        let request = client.post(format!("{url}/syncs/{sync}/runs")).bearer_auth(KEY);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{sync}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(says), "{text}");
    }
    drop(serving);
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    for event in ["started", "answered"] {
        let line = format!(r#"{{"event":"{event}","request":"run""#);
        assert_eq!(log.matches(&line).count(), 2, "a line of log for each: {log}");
    }
    assert!(!log.contains(KEY), "{log}");
}
