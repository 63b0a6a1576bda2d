//! The most recent runs of a sync are listed, the newest first, in whatever order Hightouch lists
//! them.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::embedder::{Failure, FailureKind, Job, RunStatus, SyncRef};
use xtask::local_hightouch::{LocalHightouch, Options, Status, SyncFixture, Timeline};

use super::support::stage::{
    Endpoint, Library, Scripted, respond_with, send_request, with_each_endpoint, with_each_library,
    with_key,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Starts a local Hightouch whose sync 1 (`many`) has run this many times.
async fn with_runs(count: u32, newest_first: bool) -> LocalHightouch {
    let timeline = Timeline::over(Duration::from_secs(5), Status::Success);
    let many = SyncFixture::new(1, "many", timeline.clone());
    LocalHightouch::start(Options {
        syncs: vec![many.with_earlier_runs(count, MINUTE, timeline)],
        newest_first,
        ..Options::default()
    })
    .await
    .unwrap()
}

impl Library {
    async fn list_runs(&self, sync: SyncRef, limit: Option<u32>) -> Result<Vec<Job>, Failure> {
        self.host
            .list_runs(&self.connection, &sync, limit)
            .await
            .expect("no trap")
    }
}

fn ids(runs: &[Job]) -> Vec<u64> {
    runs.iter().map(|run| run.id).collect()
}

#[test]
fn the_newest_runs_are_listed_first_whatever_the_order_of_hightouch_is() {
    for (newest_first, most) in [(true, 1), (false, 20)] {
        with_each_library(async |stage| {
            let hightouch = with_runs(1_000, newest_first).await;
            let library = stage.library(&hightouch.origin());
            for (limit, expected) in [(None, 10), (Some(1), 1), (Some(3), 3), (Some(100), 100)] {
                let before = hightouch.requests().len();
                let runs = library.list_runs(SyncRef::Id(1), limit).await.unwrap();
                assert_eq!(
                    runs.len(),
                    expected,
                    "newest first: {newest_first} {limit:?}"
                );
                let newest = ids(&runs)[0];
                let falling: Vec<u64> = ids(&runs)
                    .windows(2)
                    .map(|pair| pair[0] - pair[1])
                    .collect();
                assert!(falling.iter().all(|step| *step > 0), "{falling:?}");
                let next = library.list_runs(SyncRef::Id(1), Some(1)).await.unwrap();
                assert_eq!(ids(&next), [newest], "newest first: {newest_first}");
                let requests = hightouch.requests().len() - before;
                assert!(
                    requests <= 2 * most,
                    "newest first: {newest_first} {limit:?}: {requests}"
                );
            }
        });
    }
}

#[test]
fn a_run_in_progress_is_listed_and_nothing_is_started() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let started = library
            .host
            .start_sync(
                &library.connection,
                &SyncRef::Id(6),
                super::support::stage::options(),
            )
            .await
            .unwrap()
            .unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        for sync in [SyncRef::Id(6), SyncRef::Slug("demo-hour".into())] {
            let runs = library.list_runs(sync, None).await.unwrap();
            assert_eq!(ids(&runs), [started.run_id]);
            assert_eq!(runs[0].status, RunStatus::Querying);
            assert_eq!(runs[0].finished_at, None);
        }
        assert_eq!(hightouch.triggers(), 1);
        assert_eq!(
            library.list_runs(SyncRef::Id(5), None).await.unwrap(),
            [],
            "a sync that has never run"
        );
    });
}

async fn list(endpoint: &Endpoint, path: &str) -> (u16, Value) {
    let answer = send_request(with_key(endpoint.get(path))).await;
    (answer.status, answer.json())
}

#[test]
fn over_http_the_runs_have_the_fields_of_jobs_and_a_url() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let mut config = stage.config(&hightouch.origin());
        config.outbound = xtask::embedder::Outbound::only([hightouch.origin().as_str()]);
        config
            .environment
            .push(("HIGHTOUCH_WORKSPACE".into(), "acme".into()));
        config
            .variables
            .insert("hightouch_workspace".into(), "acme".into());
        let path = xtask::build::components().unwrap().path(kind).to_owned();
        let host = xtask::embedder::Host::new(&path, config).unwrap();
        let endpoint = Endpoint::serve(&host).await;
        for sync in ["1", "demo"] {
            let (status, listed) = list(&endpoint, &format!("/syncs/{sync}/runs")).await;
            assert_eq!(status, 200, "{listed}");
            assert_eq!(listed["syncId"], 1);
            let runs = listed["runs"].as_array().unwrap();
            let statuses: Vec<&Value> = runs.iter().map(|run| &run["status"]).collect();
            assert_eq!(statuses, ["success", "failed"]);
            assert!(runs[0]["id"].as_u64() > runs[1]["id"].as_u64());
            assert_eq!(
                runs[0]["url"],
                format!(
                    "https://app.hightouch.com/acme/syncs/1/runs/{}",
                    runs[0]["id"]
                )
            );
            assert!(runs[0]["startedAt"].is_string() && runs[0]["finishedAt"].is_string());
            let expected = if sync == "1" { 1 } else { 2 };
            assert_eq!(listed["requests"], expected);
        }
        let (_, one) = list(&endpoint, "/syncs/1/runs?limit=1").await;
        assert_eq!(one["runs"].as_array().unwrap().len(), 1);
        let head = send_request(with_key(endpoint.request("HEAD", "/syncs/1/runs"))).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        assert_eq!(hightouch.triggers(), 0);
    });
}

#[test]
fn bad_input_and_errors_are_reported_as_for_a_run() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for path in [
            "/syncs/0/runs",
            "/syncs/1/runs?limit=0",
            "/syncs/1/runs?limit=101",
            "/syncs/1/runs?limit=ten",
            "/syncs/1/runs?limit=1&limit=1",
        ] {
            let (status, problem) = list(&endpoint, path).await;
            assert_eq!(
                (status, &problem["kind"]),
                (400, &json!("invalid-input")),
                "{path}"
            );
        }
        assert_eq!(hightouch.requests().len(), 0);
        let without_key = send_request(endpoint.get("/syncs/1/runs")).await;
        assert_eq!(without_key.status, 401);
        for path in ["/syncs/404/runs", "/syncs/no-such-sync/runs"] {
            let (status, problem) = list(&endpoint, path).await;
            assert_eq!(
                (status, &problem["kind"]),
                (404, &json!("not-found")),
                "{path}"
            );
        }
        let wrong = endpoint.get("/syncs/1/runs").bearer_auth("wrong");
        assert_eq!(send_request(wrong).await.status, 401);
    });
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        for limit in [0, 101] {
            let failure = library.list_runs(SyncRef::Id(1), Some(limit)).await;
            assert_eq!(failure.unwrap_err().kind, FailureKind::InvalidInput);
        }
        assert_eq!(hightouch.requests().len(), 0);
    });
}

#[test]
fn a_server_that_stays_silent_or_fails_ends_the_call() {
    with_each_library(async |stage| {
        let hightouch = Scripted::start(|_, _| respond_with(503, "")).await;
        let library = stage.library(hightouch.origin());
        let began = stage.time.elapsed();
        let failure = library.list_runs(SyncRef::Id(1), None).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.http_status),
            (FailureKind::Api, Some(503))
        );
        assert!(stage.time.elapsed() - began <= Duration::from_secs(31));
    });
}
