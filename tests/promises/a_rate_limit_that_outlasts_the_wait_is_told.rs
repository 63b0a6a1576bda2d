//! If Hightouch's rate limit rejects a trigger until the timeout, the failure is a 429 with the
//! time of the next retry.

use serde_json::Value;
use xtask::build::Kind;
use xtask::embedder::{FailureKind, RunOptions, SequenceOptions, SyncRef, Warnings};
use xtask::local_hightouch::fixtures::SEQUENCE;

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::stored_keys_are_for_those_who_show_the_token::configured;
use super::support::cases::last_event;
use super::support::stage::{
    Endpoint, EndpointResponse, Scripted, Stage, options, respond_with, send_request,
    with_each_endpoint, with_each_library,
};

/// Duration in seconds for which Hightouch rejects triggers. It is longer than the timeout and
/// longer than Hightouch's rate-limit window of 10 s.
const REFUSED_FOR: u64 = 30;
const WAIT_MS: u64 = 25_000;

const SECRET: &str = "whs_5b0f1d7c93";
const SETTINGS: &[(&str, &str)] = &[
    ("DBT_WEBHOOK_SECRET", SECRET),
    ("HIGHTOUCH_API_KEY", "stored"),
    ("ENDPOINT_TOKEN", "token"),
];

/// Starts a mock of Hightouch that rejects every trigger. It has sync 1 with the slug `demo`, which
/// has no runs.
async fn refusing() -> Scripted {
    Scripted::start(|what, _| {
        if what.starts_with("POST") {
            let mut refusal = respond_with(429, "Too many requests, please try again later.");
            refusal
                .headers
                .push(("retry-after", REFUSED_FOR.to_string()));
            return refusal;
        }
        let data = if what.contains("/runs") {
            ""
        } else {
            r#"{"id":1,"slug":"demo"}"#
        };
        respond_with(200, format!(r#"{{"data":[{data}],"hasMore":false}}"#))
    })
    .await
}

async fn endpoint(stage: &Stage, kind: Kind, hightouch: &Scripted) -> Endpoint {
    configured(stage, kind, hightouch.origin(), SETTINGS).await
}

fn check_problem(problem: &Value) {
    assert_eq!(
        (
            &problem["kind"],
            &problem["status"],
            &problem["hightouchStatus"]
        ),
        (&"api".into(), &503.into(), &429.into()),
        "{problem}"
    );
    assert!(
        problem.get("runId").is_none() && problem.get("sequenceRunId").is_none(),
        "{problem}"
    );
}

fn check(received: &EndpointResponse) {
    assert_eq!(received.status, 503, "{}", received.text);
    check_problem(&received.json());
    let retry_after: u64 = received.header("retry-after").unwrap().parse().unwrap();
    assert!(retry_after >= REFUSED_FOR, "{retry_after}");
}

#[test]
fn by_the_library() {
    with_each_library(async |stage| {
        let hightouch = refusing().await;
        let library = stage.library(hightouch.origin());
        for sync in [SyncRef::Id(1), SyncRef::Slug("demo".into())] {
            let waited = RunOptions {
                max_wait_ms: Some(WAIT_MS),
                ..options()
            };
            let failure = library
                .host
                .run_sync(&library.connection, &sync, waited)
                .await
                .unwrap()
                .unwrap_err();
            assert_eq!(
                (failure.kind, failure.http_status),
                (FailureKind::Api, Some(429)),
                "{failure:?}"
            );
            assert_eq!(failure.message, "Too Many Requests");
        }
        let waited = SequenceOptions {
            warnings: Warnings::Fail,
            max_wait_ms: Some(WAIT_MS),
        };
        let failure = library
            .host
            .run_sequence(&library.connection, SEQUENCE, waited)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.http_status),
            (FailureKind::Api, Some(429)),
            "{failure:?}"
        );
    });
}

#[test]
fn by_the_endpoint_for_a_sync_and_for_a_sequence() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = refusing().await;
        let endpoint = endpoint(&stage, kind, &hightouch).await;
        for path in [
            "/syncs/1/runs",
            "/syncs/demo/runs",
            &format!("/sync-sequences/{SEQUENCE}/runs"),
        ] {
            let request = endpoint.post(path).bearer_auth("token");
            check(
                &send_request(request.header("prefer", format!("wait={}", WAIT_MS / 1000))).await,
            );
        }
    });
}

#[test]
fn by_the_endpoint_for_each_of_several_syncs() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = refusing().await;
        let endpoint = endpoint(&stage, kind, &hightouch).await;
        let request = endpoint
            .post("/runs")
            .bearer_auth("token")
            .header("prefer", format!("wait={}", WAIT_MS / 1000));
        let received =
            send_request(request.json(&serde_json::json!({"syncs": [1, "demo", 3]}))).await;
        assert_eq!(received.status, 424, "{}", received.text);
        let runs = received.json()["runs"].as_array().unwrap().clone();
        // The slug belongs to the first sync, which runs once.
        for run in runs.iter().filter(|run| run["sync"] != "demo") {
            check_problem(&run["problem"]);
        }
    });
}

#[test]
fn by_the_endpoint_as_events() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = refusing().await;
        let endpoint = endpoint(&stage, kind, &hightouch).await;
        let request = endpoint
            .post("/syncs/1/runs")
            .bearer_auth("token")
            .header("accept", "text/event-stream");
        let received =
            send_request(request.header("prefer", format!("wait={}", WAIT_MS / 1000))).await;
        let (event, problem) = last_event(&received.text);
        assert_eq!(event, "problem", "{}", received.text);
        check_problem(&problem);
    });
}

#[test]
fn by_the_endpoint_to_dbt() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = refusing().await;
        let endpoint = endpoint(&stage, kind, &hightouch).await;
        let body = success();
        let request = endpoint
            .post("/hooks/dbt/1")
            .header("authorization", signature(&body, SECRET));
        check(
            &send_request(
                request
                    .header("content-type", "application/json")
                    .body(body),
            )
            .await,
        );
    });
}
