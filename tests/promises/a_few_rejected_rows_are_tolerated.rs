//! A caller may tolerate a number or a share of rejected rows. Only `warning` is tolerated. A
//! run whose number of rejected rows is unknown is a failure.

use serde_json::{Value, json};
use xtask::embedder::{
    FailureKind, RejectedLimit, RunOptions, RunStatus, SequenceOptions, Warnings,
};
use xtask::local_hightouch::fixtures::SEQUENCE;

use super::support::cases::last_event;
use super::support::stage::{
    Library, Scripted, lists, options, respond_with, send_request, with_each_endpoint,
    with_each_library, with_key,
};

/// Three of the fifty rows of sync 2 are rejected: 6 %.
const WITHIN: [(Option<u64>, Option<f64>); 4] = [
    (Some(3), None),
    (None, Some(6.0)),
    (Some(3), Some(6.0)),
    (Some(u64::MAX), Some(100.0)),
];
const BEYOND: [(Option<u64>, Option<f64>); 5] = [
    (Some(2), None),
    (Some(0), None),
    (None, Some(5.99)),
    (Some(2), Some(6.0)),
    (Some(3), Some(5.0)),
];

fn tolerate(max_rejected: Option<u64>, max_rejected_percent: Option<f64>) -> Warnings {
    Warnings::Tolerate(RejectedLimit {
        max_rejected,
        max_rejected_percent,
    })
}

fn tolerating(warnings: Warnings) -> RunOptions {
    RunOptions {
        warnings,
        ..options()
    }
}

/// The body and the query with the same limit.
fn in_http(max_rejected: Option<u64>, max_percent: Option<f64>) -> (Value, String) {
    let number = max_rejected.map(|number| format!("maxRejected={number}"));
    let percent = max_percent.map(|percent| format!("maxRejectedPercent={percent}"));
    let query: Vec<String> = number.into_iter().chain(percent).collect();
    (
        json!({"acceptWarnings": {"maxRejected": max_rejected, "maxRejectedPercent": max_percent}}),
        query.join("&"),
    )
}

#[test]
fn a_run_within_the_limit_succeeds_and_any_other_fails() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        for (number, percent) in WITHIN {
            let report = library
                .run_sync(2, tolerating(tolerate(number, percent)))
                .await;
            let report = report.unwrap_or_else(|failure| panic!("{failure:?}"));
            assert_eq!(report.status, RunStatus::Warning, "{number:?} {percent:?}");
        }
        for (number, percent) in BEYOND {
            let failure = library
                .run_sync(2, tolerating(tolerate(number, percent)))
                .await
                .unwrap_err();
            assert_eq!(failure.kind, FailureKind::SyncFailed);
            let told = format!("{} {}", failure.message, failure.details.unwrap());
            assert!(
                told.contains("rejected 3 of 50 rows (6 %)"),
                "{number:?} {percent:?}: {told}"
            );
            for limit in [
                number.map(|number| format!("{number} rows")),
                percent.map(|percent| format!("{percent} %")),
            ] {
                assert!(told.contains(&limit.unwrap_or_default()), "{told}");
            }
            let again = library
                .host
                .await_run(
                    &library.connection,
                    failure.run.unwrap(),
                    tolerating(tolerate(number, percent)),
                )
                .await
                .unwrap();
            assert_eq!(again.unwrap_err().kind, FailureKind::SyncFailed);
        }
    });
}

#[test]
fn only_a_warning_is_tolerated() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        for (sync, succeeds) in [(1, true), (5, true), (3, false), (7, false), (8, false)] {
            let any = tolerating(tolerate(Some(u64::MAX), Some(100.0)));
            let outcome = library.run_sync(sync, any).await;
            assert_eq!(outcome.is_ok(), succeeds, "{sync}: {outcome:?}");
        }
    });
}

#[test]
fn the_rows_of_all_jobs_count_and_an_unknown_number_fails() {
    let rows = |added: u64| json!({"addedCount": added, "changedCount": 0, "removedCount": 0});
    let job = |failed: Value, successful: Value| json!({"id": 42, "status": "warning", "failedRows": failed, "successfulRows": successful});
    for (jobs, by_number, by_percent) in [
        (
            vec![job(rows(2), rows(48)), job(rows(1), rows(49))],
            true,
            true,
        ),
        (
            vec![job(rows(2), rows(48)), job(rows(2), rows(48))],
            false,
            false,
        ),
        (vec![job(Value::Null, rows(50))], false, false),
        (vec![job(rows(0), Value::Null)], true, false),
        (
            vec![job(rows(0), rows(50)), job(Value::Null, rows(50))],
            false,
            false,
        ),
        (vec![job(json!({"addedCount": 1}), rows(50))], false, false),
        (vec![job(json!("3"), rows(50))], false, false),
    ] {
        let body = json!({"data": jobs, "hasMore": false}).to_string();
        with_each_library(async |stage| {
            let listed = body.clone();
            let hightouch = lists(move |_| listed.clone()).await;
            let library = stage.library(hightouch.origin());
            for (warnings, succeeds) in [
                (tolerate(Some(3), None), by_number),
                (tolerate(None, Some(3.0)), by_percent),
                (tolerate(Some(3), Some(3.0)), by_number && by_percent),
            ] {
                let outcome = library.run_sync(1, tolerating(warnings)).await;
                assert_eq!(outcome.is_ok(), succeeds, "{body}: {outcome:?}");
                if let Err(failure) = outcome {
                    assert_eq!(failure.kind, FailureKind::SyncFailed, "{body}");
                }
            }
        });
    }
}

#[test]
fn over_http_the_limit_is_in_the_body_and_location_repeats_it() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let cases = WITHIN.map(|limit| (limit, 200)).into_iter();
        for ((number, percent), status) in cases.chain(BEYOND.map(|limit| (limit, 424))) {
            let (body, query) = in_http(number, percent);
            let ended = send_request(with_key(endpoint.post("/syncs/2/runs").json(&body))).await;
            assert_eq!(ended.status, status, "{body}: {}", ended.text);
            let started = with_key(endpoint.post("/syncs/2/runs").json(&body));
            let started = send_request(started.header("prefer", "respond-async")).await;
            assert_eq!(started.status, 202, "{}", started.text);
            let location = started.header("location").unwrap().to_owned();
            assert!(location.ends_with(&format!("?{query}")), "{location}");
            let ended = send_request(with_key(endpoint.get(&location))).await;
            assert_eq!(ended.status, status, "{location}: {}", ended.text);
            let events = with_key(endpoint.get(&location)).header("accept", "text/event-stream");
            let (event, data) = last_event(&send_request(events).await.text);
            let expected = if status == 200 { "report" } else { "problem" };
            assert_eq!(event, expected, "{location}: {data}");
            let batch = json!({"syncs": [2, 5], "acceptWarnings": body["acceptWarnings"]});
            let batch = send_request(with_key(endpoint.post("/runs").json(&batch))).await;
            assert_eq!(batch.status, status, "{}", batch.text);
        }
    });
}

#[test]
fn an_invalid_limit_is_refused_before_anything_is_sent() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for limit in [
            json!({}),
            json!({"maxRejected": null}),
            json!({"maxRejected": -1}),
            json!({"maxRejected": 1.5}),
            json!({"maxRejectedPercent": 100.5}),
            json!({"maxRejectedPercent": "1"}),
            json!({"maxRejected": 1, "max": 1}),
            json!(1),
        ] {
            let body = json!({ "acceptWarnings": limit });
            let refused = send_request(with_key(endpoint.post("/syncs/2/runs").json(&body))).await;
            assert_eq!(refused.status, 400, "{body}: {}", refused.text);
            assert!(refused.text.contains("acceptWarnings"), "{}", refused.text);
        }
        for query in [
            "maxRejected=1&acceptWarnings=true",
            "maxRejected=x",
            "maxRejectedPercent=101",
            "maxRejected=1&maxRejected=2",
        ] {
            let refused = endpoint.get(&format!("/syncs/2/runs/1?{query}"));
            let refused = send_request(with_key(refused)).await;
            assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        }
        assert_eq!(hightouch.requests().len(), 0);
    });
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        for (number, percent) in [
            (None, None),
            (None, Some(-1.0)),
            (Some(1), Some(100.1)),
            (None, Some(f64::NAN)),
        ] {
            let options = tolerating(tolerate(number, percent));
            let failure = library.run_sync(2, options).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidInput, "{failure:?}");
        }
        assert_eq!(hightouch.requests().len(), 0);
    });
}

const RUN: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

/// Starts a mock of a sequence whose sync runs 6134 and 6148 ended as `warning`, with these
/// row counts.
async fn sequence_with_rows(of_6134: Value, of_6148: Value) -> Scripted {
    Scripted::start(move |what, _| {
        let jobs = |id: u64, failed: &Value| {
            let successful = json!({"addedCount": 97, "changedCount": 0, "removedCount": 0});
            let job = json!({
                "id": id, "status": "warning", "failedRows": failed, "successfulRows": successful
            });
            respond_with(200, json!({"data": [job], "hasMore": false}).to_string())
        };
        if what.starts_with("POST") {
            respond_with(200, format!(r#"{{"id":"{RUN}"}}"#))
        } else if what.contains("runId=6134") {
            jobs(6134, &of_6134)
        } else if what.contains("runId=6148") {
            jobs(6148, &of_6148)
        } else {
            let sync_run = |sync: u64, run: u64, status: &str| {
                json!({
                    "syncId": sync, "syncRunId": run, "status": status,
                    "finishedAt": "2023-10-17T11:06:01.713+00:00"
                })
            };
            let sync_runs = [
                sync_run(3093, 6134, "warning"),
                sync_run(1960, 6148, "warning"),
                sync_run(7, 6150, "success"),
            ];
            let body = json!({"id": RUN, "status": "done", "syncRuns": sync_runs});
            respond_with(200, body.to_string())
        }
    })
    .await
}

async fn run_sequence(
    library: &Library,
    id: &str,
    warnings: Warnings,
) -> Result<xtask::embedder::SequenceReport, xtask::embedder::SequenceFailure> {
    let options = SequenceOptions {
        warnings,
        max_wait_ms: None,
    };
    library
        .host
        .run_sequence(&library.connection, id, options)
        .await
        .unwrap()
}

#[test]
fn in_a_sequence_the_limit_holds_for_each_sync_run_which_is_read_once() {
    let rows = |added: u64| json!({"addedCount": added, "changedCount": 0, "removedCount": 0});
    for (of_6134, of_6148, exceeding) in [
        (rows(3), rows(3), vec![]),
        (
            rows(4),
            rows(3),
            vec!["run 6134 of sync 3093: 4 of 101 rows"],
        ),
        (
            rows(4),
            rows(5),
            vec!["run 6134 of sync 3093: 4", "run 6148 of sync 1960: 5"],
        ),
        (
            rows(3),
            Value::Null,
            vec!["run 6148 of sync 1960: an unknown number"],
        ),
    ] {
        with_each_library(async |stage| {
            let hightouch = sequence_with_rows(of_6134.clone(), of_6148.clone()).await;
            let library = stage.library(hightouch.origin());
            let outcome = run_sequence(&library, RUN, tolerate(Some(3), None)).await;
            match (outcome, exceeding.is_empty()) {
                (Ok(report), true) => assert_eq!(report.requests, 4),
                (Err(failure), false) => {
                    assert_eq!(failure.kind, FailureKind::SyncFailed);
                    for name in &exceeding {
                        assert!(failure.message.contains(name), "{}", failure.message);
                    }
                    assert!(failure.message.contains("3 rows per sync run"));
                    assert_eq!(failure.requests, 4);
                }
                (outcome, _) => panic!("{exceeding:?}: {outcome:?}"),
            }
            for read in ["runId=6134", "runId=6148"] {
                let seen = hightouch.seen();
                assert_eq!(seen.iter().filter(|what| what.contains(read)).count(), 1);
            }
            assert!(hightouch.seen().iter().all(|what| !what.contains("6150")));
        });
    }
}

#[test]
fn a_sequence_of_the_local_hightouch_is_tolerated_by_every_component() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        for (warnings, succeeds) in [
            (Warnings::Fail, false),
            (Warnings::Accept, true),
            (tolerate(Some(3), Some(6.0)), true),
            (tolerate(Some(2), None), false),
        ] {
            let outcome = run_sequence(&library, SEQUENCE, warnings).await;
            assert_eq!(outcome.is_ok(), succeeds, "{outcome:?}");
        }
    });
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (number, status) in [(3, 200), (2, 424)] {
            let (body, query) = in_http(Some(number), None);
            let path = format!("/sync-sequences/{SEQUENCE}/runs");
            let started = with_key(endpoint.post(&path).json(&body));
            let started = send_request(started.header("prefer", "respond-async")).await;
            let location = started.header("location").unwrap().to_owned();
            assert!(location.ends_with(&format!("?{query}")), "{location}");
            let ended = send_request(with_key(endpoint.get(&location))).await;
            assert_eq!(ended.status, status, "{}", ended.text);
        }
    });
}
