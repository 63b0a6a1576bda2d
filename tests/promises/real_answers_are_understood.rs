//! Properties of real responses: IDs as numbers or strings, letter case, missing and unknown
//! fields, delayed lists, and proxies.

use xtask::embedder::{FailureKind, RunOptions, RunStatus};
use xtask::local_hightouch::{LocalHightouch, Options, Scenario};

use super::support::stage::{lists, options, stage, with_each_library};

/// Returns options with a timeout of 25 s.
fn waited() -> RunOptions {
    RunOptions {
        max_wait_ms: Some(25_000),
        ..options()
    }
}

/// Runs sync 1 in a scenario in which it succeeds.
fn succeeds_under(scenario: Scenario) {
    stage(async |stage| {
        let hightouch = LocalHightouch::start(Options::default().with_scenario(scenario))
            .await
            .unwrap();
        let outcome = stage
            .library(&hightouch.origin())
            .run_sync(1, options())
            .await;
        let report = outcome.unwrap_or_else(|failure| panic!("{scenario}: {failure:?}"));
        assert!(matches!(report.status, RunStatus::Success), "{scenario}");
        assert_eq!(report.run.run_id, hightouch.runs(1)[0].id, "{scenario}");
        assert_eq!(hightouch.triggers(), 1, "{scenario}");
    });
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                succeeds_under(stringify!($name).replace('_', "-").parse().unwrap());
            }
        )*

        /// Other files test the other scenarios.
        const HERE: &[&str] = &[$(stringify!($name)),*];
    };
}

scenarios! {
    faithful
    string_ids
    upper_case
    unknown_status
    unknown_fields
    missing_fields
    low_ratio
    late_listing
    other_runs_first
    ignores_run_id
    html_errors
    flaky
    rate_limited
}

#[test]
fn every_scenario_of_the_local_hightouch_is_tested_somewhere() {
    let elsewhere = [
        "forbidden",
        "polls_fail",
        "silent",
        "lost_trigger_response",
        "trigger_timeout",
        "truncated_trigger",
        "dropped_trigger",
        "error_objects",
        "error_envelope",
        "never_listed",
    ];
    for scenario in Scenario::all() {
        let name = scenario.as_str().replace('-', "_");
        assert!(
            HERE.contains(&name.as_str()) || elsewhere.contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn an_error_may_be_an_object() {
    with_each_library(async |stage| {
        let options_of = Options::default().with_scenario(Scenario::ErrorObjects);
        let hightouch = LocalHightouch::start(options_of).await.unwrap();
        let failure = stage
            .library(&hightouch.origin())
            .run_sync(3, options())
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::SyncFailed);
        let error = failure.jobs[0].error.as_deref().unwrap();
        assert!(error.contains("INVALID_SESSION_ID"), "{error}");
    });
}

#[test]
fn an_error_in_another_envelope_starts_nothing() {
    with_each_library(async |stage| {
        let options_of = Options::default().with_scenario(Scenario::ErrorEnvelope);
        let hightouch = LocalHightouch::start(options_of).await.unwrap();
        let failure = stage
            .library(&hightouch.origin())
            .run_sync(1, options())
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::Api, "Forbidden")
        );
        assert_eq!(hightouch.triggers(), 0);
    });
}

#[test]
fn a_run_that_is_never_listed_is_no_success_and_stays_named() {
    with_each_library(async |stage| {
        let options_of = Options::default().with_scenario(Scenario::NeverListed);
        let hightouch = LocalHightouch::start(options_of).await.unwrap();
        let waited = RunOptions {
            max_wait_ms: Some(30_000),
            ..options()
        };
        let failure = stage
            .library(&hightouch.origin())
            .run_sync(1, waited)
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert_eq!(failure.run.unwrap().run_id, hightouch.runs(1)[0].id);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn an_empty_list_is_never_a_success() {
    with_each_library(async |stage| {
        let hightouch = lists(|_| r#"{"data":[],"hasMore":false}"#.into()).await;
        let waited = xtask::embedder::RunOptions {
            max_wait_ms: Some(30_000),
            ..options()
        };
        let failure = stage
            .library(hightouch.origin())
            .run_sync(1, waited)
            .await
            .unwrap_err();
        assert_eq!(failure.run.unwrap().run_id, 42);
        assert!(failure.jobs.is_empty());
    });
}

#[test]
fn only_the_entries_of_the_triggered_run_count() {
    with_each_library(async |stage| {
        let hightouch = lists(|look| {
            let own = if look < 3 { "" } else { r#",{"id":"42","status":"Success","new":[{"deep":{}}]}"# };
            format!(r#"{{"data":[{{"id":41,"status":"success"}},{{"id":43,"status":"failed"}}{own}],"hasMore":false}}"#)
        })
        .await;
        let report = stage
            .library(hightouch.origin())
            .run_sync(1, options())
            .await
            .unwrap();
        assert_eq!(
            (report.run.run_id, report.jobs.len(), report.requests),
            (42, 1, 4)
        );
    });
}

#[test]
fn an_entry_that_cannot_be_read_may_be_a_job_that_failed() {
    for entry in [
        r#""x""#,
        "null",
        r#"{"status":"failed"}"#,
        r#"{"id":"four","status":"failed"}"#,
    ] {
        with_each_library(async |stage| {
            let hightouch = lists(move |_| {
                format!(r#"{{"data":[{{"id":42,"status":"success"}},{entry}],"hasMore":false}}"#)
            })
            .await;
            let failure = stage
                .library(hightouch.origin())
                .run_sync(1, waited())
                .await
                .unwrap_err();
            assert_eq!(failure.kind, FailureKind::StillRunning, "{entry}");
        });
    }
}

#[test]
fn an_answer_of_any_depth_or_size_is_survived() {
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", r#"{"x":"#.repeat(100_000), "}".repeat(100_000));
    for bad in [
        deep("1"),
        format!(r#"{{"data":{},"hasMore":false}}"#, deep("")),
        format!(
            r#"{{"data":[{{"id":42,"status":{}}}],"hasMore":false}}"#,
            deep("")
        ),
        format!(
            r#"{{"data":[{{"id":42,"error":{objects},"status":"processing"}}],"hasMore":false}}"#
        ),
        format!(r#"{{"data":[{{"id":42,"plannedRows":{objects}}}],"hasMore":false}}"#),
        format!(r#"{{"message":{objects},"details":{objects}}}"#),
        format!(
            r#"{{"data":[{}{{}}],"hasMore":false}}"#,
            r#"{"id":42,"status":"failed"},"#.repeat(30_000)
        ),
        format!(
            r#"{{"data":[{}{{}}],"hasMore":true}}"#,
            r#"{"id":1},"#.repeat(100_000)
        ),
        "x".repeat(3 << 20),
        format!(
            r#"{{"data":[],"hasMore":false,"x":"{}"}}"#,
            "x".repeat(2 << 20)
        ),
    ] {
        with_each_library(async |stage| {
            let bad = bad.clone();
            let hightouch = lists(move |look| match look {
                1 => bad.clone(),
                _ => r#"{"data":[{"id":42,"status":"success"}],"hasMore":false}"#.into(),
            })
            .await;
            let library = stage.library(hightouch.origin());
            let report = library.run_sync(1, options()).await.unwrap();
            assert_eq!((report.run.run_id, hightouch.triggers()), (42, 1));
        });
    }
}
