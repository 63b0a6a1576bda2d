//! Each run appears in lineage: a START event from the call that started or adopted it, and an end
//! event from each call that sees its end.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::local_hightouch::fixtures::{SEQUENCE, SEQUENCE_FAILED};
use xtask::local_hightouch::{
    DestinationFixture, DetailsFault, DetailsFaults, LocalHightouch, Mishap, Options, Recorded,
    Scenario, Status, SyncFixture, Timeline,
};

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::support::cases::each;
use super::support::consumer::Consumer;
use super::support::reporting::{
    Reporting, events, events_at, lines_of, run_id, sequence_run_id, settled, time_of, types,
};
use super::support::stage::{
    ENDPOINTS, Endpoint, EndpointResponse, send_request, stage, with_each_endpoint, with_key,
};

const SECRET: &str = "whs_71c09e2b5f3a4d86a0c2";

const NOTHING: [Value; 0] = [];

/// Sends a request with the local Hightouch's key, and waits until its instance has ended.
async fn call(endpoint: &Endpoint, request: RequestBuilder) -> EndpointResponse {
    let response = send_request(with_key(request)).await;
    settled(endpoint).await;
    response
}

/// Returns the requests that read details, without their base path.
fn details(hightouch: &LocalHightouch) -> Vec<String> {
    let requests = hightouch.requests();
    let details = requests.iter().filter(|request| reads_details(request));
    details
        .filter_map(|request| request.path.strip_prefix("/api/v1"))
        .map(str::to_owned)
        .collect()
}

fn reads_details(request: &Recorded) -> bool {
    let parts: Vec<_> = request.path.split('/').collect();
    request.method == "GET"
        && matches!(
            parts.as_slice(),
            ["", "api", "v1", "syncs" | "destinations", _]
        )
}

/// Asserts the numbers of rows in an end event.
fn assert_rows(end: &Value, accepted: u64, rejected: u64) {
    let facet = &end["run"]["facets"]["hightouch_syncRun"];
    assert_eq!(
        ["successfulRows", "rejectedRows"].map(|name| &facet[name]),
        [&json!(accepted), &json!(rejected)]
    );
    let statistics = &end["outputs"][0]["outputFacets"]["outputStatistics"];
    assert_eq!(statistics["rowCount"], accepted);
}

#[test]
fn a_run_has_a_start_and_an_end() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        for path in ["/syncs/1/runs", "/syncs/demo/runs"] {
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .with("HIGHTOUCH_WORKSPACE", "acme")
                .serve(&stage, kind)
                .await;
            let report = call(&endpoint, endpoint.post(path)).await.json();
            assert_eq!(report["status"], "success");
            let run = hightouch.runs(1).last().unwrap().clone();
            let events = events(&consumer);
            assert_eq!(types(&events), ["START", "COMPLETE"], "{path}");
            let [start, end] = events.as_slice() else {
                unreachable!()
            };
            for event in &events {
                assert_eq!(
                    event["run"]["runId"],
                    run_id(&hightouch.origin(), 1, run.id)
                );
                assert_eq!(event["job"]["namespace"], "hightouch");
                assert_eq!(event["job"]["name"], "demo");
                assert_eq!(event["job"]["facets"]["jobType"]["jobType"], "SYNC");
                assert_eq!(event["outputs"][0]["namespace"], "salesforce");
                assert_eq!(event["outputs"][0]["name"], "salesforce-production");
                assert_eq!(event["run"]["facets"]["parent"], Value::Null);
                assert_eq!(event["run"]["facets"]["errorMessage"], Value::Null);
                let facet = &event["run"]["facets"]["hightouch_syncRun"];
                assert_eq!(
                    (&facet["syncId"], &facet["runId"], &facet["url"]),
                    (&json!(1), &json!(run.id), &report["url"])
                );
            }
            // The START event has the time at which the run started or was created. If the time is
            // not known yet, the event has the `Date` of a response, in whole seconds.
            let (created, finished) = (
                time_of(&json!(run.created_at)),
                time_of(&json!(run.finished_at)),
            );
            let started = time_of(&start["eventTime"]);
            assert!(
                started > created - Duration::from_secs(1) && started < finished,
                "{start}"
            );
            assert_eq!(time_of(&end["eventTime"]), finished);
            let nominal = &end["run"]["facets"]["nominalTime"]["nominalStartTime"];
            assert_eq!(time_of(nominal), created);
            let facet = &end["run"]["facets"]["hightouch_syncRun"];
            assert_eq!(facet["status"], "success");
            assert_eq!(start["outputs"][0]["outputFacets"], Value::Null);
            assert_rows(end, 773, 0);
        }
    });
}

#[test]
fn the_end_agrees_with_the_answer() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        for (sync, body, status, event_type, cause) in [
            (1, json!({}), 200, "COMPLETE", None),
            (2, json!({}), 424, "FAIL", Some("rejected some rows")),
            (2, json!({"acceptWarnings": true}), 200, "COMPLETE", None),
            (
                2,
                json!({"acceptWarnings": {"maxRejected": 3}}),
                200,
                "COMPLETE",
                None,
            ),
            (
                2,
                json!({"acceptWarnings": {"maxRejected": 2}}),
                424,
                "FAIL",
                Some("3"),
            ),
            (3, json!({}), 424, "FAIL", Some("INVALID_SESSION_ID")),
            (5, json!({}), 200, "COMPLETE", None),
            (7, json!({}), 424, "ABORT", Some("cancelled by a user")),
            (8, json!({}), 424, "ABORT", Some("was interrupted")),
        ] {
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .serve(&stage, kind)
                .await;
            let request = endpoint.post(&format!("/syncs/{sync}/runs")).json(&body);
            let received = call(&endpoint, request).await;
            assert_eq!(received.status, status, "{}", received.text);
            let events = events(&consumer);
            assert_eq!(types(&events), ["START", event_type], "sync {sync}: {body}");
            let run = hightouch.runs(sync).last().unwrap().clone();
            let end = &events[1];
            assert_eq!(
                time_of(&end["eventTime"]),
                time_of(&json!(run.finished_at)),
                "{end}"
            );
            let facets = &end["run"]["facets"];
            assert_eq!(facets["hightouch_syncRun"]["status"], run.status.as_str());
            assert_eq!(facets["hightouch_syncRun"]["url"], Value::Null);
            match cause {
                None => assert_eq!(facets["errorMessage"], Value::Null, "{end}"),
                Some(cause) => {
                    let message = facets["errorMessage"]["message"].as_str().unwrap();
                    assert!(message.contains(cause), "{end}");
                }
            }
            if sync == 2 {
                assert_rows(end, 47, 3);
            }
        }
    });
}

#[test]
fn events_follow_the_settings_and_need_no_key() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let plain = Reporting::new(&hightouch.origin()).lineage_to(&consumer);
        let endpoint = plain.serve(&stage, kind).await;
        call(&endpoint, endpoint.post("/syncs/5/runs")).await;
        assert_eq!(events(&consumer).len(), 2);
        for request in consumer.received() {
            assert_eq!(request.header("authorization"), None);
        }

        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .with("OPENLINEAGE_ENDPOINT", "v1-beta/metadata/lineage")
            .with("OPENLINEAGE_API_KEY", "lineage-key")
            .with("OPENLINEAGE_NAMESPACE", "https://reverse-etl.example.com")
            .serve(&stage, kind)
            .await;
        call(&endpoint, endpoint.post("/syncs/5/runs")).await;
        let events = events_at(&consumer, "/v1-beta/metadata/lineage");
        assert_eq!(types(&events), ["START", "COMPLETE"]);
        for event in &events {
            assert_eq!(event["job"]["namespace"], "https://reverse-etl.example.com");
        }
        assert_eq!(consumer.received().len(), 2);
        for request in consumer.received() {
            assert_eq!(request.header("authorization"), Some("Bearer lineage-key"));
        }
    });
}

#[test]
fn without_a_consumer_no_details_are_read() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        for reporting in [
            Reporting::new(&hightouch.origin()),
            Reporting::new(&hightouch.origin()).notify_all(&consumer),
        ] {
            let endpoint = reporting.serve(&stage, kind).await;
            call(&endpoint, endpoint.post("/syncs/1/runs")).await;
        }
        assert_eq!(details(&hightouch), [""; 0]);
        assert!(events(&consumer).is_empty());
    });
}

#[test]
fn a_get_sends_the_end_only_and_repeats_it() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        let request = endpoint
            .post("/syncs/4/runs")
            .header("prefer", "respond-async");
        let started = call(&endpoint, request).await;
        assert_eq!(started.status, 202);
        assert_eq!(types(&events(&consumer)), ["START"]);
        let read = details(&hightouch).len();

        let location = started.header("location").unwrap().to_owned();
        let get = |wait: u64| {
            let request = endpoint.get(&location);
            call(&endpoint, request.header("prefer", format!("wait={wait}")))
        };
        for wait in [0, 2] {
            assert_eq!(get(wait).await.status, 202);
            assert_eq!(types(&events(&consumer)), ["START"]);
            assert_eq!(
                details(&hightouch).len(),
                read,
                "details are read only after the end"
            );
        }
        for count in 1..=3 {
            assert_eq!(get(120).await.status, 200);
            let events = events(&consumer);
            assert_eq!(types(&events)[1..], vec!["COMPLETE"; count]);
            let (start, end) = (&events[0], &events[count]);
            assert_eq!(start["run"]["runId"], end["run"]["runId"]);
            assert_eq!(start["job"], end["job"]);
            assert_eq!(end, &events[1], "each repetition is the same event");
            assert_eq!(details(&hightouch).len(), read + 2 * count);
        }
        let run = hightouch.runs(4)[0].id;
        assert_eq!(
            events(&consumer)[0]["run"]["runId"],
            run_id(&hightouch.origin(), 4, run)
        );
    });
}

#[test]
fn an_adopted_run_has_a_start_of_each_call() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        let post = |body: Value, prefer: &'static str| {
            let request = endpoint.post("/syncs/4/runs").json(&body);
            call(&endpoint, request.header("prefer", prefer))
        };
        post(json!({}), "respond-async").await;
        let joined = post(json!({"ifRunning": "join"}), "wait=120").await;
        assert_eq!(
            (joined.status, &joined.json()["joined"]),
            (200, &json!(true))
        );
        assert_eq!(types(&events(&consumer)), ["START", "START", "COMPLETE"]);
        let since = json!({"unlessRunSince": hightouch.runs(4)[0].created_at});
        let adopted = post(since, "wait=120").await;
        assert_eq!(
            (adopted.status, &adopted.json()["joined"]),
            (200, &json!(true))
        );
        let events = events(&consumer);
        assert_eq!(
            types(&events),
            ["START", "START", "COMPLETE", "START", "COMPLETE"]
        );
        for event in &events {
            assert_eq!(event["run"]["runId"], events[0]["run"]["runId"]);
        }
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_call_without_a_run_sends_nothing() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .with("ALLOWED_SYNCS", "1,2,3,404")
            .serve(&stage, kind)
            .await;
        for (request, status) in [
            (endpoint.post("/syncs/404/runs"), 404),
            (endpoint.post("/syncs/no-such/runs"), 404),
            (endpoint.post("/syncs/4/runs"), 403),
            (endpoint.post("/syncs/demo-minute/runs"), 403),
            // A run that Hightouch does not list.
            (
                endpoint
                    .get("/syncs/1/runs/999999")
                    .header("prefer", "wait=1"),
                202,
            ),
            (endpoint.get("/syncs/1/runs"), 200),
            (endpoint.get("/healthz"), 200),
            (endpoint.post("/syncs/1/runs").body("{"), 400),
        ] {
            let received = call(&endpoint, request).await;
            assert_eq!(received.status, status, "{}", received.text);
        }
        let wrong_key = endpoint.post("/syncs/1/runs").bearer_auth("wrong");
        send_request(wrong_key).await;
        settled(&endpoint).await;
        assert!(consumer.received().is_empty());
        assert_eq!(details(&hightouch), [""; 0]);
    });
}

#[test]
fn a_run_whose_end_is_not_seen_has_a_start_only() {
    with_each_endpoint(async |stage, kind| {
        let options = Options::default().with_scenario(Scenario::PollsFail);
        let hightouch = LocalHightouch::start(options).await.unwrap();
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        let received = call(&endpoint, endpoint.post("/syncs/1/runs")).await;
        assert_ne!(received.status, 200);
        assert_eq!(types(&events(&consumer)), ["START"]);
    });
}

#[test]
fn each_of_several_runs_has_its_events() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        let body = json!({
            "syncs": [1, "demo-failed", 5, 7, "no-such"],
            "lineageParent": PARENT,
        });
        let received = call(&endpoint, endpoint.post("/runs").json(&body)).await;
        assert_eq!(received.status, 424);
        let events = events(&consumer);
        assert_eq!(events.len(), 8, "{events:?}");
        for (sync, name, end) in [
            (1, "demo", "COMPLETE"),
            (3, "demo-failed", "FAIL"),
            (5, "demo-empty", "COMPLETE"),
            (7, "demo-cancelled", "ABORT"),
        ] {
            let id = run_id(&hightouch.origin(), sync, hightouch.runs(sync)[0].id);
            let mut of_run = events.clone();
            of_run.retain(|event| event["run"]["runId"] == id);
            assert_eq!(types(&of_run), ["START", end], "sync {sync}");
            for event in &of_run {
                assert_eq!(event["job"]["name"], name);
                let parent = &event["run"]["facets"]["parent"];
                assert_eq!(parent["job"]["name"], "dag.task");
            }
        }
        // The details are read once for each sync, although each has two events.
        let mut read = details(&hightouch);
        read.retain(|path| path.starts_with("/syncs/"));
        read.sort();
        assert_eq!(read, ["/syncs/1", "/syncs/3", "/syncs/5", "/syncs/7"]);
    });
}

#[test]
fn an_event_stream_sends_the_same_events() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        for (sync, end) in [(1, "COMPLETE"), (3, "FAIL")] {
            let before = consumer.received().len();
            let request = endpoint.post(&format!("/syncs/{sync}/runs"));
            call(&endpoint, request.header("accept", "text/event-stream")).await;
            assert_eq!(types(&events(&consumer)[before..]), ["START", end]);
        }
    });
}

#[test]
fn a_dbt_hook_that_starts_a_run_sends_its_start() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .with("DBT_WEBHOOK_SECRET", SECRET)
            .with("HIGHTOUCH_API_KEY", "local")
            .serve(&stage, kind)
            .await;
        let body = success();
        for (action, count) in [("started", 1), ("none", 2)] {
            let request = endpoint
                .post("/hooks/dbt/demo-minute")
                .header("authorization", signature(&body, SECRET))
                .body(body.clone());
            let received = send_request(request).await;
            assert_eq!(received.json()["action"], action);
            settled(&endpoint).await;
            let events = events(&consumer);
            assert_eq!(types(&events), vec!["START"; count], "{action}");
            for event in &events {
                assert_eq!(event["job"]["name"], "demo-minute");
                assert_eq!(
                    event["run"]["runId"],
                    run_id(&hightouch.origin(), 4, hightouch.runs(4)[0].id)
                );
            }
        }
    });
}

#[test]
fn a_sequence_is_one_job_with_one_run() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        for (sequence, body, end, status, syncs) in [
            (
                SEQUENCE,
                json!({"acceptWarnings": true, "lineageParent": PARENT}),
                "COMPLETE",
                "done",
                &[(5, "success"), (2, "warning")][..],
            ),
            (
                SEQUENCE,
                json!({}),
                "FAIL",
                "done",
                &[(5, "success"), (2, "warning")],
            ),
            (
                SEQUENCE_FAILED,
                json!({}),
                "FAIL",
                "failed",
                &[(3, "failed")],
            ),
        ] {
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .serve(&stage, kind)
                .await;
            let path = format!("/sync-sequences/{sequence}/runs");
            let received = call(&endpoint, endpoint.post(&path).json(&body))
                .await
                .json();
            let run = received["sequenceRunId"].as_str().unwrap();
            let events = events(&consumer);
            assert_eq!(types(&events), ["START", end], "{received}");
            for event in &events {
                let id = sequence_run_id(&hightouch.origin(), run);
                assert_eq!(event["run"]["runId"], id);
                assert_eq!(event["job"]["name"], sequence);
                assert_eq!(event["job"]["facets"]["jobType"]["jobType"], "SEQUENCE");
                assert!(
                    event["outputs"]
                        .as_array()
                        .is_none_or(|outputs| outputs.is_empty()),
                    "{event}"
                );
                let facets = &event["run"]["facets"];
                assert_eq!(facets["hightouch_sequenceRun"]["sequenceRunId"], run);
                assert_eq!(facets["hightouch_syncRun"], Value::Null);
                assert_eq!(
                    facets["parent"].is_object(),
                    body["lineageParent"].is_string()
                );
            }
            let facets = &events[1]["run"]["facets"];
            assert_eq!(facets["errorMessage"].is_object(), end == "FAIL");
            let facet = &facets["hightouch_sequenceRun"];
            assert_eq!(facet["status"], status);
            let runs: Vec<_> = syncs
                .iter()
                .map(|(sync, status)| {
                    let run = hightouch.runs(*sync).last().unwrap().id;
                    json!({"syncId": sync, "syncRunId": run, "status": status})
                })
                .collect();
            assert_eq!(facet["syncRuns"], json!(runs));
        }
        assert_eq!(details(&hightouch), [""; 0]);
    });
}

#[test]
fn a_location_names_the_sequence_of_a_run() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        let request = endpoint
            .post(&format!("/sync-sequences/{SEQUENCE}/runs"))
            .json(&json!({"acceptWarnings": true}))
            .header("prefer", "respond-async");
        let started = call(&endpoint, request).await;
        let location = started.header("location").unwrap();
        let named = format!("sequence={SEQUENCE}");
        assert!(location.contains(&named), "{location}");
        assert!(location.contains("acceptWarnings=true"), "{location}");
        let received = call(&endpoint, endpoint.get(location)).await;
        assert_eq!(received.status, 200, "{}", received.text);
        let sent = events(&consumer);
        assert_eq!(types(&sent), ["START", "COMPLETE"]);
        assert_eq!(sent[1]["job"]["name"], SEQUENCE);
        assert_eq!(sent[1]["run"]["runId"], sent[0]["run"]["runId"]);

        // Without the parameter, nobody knows the job's name.
        let run = started.json()["sequenceRunId"].as_str().unwrap().to_owned();
        let path = format!("/sync-sequences/runs/{run}?acceptWarnings=true");
        let received = call(&endpoint, endpoint.get(&path)).await;
        assert_eq!(received.status, 200);
        assert_eq!(events(&consumer).len(), 2);
        let path = format!("/sync-sequences/runs/{run}?sequence=no-uuid");
        assert_eq!(call(&endpoint, endpoint.get(&path)).await.status, 400);
    });
}

const PARENT: &str = "airflow://prod/dags/dag.task/0192b7d8-6f3a-7c11-9a55-2f1f0c8f4b21";

#[test]
fn the_parent_is_what_the_caller_names() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let id = "0192b7d8-6f3a-7c11-9a55-2f1f0c8f4b21";
        for (namespace, name) in [
            ("prod", "daily"),
            ("airflow://prod:8080/dags", "dag.task"),
            ("a/b//c", "Größe \"x\" & <y>"),
        ] {
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .serve(&stage, kind)
                .await;
            let body = json!({"lineageParent": format!("{namespace}/{name}/{id}")});
            call(&endpoint, endpoint.post("/syncs/5/runs").json(&body)).await;
            let events = events(&consumer);
            assert_eq!(types(&events), ["START", "COMPLETE"]);
            for event in &events {
                let parent = &event["run"]["facets"]["parent"];
                assert_eq!(parent["run"], json!({"runId": id}));
                assert_eq!(parent["job"], json!({"namespace": namespace, "name": name}));
            }
        }
    });
}

#[test]
fn a_wrong_parent_starts_nothing_with_and_without_a_consumer() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let id = Uuid::nil();
        let long = format!("{}/job/{id}", "n".repeat(1024));
        for reporting in [
            Reporting::new(&hightouch.origin()),
            Reporting::new(&hightouch.origin()).lineage_to(&consumer),
        ] {
            let endpoint = reporting.serve(&stage, kind).await;
            for parent in [
                json!(1),
                json!({}),
                json!(""),
                json!(id.to_string()),
                json!(format!("job/{id}")),
                json!(format!("/job/{id}")),
                json!(format!("namespace//{id}")),
                json!("namespace/job/"),
                json!("namespace/job/42"),
                json!(format!("namespace/job/{id}/")),
                json!(long),
            ] {
                for path in [
                    "/syncs/1/runs".to_owned(),
                    "/runs".into(),
                    format!("/sync-sequences/{SEQUENCE}/runs"),
                ] {
                    let mut body = json!({"lineageParent": parent});
                    if path == "/runs" {
                        body["syncs"] = json!([1]);
                    }
                    let received = call(&endpoint, endpoint.post(&path).json(&body)).await;
                    assert_eq!(
                        (received.status, &received.json()["kind"]),
                        (400, &json!("invalid-input")),
                        "{path} {body}: {}",
                        received.text
                    );
                    assert!(received.text.contains("lineageParent"), "{}", received.text);
                }
            }
        }
        assert!(hightouch.requests().is_empty());
        assert!(consumer.received().is_empty());
    });
}

/// The request for details whose response is faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Sync,
    Destination,
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let mut cases = Vec::new();
    for kind in ENDPOINTS {
        for read in [Read::Sync, Read::Destination] {
            for fault in DetailsFault::ALL.iter().copied() {
                cases.push((kind, read, fault));
            }
        }
    }
    each(&cases, |(kind, read, fault)| {
        stage(async |stage| {
            let details_faults = match read {
                Read::Sync => DetailsFaults {
                    sync: Some(*fault),
                    destination: None,
                },
                Read::Destination => DetailsFaults {
                    sync: None,
                    destination: Some(*fault),
                },
            };
            let options = Options::default().with_details(details_faults);
            let hightouch = LocalHightouch::start(options).await.unwrap();
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .serve(&stage, *kind)
                .await;
            let begun = stage.time.elapsed();
            let received = send_request(with_key(endpoint.post("/syncs/5/runs"))).await;
            let took = stage.time.elapsed() - begun;
            assert_eq!(received.status, 200, "{}", received.text);
            // The run takes one second.
            assert!(took < Duration::from_secs(2), "{took:?}");
            settled(&endpoint).await;
            let events = events(&consumer);
            assert_eq!(types(&events), ["START", "COMPLETE"]);
            let (name, read) = match read {
                Read::Sync => ("5", &["/syncs/5"][..]),
                Read::Destination => ("demo-empty", &["/syncs/5", "/destinations/1"][..]),
            };
            assert_eq!(details(&hightouch), read, "nothing is read twice");
            for event in &events {
                assert_eq!(event["job"]["name"], name);
                assert!(
                    event["outputs"]
                        .as_array()
                        .is_none_or(|outputs| outputs.is_empty()),
                    "{event}"
                );
            }
            assert_eq!(
                lines_of(&stage, "undelivered"),
                NOTHING,
                "both events were delivered"
            );
        });
    });
}

#[test]
fn a_destination_without_a_type_or_a_slug_is_left_out() {
    with_each_endpoint(async |stage, kind| {
        for (slug, destination_type, is_named) in [
            ("crm", "salesforce", true),
            ("", "salesforce", false),
            ("crm", "", false),
        ] {
            let options = Options::default().with_destination(DestinationFixture {
                id: 1,
                name: "CRM".into(),
                slug: slug.into(),
                destination_type: destination_type.into(),
            });
            let hightouch = LocalHightouch::start(options).await.unwrap();
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .lineage_to(&consumer)
                .serve(&stage, kind)
                .await;
            call(&endpoint, endpoint.post("/syncs/5/runs")).await;
            let events = events(&consumer);
            assert_eq!(types(&events), ["START", "COMPLETE"]);
            for event in &events {
                let outputs = event["outputs"].as_array().map_or(0, Vec::len);
                assert_eq!(outputs, usize::from(is_named), "{event}");
            }
        }
    });
}

#[test]
fn details_are_read_after_the_trigger_and_one_at_a_time() {
    const LATENCY: Duration = Duration::from_millis(200);
    with_each_endpoint(async |stage, kind| {
        let options = Options {
            latency: LATENCY,
            ..Options::default()
        };
        let hightouch = LocalHightouch::start(options).await.unwrap();
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        let body = json!({"syncs": [1, 2, 3, 5]});
        let received = call(&endpoint, endpoint.post("/runs").json(&body))
            .await
            .json();
        let requests = hightouch.requests();
        let (read, other): (Vec<&Recorded>, Vec<&Recorded>) =
            requests.iter().partition(|request| reads_details(request));
        assert_eq!(
            received["requests"],
            other.len(),
            "details are not counted: {received}"
        );
        assert!(read.is_sorted_by(|one, next| one.at + LATENCY <= next.at));
        for request in &read {
            let Some(sync) = request.path.strip_prefix("/api/v1/syncs/") else {
                continue;
            };
            let trigger = format!("/api/v1/syncs/{sync}/trigger");
            let trigger = other.iter().find(|request| request.path == trigger);
            assert!(trigger.unwrap().at + LATENCY <= request.at, "{request:?}");
        }
        assert_eq!(events(&consumer).len(), 8);
    });
}

#[test]
fn details_share_the_rate_limit() {
    const COUNT: u64 = 90;
    with_each_endpoint(async |stage, kind| {
        let mut options = Options::default();
        options.syncs.clear();
        for id in 1..=COUNT {
            let timeline = Timeline::over(Duration::from_secs(8), Status::Success);
            options = options.with_sync(SyncFixture::new(id, format!("sync-{id}"), timeline));
        }
        let hightouch = LocalHightouch::start(options).await.unwrap();
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .serve(&stage, kind)
            .await;
        let body = json!({"syncs": (1..=COUNT).collect::<Vec<_>>()});
        let request = endpoint.post("/runs").json(&body);
        let received = call(&endpoint, request.header("prefer", "wait=600")).await;
        assert_eq!(received.status, 200, "{}", received.text);
        let requests = hightouch.requests();
        assert!(
            requests
                .iter()
                .all(|request| request.mishap != Some(Mishap::TooMany)),
            "no request is refused"
        );
        let read = details(&hightouch);
        for sync in 1..=COUNT {
            let path = format!("/syncs/{sync}");
            let count = read.iter().filter(|read| **read == path).count();
            assert!(count <= 1, "{path}: {count}");
        }
        let events = events(&consumer);
        for sync in 1..=COUNT {
            let id = run_id(&hightouch.origin(), sync, hightouch.runs(sync)[0].id);
            let mut of_run = events.clone();
            of_run.retain(|event| event["run"]["runId"] == id);
            assert_eq!(types(&of_run), ["START", "COMPLETE"], "sync {sync}");
            assert_eq!(of_run[0]["job"], of_run[1]["job"]);
        }
    });
}
