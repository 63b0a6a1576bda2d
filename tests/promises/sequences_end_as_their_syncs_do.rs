//! A sequence run is a success only if it is done and all its sync runs succeeded. It is started
//! once.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::embedder::{
    FailureKind, RunStatus, SequenceFailure, SequenceOptions, SequenceReport, SequenceStatus,
    Warnings,
};
use xtask::local_hightouch::fixtures::{SEQUENCE, SEQUENCE_DONE_WITH_FAILURE, SEQUENCE_FAILED};
use xtask::local_hightouch::{KEY, LocalHightouch, Options, Scenario};

use super::support::cases::last_event;
use super::support::stage::{
    Library, Scripted, millis, respond_with, send_request, with_each_endpoint, with_each_library,
    with_key,
};

const RUN: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

fn accepting(accept_warnings: bool) -> SequenceOptions {
    SequenceOptions {
        warnings: Warnings::accepted(accept_warnings),
        max_wait_ms: None,
    }
}

fn within(wait: Duration) -> SequenceOptions {
    SequenceOptions {
        warnings: Warnings::Accept,
        max_wait_ms: Some(millis(wait)),
    }
}

impl Library {
    async fn run_sequence(
        &self,
        id: &str,
        options: SequenceOptions,
    ) -> Result<SequenceReport, SequenceFailure> {
        self.host
            .run_sequence(&self.connection, id, options)
            .await
            .expect("no trap")
    }

    async fn await_sequence(
        &self,
        id: &str,
        options: SequenceOptions,
    ) -> Result<SequenceReport, SequenceFailure> {
        self.host
            .await_sequence_run(&self.connection, id, options)
            .await
            .expect("no trap")
    }
}

/// Starts a mock of Hightouch that starts [`RUN`] and returns this status.
async fn with_status(body: impl Into<String>) -> Scripted {
    let body = body.into();
    Scripted::start(move |what, _| {
        if what.starts_with("POST") {
            respond_with(200, format!(r#"{{"id":"{RUN}"}}"#))
        } else {
            respond_with(200, body.clone())
        }
    })
    .await
}

#[test]
fn each_sync_run_in_it_counts() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());

        let report = library
            .run_sequence(SEQUENCE, accepting(true))
            .await
            .unwrap();
        assert_eq!(
            (report.run.status, report.run.sync_runs.len()),
            (SequenceStatus::Done, 2)
        );
        let [empty, warning] = report.run.sync_runs.as_slice() else {
            panic!("two sync runs")
        };
        assert_eq!(
            (empty.sync_id, &empty.status),
            (Some(5), &RunStatus::Success)
        );
        assert_eq!(
            (warning.sync_id, &warning.status),
            (Some(2), &RunStatus::Warning)
        );
        assert_eq!(empty.run_id, Some(hightouch.runs(5)[0].id));
        assert!(
            warning.finished_at.as_ref().unwrap().ends_with("+00:00"),
            "as Hightouch wrote it"
        );
        assert_eq!(report.requests as usize, hightouch.requests().len());

        let failure = library
            .run_sequence(SEQUENCE, accepting(false))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::SyncFailed);
        assert!(
            failure.message.contains("of sync 2 (`warning`)"),
            "{}",
            failure.message
        );

        let failure = library
            .run_sequence(SEQUENCE_DONE_WITH_FAILURE, accepting(true))
            .await
            .unwrap_err();
        let run = failure.run.unwrap();
        assert_eq!(
            (failure.kind, run.status),
            (FailureKind::SyncFailed, SequenceStatus::Done)
        );
        let named = format!("run {} of sync 3 (`failed`)", hightouch.runs(3)[0].id);
        assert!(
            failure.message.contains(&named) && !failure.message.contains("sync 5"),
            "{}",
            failure.message
        );

        let failure = library
            .run_sequence(SEQUENCE_FAILED, accepting(true))
            .await
            .unwrap_err();
        let run = failure.run.unwrap();
        assert_eq!(
            (failure.kind, run.status, run.sync_runs.len()),
            (FailureKind::SyncFailed, SequenceStatus::Failed, 1)
        );
        // Each sync run is read by its own requests.
        assert_eq!(
            hightouch
                .requests()
                .iter()
                .filter(|request| request.method == "POST")
                .count(),
            4
        );
    });
}

#[test]
fn it_is_started_and_awaited_in_two_calls() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let (host, connection) = (&library.host, &library.connection);
        let run = host
            .start_sequence(connection, SEQUENCE, accepting(true))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(hightouch.requests().len(), 1);
        let look = SequenceOptions {
            warnings: Warnings::Accept,
            max_wait_ms: Some(0),
        };
        let failure = library.await_sequence(&run, look).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.requests),
            (FailureKind::StillRunning, 1)
        );
        let run_then = failure.run.unwrap();
        assert_eq!(
            (run_then.id.as_str(), run_then.status),
            (run.as_str(), SequenceStatus::Running)
        );
        let report = library.await_sequence(&run, accepting(true)).await.unwrap();
        assert_eq!(report.run.id, run);
        let judged_anew = library
            .await_sequence(&run, accepting(false))
            .await
            .unwrap_err();
        assert_eq!(judged_anew.kind, FailureKind::SyncFailed);
        let unknown = library
            .await_sequence(RUN, accepting(true))
            .await
            .unwrap_err();
        assert_eq!(
            (unknown.kind, unknown.message.as_str()),
            (FailureKind::NotFound, "Not Found")
        );
        let unknown = library
            .run_sequence(RUN, accepting(true))
            .await
            .unwrap_err();
        assert_eq!((unknown.kind, unknown.run), (FailureKind::NotFound, None));
    });
}

#[test]
fn done_without_the_ends_of_its_syncs_is_no_success_and_ends_within_the_default_wait() {
    for sync_runs in [
        r#"[]"#,
        "null",
        r#"[{"syncId":1,"syncRunId":7,"status":"success"},{"syncId":2,"status":"queued"}]"#,
    ] {
        with_each_library(async |stage| {
            let body = format!(r#"{{"id":"{RUN}","status":"done","syncRuns":{sync_runs}}}"#);
            let hightouch = with_status(body).await;
            let library = stage.library(hightouch.origin());
            let failure = library
                .run_sequence(SEQUENCE, within(Duration::from_secs(30)))
                .await
                .unwrap_err();
            assert_eq!(
                (failure.kind, failure.run.unwrap().id.as_str()),
                (FailureKind::SyncFailed, RUN),
                "{sync_runs}"
            );
            assert!(
                failure.message.contains("Success is not proven"),
                "{}",
                failure.message
            );
            assert!(
                failure.elapsed_ms <= 24_000 && hightouch.triggers() == 1,
                "{sync_runs}"
            );
        });
    }
}

#[test]
fn a_trigger_that_was_answered_to_nobody_is_told_at_once_and_not_sent_again() {
    for scenario in [
        Scenario::LostTriggerResponse,
        Scenario::TriggerTimeout,
        Scenario::TruncatedTrigger,
        Scenario::DroppedTrigger,
        Scenario::Silent,
    ] {
        with_each_library(async |stage| {
            let hightouch = LocalHightouch::start(Options::default().with_scenario(scenario))
                .await
                .unwrap();
            let library = stage.library(&hightouch.origin());
            let failure = library
                .run_sequence(SEQUENCE, accepting(true))
                .await
                .unwrap_err();
            assert_eq!(
                (failure.kind, failure.requests),
                (FailureKind::TriggerUnconfirmed, 1),
                "{scenario}"
            );
            assert_eq!(hightouch.requests().len(), 1, "{scenario}");
            assert!(
                failure
                    .details
                    .unwrap()
                    .contains("Check the sequence's runs before you run it"),
                "{scenario}"
            );
        });
    }
}

#[test]
fn it_is_followed_through_whatever_passes() {
    for scenario in [
        Scenario::StringIds,
        Scenario::UpperCase,
        Scenario::UnknownStatus,
        Scenario::UnknownFields,
        Scenario::MissingFields,
        Scenario::HtmlErrors,
        Scenario::Flaky,
        Scenario::RateLimited,
    ] {
        with_each_library(async |stage| {
            let hightouch = LocalHightouch::start(Options::default().with_scenario(scenario))
                .await
                .unwrap();
            let report = stage
                .library(&hightouch.origin())
                .run_sequence(SEQUENCE, accepting(true))
                .await;
            let report = report.unwrap_or_else(|failure| panic!("{scenario}: {failure:?}"));
            assert_eq!(
                (report.run.sync_runs.len(), hightouch.runs(5).len()),
                (2, 1),
                "{scenario}"
            );
        });
    }
}

#[test]
fn bad_uuids_never_reach_hightouch() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        for bad in [
            "",
            "1",
            "demo",
            "../../syncs/1/trigger",
            &format!("{RUN}/"),
            &RUN.replace('-', ""),
            &RUN.replace('0', "g"),
        ] {
            for failure in [
                library
                    .run_sequence(bad, accepting(true))
                    .await
                    .unwrap_err(),
                library
                    .await_sequence(bad, accepting(true))
                    .await
                    .unwrap_err(),
                library
                    .host
                    .start_sequence(&library.connection, bad, accepting(true))
                    .await
                    .unwrap()
                    .unwrap_err(),
            ] {
                assert_eq!(
                    (failure.kind, failure.requests),
                    (FailureKind::InvalidInput, 0),
                    "{bad}"
                );
                assert!(
                    failure.message.ends_with("Nothing was sent to Hightouch."),
                    "{}",
                    failure.message
                );
            }
        }
        assert!(hightouch.requests().is_empty());
    });
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (request, status, expected_text) in [
            (
                endpoint.post("/sync-sequences/1/runs"),
                400,
                "sequence's ID must be a UUID",
            ),
            (
                endpoint.post("/sync-sequences/..%2F..%2Fsyncs/runs"),
                400,
                "UUID",
            ),
            (
                endpoint.get("/sync-sequences/runs/demo"),
                400,
                "sequence run's ID must be a UUID",
            ),
            (
                endpoint.get(&format!("/sync-sequences/runs/{RUN}?acceptWarnings=1")),
                400,
                "acceptWarnings",
            ),
            (
                endpoint.get(&format!("/sync-sequences/{SEQUENCE}/runs")),
                405,
                "POST",
            ),
            (
                endpoint.post(&format!("/sync-sequences/runs/{RUN}")),
                405,
                "GET",
            ),
            (
                endpoint
                    .post(&format!("/sync-sequences/{SEQUENCE}/runs"))
                    .json(&json!({"fullResync": true})),
                400,
                "`fullResync`",
            ),
        ] {
            let received = send_request(with_key(request)).await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (status, &json!("invalid-input")),
                "{}",
                received.text
            );
            assert!(
                received.json()["detail"]
                    .as_str()
                    .unwrap()
                    .contains(expected_text),
                "{}",
                received.text
            );
        }
        let keyless =
            send_request(endpoint.post(&format!("/sync-sequences/{SEQUENCE}/runs"))).await;
        assert_eq!(keyless.status, 401);
        assert!(hightouch.requests().is_empty());
    });
}

#[test]
fn the_endpoint_tells_how_it_ended_and_logs_it() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let post = |id: &str| with_key(endpoint.post(&format!("/sync-sequences/{id}/runs")));

        let received = send_request(post(SEQUENCE).json(&json!({"acceptWarnings": true}))).await;
        let report = received.json();
        assert_eq!(
            (
                received.status,
                &report["status"],
                &report["syncRuns"][1]["status"]
            ),
            (200, &json!("done"), &json!("warning"))
        );
        assert_eq!(report["syncRuns"][0]["syncRunId"], hightouch.runs(5)[0].id);

        let received = send_request(post(SEQUENCE_DONE_WITH_FAILURE)).await;
        let problem = received.json();
        assert_eq!(
            (received.status, &problem["kind"]),
            (424, &json!("sync-failed")),
            "{}",
            received.text
        );
        assert!(
            problem["sequenceRunId"].is_string()
                && problem["syncRuns"].as_array().unwrap().len() == 2
        );
        assert!(
            problem["detail"].as_str().unwrap().contains("of sync 3"),
            "{}",
            received.text
        );

        assert_eq!(send_request(post(RUN)).await.status, 404);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let log = stage.stderr.text();
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (lines, started): (Vec<Value>, Vec<Value>) = lines
            .into_iter()
            .partition(|line| line["event"] == "answered");
        assert_eq!((lines.len(), started.len()), (3, 2), "{log}");
        let run = &report["sequenceRunId"];
        let named =
            ["event", "request", "sequence", "sequenceRun"].map(|field| started[0][field].clone());
        assert_eq!(
            named,
            [
                json!("started"),
                json!("run-sequence"),
                json!(SEQUENCE),
                run.clone()
            ]
        );
        assert_eq!(
            (&lines[0]["request"], &lines[0]["sequence"]),
            (&json!("run-sequence"), &json!(SEQUENCE))
        );
        assert_eq!(
            (
                &lines[0]["sequenceRun"],
                &lines[0]["status"],
                &lines[0]["http"]
            ),
            (run, &json!("done"), &json!(200))
        );
        assert_eq!(
            (&lines[1]["kind"], &lines[2]["kind"]),
            (&json!("sync-failed"), &json!("not-found"))
        );
    });
}

#[test]
fn one_that_takes_longer_than_the_wait_is_taken_up_where_location_says() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let request = with_key(endpoint.post(&format!("/sync-sequences/{SEQUENCE}/runs")));
        let started = send_request(
            request
                .header("prefer", "respond-async")
                .json(&json!({"acceptWarnings": true})),
        )
        .await;
        assert_eq!(
            (started.status, started.header("preference-applied")),
            (202, Some("respond-async"))
        );
        assert!(started.header("retry-after").is_some());
        let run = started.json()["sequenceRunId"].clone();
        let location = started.header("location").unwrap();
        assert_eq!(
            location,
            format!(
                "/sync-sequences/runs/{}?acceptWarnings=true",
                run.as_str().unwrap()
            )
        );
        let going = send_request(with_key(endpoint.get(location)).header("prefer", "wait=1")).await;
        assert_eq!(
            (going.status, going.header("location")),
            (202, Some(location)),
            "{}",
            going.text
        );
        let ended = send_request(with_key(endpoint.get(location))).await;
        assert_eq!(
            (ended.status, &ended.json()["sequenceRunId"]),
            (200, &run),
            "{}",
            ended.text
        );
        let head = send_request(with_key(endpoint.request("HEAD", location))).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        assert_eq!(hightouch.runs(5).len(), 1);
    });
}

#[test]
fn events_tell_how_it_goes() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (id, last) in [(SEQUENCE, "report"), (SEQUENCE_FAILED, "problem")] {
            let request = with_key(endpoint.post(&format!("/sync-sequences/{id}/runs")));
            let request = request
                .header("accept", "text/event-stream")
                .json(&json!({"acceptWarnings": true}));
            let received = send_request(request).await;
            let (event, data) = last_event(&received.text);
            assert_eq!(event, last, "{}", received.text);
            assert!(data["sequenceRunId"].is_string());
            let progress = received.text.matches("event: progress").count();
            assert!(
                (2..=8).contains(&progress),
                "each time it changes: {}",
                received.text
            );
            assert!(received.text.contains(r#""status":"running""#));
        }
    });
}

#[test]
fn the_key_shows_nowhere() {
    with_each_library(async |stage| {
        let echo = format!(
            r#"{{"id":"{RUN}","status":"x {KEY} x","syncRuns":[{{"status":"is {KEY}","finishedAt":"at {KEY}"}}]}}"#
        );
        let hightouch = with_status(echo).await;
        let library = stage.library(hightouch.origin());
        let failure = library
            .run_sequence(SEQUENCE, within(Duration::from_secs(3)))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert!(!format!("{failure:?}").contains(KEY), "{failure:?}");
    });
}
