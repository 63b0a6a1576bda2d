//! Several syncs run one after another, or a few at a time, and no further sync is started after
//! one has failed.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::embedder::{BatchOptions, Failure, FailureKind, Report, RunOptions, SyncRef};
use xtask::local_hightouch::{LocalHightouch, Options, Status, SyncFixture, Timeline};

use super::support::stage::{
    Library, options, send_request, with_each_endpoint, with_each_library, with_key,
};

const RUN_TIME: Duration = Duration::from_secs(10);

/// Starts a local Hightouch with syncs 1 to 6, of which these fail. Their slugs are `s-1` to `s-6`.
/// A run that fails ends before a run that began at the same time and succeeds.
async fn with_failing(failing: &[u64]) -> LocalHightouch {
    let syncs = (1..=6).map(|id| {
        let timeline = if failing.contains(&id) {
            Timeline::over(RUN_TIME / 2, Status::Failed)
        } else {
            Timeline::over(RUN_TIME, Status::Success)
        };
        SyncFixture::new(id, format!("s-{id}"), timeline)
    });
    LocalHightouch::start(Options {
        syncs: syncs.collect(),
        ..Options::default()
    })
    .await
    .unwrap()
}

impl Library {
    async fn run_in_order(
        &self,
        syncs: &[SyncRef],
        options: RunOptions,
        parallel: Option<u32>,
        stop_on_failure: bool,
    ) -> Vec<Result<Report, Failure>> {
        let batch = BatchOptions {
            parallel,
            stop_on_failure,
        };
        self.host
            .run_syncs(&self.connection, syncs, options, batch)
            .await
            .expect("no trap")
    }
}

fn all() -> Vec<SyncRef> {
    (1..=6).map(SyncRef::Id).collect()
}

/// Returns the maximum number of runs that were in progress at the same time, from their trigger to
/// their end.
fn most_at_a_time(hightouch: &LocalHightouch) -> usize {
    let runs: Vec<_> = (1..=6).flat_map(|sync| hightouch.runs(sync)).collect();
    let overlapping = runs.iter().map(|run| {
        let at = &run.created_at;
        let others = runs.iter().filter(|other| {
            let ends_later = other.finished_at.as_ref().is_none_or(|end| end > at);
            &other.created_at <= at && ends_later
        });
        others.count()
    });
    overlapping.max().unwrap_or_default()
}

#[test]
fn at_most_so_many_syncs_run_at_a_time_in_the_order_of_the_list() {
    for parallel in [1, 2, 4] {
        with_each_library(async |stage| {
            let hightouch = with_failing(&[]).await;
            let library = stage.library(&hightouch.origin());
            let outcomes = library
                .run_in_order(&all(), options(), Some(parallel), false)
                .await;
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            assert_eq!(
                most_at_a_time(&hightouch),
                usize::try_from(parallel).unwrap()
            );
            let triggers: Vec<String> = hightouch
                .requests()
                .iter()
                .filter(|request| request.method == "POST")
                .map(|request| request.path.clone())
                .collect();
            let expected: Vec<String> = (1..=6)
                .map(|id| format!("/api/v1/syncs/{id}/trigger"))
                .collect();
            assert_eq!(triggers, expected);
        });
    }
}

#[test]
fn after_a_failure_no_further_sync_is_started() {
    for by_slug in [false, true] {
        with_each_library(async |stage| {
            let hightouch = with_failing(&[2]).await;
            let library = stage.library(&hightouch.origin());
            let syncs: Vec<SyncRef> = (1..=6)
                .map(|id| {
                    if by_slug {
                        SyncRef::Slug(format!("s-{id}"))
                    } else {
                        SyncRef::Id(id)
                    }
                })
                .collect();
            let outcomes = library.run_in_order(&syncs, options(), Some(1), true).await;
            assert!(outcomes[0].is_ok());
            assert_eq!(
                outcomes[1].as_ref().unwrap_err().kind,
                FailureKind::SyncFailed
            );
            let failed = if by_slug { "`s-2`" } else { "`2`" };
            for outcome in &outcomes[2..] {
                let failure = outcome.as_ref().unwrap_err();
                assert_eq!(failure.kind, FailureKind::NotStarted);
                assert!(failure.message.contains(failed), "{}", failure.message);
                assert!(failure.run.is_none());
            }
            assert_eq!(hightouch.triggers(), 2);
        });
    }
}

#[test]
fn runs_that_were_started_before_the_failure_are_awaited() {
    with_each_library(async |stage| {
        let hightouch = with_failing(&[1]).await;
        let library = stage.library(&hightouch.origin());
        let outcomes = library.run_in_order(&all(), options(), Some(3), true).await;
        let kinds: Vec<Option<FailureKind>> = outcomes
            .iter()
            .map(|outcome| outcome.as_ref().err().map(|failure| failure.kind))
            .collect();
        assert_eq!(kinds[0], Some(FailureKind::SyncFailed));
        assert_eq!(kinds[1..3], [None, None]);
        assert_eq!(kinds[3..], [Some(FailureKind::NotStarted); 3]);
        assert_eq!(hightouch.triggers(), 3);
    });
}

#[test]
fn without_the_option_a_failure_stops_nothing() {
    with_each_library(async |stage| {
        let hightouch = with_failing(&[1, 2]).await;
        let library = stage.library(&hightouch.origin());
        let outcomes = library
            .run_in_order(&all(), options(), Some(1), false)
            .await;
        let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok());
        assert_eq!((succeeded.count(), hightouch.triggers()), (4, 6));
    });
}

#[test]
fn what_the_wait_was_too_short_to_start_is_not_started() {
    with_each_library(async |stage| {
        let hightouch = with_failing(&[]).await;
        let library = stage.library(&hightouch.origin());
        let short = RunOptions {
            max_wait_ms: Some(25_000),
            ..options()
        };
        let outcomes = library.run_in_order(&all(), short, Some(1), false).await;
        let kinds: Vec<Option<FailureKind>> = outcomes
            .iter()
            .map(|outcome| outcome.as_ref().err().map(|failure| failure.kind))
            .collect();
        assert_eq!(kinds[..2], [None, None]);
        assert_eq!(kinds[2], Some(FailureKind::StillRunning));
        assert_eq!(kinds[3..], [Some(FailureKind::NotStarted); 3]);
        assert_eq!(hightouch.triggers(), 3);
        let failure = outcomes[5].as_ref().unwrap_err();
        assert!(
            failure.message.contains("No run was started"),
            "{failure:?}"
        );
    });
}

#[test]
fn over_http_an_entry_that_was_not_started_has_status_424() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = with_failing(&[2]).await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let body = json!({"syncs": [1, "s-2", 3], "parallel": 1, "stopOnFailure": true});
        let run = endpoint
            .post("/runs")
            .header("prefer", "wait=60")
            .json(&body);
        let answer = send_request(with_key(run)).await;
        assert_eq!(answer.status, 424, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(
            (&answer["succeeded"], &answer["failed"]),
            (&json!(1), &json!(2))
        );
        let problem = &answer["runs"][2]["problem"];
        assert_eq!(
            (&problem["kind"], &problem["status"]),
            (&json!("not-started"), &json!(424))
        );
        assert!(problem["detail"].as_str().unwrap().contains("`s-2`"));
        assert_eq!(hightouch.triggers(), 2);
    });
}

#[test]
fn an_invalid_order_is_refused_before_anything_is_sent() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = with_failing(&[]).await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let refuse = async |body: &Value, prefer: &str, says: &str| {
            let run = endpoint.post("/runs").header("prefer", prefer).json(body);
            let refused = send_request(with_key(run)).await;
            assert_eq!(refused.status, 400, "{body}: {}", refused.text);
            assert!(refused.text.contains(says), "{}", refused.text);
        };
        for parallel in [json!(0), json!(51), json!(-1), json!(1.5), json!("2")] {
            let body = json!({"syncs": [1, 2], "parallel": parallel});
            refuse(
                &body,
                "wait=9",
                "`parallel` must be a whole number from 1 to 50",
            )
            .await;
        }
        for options in [json!({"parallel": 1}), json!({"stopOnFailure": true})] {
            let mut body = json!({"syncs": [1, 2]});
            body.as_object_mut()
                .unwrap()
                .extend(options.as_object().unwrap().clone());
            refuse(&body, "respond-async", "does not wait").await;
        }
        assert_eq!(hightouch.requests().len(), 0);
    });
    with_each_library(async |stage| {
        let hightouch = with_failing(&[]).await;
        let library = stage.library(&hightouch.origin());
        let no_wait = RunOptions {
            max_wait_ms: Some(0),
            ..options()
        };
        for (options, parallel, stop) in [
            (options(), Some(0), false),
            (options(), Some(51), false),
            (no_wait.clone(), Some(5), false),
            (no_wait, None, true),
        ] {
            for outcome in library.run_in_order(&all(), options, parallel, stop).await {
                assert_eq!(outcome.unwrap_err().kind, FailureKind::InvalidInput);
            }
        }
        assert_eq!(hightouch.requests().len(), 0);
    });
}
