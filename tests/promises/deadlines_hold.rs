//! No call takes longer than its timeout, whatever the peer does. The run continues, and
//! `await-run` can follow it.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use xtask::build::{Kind, components};
use xtask::embedder::{Config, FailureKind, Host, Outbound, RunOptions, SyncRef};
use xtask::local_hightouch::{KEY, LocalHightouch, Options, Scenario};

use super::support::raw::{Fault, Line, Place};
use super::support::stage::{Endpoint, connection, options, with_each_endpoint, with_each_library};

#[test]
fn a_deadline_that_passes_names_the_run_and_await_run_takes_it_up() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let ten = RunOptions {
            max_wait_ms: Some(10_000),
            ..options()
        };
        let failure = library.run_sync(4, ten).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert!(
            (9_000..=10_250).contains(&failure.elapsed_ms),
            "{}",
            failure.elapsed_ms
        );
        let run = failure.run.unwrap();
        assert_eq!(failure.jobs[0].id, run.run_id);

        let again = library
            .host
            .await_run(&library.connection, run, options())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(again.run.run_id, run.run_id);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_wait_of_zero_starts_a_run_or_looks_once() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let once = RunOptions {
            max_wait_ms: Some(0),
            ..options()
        };
        let failure = library.run_sync(1, once.clone()).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.requests),
            (FailureKind::StillRunning, 1)
        );
        let run = failure.run.unwrap();
        let look = || async {
            library
                .host
                .await_run(&library.connection, run, once.clone())
                .await
                .unwrap()
        };
        let failure = look().await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.requests, failure.jobs.len()),
            (FailureKind::StillRunning, 1, 1)
        );
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(look().await.unwrap().requests, 1);
    });
}

#[test]
fn start_sync_returns_with_the_run_and_does_not_wait() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let started = library
            .host
            .start_sync(&library.connection, &SyncRef::Id(4), options())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (started.sync_id, started.run_id),
            (4, hightouch.runs(4)[0].id)
        );
        assert_eq!(hightouch.requests().len(), 1);
    });
}

#[test]
fn a_hightouch_that_never_answers_is_given_up_at_the_deadline() {
    with_each_library(async |stage| {
        let silent = Options::default().with_scenario(Scenario::Silent);
        let hightouch = LocalHightouch::start(silent).await.unwrap();
        let minute = RunOptions {
            max_wait_ms: Some(60_000),
            ..options()
        };
        let failure = stage
            .library(&hightouch.origin())
            .run_sync(1, minute)
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed);
        assert!(failure.elapsed_ms <= 60_250);
    });
}

#[test]
fn polls_that_fail_for_the_whole_wait_leave_the_run_named() {
    with_each_library(async |stage| {
        let failing = Options::default().with_scenario(Scenario::PollsFail);
        let hightouch = LocalHightouch::start(failing).await.unwrap();
        let minute = RunOptions {
            max_wait_ms: Some(60_000),
            ..options()
        };
        let failure = stage
            .library(&hightouch.origin())
            .run_sync(1, minute)
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert_eq!(failure.run.unwrap().run_id, hightouch.runs(1)[0].id);
        assert!(failure.details.unwrap().contains("503"));
    });
}

/// This test uses the machine's clock, sockets and scheduler. A busy machine may wake tasks late,
/// so the limit is loose. In virtual time the limit is 250 ms.
#[test]
fn on_the_clock_on_the_wall_too() {
    let slow: Vec<Fault> = Fault::ALL
        .iter()
        .copied()
        .filter(|fault| fault.keeps_waiting())
        .collect();
    assert!(slow.len() > 8, "{slow:?}");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let hightouch = LocalHightouch::start(Options::default()).await.unwrap();
        let mut calls = tokio::task::JoinSet::new();
        let cases = Kind::LIBRARIES
            .iter()
            .flat_map(|kind| slow.iter().map(move |fault| (*kind, *fault)));
        for (kind, fault) in cases {
            let line = Line::open(fault, Place::Everything, &hightouch.origin());
            let config = Config {
                outbound: Outbound::only([line.origin()]),
                ..Config::default()
            };
            let host = Host::new(components().unwrap().path(kind), config).unwrap();
            calls.spawn(async move {
                let short = RunOptions {
                    max_wait_ms: Some(3_000),
                    ..options()
                };
                let begun = std::time::Instant::now();
                let outcome = host
                    .run_sync(&connection(line.origin(), "key"), &SyncRef::Id(1), short)
                    .await;
                (fault, outcome.unwrap().unwrap_err(), begun.elapsed())
            });
        }
        for (fault, failure, took) in calls.join_all().await {
            assert!(failure.requests > 0, "{fault:?}: {failure:?}");
            assert!(
                failure.elapsed_ms < 6_000,
                "{fault:?}: it says that it took {} ms",
                failure.elapsed_ms
            );
            assert!(took < Duration::from_secs(6), "{fault:?}: {took:?}");
        }
    });
}

/// Sends as much of a request as the endpoint reads, and returns the response.
async fn send_slowly(endpoint: &Endpoint, head: &str, piece: &[u8], pause: Duration) -> String {
    let mut stream = TcpStream::connect(endpoint.serving.addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut response = Vec::new();
    tokio::select! {
        _ = from.read_to_end(&mut response) => {}
        () = async {
            while to.write_all(piece).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
            std::future::pending().await
        } => {}
    }
    String::from_utf8_lossy(&response).into_owned()
}

#[test]
fn a_caller_who_sends_for_ever_is_answered_all_the_same() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let head = format!(
            "POST /syncs/1/runs HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n\
             content-length: 50000000\r\n\r\n"
        );
        for (piece, pause, status) in [
            (&[b' '; 4096][..], Duration::from_millis(1), "413"),
            (b" ", SECOND, "400"),
        ] {
            let begun = stage.time.elapsed();
            let response = send_slowly(&endpoint, &head, piece, pause).await;
            assert!(
                response.starts_with(&format!("HTTP/1.1 {status} ")),
                "{response:?}"
            );
            assert!(
                stage.time.elapsed() - begun <= Duration::from_millis(10_250),
                "{:?}",
                stage.time.elapsed() - begun
            );
        }
        assert_eq!(hightouch.requests(), []);
    });
}

const SECOND: Duration = Duration::from_secs(1);
