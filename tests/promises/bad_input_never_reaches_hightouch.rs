//! Invalid input is rejected with a reason, before any request is sent.

use serde_json::json;
use xtask::embedder::{FailureKind, RunRef, SyncRef};
use xtask::local_hightouch::KEY;

use super::support::stage::{
    ENDPOINTS, connection, options, send_request, stage, with_each_library, with_key,
};

#[test]
fn what_runs_refuses() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let good = &library.connection;
        let (sync, long) = (SyncRef::Id(1), "s".repeat(256));
        let mut failures = Vec::new();
        let slugs = ["", "a/b", "-1", "+1", "1.0", "0", "1e3", &long]
            .map(|slug| SyncRef::Slug(slug.into()));
        for bad in [SyncRef::Id(0)].into_iter().chain(slugs) {
            failures.push(
                library
                    .host
                    .run_sync(good, &bad, options())
                    .await
                    .unwrap()
                    .unwrap_err(),
            );
            failures.push(
                library
                    .host
                    .start_sync(good, &bad, options())
                    .await
                    .unwrap()
                    .unwrap_err(),
            );
        }
        for origin in [
            "",
            "api.hightouch.com",
            "https://",
            "https://host/path",
            "ftp://host",
            "https://user:pw@host",
            "https://h\r\nx: y",
        ] {
            let bad = connection(origin, KEY);
            failures.push(
                library
                    .host
                    .run_sync(&bad, &sync, options())
                    .await
                    .unwrap()
                    .unwrap_err(),
            );
        }
        for key in ["", "two words", "line\r\nbreak", "ключ"] {
            let bad = connection(&hightouch.origin(), key);
            failures.push(
                library
                    .host
                    .run_sync(&bad, &sync, options())
                    .await
                    .unwrap()
                    .unwrap_err(),
            );
        }
        for (sync_id, run_id) in [(0, 1), (1, 0)] {
            let bad = RunRef { sync_id, run_id };
            failures.push(
                library
                    .host
                    .await_run(good, bad, options())
                    .await
                    .unwrap()
                    .unwrap_err(),
            );
        }
        for failure in failures {
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            assert!(
                failure.message.ends_with("Nothing was sent to Hightouch."),
                "{}",
                failure.message
            );
            assert_eq!(failure.requests, 0);
        }
        assert!(hightouch.requests().is_empty());
    });
}

#[test]
fn what_the_endpoint_refuses() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let post = |path: &str| with_key(endpoint.post(path));
            let get = |path: &str| with_key(endpoint.get(path));
            let text = |body: &'static str| {
                post("/syncs/1/runs")
                    .header("content-type", "application/json")
                    .body(body)
            };
            let large = post("/syncs/1/runs")
                .header("content-type", "application/json")
                .body(" ".repeat(65 * 1024));
            for (request, status, expected_text) in [
                (post("/syncs/0/runs"), 400, "sync's ID"),
                (post("/syncs/a%2Fb/runs"), 400, "slug"),
                (post("/syncs//runs"), 400, "slug"),
                (post("/syncs/-1/runs"), 400, "sync's ID"),
                (post("/syncs/+1/runs"), 400, "sync's ID"),
                (post("/syncs/1.0/runs"), 400, "sync's ID"),
                (post("/hooks/dbt/-1"), 400, "sync's ID"),
                (
                    post("/runs").json(&json!({"syncs": ["-1"]})),
                    400,
                    "sync's ID",
                ),
                (
                    post("/runs").json(&json!({"syncs": ["1.0"]})),
                    400,
                    "sync's ID",
                ),
                (post("/runs").json(&json!({"syncs": [-1]})), 400, "slug"),
                (
                    post("/syncs/1/runs?account=a&account=b"),
                    400,
                    "`account` twice",
                ),
                (
                    post("/runs?account=a&account=a").json(&json!({"syncs": [1]})),
                    400,
                    "`account` twice",
                ),
                (
                    post("/syncs/1/runs?acceptWarnings=true&acceptWarnings=true"),
                    400,
                    "`acceptWarnings` twice",
                ),
                (
                    get("/syncs/1/runs/42?acceptWarnings=true&acceptWarnings=false"),
                    400,
                    "`acceptWarnings` twice",
                ),
                (get("/syncs/one/runs/42"), 400, "sync's ID"),
                (get("/syncs/1/runs/0"), 400, "run's ID"),
                (get("/syncs/1/runs/4x"), 400, "run's ID"),
                (
                    get("/syncs/1/runs/42?acceptWarnings=maybe"),
                    400,
                    "acceptWarnings",
                ),
                (text("{"), 400, "body"),
                (text("null"), 400, "object"),
                (
                    post("/syncs/1/runs").json(&json!({"fullRsync": true})),
                    400,
                    "fullRsync",
                ),
                (
                    post("/syncs/1/runs").json(&json!({"ifRunning": "later"})),
                    400,
                    "later",
                ),
                (
                    post("/syncs/1/runs")
                        .body("fullResync=true")
                        .header("content-type", "text/plain"),
                    415,
                    "JSON",
                ),
                (large, 413, "64 KiB"),
                (
                    endpoint.request("PUT", "/syncs/1/runs"),
                    405,
                    "GET, HEAD, POST",
                ),
                (post("/syncs/1/runs/42"), 405, "GET"),
                (post("/healthz"), 405, "GET"),
                (get("/hooks/dbt/1"), 405, "POST"),
                (post("/hooks/dbt/0"), 400, "sync's ID"),
                (get("/nowhere"), 404, "/healthz"),
            ] {
                let received = send_request(request).await;
                let problem = received.json();
                assert_eq!(received.status, status, "{}", received.text);
                assert_eq!(
                    received.header("content-type"),
                    Some("application/problem+json")
                );
                assert_eq!(
                    (&problem["kind"], &problem["status"]),
                    (&json!("invalid-input"), &json!(status))
                );
                assert!(
                    problem["detail"].as_str().unwrap().contains(expected_text),
                    "{expected_text}: {}",
                    received.text
                );
                assert_eq!(received.header("allow").is_some(), status == 405);
            }
            for request in [
                endpoint.post("/syncs/1/runs"),
                endpoint
                    .post("/syncs/1/runs")
                    .basic_auth("local", Some("x")),
            ] {
                let received = send_request(request).await;
                assert_eq!(
                    (received.status, &received.json()["kind"]),
                    (401, &json!("unauthenticated"))
                );
                assert_eq!(received.header("www-authenticate"), Some("Bearer"));
            }
            assert!(hightouch.requests().is_empty());
        });
    }
}

#[test]
fn a_setting_that_is_no_origin_is_named() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let config = stage.config("not an origin");
            let component = xtask::build::components().unwrap();
            let host = xtask::embedder::Host::new(component.path(kind), config).unwrap();
            let endpoint = super::support::stage::Endpoint::serve(&host).await;
            let received = send_request(with_key(endpoint.post("/syncs/1/runs"))).await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (500, &json!("not-configured"))
            );
            assert!(
                received.text.contains("HIGHTOUCH_API_ORIGIN"),
                "{}",
                received.text
            );
        });
    }
}
