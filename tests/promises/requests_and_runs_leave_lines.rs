//! Each run writes a line of JSON to stderr as soon as Hightouch has returned its ID. Each request
//! writes one when it is answered. A caller's trace is sent to Hightouch, and no trace is invented.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use xtask::build::{Kind, components};
use xtask::embedder::{Config, Host, Outbound};
use xtask::local_hightouch::{LocalHightouch, Options, SequenceFixture};

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::stored_keys_are_for_those_who_show_the_token::configured;
use super::support::stage::{
    ENDPOINTS, Endpoint, send_request, stage, with_each_endpoint, with_key,
};

fn lines(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn a_line_of_json_tells_what_was_asked_and_what_came_of_it() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let mut received = 0;
            for (request, expected) in [
                (
                    with_key(endpoint.post("/syncs/5/runs")),
                    &[("request", "run"), ("sync", "5"), ("status", "success")][..],
                ),
                (
                    with_key(endpoint.post("/syncs/3/runs")),
                    &[("sync", "3"), ("status", "failed"), ("kind", "sync-failed")][..],
                ),
                (
                    with_key(endpoint.post("/syncs/demo-empty/runs")),
                    &[("sync", "5"), ("status", "success")][..],
                ),
                (
                    with_key(endpoint.post("/syncs/no-such/runs")),
                    &[("sync", "no-such"), ("kind", "not-found")][..],
                ),
                (
                    endpoint.post("/syncs/1/runs"),
                    &[("request", "run"), ("kind", "unauthenticated")][..],
                ),
                (endpoint.get("/healthz"), &[("request", "health")][..]),
                (
                    endpoint.get("/secret-path"),
                    &[("request", "unknown"), ("kind", "invalid-input")][..],
                ),
                (
                    with_key(endpoint.post("/syncs/5/runs")).header("accept", "text/event-stream"),
                    &[("request", "run"), ("sync", "5"), ("status", "success")][..],
                ),
                (
                    with_key(endpoint.post("/syncs/3/runs")).header("accept", "text/event-stream"),
                    &[("sync", "3"), ("status", "failed"), ("kind", "sync-failed")][..],
                ),
            ] {
                let response = send_request(request).await;
                // The line is written after the response.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                let log = stage.stderr.text();
                let lines = lines(&log);
                let (line, started) = lines[received..].split_last().unwrap();
                received = lines.len();
                let status = line["status"].as_str();
                assert_eq!(
                    started.len(),
                    usize::from(status.is_some()),
                    "one line for each run: {log}"
                );
                for started in started {
                    let fields = ["event", "request", "sync", "run", "status"]
                        .map(|field| started[field].clone());
                    let expected = [
                        json!("started"),
                        json!("run"),
                        line["sync"].clone(),
                        line["run"].clone(),
                        json!("queued"),
                    ];
                    assert_eq!(fields, expected, "{log}");
                }
                assert_eq!(line["event"], "answered");
                for (field, value) in expected {
                    assert_eq!(line[field], *value, "{line}");
                }
                assert_eq!(line["http"], response.status);
                assert!(
                    line["elapsedMs"].is_u64() && line["requests"].is_u64(),
                    "{line}"
                );
                assert!(
                    !log.contains("secret-path") && !log.contains("Bearer"),
                    "{log}"
                );
            }
        });
    }
}

#[test]
fn the_line_has_the_rows_and_the_duration_of_the_run_and_why_none_was_started() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let origin = hightouch.origin();
        let settings = [("ALLOWED_SYNCS", "1,2")];
        let limited = configured(&stage, kind, &origin, &settings).await;
        let run = |body: Value| with_key(limited.post("/syncs/2/runs")).json(&body);
        let accepted = json!({"acceptWarnings": {"maxRejected": 3}});
        let joined = json!({"unlessRunSince": "2020-01-01T00:00:00Z"});
        let refused = json!({"unlessRunSince": "2020-01-01T00:00:00Z", "fullResync": true});
        for (request, rows, duration, reason) in [
            (run(accepted), Some((47, 3)), true, None),
            (
                run(joined),
                Some((47, 3)),
                true,
                Some("Another call started the run."),
            ),
            (
                run(refused),
                Some((47, 3)),
                true,
                Some("No run was started"),
            ),
            (
                with_key(limited.post("/syncs/demo-empty/runs")),
                None,
                false,
                Some("not on the list of allowed syncs. No run was started"),
            ),
            (
                with_key(limited.post("/syncs/no-such/runs")),
                None,
                false,
                Some("Not Found"),
            ),
            (with_key(limited.get("/syncs/2/runs")), None, false, None),
        ] {
            send_request(request).await;
            // The line is written after the response.
            tokio::time::sleep(Duration::from_millis(10)).await;
            let lines = lines(&stage.stderr.text());
            let line = lines.last().unwrap();
            assert_eq!(line["event"], "answered");
            let logged = line["successfulRows"]
                .as_u64()
                .zip(line["rejectedRows"].as_u64());
            assert_eq!(logged, rows, "{line}");
            // The run of sync 2 is queued for less than 0.5 s. It ends 2 s after its trigger.
            let run_ms = line["runMs"].as_u64();
            assert_eq!(run_ms.is_some(), duration, "{line}");
            assert!(
                run_ms.is_none_or(|run_ms| (1_500..=2_000).contains(&run_ms)),
                "{line}"
            );
            match reason {
                Some(reason) => {
                    let logged = line["reason"].as_str().unwrap_or_default();
                    assert!(logged.contains(reason), "{line}");
                }
                None => assert_eq!(line["reason"], Value::Null, "{line}"),
            }
        }
    });
}

#[test]
fn the_line_of_several_syncs_names_each_and_how_many_ended_how() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let body = json!({"syncs": [5, "no-such", "demo-failed"]});
        let received = send_request(with_key(endpoint.post("/runs")).json(&body))
            .await
            .json();
        send_request(endpoint.post("/runs").bearer_auth("wrong").json(&body)).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let log = stage.stderr.text();
        let (lines, started): (Vec<Value>, Vec<Value>) = lines(&log)
            .into_iter()
            .partition(|line| line["event"] == "answered");
        let [ended, refused] = lines.as_slice() else {
            panic!("{log}")
        };
        let named: BTreeMap<&str, u64> = started
            .iter()
            .map(|line| {
                (
                    line["sync"].as_str().unwrap(),
                    line["run"].as_u64().unwrap(),
                )
            })
            .collect();
        let runs = [
            ("3", hightouch.runs(3)[0].id),
            ("5", hightouch.runs(5)[0].id),
        ];
        assert_eq!((named, started.len()), (BTreeMap::from(runs), 2), "{log}");
        let runs = format!(
            "{},-,{}",
            received["runs"][0]["report"]["runId"], received["runs"][2]["problem"]["runId"]
        );
        assert_eq!(
            (&ended["sync"], &ended["runs"]),
            (&json!("5,no-such,demo-failed"), &json!(runs))
        );
        assert_eq!(
            (&ended["succeeded"], &ended["running"], &ended["failed"]),
            (&json!(1), &json!(0), &json!(2))
        );
        assert_eq!(
            (&ended["http"], &ended["requests"]),
            (&json!(424), &received["requests"])
        );
        assert_eq!(
            (&refused["sync"], &refused["runs"]),
            (&json!("5,no-such,demo-failed"), &json!("-,-,-"))
        );
        let (kind, requests) = (&refused["kind"], &refused["requests"]);
        assert_eq!(
            (kind, &refused["http"], requests),
            (&json!("unauthorized"), &json!(401), &json!(3))
        );
    });
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_trace_of_the_caller_goes_out_with_every_call() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let request = with_key(endpoint.post("/syncs/demo-empty/runs"));
            send_request(
                request
                    .header("traceparent", PARENT)
                    .header("tracestate", "vendor=1"),
            )
            .await;
            let requests = hightouch.requests();
            assert!(requests.len() >= 3);
            for request in &requests {
                assert_eq!(
                    (request.header("traceparent"), request.header("tracestate")),
                    (Some(PARENT), Some("vendor=1"))
                );
            }
            send_request(with_key(endpoint.post("/syncs/5/runs"))).await;
            for request in &hightouch.requests()[requests.len()..] {
                assert_eq!(
                    (request.header("traceparent"), request.header("tracestate")),
                    (None, None)
                );
            }
        });
    }
}

#[test]
fn a_trace_in_several_lines_is_one_and_what_is_too_long_stays_behind() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let (most, long) = ("x".repeat(512), "x".repeat(60_000));
        let parent = Some(PARENT);
        for (parents, states, expected) in [
            (
                &[PARENT][..],
                &["a=1", "b=2"][..],
                (parent, Some("a=1,b=2")),
            ),
            (&[PARENT], &[&most], (parent, Some(most.as_str()))),
            (&[PARENT], &[&most, "b=2"], (parent, None)),
            (&[PARENT], &[&long], (parent, None)),
            (&[&long], &["a=1"], (None, None)),
            (&[PARENT, PARENT], &["a=1"], (None, None)),
        ] {
            let before = hightouch.requests().len();
            let mut request = with_key(endpoint.post("/syncs/5/runs"));
            for value in parents {
                request = request.header("traceparent", *value);
            }
            for value in states {
                request = request.header("tracestate", *value);
            }
            let received = send_request(request).await;
            assert_eq!(received.status, 200, "{}", received.text);
            let requests = hightouch.requests();
            assert!(requests.len() > before);
            for request in &requests[before..] {
                assert_eq!(
                    (request.header("traceparent"), request.header("tracestate")),
                    expected
                );
            }
        }
    });
}

#[test]
fn a_run_is_named_as_started_or_adopted_on_every_route() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let settings = [
            ("DBT_WEBHOOK_SECRET", "s"),
            ("ENDPOINT_TOKEN", "t"),
            ("HIGHTOUCH_API_KEY", "local"),
            ("HIGHTOUCH_API_KEY_TWO", "local-two"),
        ];
        let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
        let post = |path: &str, body: Value| {
            send_request(
                endpoint
                    .post(path)
                    .bearer_auth("t")
                    .header("prefer", "respond-async")
                    .json(&body),
            )
        };
        let dbt = || {
            let body = success();
            send_request(
                endpoint
                    .post("/hooks/dbt/4?account=two")
                    .header("authorization", signature(&body, "s"))
                    .body(body),
            )
        };
        let mut received = 0;
        let mut news = || {
            let lines = lines(&stage.stderr.text());
            let news = lines[received..].to_vec();
            received = lines.len();
            news.iter()
                .map(|line| {
                    [
                        &line["event"],
                        &line["request"],
                        &line["run"],
                        &line["account"],
                    ]
                    .map(Value::clone)
                })
                .collect::<Vec<_>>()
        };
        let soon = || tokio::time::sleep(Duration::from_millis(10));
        let line = |event: &str, request: &str, run: &Value, account: &Value| {
            [json!(event), json!(request), run.clone(), account.clone()]
        };

        let run = post("/syncs/6/runs", json!({})).await.json()["runId"].clone();
        soon().await;
        assert_eq!(
            news(),
            ["started", "answered"].map(|event| line(event, "run", &run, &Value::Null))
        );
        post("/syncs/6/runs", json!({"ifRunning": "join"})).await;
        soon().await;
        assert_eq!(
            news(),
            ["adopted", "answered"].map(|event| line(event, "run", &run, &Value::Null))
        );
        assert_eq!(
            post("/syncs/6/runs", json!({"ifRunning": "refuse"}))
                .await
                .status,
            409
        );
        soon().await;
        assert_eq!(
            news(),
            [line("answered", "run", &run, &Value::Null)],
            "the request neither started nor joined the run"
        );
        let received = send_request(
            endpoint
                .get(&format!("/syncs/6/runs/{run}"))
                .bearer_auth("t")
                .header("prefer", "respond-async"),
        )
        .await;
        soon().await;
        assert_eq!(
            (received.status, news()),
            (202, vec![line("answered", "await", &run, &Value::Null)]),
            "a `GET` names the run itself, so only `answered` is logged"
        );

        for event in ["started", "adopted"] {
            let run = dbt().await.json()["runId"].clone();
            soon().await;
            assert_eq!(
                news(),
                [event, "answered"].map(|event| line(event, "dbt-hook", &run, &json!("two")))
            );
        }
    });
}

/// Environment variables of the process that is killed: Hightouch's origin, and the component to
/// serve.
const CHILD: [&str; 2] = [
    "HIGHTOUCH_SYNC_TEST_ORIGIN",
    "HIGHTOUCH_SYNC_TEST_COMPONENT",
];

/// Not a test itself: the host process that the test below kills. It ends when the process of that
/// test has ended.
#[test]
fn the_host_that_is_killed() {
    let [Ok(origin), Ok(component)] = CHILD.map(std::env::var) else {
        return;
    };
    let name = "HIGHTOUCH_API_ORIGIN";
    let config = Config {
        outbound: Outbound::only([origin.as_str()]),
        environment: vec![(name.into(), origin.clone())],
        variables: BTreeMap::from([(name.to_ascii_lowercase(), origin.clone())]),
        ..Config::default()
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let endpoint = Endpoint::serve(&Host::new(component.as_ref(), config).unwrap()).await;
        println!("\nSERVES {}", endpoint.serving.url());
        let mut all = Vec::new();
        let parent = tokio::io::stdin();
        drop(
            tokio::time::timeout(Duration::from_secs(120), { parent }.read_to_end(&mut all)).await,
        );
    });
}

const SEQUENCE: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b50";

async fn a_killed_host_has_named_its_runs(kind: Kind) {
    let mut options = Options::default();
    options.sequences.push(SequenceFixture {
        id: SEQUENCE.into(),
        sync_ids: vec![4],
        stops_on_failure: true,
    });
    let hightouch = LocalHightouch::start(options).await.unwrap();
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args([
        "requests_and_runs_leave_lines::the_host_that_is_killed",
        "--exact",
        "--nocapture",
    ]);
    command
        .env(CHILD[0], hightouch.origin())
        .env(CHILD[1], components().unwrap().path(kind));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut host = command.spawn().unwrap();
    let mut stdout = BufReader::new(host.stdout.take().unwrap()).lines();
    let mut stderr = BufReader::new(host.stderr.take().unwrap()).lines();
    let url = loop {
        let line = stdout.next_line().await.unwrap().expect("the host serves");
        if let Some(url) = line.strip_prefix("SERVES ") {
            break url.to_owned();
        }
    };
    let client = reqwest::Client::new();
    let mut callers = tokio::task::JoinSet::new();
    for (path, accept, body) in [
        ("/syncs/6/runs".to_owned(), "*/*", json!({})),
        ("/runs".into(), "*/*", json!({"syncs": [4, 6]})),
        ("/syncs/4/runs".into(), "text/event-stream", json!({})),
        (format!("/sync-sequences/{SEQUENCE}/runs"), "*/*", json!({})),
    ] {
        let request = client
            .post(format!("{url}{path}"))
            .header("accept", accept)
            .header("prefer", "wait=600");
        let request = with_key(request).json(&body);
        callers.spawn(async move { request.send().await?.text().await });
    }
    let mut named = Vec::new();
    while named.len() < 5 {
        let line = tokio::time::timeout(Duration::from_secs(60), stderr.next_line())
            .await
            .expect("each run is named");
        named.push(serde_json::from_str::<Value>(&line.unwrap().unwrap()).unwrap());
    }
    host.kill().await.unwrap();
    assert_eq!(
        stderr.next_line().await.unwrap(),
        None,
        "nothing was answered"
    );
    while let Some(received) = callers.join_next().await {
        assert!(received.unwrap().is_err(), "every caller was still waiting");
    }
    assert!(
        named.iter().all(|line| line["event"] == "started"),
        "{named:?}"
    );
    let mut runs: Vec<u64> = named
        .iter()
        .filter_map(|line| line["run"].as_u64())
        .collect();
    runs.sort_unstable();
    let sequence_run = named
        .iter()
        .find_map(|line| line["sequenceRun"].as_str())
        .unwrap();
    assert!(
        named
            .iter()
            .any(|line| line["sequence"] == SEQUENCE && line["sequenceRun"] == sequence_run),
        "{named:?}"
    );
    // The sequence starts its own run.
    let started: Vec<u64> = [4, 6]
        .iter()
        .flat_map(|sync| hightouch.runs(*sync))
        .map(|run| run.id)
        .collect();
    assert_eq!(runs.len(), 4, "{named:?}");
    assert!(
        runs.iter().all(|run| started.contains(run)),
        "{runs:?} of {started:?}"
    );
}

#[test]
fn a_host_that_is_killed_has_named_the_runs_that_go_on() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for kind in ENDPOINTS {
            a_killed_host_has_named_its_runs(kind).await;
        }
    });
}
