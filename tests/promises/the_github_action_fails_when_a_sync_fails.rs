//! The GitHub action in .github/actions/run-sync succeeds only if every sync succeeded, and never
//! prints the token.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use xtask::build::{Kind, components, workspace};
use xtask::embedder::{Captured, Config, Host, Outbound, Serving, Stderr};
use xtask::local_hightouch::{KEY, LocalHightouch, Options};

use super::recipes_fail_when_the_sync_fails::responses;
use super::support::stage::{Scripted, respond_with};

/// A token that appears in no other text.
const TOKEN: &str = "q7-the-token-of-the-endpoint";

fn action(name: &str) -> PathBuf {
    workspace().join(".github/actions/run-sync").join(name)
}

/// The results of one run of the script.
#[derive(Debug)]
struct Finished {
    exit_code: i32,
    /// The log of the step.
    log: String,
    outputs: BTreeMap<String, String>,
    summary: String,
}

impl Finished {
    fn report(&self) -> Value {
        serde_json::from_str(&self.outputs["report"]).unwrap()
    }

    fn rows(&self) -> Vec<&str> {
        self.summary.lines().skip(2).collect()
    }
}

/// Runs the action's script with these inputs, as GitHub's runner does. Returns `None` if curl
/// or jq is not installed. Checks that the script does not reveal the token.
async fn run(test: &str, endpoint: &str, inputs: &[(&str, &str)]) -> Option<Finished> {
    for program in ["bash", "curl", "jq"] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("NOT TESTED: {program} is not installed");
            return None;
        }
    }
    let folder = workspace().join("target/tmp/github-action").join(test);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    let (outputs, summary) = (folder.join("outputs"), folder.join("summary"));
    let mut script = Command::new(action("run-sync.sh"));
    script
        .env("ENDPOINT", endpoint)
        .env("TOKEN", TOKEN)
        .env("GITHUB_OUTPUT", &outputs)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("no_proxy", "*")
        .envs(inputs.iter().copied());
    let output = tokio::task::spawn_blocking(move || script.output().unwrap())
        .await
        .unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let finished = Finished {
        exit_code: output.status.code().unwrap(),
        log: String::from_utf8(output.stdout).unwrap(),
        outputs: read(&outputs)
            .lines()
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        summary: read(&summary),
    };
    assert!(output.stderr.is_empty(), "{finished:?} {:?}", output.stderr);
    let everything = format!("{finished:?}");
    assert!(!everything.contains(TOKEN), "{everything}");
    Some(finished)
}

/// Serves the endpoint with a stored key and a local Hightouch.
async fn endpoint() -> (LocalHightouch, Serving) {
    let local = LocalHightouch::start(Options::default()).await.unwrap();
    let environment = [
        ("HIGHTOUCH_API_ORIGIN", local.origin()),
        ("HIGHTOUCH_API_KEY", KEY.into()),
        ("ENDPOINT_TOKEN", TOKEN.into()),
        ("HIGHTOUCH_WORKSPACE", "acme".into()),
    ];
    let config = Config {
        outbound: Outbound::only([local.origin()]),
        environment: environment
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        stderr: Stderr::Captured(Captured::new()),
        ..Config::default()
    };
    let host = Host::new(components().unwrap().path(Kind::Endpoint), config).unwrap();
    let serving = host.serve((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    (local, serving)
}

/// Tests of this file use the real clock, because the script waits in real time.
#[tokio::test(flavor = "multi_thread")]
async fn one_sync_ends_the_step_as_its_run_ended() {
    let (local, serving) = endpoint().await;
    let url = serving.url();
    let Some(success) = run("success", &url, &[("SYNCS", "demo-empty")]).await else {
        return;
    };
    assert_eq!(success.exit_code, 0, "{success:?}");
    assert_eq!(success.outputs["status"], "success");
    let report = &success.report()["runs"][0]["report"];
    assert_eq!(report["status"], "success");
    assert_eq!(success.outputs["run-ids"], report["runId"].to_string());
    assert_eq!(success.outputs["url"], report["url"].as_str().unwrap());
    assert!(success.outputs["url"].starts_with("https://app.hightouch.com/acme/"));
    let run_link = format!("[{}](<{}>)", report["runId"], success.outputs["url"]);
    assert!(success.rows()[0].contains(&run_link), "{success:?}");
    assert!(success.rows()[0].starts_with("| demo\\-empty | success |"));

    let failure = run("failure", &url, &[("SYNCS", "3")]).await.unwrap();
    assert_eq!(failure.exit_code, 1, "{failure:?}");
    assert_eq!(failure.outputs["status"], "failed");
    assert_eq!(
        failure.report()["runs"][0]["problem"]["kind"],
        "sync-failed"
    );
    assert!(failure.log.contains("::error title=Sync 3::sync-failed"));
    assert!(failure.rows()[0].starts_with("| 3 | failed |"));
    assert!(failure.rows()[0].contains("Reconnect the destination"));

    let unknown = run("unknown", &url, &[("SYNCS", "no-such-sync")])
        .await
        .unwrap();
    assert_eq!(unknown.exit_code, 1, "{unknown:?}");
    assert_eq!(unknown.report()["runs"][0]["problem"]["kind"], "not-found");

    let limit = [
        ("SYNCS", "2"),
        ("MAX_REJECTED", "5"),
        ("MAX_REJECTED_PERCENT", "6.5"),
    ];
    let tolerated = run("tolerated", &url, &limit).await.unwrap();
    assert_eq!(tolerated.exit_code, 0, "{tolerated:?}");
    assert_eq!(tolerated.report()["runs"][0]["report"]["status"], "warning");
    assert_eq!(local.triggers(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_syncs_succeed_only_together() {
    let (local, serving) = endpoint().await;
    let url = serving.url();
    let inputs = [("SYNCS", "demo-empty, 3\n2"), ("ACCEPT_WARNINGS", "true")];
    let Some(mixed) = run("several", &url, &inputs).await else {
        return;
    };
    assert_eq!(mixed.exit_code, 1, "{mixed:?}");
    assert_eq!(mixed.outputs["status"], "failed");
    assert_eq!(mixed.outputs["run-ids"].split(',').count(), 3);
    let runs = &mixed.report()["runs"];
    assert_eq!(runs[0]["report"]["status"], "success");
    assert_eq!(runs[1]["problem"]["kind"], "sync-failed");
    assert_eq!(runs[2]["report"]["status"], "warning");
    assert_eq!(mixed.rows().len(), 3);
    assert_eq!(local.triggers(), 3);

    let good = run("all-succeed", &url, &[("SYNCS", "1 demo-empty")])
        .await
        .unwrap();
    assert_eq!((good.exit_code, local.triggers()), (0, 5), "{good:?}");

    let ordered = [
        ("SYNCS", "3 demo-empty"),
        ("PARALLEL", "1"),
        ("STOP_ON_FAILURE", "true"),
    ];
    let stopped = run("stopped", &url, &ordered).await.unwrap();
    assert_eq!(stopped.exit_code, 1, "{stopped:?}");
    assert_eq!(
        stopped.report()["runs"][1]["problem"]["kind"],
        "not-started"
    );
    assert_eq!(local.triggers(), 6);

    // The endpoint rejects the whole request.
    let twice = run("twice", &url, &[("SYNCS", "1 1")]).await.unwrap();
    assert_eq!((twice.exit_code, local.triggers()), (1, 6), "{twice:?}");
    assert_eq!(
        twice.report()["runs"][1]["problem"]["kind"],
        "invalid-input"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_outlasts_the_timeout_is_no_success() {
    let (local, serving) = endpoint().await;
    let inputs = [("SYNCS", "demo-hour demo-empty"), ("TIMEOUT", "3")];
    let Some(late) = run("timeout", &serving.url(), &inputs).await else {
        return;
    };
    assert_eq!(late.exit_code, 3, "{late:?}");
    assert_eq!(late.outputs["status"], "running");
    assert!(late.log.contains("Timed out after 3 s."), "{late:?}");
    assert!(late.rows()[0].starts_with("| demo\\-hour | in progress |"));
    assert!(late.rows()[1].starts_with("| demo\\-empty | success |"));
    assert_eq!(local.triggers(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_progress_is_polled_to_its_end_below_any_path() {
    for (prefix, end, exit_code) in [("", 200, 0), ("/hightouch", 424, 1)] {
        let mut requests = 0;
        let server = Scripted::start(move |_, token| {
            requests += 1;
            assert_eq!(token, format!("Bearer {TOKEN}"));
            if requests == 3 {
                let body = json!({"runId": 42, "status": "success"});
                let problem = json!({"kind": "sync-failed", "detail": "wrong", "runId": 42});
                return respond_with(end, if end == 200 { body } else { problem }.to_string());
            }
            let mut response = respond_with(202, r#"{"syncId":1,"runId":42,"status":"queued"}"#);
            response.headers = vec![
                ("location", format!("{prefix}/syncs/1/runs/42?account=emea")),
                ("retry-after", "1".into()),
            ];
            response
        })
        .await;
        let url = format!("{}{prefix}/", server.origin());
        let inputs = [("SYNCS", "slug/1"), ("ACCOUNT", "emea")];
        let Some(finished) = run("polled", &url, &inputs).await else {
            return;
        };
        assert_eq!(finished.exit_code, exit_code, "{finished:?}");
        assert!(finished.log.contains("run 42, in progress"), "{finished:?}");
        let poll = format!("GET {prefix}/syncs/1/runs/42?account=emea");
        let start = format!("POST {prefix}/syncs/slug%2F1/runs?account=emea");
        assert_eq!(server.seen(), [start, poll.clone(), poll]);
    }
}

/// Returns a whole response.
fn whole(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_poll_does_not_end_the_wait() {
    let in_progress = whole(
        "202 Accepted",
        "location: /syncs/1/runs/42\r\nretry-after: 0\r\n",
        r#"{"syncId":1,"runId":42,"status":"queued"}"#,
    );
    let all = vec![
        in_progress,
        String::new(),
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"status\":\"succ".into(),
        whole(
            "503 Service Unavailable",
            "retry-after: 0\r\n",
            r#"{"kind":"api"}"#,
        ),
        whole("502 Bad Gateway", "", "<html>"),
        whole("200 OK", "", r#"{"runId":42,"status":"success"}"#),
    ];
    let (origin, asked) = responses(all).await;
    let Some(finished) = run("lost-poll", &origin, &[("SYNCS", "1")]).await else {
        return;
    };
    assert_eq!(finished.exit_code, 0, "{finished:?}");
    let asked = asked.await.unwrap();
    assert_eq!(asked[0], "POST /syncs/1/runs");
    assert_eq!(asked.len(), 6);
    assert!(asked[1..].iter().all(|one| one == "GET /syncs/1/runs/42"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_start_is_repeated_only_if_that_is_safe() {
    let success = whole("200 OK", "", r#"{"runId":42,"status":"success"}"#);
    // The server accepts no second request, so the result would differ.
    let (origin, asked) = responses(vec![String::new()]).await;
    let Some(lost) = run("lost-start", &origin, &[("SYNCS", "1")]).await else {
        return;
    };
    assert_eq!(lost.exit_code, 3, "{lost:?}");
    assert_eq!(lost.outputs["status"], "unconfirmed");
    assert!(lost.log.contains("A run may have been started."));
    assert_eq!(asked.await.unwrap(), ["POST /syncs/1/runs"]);

    let since = [("SYNCS", "1"), ("UNLESS_RUN_SINCE", "2026-11-25T06:00:00Z")];
    let (origin, asked) = responses(vec![String::new(), success.clone()]).await;
    let repeated = run("repeated-start", &origin, &since).await.unwrap();
    assert_eq!(repeated.exit_code, 0, "{repeated:?}");
    assert_eq!(asked.await.unwrap().len(), 2);

    // The endpoint reports that no run was started.
    let refused = whole(
        "503 Service Unavailable",
        "retry-after: 1\r\n",
        r#"{"kind":"api","detail":"No run was started."}"#,
    );
    let (origin, asked) = responses(vec![refused, success]).await;
    let retried = run("refused-start", &origin, &[("SYNCS", "1")])
        .await
        .unwrap();
    assert_eq!(retried.exit_code, 0, "{retried:?}");
    assert_eq!(asked.await.unwrap().len(), 2);

    // The problem names a run that may still be in progress.
    let named = r#"{"kind":"unreachable","detail":"Lost.","syncId":1,"runId":42}"#;
    let end = r#"{"runId":42,"status":"success"}"#;
    let all = vec![
        whole("502 Bad Gateway", "", named),
        whole("200 OK", "", end),
    ];
    let (origin, asked) = responses(all).await;
    let limit = [("SYNCS", "1"), ("MAX_REJECTED", "5")];
    let followed = run("named-run", &origin, &limit).await.unwrap();
    assert_eq!(followed.exit_code, 0, "{followed:?}");
    assert_eq!(
        asked.await.unwrap(),
        ["POST /syncs/1/runs", "GET /syncs/1/runs/42?maxRejected=5"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_response_is_neither_a_command_nor_a_token() {
    let hostile = json!({
        "kind": "sync-failed",
        "detail": format!("Bearer {TOKEN} refused\n::add-mask::x\r\n##[error]y\n<b>@all</b> | z"),
    });
    let (origin, _asked) = responses(vec![whole("424 Failed", "", &hostile.to_string())]).await;
    let Some(finished) = run("hostile", &origin, &[("SYNCS", "1")]).await else {
        return;
    };
    assert_eq!(finished.exit_code, 1, "{finished:?}");
    assert!(finished.log.contains("Bearer *** refused"), "{finished:?}");
    let is_command = |line: &&str| line.trim_start().starts_with("::") || line.contains("##[");
    let commands: Vec<&str> = finished.log.lines().filter(is_command).collect();
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert!(commands[0].starts_with("::error title=Sync 1::sync-failed | "));
    let [row] = finished.rows().try_into().unwrap();
    assert!(row.contains(r"\<b\>\@all\</b\> \| z"), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_input_sends_nothing() {
    let server = Scripted::start(|_, _| respond_with(500, "{}")).await;
    for (name, value, named) in [
        ("SYNCS", " ,\n", "syncs"),
        ("TOKEN", "", "token"),
        ("TOKEN", "a\nheader: b", "token"),
        ("ENDPOINT", "file:///etc/passwd", "endpoint"),
        ("ENDPOINT", "https://user:secret@example.com", "endpoint"),
        ("FULL_RESYNC", "yes", "full-resync"),
        ("TIMEOUT", "1h", "timeout"),
        ("PARALLEL", "-1", "parallel"),
        ("MAX_REJECTED_PERCENT", "few", "max-rejected-percent"),
    ] {
        let inputs = [("SYNCS", "1"), (name, value)];
        let Some(refused) = run("invalid", server.origin(), &inputs).await else {
            return;
        };
        assert_eq!(refused.exit_code, 2, "{name}: {refused:?}");
        assert!(refused.log.contains(named), "{name}: {refused:?}");
        assert!(refused.log.contains("No run was started."), "{refused:?}");
    }
    assert_eq!(server.seen().len(), 0);
}

/// Returns the names in the first column of the tables of the action's README.
fn described() -> BTreeSet<String> {
    let readme = std::fs::read_to_string(action("README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_input_reaches_the_script_and_is_described() {
    let text = std::fs::read_to_string(action("action.yml")).unwrap();
    let action_file: Value = serde_yaml_ng::from_str(&text).unwrap();
    let script = std::fs::read_to_string(action("run-sync.sh")).unwrap();
    let step = &action_file["runs"]["steps"][0];
    assert!(
        !step["run"].as_str().unwrap().contains("${{"),
        "an input in the script could contain commands"
    );
    let mut names = BTreeSet::new();
    for name in action_file["inputs"].as_object().unwrap().keys() {
        let variable = name.to_uppercase().replace('-', "_");
        assert_eq!(
            step["env"][&variable],
            format!("${{{{ inputs.{name} }}}}"),
            "{name}"
        );
        assert!(script.contains(&format!("${{{variable}:-")), "{name}");
        names.insert(name.clone());
    }
    assert_eq!(
        step["env"].as_object().unwrap().len(),
        names.len(),
        "{names:?}"
    );
    for (name, output) in action_file["outputs"].as_object().unwrap() {
        assert_eq!(
            output["value"],
            format!("${{{{ steps.run.outputs.{name} }}}}")
        );
        names.insert(name.clone());
    }
    assert_eq!(described(), names);
}
