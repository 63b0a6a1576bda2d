//! A run is a success only if it has ended and every job is `success`, or `warning` if the caller
//! accepts warnings.

use xtask::embedder::{FailureKind, RunOptions, RunStatus, Warnings};

use super::support::stage::{
    lists, options, send_request, with_each_endpoint, with_each_library, with_key,
};

#[test]
fn every_row_of_the_status_table() {
    for (status, ended) in [
        ("queued", None),
        ("querying", None),
        ("processing", None),
        ("reporting", None),
        ("verifying", None),
        ("success", Some(true)),
        ("warning", Some(false)),
        ("failed", Some(false)),
        ("cancelled", Some(false)),
        ("interrupted", Some(false)),
    ] {
        with_each_library(async |stage| {
            let hightouch = lists(move |_| {
                format!(r#"{{"data":[{{"id":42,"status":"{status}"}}],"hasMore":false}}"#)
            })
            .await;
            let library = stage.library(hightouch.origin());
            let outcome = library
                .run_sync(
                    1,
                    RunOptions {
                        max_wait_ms: Some(60_000),
                        ..options()
                    },
                )
                .await;
            match (ended, outcome) {
                (Some(true), Ok(report)) => assert_eq!(report.run.run_id, 42),
                (Some(false), Err(failure)) => {
                    assert_eq!(failure.kind, FailureKind::SyncFailed, "{status}")
                }
                (None, Err(failure)) => {
                    assert_eq!(failure.kind, FailureKind::StillRunning, "{status}");
                    assert_eq!(failure.run.unwrap().run_id, 42);
                }
                (_, outcome) => panic!("{status}: {outcome:?}"),
            }
            assert_eq!(hightouch.triggers(), 1, "{status}");
        });
    }
}

#[test]
fn one_failed_job_fails_the_run() {
    with_each_library(async |stage| {
        let hightouch = lists(|_| {
            r#"{"data":[{"id":42,"status":"success"},{"id":42,"status":"failed","error":"no such column"}],"hasMore":false}"#.into()
        })
        .await;
        let failure = stage
            .library(hightouch.origin())
            .run_sync(1, options())
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::SyncFailed, "no such column")
        );
        assert_eq!(failure.jobs.len(), 2);
    });
}

#[test]
fn a_warning_counts_as_the_caller_says() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let failure = library.run_sync(2, options()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::SyncFailed);
        assert!(matches!(failure.jobs[0].status, RunStatus::Warning));
        assert!(
            failure.jobs[0].failed_rows.as_ref().unwrap().added > 0,
            "the rejected rows are reported"
        );
        let report = library
            .run_sync(
                2,
                RunOptions {
                    warnings: Warnings::Accept,
                    ..options()
                },
            )
            .await
            .unwrap();
        assert!(matches!(report.status, RunStatus::Warning));
    });
}

#[test]
fn an_ended_run_is_told_by_the_endpoint_as_well() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (sync, status) in [
            ("1", 200),
            ("2", 424),
            ("3", 424),
            ("5", 200),
            ("7", 424),
            ("8", 424),
            ("demo", 200),
        ] {
            let received =
                send_request(with_key(endpoint.post(&format!("/syncs/{sync}/runs")))).await;
            assert_eq!(received.status, status, "{sync}: {}", received.text);
        }
        let accepted = endpoint
            .post("/syncs/2/runs")
            .json(&serde_json::json!({"acceptWarnings": true}));
        assert_eq!(send_request(with_key(accepted)).await.status, 200);
    });
}
