//! Several syncs run at the same time in one instance, each once. The batch succeeds only if all
//! syncs succeed.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::embedder::{BatchOptions, Failure, FailureKind, IfRunning, Report, RunOptions, SyncRef};
use xtask::local_hightouch::{LocalHightouch, Options, Status, SyncFixture, Timeline};

use super::support::stage::{
    Endpoint, EndpointResponse, Library, Scripted, millis, options, respond_with, send_request,
    with_each_endpoint, with_each_library, with_key,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Starts a local Hightouch with syncs 1 to `count`, whose runs take this long.
async fn with_syncs(count: u64, length: Duration) -> LocalHightouch {
    let syncs = (1..=count).map(|id| {
        SyncFixture::new(
            id,
            format!("s-{id}"),
            Timeline::over(length, Status::Success),
        )
    });
    LocalHightouch::start(Options {
        syncs: syncs.collect(),
        ..Options::default()
    })
    .await
    .unwrap()
}

/// Starts a local Hightouch in which sync 1 takes 5 s, sync 2 fails after 5 s, and sync 3 takes an
/// hour.
async fn mixed() -> LocalHightouch {
    let syncs = [
        (1, 5, Status::Success),
        (2, 5, Status::Failed),
        (3, 3600, Status::Success),
    ];
    let syncs = syncs.map(|(id, length, end)| {
        SyncFixture::new(id, format!("s-{id}"), Timeline::over(seconds(length), end))
    });
    LocalHightouch::start(Options {
        syncs: syncs.into(),
        ..Options::default()
    })
    .await
    .unwrap()
}

impl Library {
    async fn run_syncs(
        &self,
        syncs: &[SyncRef],
        options: RunOptions,
    ) -> Vec<Result<Report, Failure>> {
        self.host
            .run_syncs(&self.connection, syncs, options, BatchOptions::default())
            .await
            .expect("no trap")
    }
}

fn within(wait: Duration) -> RunOptions {
    RunOptions {
        max_wait_ms: Some(millis(wait)),
        ..options()
    }
}

#[test]
fn sixty_syncs_take_hardly_longer_than_one_and_stay_within_the_rate_limit() {
    with_each_library(async |stage| {
        let hightouch = with_syncs(60, seconds(20)).await;
        let library = stage.library(&hightouch.origin());
        let syncs: Vec<SyncRef> = (1..=60).map(SyncRef::Id).collect();
        let began = stage.time.elapsed();
        let reports: Vec<Report> = library
            .run_syncs(&syncs, options())
            .await
            .into_iter()
            .map(|outcome| outcome.unwrap())
            .collect();
        let order: Vec<u64> = reports.iter().map(|report| report.run.sync_id).collect();
        assert_eq!(
            order,
            (1..=60).collect::<Vec<_>>(),
            "in the order of the list"
        );
        assert_eq!(hightouch.triggers(), 60);
        assert!(
            (1..=60).all(|sync| hightouch.runs(sync).len() == 1),
            "each once"
        );
        let took = stage.time.elapsed() - began;
        assert!(
            took < seconds(60),
            "two rounds of 20 s, and polls: {took:?}"
        );
        let most = most_in_ten_seconds(&hightouch);
        assert!(
            most <= 200,
            "together they send no more requests than Hightouch accepts in 10 s: {most}"
        );
        assert_eq!(
            reports
                .iter()
                .map(|report| report.requests as usize)
                .sum::<usize>(),
            hightouch.requests().len()
        );
    });
}

/// Returns the maximum number of requests in any ten seconds.
fn most_in_ten_seconds(hightouch: &LocalHightouch) -> usize {
    let asked: Vec<Duration> = hightouch
        .requests()
        .iter()
        .map(|request| request.at)
        .collect();
    let window = |from: &Duration| {
        asked
            .iter()
            .filter(|at| (*from..*from + seconds(10)).contains(*at))
            .count()
    };
    asked.iter().map(window).max().unwrap()
}

#[test]
fn a_hundred_of_which_each_takes_three_requests_to_start_leave_hightouch_time() {
    with_each_library(async |stage| {
        let hightouch = with_syncs(100, seconds(3600)).await;
        let library = stage.library(&hightouch.origin());
        let syncs: Vec<SyncRef> = (1..=100)
            .map(|id| SyncRef::Slug(format!("s-{id}")))
            .collect();
        let options = RunOptions {
            if_running: IfRunning::Join,
            ..within(Duration::ZERO)
        };
        let began = stage.time.elapsed();
        let outcomes = library.run_syncs(&syncs, options).await;
        assert!(stage.time.elapsed() - began <= Duration::from_millis(11_250));
        let most = most_in_ten_seconds(&hightouch);
        assert!(most <= 200, "{most}");
        let (started, others): (Vec<_>, Vec<_>) = outcomes
            .iter()
            .map(|outcome| outcome.as_ref().unwrap_err())
            .partition(|failure| failure.run.is_some());
        assert_eq!(hightouch.triggers(), started.len());
        assert!(started.len() >= 50, "{}", started.len());
        for failure in others {
            assert_ne!(
                failure.http_status,
                Some(429),
                "no failure reports a rate limit"
            );
            assert!(
                failure.message.contains("No run was started."),
                "{}",
                failure.message
            );
        }
    });
}

#[test]
fn each_gets_its_own_end() {
    with_each_library(async |stage| {
        let hightouch = mixed().await;
        let library = stage.library(&hightouch.origin());
        let syncs = [
            SyncRef::Id(3),
            SyncRef::Slug("s-1".into()),
            SyncRef::Id(2),
            SyncRef::Slug("nowhere".into()),
        ];
        let outcomes = library.run_syncs(&syncs, within(seconds(30))).await;
        let kinds: Vec<Option<FailureKind>> = outcomes
            .iter()
            .map(|outcome| outcome.as_ref().err().map(|failure| failure.kind))
            .collect();
        let expected = [
            Some(FailureKind::StillRunning),
            None,
            Some(FailureKind::SyncFailed),
            Some(FailureKind::NotFound),
        ];
        assert_eq!(kinds, expected);
        let run = outcomes[0]
            .as_ref()
            .unwrap_err()
            .run
            .expect("the run that is still in progress");
        assert_eq!((run.sync_id, run.run_id), (3, hightouch.runs(3)[0].id));
        assert_eq!(hightouch.triggers(), 3);
    });
}

#[test]
fn those_whose_turn_never_comes_are_not_started() {
    with_each_library(async |stage| {
        let hightouch = with_syncs(60, seconds(3600)).await;
        let library = stage.library(&hightouch.origin());
        let syncs: Vec<SyncRef> = (1..=60).map(SyncRef::Id).collect();
        let began = stage.time.elapsed();
        let outcomes = library.run_syncs(&syncs, within(seconds(30))).await;
        let took = stage.time.elapsed() - began;
        assert!(took <= Duration::from_millis(30_250), "{took:?}");
        for (at, outcome) in outcomes.iter().enumerate() {
            let failure = outcome.as_ref().unwrap_err();
            if at < 50 {
                assert_eq!(
                    (failure.kind, failure.run.is_some()),
                    (FailureKind::StillRunning, true)
                );
            } else {
                assert_eq!(
                    (failure.kind, failure.requests),
                    (FailureKind::NotStarted, 0)
                );
                assert!(
                    failure.message.contains("No run was started."),
                    "{}",
                    failure.message
                );
            }
        }
        assert_eq!(hightouch.triggers(), 50);
    });
}

#[test]
fn a_wait_of_nothing_starts_all_of_them() {
    with_each_library(async |stage| {
        let hightouch = with_syncs(60, seconds(3600)).await;
        let library = stage.library(&hightouch.origin());
        let syncs: Vec<SyncRef> = (1..=60).map(SyncRef::Id).collect();
        let outcomes = library.run_syncs(&syncs, within(Duration::ZERO)).await;
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.as_ref().unwrap_err().run.is_some()),
            "{outcomes:?}"
        );
        assert_eq!(hightouch.triggers(), 60);
    });
}

#[test]
fn a_list_that_cannot_be_right_is_not_begun() {
    with_each_library(async |stage| {
        let hightouch = mixed().await;
        let library = stage.library(&hightouch.origin());
        let (one, slug) = (SyncRef::Id(1), |slug: &str| SyncRef::Slug(slug.into()));
        for list in [
            vec![one.clone(), SyncRef::Id(0)],
            vec![one.clone(), one.clone()],
            vec![slug("a"), slug("a/b")],
            (1..=101).map(SyncRef::Id).collect(),
        ] {
            let outcomes = library.run_syncs(&list, options()).await;
            assert_eq!(outcomes.len(), list.len());
            for outcome in outcomes {
                let failure = outcome.unwrap_err();
                assert_eq!(
                    (failure.kind, failure.requests),
                    (FailureKind::InvalidInput, 0)
                );
                assert!(
                    failure.message.ends_with("Nothing was sent to Hightouch."),
                    "{}",
                    failure.message
                );
            }
        }
        assert!(library.run_syncs(&[], options()).await.is_empty());
        assert!(hightouch.requests().is_empty());
    });
}

#[test]
fn a_sync_that_is_named_by_its_id_and_by_its_slug_runs_once() {
    for list in [
        [SyncRef::Id(1), SyncRef::Slug("s-1".into())],
        [SyncRef::Slug("s-1".into()), SyncRef::Id(1)],
    ] {
        with_each_library(async |stage| {
            let hightouch = mixed().await;
            let outcomes = stage
                .library(&hightouch.origin())
                .run_syncs(&list, options())
                .await;
            let refused: Vec<&Failure> = outcomes
                .iter()
                .filter_map(|outcome| outcome.as_ref().err())
                .collect();
            let [failure] = refused.as_slice() else {
                panic!("one of the two: {outcomes:?}")
            };
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            assert!(
                failure.message.contains("listed twice"),
                "{}",
                failure.message
            );
            assert_eq!(hightouch.triggers(), 1);
            let received = |outcome: &Result<Report, Failure>| match outcome {
                Ok(report) => report.requests,
                Err(failure) => failure.requests,
            };
            assert_eq!(
                outcomes.iter().map(received).sum::<u32>() as usize,
                hightouch.requests().len()
            );
        });
    }
}

async fn post(endpoint: &Endpoint, wait: u64, body: Value) -> EndpointResponse {
    send_request(
        with_key(endpoint.post("/runs"))
            .header("prefer", format!("wait={wait}"))
            .json(&body),
    )
    .await
}

#[test]
fn the_endpoint_answers_200_only_if_all_succeeded() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = mixed().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;

        let received = post(&endpoint, 20, json!({"syncs": ["s-1"]})).await;
        assert_eq!(
            (received.status, &received.json()["succeeded"]),
            (200, &json!(1))
        );
        assert_eq!(
            received.json()["runs"][0]["report"]["status"],
            json!("success")
        );

        let received = post(&endpoint, 20, json!({"syncs": [1, 2]})).await;
        let response = received.json();
        assert_eq!(
            (received.status, &response["succeeded"], &response["failed"]),
            (424, &json!(1), &json!(1))
        );
        assert_eq!(response["runs"][0]["report"]["syncId"], json!(1));
        assert_eq!(response["runs"][1]["sync"], json!(2));
        assert_eq!(response["runs"][1]["problem"]["kind"], json!("sync-failed"));
        assert_eq!(
            response["runs"][1]["problem"]["runId"],
            json!(hightouch.runs(2)[0].id)
        );

        let received = post(&endpoint, 20, json!({"syncs": [1, 3]})).await;
        let response = received.json();
        assert_eq!(
            (received.status, &response["running"], &response["failed"]),
            (202, &json!(1), &json!(0))
        );
        assert!(
            received.header("retry-after").is_some()
                && received.header("preference-applied") == Some("wait=20")
        );
        let location = response["runs"][1]["location"].as_str().unwrap();
        let taken_up = with_key(endpoint.get(location)).header("prefer", "wait=0");
        assert_eq!(send_request(taken_up).await.json()["syncId"], json!(3));

        let received = post(&endpoint, 20, json!({"syncs": [2, 3]})).await;
        assert_eq!(
            received.status, 424,
            "one has failed, however the other ends"
        );
        assert_eq!(received.json()["running"], json!(1));
    });
}

#[test]
fn where_the_key_is_refused_it_is_said_as_for_one() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = mixed().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let request = endpoint
            .post("/runs")
            .bearer_auth("wrong")
            .json(&json!({"syncs": [1, 2]}));
        let received = send_request(request).await;
        assert_eq!(
            (received.status, &received.json()["kind"]),
            (401, &json!("unauthorized"))
        );
        assert!(received.header("www-authenticate").is_some());
    });
}

#[test]
fn the_endpoint_begins_nothing_for_a_body_that_cannot_be_right() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = mixed().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (body, expected_text) in [
            (json!({}), "syncs"),
            (json!({"syncs": []}), "syncs"),
            (json!({"syncs": [1, 1]}), "listed twice"),
            (json!({"syncs": [1, "a/b"]}), "slug"),
            (json!({"syncs": [1], "wait": 1}), "`wait`"),
        ] {
            let received = post(&endpoint, 20, body).await;
            assert_eq!(received.status, 400, "{}", received.text);
            assert!(
                received.json()["detail"]
                    .as_str()
                    .unwrap()
                    .contains(expected_text),
                "{}",
                received.text
            );
        }
        assert_eq!(
            send_request(with_key(endpoint.get("/runs"))).await.status,
            405
        );
        assert!(hightouch.requests().is_empty());
    });
}

/// Starts a mock of Hightouch with long responses: each run has a hundred failed jobs with long
/// texts.
pub(super) async fn with_long_responses() -> Scripted {
    let (error, time) = ("x".repeat(9_000), "t".repeat(127));
    Scripted::start(move |what, _| {
        let sync = what.split('/').nth(4).unwrap();
        if what.starts_with("POST") {
            return respond_with(200, format!(r#"{{"id":"{sync}"}}"#));
        }
        let job = format!(
            r#"{{"id":{sync},"status":"failed","error":"{error}","createdAt":"{time}","startedAt":"{time}","finishedAt":"{time}"}}"#
        );
        respond_with(200, format!(r#"{{"data":[{}],"hasMore":false}}"#, vec![job; 100].join(",")))
    })
    .await
}

/// Maximum linear memory of a batch of a hundred runs, in bytes. It is half of the usual limit of a
/// component.
pub(super) const MEMORY: usize = 32 << 20;

#[test]
fn a_hundred_runs_of_which_much_is_told_fit_into_one_instance() {
    with_each_library(async |stage| {
        let hightouch = with_long_responses().await;
        let library = stage.library(hightouch.origin());
        let syncs: Vec<SyncRef> = (1..=100).map(SyncRef::Id).collect();
        for outcome in library.run_syncs(&syncs, options()).await {
            let failure = outcome.unwrap_err();
            assert_eq!(
                (failure.kind, failure.jobs.len()),
                (FailureKind::SyncFailed, 100)
            );
        }
        let peak = library.host.peak_memory();
        assert!(peak <= MEMORY, "{} KiB", peak >> 10);
    });
    with_each_endpoint(async |stage, kind| {
        let hightouch = with_long_responses().await;
        let host = stage.host(kind, hightouch.origin());
        let endpoint = Endpoint::serve(&host).await;
        let received = post(
            &endpoint,
            600,
            json!({"syncs": (1..=100).collect::<Vec<_>>()}),
        )
        .await;
        assert_eq!(
            (received.status, &received.json()["failed"]),
            (424, &json!(100))
        );
        assert!(
            host.peak_memory() <= MEMORY,
            "{} KiB",
            host.peak_memory() >> 10
        );
    });
}
