//! With `FOLLOW_SECONDS`, an instance that has answered while its run was in progress follows the run
//! to its end, logs the end, and reports it. The answer is sent as early as without the setting.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use xtask::local_hightouch::fixtures::{SEQUENCE, SEQUENCE_FAILED};
use xtask::local_hightouch::{KEY, LocalHightouch, Options, Scenario};

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::support::consumer::Consumer;
use super::support::reporting::{
    Reporting, events, lines_of, notifications, run_id, settled, types,
};
use super::support::stage::{
    Endpoint, EndpointResponse, send_request, with_each_endpoint, with_key,
};

const SECRET: &str = "whs_71c09e2b5f3a4d86a0c2";

/// Returns an endpoint that follows runs, and sends events and all notifications to the consumer.
fn following(hightouch: &LocalHightouch, consumer: &Consumer) -> Reporting {
    Reporting::new(&hightouch.origin())
        .lineage_to(consumer)
        .notify_all(consumer)
        .following()
}

async fn call(request: RequestBuilder) -> EndpointResponse {
    send_request(with_key(request)).await
}

/// Returns the values of these fields of a log line.
fn values<const N: usize>(line: &Value, names: [&str; N]) -> [Value; N] {
    names.map(|name| line[name].clone())
}

/// Panics if a request to Hightouch, after this number of requests, could have started a run.
fn assert_only_reads(hightouch: &LocalHightouch, from: usize) {
    for request in &hightouch.requests()[from..] {
        assert_eq!(request.method, "GET", "{request:?}");
    }
}

#[test]
fn a_run_is_followed_to_its_end() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = following(&hightouch, &consumer).serve(&stage, kind).await;
        for (count, prefer) in (1..).zip(["respond-async", "wait=2"]) {
            let begun = stage.time.elapsed();
            let request = endpoint.post("/syncs/demo-minute/runs");
            let received = call(request.header("prefer", prefer)).await;
            let took = stage.time.elapsed() - begun;
            assert_eq!(received.status, 202, "{}", received.text);
            assert!(took < Duration::from_secs(4), "{took:?}");
            // The answer was sent before the end of the run. The log line of the answer is written
            // after it.
            tokio::time::sleep(Duration::from_millis(10)).await;
            let before = hightouch.requests().len();
            let run = hightouch.runs(4).last().unwrap().clone();
            assert_eq!(run.finished_at, None);
            assert_eq!(lines_of(&stage, "followed").len(), count - 1);
            assert_eq!(lines_of(&stage, "answered").len(), count);
            assert_eq!(notifications(&consumer).len(), count - 1);

            settled(&endpoint).await;
            let followed = lines_of(&stage, "followed");
            assert_eq!(followed.len(), count);
            let line = followed.last().unwrap();
            assert_eq!(
                values(
                    line,
                    [
                        "request",
                        "sync",
                        "run",
                        "status",
                        "kind",
                        "successfulRows",
                        "rejectedRows"
                    ]
                ),
                [
                    json!("run"),
                    json!("4"),
                    json!(run.id),
                    json!("success"),
                    Value::Null,
                    json!(773),
                    json!(0)
                ],
                "{line}"
            );
            let run_ms = line["runMs"].as_u64().unwrap();
            assert!((59_000..=60_000).contains(&run_ms), "{line}");
            let elapsed = line["elapsedMs"].as_u64().unwrap();
            assert!((55_000..=75_000).contains(&elapsed), "{line}");
            assert!(line["requests"].as_u64() > Some(0), "{line}");
            assert_only_reads(&hightouch, before);
            let events = events(&consumer);
            let id = run_id(&hightouch.origin(), 4, run.id);
            let mut of_run = events.clone();
            of_run.retain(|event| event["run"]["runId"] == id);
            assert_eq!(types(&of_run), ["START", "COMPLETE"]);
            let notifications = notifications(&consumer);
            assert_eq!(notifications.len(), count);
            assert_eq!(notifications[count - 1]["id"], id);
        }
        assert_eq!(hightouch.triggers(), 2);
    });
}

#[test]
fn the_answer_is_the_same_as_without_following() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let mut answers = Vec::new();
        for reporting in [
            Reporting::new(&hightouch.origin()),
            following(&hightouch, &consumer),
        ] {
            let endpoint = reporting.serve(&stage, kind).await;
            let begun = stage.time.elapsed();
            let request = endpoint.post("/syncs/1/runs");
            let received = call(request.header("prefer", "respond-async")).await;
            let took = stage.time.elapsed() - begun;
            settled(&endpoint).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            let mut answer = received.json();
            let run = answer["runId"].to_string();
            for field in ["runId", "elapsedMs", "jobs"] {
                answer.as_object_mut().unwrap().remove(field);
            }
            let location = received.header("location").unwrap().replace(&run, "RUN");
            answers.push((received.status, answer, location, took));
        }
        let [plain, followed] = answers.as_slice() else {
            unreachable!()
        };
        assert_eq!(
            (plain.0, &plain.1, &plain.2),
            (followed.0, &followed.1, &followed.2)
        );
        assert!(
            followed.3 < plain.3 + Duration::from_millis(100),
            "{:?} instead of {:?}",
            followed.3,
            plain.3
        );
    });
}

#[test]
fn a_failure_is_logged_and_notified() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .notify(&consumer)
            .following()
            .serve(&stage, kind)
            .await;
        for (sync, status, event_type) in [
            (2, "warning", "FAIL"),
            (3, "failed", "FAIL"),
            (7, "cancelled", "ABORT"),
            (8, "interrupted", "ABORT"),
        ] {
            let before = (events(&consumer).len(), notifications(&consumer).len());
            let request = endpoint.post(&format!("/syncs/{sync}/runs"));
            let received = call(request.header("prefer", "respond-async")).await;
            assert_eq!(received.status, 202, "{}", received.text);
            settled(&endpoint).await;
            let followed = lines_of(&stage, "followed");
            let line = followed.last().unwrap();
            let run = hightouch.runs(sync)[0].id;
            assert_eq!(
                values(line, ["run", "status", "kind"]),
                [json!(run), json!(status), json!("sync-failed")],
                "{line}"
            );
            assert_eq!(types(&events(&consumer)[before.0..]), ["START", event_type]);
            let notifications = notifications(&consumer)[before.1..].to_vec();
            let [notification] = notifications.as_slice() else {
                panic!("{notifications:?}")
            };
            let text = notification["text"].as_str().unwrap();
            let begin = format!("Hightouch sync {sync}, run {run}, ended as {status}: ");
            assert!(text.starts_with(&begin), "{text}");
        }
        // `acceptWarnings` of the request applies after the answer too.
        let request = endpoint
            .post("/syncs/2/runs")
            .header("prefer", "respond-async")
            .json(&json!({"acceptWarnings": {"maxRejected": 3}}));
        call(request).await;
        settled(&endpoint).await;
        let followed = lines_of(&stage, "followed");
        assert_eq!(
            values(followed.last().unwrap(), ["status", "kind"]),
            [json!("warning"), Value::Null]
        );
        assert_eq!(notifications(&consumer).len(), 4);
        assert_eq!(events(&consumer).last().unwrap()["eventType"], "COMPLETE");
    });
}

#[test]
fn events_that_end_before_the_run_are_followed_too() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = following(&hightouch, &consumer).serve(&stage, kind).await;
        let request = endpoint
            .post("/syncs/4/runs")
            .header("accept", "text/event-stream")
            .header("prefer", "wait=2");
        call(request).await;
        assert_eq!(hightouch.runs(4)[0].finished_at, None);
        assert_eq!(lines_of(&stage, "followed").len(), 0);
        settled(&endpoint).await;
        assert_eq!(lines_of(&stage, "followed").len(), 1);
        assert_eq!(types(&events(&consumer)), ["START", "COMPLETE"]);
        assert_eq!(notifications(&consumer).len(), 1);

        // Events that contain the end leave nothing to follow.
        let request = endpoint
            .post("/syncs/3/runs")
            .header("accept", "text/event-stream");
        call(request).await;
        settled(&endpoint).await;
        assert_eq!(lines_of(&stage, "followed").len(), 1);
        assert_eq!(notifications(&consumer).len(), 2);
    });
}

/// Requests events, and hangs up after a few of them.
async fn hang_up(endpoint: &Endpoint, method_and_target: &str) {
    let mut caller = TcpStream::connect(endpoint.serving.addr()).await.unwrap();
    let request = format!(
        "{method_and_target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         accept: text/event-stream\r\ncontent-length: 0\r\n\r\n"
    );
    caller.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    drop(caller);
    settled(endpoint).await;
}

#[test]
fn a_run_whose_caller_hung_up_is_followed() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = following(&hightouch, &consumer).serve(&stage, kind).await;
        hang_up(&endpoint, "POST /syncs/4/runs").await;
        let [line] = lines_of(&stage, "followed").try_into().unwrap();
        assert_eq!(line["run"], hightouch.runs(4).last().unwrap().id);
        assert_eq!(types(&events(&consumer)), ["START", "COMPLETE"]);
        assert_eq!(notifications(&consumer).len(), 1);
        assert_eq!(hightouch.triggers(), 1);

        // A run that another caller started is not followed.
        let plain = stage.endpoint(kind, &hightouch.origin()).await;
        call(
            plain
                .post("/syncs/4/runs")
                .header("prefer", "respond-async"),
        )
        .await;
        let run = hightouch.runs(4).last().unwrap().id;
        hang_up(&endpoint, &format!("GET /syncs/4/runs/{run}")).await;
        assert_eq!(lines_of(&stage, "followed").len(), 1);
        assert_eq!(notifications(&consumer).len(), 1);
    });
}

#[test]
fn a_run_that_a_dbt_hook_started_is_followed_and_one_that_it_found_is_not() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = following(&hightouch, &consumer)
            .with("DBT_WEBHOOK_SECRET", SECRET)
            .with("HIGHTOUCH_API_KEY", "local")
            .serve(&stage, kind)
            .await;
        let body = success();
        let deliver = || {
            let request = endpoint
                .post("/hooks/dbt/demo-minute")
                .header("authorization", signature(&body, SECRET))
                .body(body.clone());
            send_request(request)
        };
        let started = deliver().await.json();
        assert_eq!(started["action"], "started");
        assert_eq!(hightouch.runs(4)[0].finished_at, None);
        let found = deliver().await.json();
        assert_eq!(
            (&found["action"], &found["runId"]),
            (&json!("none"), &started["runId"])
        );
        assert_eq!(lines_of(&stage, "followed").len(), 0);
        let before = hightouch.requests().len();
        settled(&endpoint).await;
        let followed = lines_of(&stage, "followed");
        let [line] = followed.as_slice() else {
            panic!("{followed:?}")
        };
        assert_eq!(
            values(line, ["request", "sync", "run", "status"]),
            [
                json!("dbt-hook"),
                json!("4"),
                started["runId"].clone(),
                json!("success")
            ]
        );
        assert_only_reads(&hightouch, before);
        assert_eq!(hightouch.triggers(), 1);
        let events = events(&consumer);
        let ends = events.iter().filter(|event| event["eventType"] != "START");
        assert_eq!(ends.count(), 1);
        assert_eq!(notifications(&consumer).len(), 1);

        // A delivery that finds the run ended is not followed either.
        assert_eq!(deliver().await.json()["action"], "none");
        settled(&endpoint).await;
        assert_eq!(lines_of(&stage, "followed").len(), 1);
        assert_eq!(notifications(&consumer).len(), 1);
    });
}

#[test]
fn only_a_run_that_is_in_progress_after_a_post_is_followed() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = following(&hightouch, &consumer)
            .with("ALLOWED_SYNCS", "4,5,404")
            .serve(&stage, kind)
            .await;
        let plain = Reporting::new(&hightouch.origin())
            .serve(&stage, kind)
            .await;
        let request = plain.post("/syncs/4/runs");
        let started = call(request.header("prefer", "respond-async")).await;
        let location = started.header("location").unwrap();
        let refuse = json!({"ifRunning": "refuse"});
        for (request, status) in [
            (endpoint.get(location).header("prefer", "wait=1"), 202),
            (endpoint.get("/syncs/4/runs"), 200),
            (endpoint.post("/syncs/4/runs").json(&refuse), 409),
            (endpoint.post("/syncs/5/runs"), 200),
            (endpoint.post("/syncs/404/runs"), 404),
            (endpoint.post("/syncs/1/runs"), 403),
            (endpoint.get("/healthz"), 200),
        ] {
            let received = call(request).await;
            assert_eq!(received.status, status, "{}", received.text);
            let before = stage.time.elapsed();
            settled(&endpoint).await;
            let took = stage.time.elapsed() - before;
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
        assert_eq!(lines_of(&stage, "followed").len(), 0);

        // A POST that joins a run in progress follows it.
        let request = endpoint
            .post("/syncs/4/runs")
            .header("prefer", "respond-async")
            .json(&json!({"ifRunning": "join"}));
        assert_eq!(call(request).await.status, 202);
        settled(&endpoint).await;
        let followed = lines_of(&stage, "followed");
        assert_eq!(followed.len(), 1);
        assert_eq!(followed[0]["run"], started.json()["runId"]);
        assert_eq!(hightouch.triggers(), 2);
    });
}

#[test]
fn each_of_several_runs_is_followed() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = following(&hightouch, &consumer).serve(&stage, kind).await;
        let body = json!({"syncs": [1, "demo-failed", 4, "no-such"]});
        let request = endpoint.post("/runs").json(&body);
        let received = call(request.header("prefer", "respond-async")).await;
        assert!([202, 424].contains(&received.status), "{}", received.text);
        let running = received.json()["runs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["location"].is_string())
            .count();
        assert_eq!(running, 3, "{}", received.text);
        assert_eq!(lines_of(&stage, "followed").len(), 0);
        let before = hightouch.requests().len();
        settled(&endpoint).await;
        let mut ends: Vec<_> = lines_of(&stage, "followed")
            .iter()
            .map(|line| values(line, ["run", "status", "kind"]).map(|value| value.to_string()))
            .collect();
        ends.sort();
        let run = |sync| hightouch.runs(sync)[0].id.to_string();
        let mut expected = [
            (1, r#""success""#, "null"),
            (3, r#""failed""#, r#""sync-failed""#),
            (4, r#""success""#, "null"),
        ]
        .map(|(sync, status, kind)| [run(sync), status.into(), kind.into()]);
        expected.sort();
        assert_eq!(ends, expected);
        assert_only_reads(&hightouch, before);
        assert_eq!(events(&consumer).len(), 6);
        assert_eq!(notifications(&consumer).len(), 3);
        assert_eq!(hightouch.triggers(), 3);
    });
}

#[test]
fn a_sequence_is_followed() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = following(&hightouch, &consumer).serve(&stage, kind).await;
        for (count, (sequence, status, kind, event_type)) in (1..).zip([
            (SEQUENCE, "done", Value::Null, "COMPLETE"),
            (SEQUENCE_FAILED, "failed", json!("sync-failed"), "FAIL"),
        ]) {
            let request = endpoint
                .post(&format!("/sync-sequences/{sequence}/runs"))
                .json(&json!({"acceptWarnings": true}));
            let received = call(request.header("prefer", "respond-async")).await;
            assert_eq!(received.status, 202, "{}", received.text);
            settled(&endpoint).await;
            let followed = lines_of(&stage, "followed");
            assert_eq!(followed.len(), count);
            assert_eq!(
                values(
                    &followed[count - 1],
                    ["sequence", "sequenceRun", "status", "kind"]
                ),
                [
                    json!(sequence),
                    received.json()["sequenceRunId"].clone(),
                    json!(status),
                    kind
                ]
            );
            assert_eq!(events(&consumer).last().unwrap()["eventType"], event_type);
            assert_eq!(notifications(&consumer).len(), count);
        }
        let posts = hightouch.requests();
        let posts = posts.iter().filter(|request| request.method == "POST");
        assert_eq!(posts.count(), 2);
    });
}

#[test]
fn following_ends_when_its_time_has_passed() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .notify_all(&consumer)
            .with("FOLLOW_SECONDS", "10")
            .serve(&stage, kind)
            .await;
        let request = endpoint.post("/syncs/4/runs");
        call(request.header("prefer", "respond-async")).await;
        let answered = stage.time.elapsed();
        settled(&endpoint).await;
        let took = stage.time.elapsed() - answered;
        assert!(
            (Duration::from_secs(9)..Duration::from_secs(20)).contains(&took),
            "{took:?}"
        );
        let followed = lines_of(&stage, "followed");
        let [line] = followed.as_slice() else {
            panic!("{followed:?}")
        };
        assert_eq!(
            values(line, ["run", "kind"]),
            [json!(hightouch.runs(4)[0].id), json!("still-running")],
            "{line}"
        );
        assert_eq!(types(&events(&consumer)), ["START"]);
        assert_eq!(notifications(&consumer).len(), 0);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn nothing_is_followed_by_default() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        for follow in [None, Some(""), Some("0")] {
            let before = events(&consumer).len();
            let mut reporting = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .notify_all(&consumer);
            if let Some(follow) = follow {
                reporting = reporting.with("FOLLOW_SECONDS", follow);
            }
            let endpoint = reporting.serve(&stage, kind).await;
            let request = endpoint.post("/syncs/6/runs");
            call(request.header("prefer", "respond-async")).await;
            let answered = stage.time.elapsed();
            settled(&endpoint).await;
            let took = stage.time.elapsed() - answered;
            assert!(took < Duration::from_secs(5), "{took:?}");
            assert_eq!(types(&events(&consumer)[before..]), ["START"]);
        }
        assert_eq!(lines_of(&stage, "followed").len(), 0);
        assert_eq!(notifications(&consumer).len(), 0);
    });
}

#[test]
fn an_end_is_logged_without_any_consumer() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = Reporting::new(&hightouch.origin())
            .following()
            .serve(&stage, kind)
            .await;
        let request = endpoint.post("/syncs/3/runs");
        call(request.header("prefer", "respond-async")).await;
        settled(&endpoint).await;
        let followed = lines_of(&stage, "followed");
        assert_eq!(followed.len(), 1);
        assert_eq!(followed[0]["kind"], "sync-failed");
        assert_eq!(lines_of(&stage, "undelivered").len(), 0);
    });
}

#[test]
fn nothing_is_started_while_polls_fail() {
    with_each_endpoint(async |stage, kind| {
        for scenario in [Scenario::PollsFail, Scenario::Flaky, Scenario::NeverListed] {
            let options = Options::default().with_scenario(scenario);
            let hightouch = LocalHightouch::start(options).await.unwrap();
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .notify_all(&consumer)
                .with("FOLLOW_SECONDS", "600")
                .serve(&stage, kind)
                .await;
            let before = lines_of(&stage, "followed").len();
            let request = endpoint.post("/syncs/4/runs");
            let received = call(request.header("prefer", "respond-async")).await;
            let sent = hightouch.requests().len();
            settled(&endpoint).await;
            if received.status == 202 {
                assert_eq!(lines_of(&stage, "followed").len(), before + 1, "{scenario}");
            }
            assert_only_reads(&hightouch, sent);
            assert_eq!(hightouch.triggers(), 1, "{scenario}");
        }
    });
}
