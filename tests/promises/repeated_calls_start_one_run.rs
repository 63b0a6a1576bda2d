//! A scheduler that may call twice passes the scheduled time, and all its calls report the run of
//! the first call.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask::embedder::{FailureKind, IfRunning, Resync, RunOptions};
use xtask::local_hightouch::{LocalHightouch, Options, Scenario};

use super::support::stage::{
    options, send_request, with_each_endpoint, with_each_library, with_key,
};

/// The time that this many seconds after now. The local Hightouch's clock shows the system's time
/// at its start.
fn in_seconds(seconds: i64) -> String {
    let time = OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    time.format(&Rfc3339).unwrap()
}

fn since(time: &str) -> RunOptions {
    RunOptions {
        unless_run_since: Some(time.into()),
        ..options()
    }
}

#[test]
fn repeated_calls_wait_for_the_run_of_the_first() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let time = in_seconds(-60);
        let first = library.run_sync(1, since(&time)).await.unwrap();
        assert!(!first.joined);
        for _ in 0..3 {
            let again = library.run_sync(1, since(&time)).await.unwrap();
            assert_eq!((again.run.run_id, again.joined), (first.run.run_id, true));
        }
        assert_eq!(hightouch.triggers(), 1);
        // Earlier runs, from a day ago and more, do not count.
        let later = library.run_sync(1, options()).await.unwrap();
        assert_ne!(later.run.run_id, first.run.run_id);
    });
}

#[test]
fn a_call_during_the_run_of_another_waits_for_it() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let time = in_seconds(-60);
        let (first, second) = tokio::join!(library.run_sync(4, since(&time)), async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            library.run_sync(4, since(&time)).await
        });
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(second.run.run_id, first.run.run_id);
        assert!(second.joined && !first.joined);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_failure_is_adopted_and_a_later_time_starts_another_run() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let time = in_seconds(-60);
        let first = library.run_sync(3, since(&time)).await.unwrap_err();
        assert!(!first.joined);
        let again = library.run_sync(3, since(&time)).await.unwrap_err();
        assert_eq!(again.kind, FailureKind::SyncFailed);
        assert!(again.joined, "{again:?}");
        assert_eq!(again.run.unwrap().run_id, first.run.unwrap().run_id);
        assert_eq!(hightouch.triggers(), 1);
        tokio::time::sleep(Duration::from_secs(120)).await;
        let later = library.run_sync(3, since(&in_seconds(60))).await;
        assert_ne!(
            later.unwrap_err().run.unwrap().run_id,
            first.run.unwrap().run_id
        );
    });
}

#[test]
fn a_repeated_call_finds_the_run_of_a_trigger_whose_response_was_lost() {
    with_each_library(async |stage| {
        let lost = Options::default().with_scenario(Scenario::LostTriggerResponse);
        let hightouch = LocalHightouch::start(lost).await.unwrap();
        let library = stage.library(&hightouch.origin());
        let time = in_seconds(-60);
        let impatient = RunOptions {
            max_wait_ms: Some(3_000),
            ..since(&time)
        };
        let failure = library.run_sync(1, impatient).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed);
        let again = library.run_sync(1, since(&time)).await.unwrap();
        assert_eq!(again.run.run_id, hightouch.runs(1)[0].id);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_resync_is_not_taken_for_done_by_a_run_without_one() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let time = in_seconds(-60);
        let full = || RunOptions {
            resync: Resync::FULL,
            ..since(&time)
        };
        let first = library.run_sync(1, full()).await.unwrap();
        assert!(hightouch.runs(1)[0].flags.full_resync);
        let failure = library.run_sync(1, full()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Busy);
        assert_eq!(failure.run.unwrap().run_id, first.run.run_id);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_time_that_is_about_to_come_is_waited_for_and_a_later_one_is_refused() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let soon = in_seconds(10);
        let began = stage.time.elapsed();
        let first = library.run_sync(5, since(&soon)).await.unwrap();
        let took = stage.time.elapsed() - began;
        assert!(took >= Duration::from_secs(9), "{took:?}");
        let again = library.run_sync(5, since(&soon)).await.unwrap();
        assert_eq!((again.run.run_id, again.joined), (first.run.run_id, true));
        let failure = library
            .run_sync(5, since(&in_seconds(3600)))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert!(failure.message.contains("in the future"), "{failure:?}");
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn without_such_a_run_the_option_for_a_run_in_progress_counts() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let (first, refused) = tokio::join!(library.run_sync(4, options()), async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let options = RunOptions {
                if_running: IfRunning::Refuse,
                ..since(&in_seconds(9))
            };
            library.run_sync(4, options).await
        });
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Busy);
        assert_eq!(refused.run.unwrap().run_id, first.unwrap().run.run_id);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn over_http_the_answer_says_joined_alone_by_slug_and_in_a_batch() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let body = json!({"unlessRunSince": in_seconds(-60)});
        let run = async |sync: &str| {
            let run = endpoint.post(&format!("/syncs/{sync}/runs")).json(&body);
            send_request(with_key(run)).await
        };
        let first = run("1").await;
        assert_eq!(
            (first.status, first.json()["joined"].as_bool()),
            (200, Some(false))
        );
        for sync in ["1", "demo"] {
            let again = run(sync).await.json();
            assert_eq!(again["joined"], true);
            assert_eq!(again["runId"], first.json()["runId"]);
        }
        let failed = run("3").await;
        assert_eq!(
            (failed.status, failed.json()["joined"].as_bool()),
            (424, Some(false))
        );
        let again = run("3").await;
        assert_eq!(
            (again.status, again.json()["joined"].as_bool()),
            (424, Some(true))
        );
        let batch = json!({"syncs": [1, "demo-empty"], "unlessRunSince": body["unlessRunSince"]});
        let answer = send_request(with_key(endpoint.post("/runs").json(&batch))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let runs = answer.json()["runs"].clone();
        assert_eq!(
            (&runs[0]["report"]["joined"], &runs[1]["report"]["joined"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(hightouch.triggers(), 3);
        let asynchronous = endpoint.post("/syncs/1/runs").json(&body);
        let asynchronous = asynchronous.header("prefer", "respond-async");
        let adopted = send_request(with_key(asynchronous)).await;
        assert_eq!(adopted.json()["runId"], first.json()["runId"]);
        assert_eq!(hightouch.triggers(), 3);
    });
}

#[test]
fn a_time_without_an_offset_is_refused_before_anything_is_sent() {
    const WRONG: [&str; 6] = [
        "2026-11-25T06:00:00",
        "2026-11-25",
        "1764050400",
        "0001-01-01T00:00:00Z",
        "now",
        "",
    ];
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        for wrong in WRONG {
            let failure = library.run_sync(1, since(wrong)).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidInput, "{wrong}");
            assert!(
                failure.message.contains("`unless-run-since` must be"),
                "{failure:?}"
            );
        }
        assert_eq!(hightouch.requests().len(), 0);
    });
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let wrong = WRONG
            .map(Value::from)
            .into_iter()
            .chain([json!(1), json!(true)]);
        for wrong in wrong {
            let body = json!({ "unlessRunSince": wrong });
            let refused = send_request(with_key(endpoint.post("/syncs/1/runs").json(&body))).await;
            assert_eq!(refused.status, 400, "{body}");
            assert!(
                refused.text.contains("`unlessRunSince` must be"),
                "{}",
                refused.text
            );
        }
        assert_eq!(hightouch.requests().len(), 0);
    });
}
