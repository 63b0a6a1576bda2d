//! Each invocation leaves one line of JSON on stderr; a caller's trace goes out with the calls to Hightouch, and none is made up.

use serde_json::{Value, json};

use super::stage::{ENDPOINTS, stage, tell, with_each_endpoint, with_key};

#[test]
fn one_line_of_json_tells_what_was_asked_and_what_came_of_it() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let mut told = 0;
            for (request, expected) in [
                (
                    with_key(endpoint.post("/syncs/5/runs")),
                    &[("request", "run"), ("sync", "5"), ("status", "success")][..],
                ),
                (
                    with_key(endpoint.post("/syncs/3/runs")),
                    &[("sync", "3"), ("status", "failed"), ("kind", "sync-failed")][..],
                ),
                (with_key(endpoint.post("/syncs/demo-empty/runs")), &[("sync", "5"), ("status", "success")][..]),
                (with_key(endpoint.post("/syncs/no-such/runs")), &[("sync", "no-such"), ("kind", "not-found")][..]),
                (endpoint.post("/syncs/1/runs"), &[("request", "run"), ("kind", "unauthenticated")][..]),
                (endpoint.get("/healthz"), &[("request", "health")][..]),
                (endpoint.get("/secret-path"), &[("request", "unknown"), ("kind", "invalid-input")][..]),
                (
                    with_key(endpoint.post("/syncs/5/runs")).header("accept", "text/event-stream"),
                    &[("request", "run"), ("sync", "5"), ("status", "success")][..],
                ),
                (
                    with_key(endpoint.post("/syncs/3/runs")).header("accept", "text/event-stream"),
                    &[("sync", "3"), ("status", "failed"), ("kind", "sync-failed")][..],
                ),
            ] {
                let answer = tell(request).await;
                // The line is written after the answer.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                let log = stage.stderr.text();
                let lines: Vec<&str> = log.lines().collect();
                told += 1;
                assert_eq!(lines.len(), told, "{log}");
                let line: Value = serde_json::from_str(lines[told - 1]).unwrap();
                for (field, value) in expected {
                    assert_eq!(line[field], *value, "{line}");
                }
                assert_eq!(line["http"], answer.status);
                assert!(line["elapsedMs"].is_u64() && line["requests"].is_u64(), "{line}");
                assert!(!log.contains("secret-path") && !log.contains("Bearer"), "{log}");
            }
        });
    }
}

#[test]
fn the_line_of_several_syncs_names_each_and_how_many_ended_how() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let body = json!({"syncs": [5, "no-such", "demo-failed"]});
        let told = tell(with_key(endpoint.post("/runs")).json(&body)).await.json();
        tell(endpoint.post("/runs").bearer_auth("wrong").json(&body)).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let log = stage.stderr.text();
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [ended, refused] = lines.as_slice() else { panic!("{log}") };
        let runs = format!("{},-,{}", told["runs"][0]["report"]["runId"], told["runs"][2]["problem"]["runId"]);
        assert_eq!((&ended["sync"], &ended["runs"]), (&json!("5,no-such,demo-failed"), &json!(runs)));
        assert_eq!((&ended["succeeded"], &ended["running"], &ended["failed"]), (&json!(1), &json!(0), &json!(2)));
        assert_eq!((&ended["http"], &ended["requests"]), (&json!(424), &told["requests"]));
        assert_eq!((&refused["sync"], &refused["runs"]), (&json!("5,no-such,demo-failed"), &json!("-,-,-")));
        let (kind, requests) = (&refused["kind"], &refused["requests"]);
        assert_eq!((kind, &refused["http"], requests), (&json!("unauthorized"), &json!(401), &json!(3)));
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
            tell(request.header("traceparent", PARENT).header("tracestate", "vendor=1")).await;
            let requests = hightouch.requests();
            assert!(requests.len() >= 3);
            for request in &requests {
                assert_eq!(
                    (request.header("traceparent"), request.header("tracestate")),
                    (Some(PARENT), Some("vendor=1"))
                );
            }
            tell(with_key(endpoint.post("/syncs/5/runs"))).await;
            for request in &hightouch.requests()[requests.len()..] {
                assert_eq!((request.header("traceparent"), request.header("tracestate")), (None, None));
            }
        });
    }
}
