//! No call outlasts its wait, whatever the peer does; the run goes on, and `await-run` takes it up again.

use std::net::Ipv4Addr;
use std::time::Duration;

use hightouch_sync_host::hightouch::{LocalHightouch, Options, Scenario};
use hightouch_sync_host::host::{FailureKind, RunOptions, RunRef, SyncRef};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::stage::{millis, options, stage};

#[test]
fn a_deadline_that_passes_names_the_run_and_await_run_takes_it_up() {
    stage(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let ten = RunOptions { max_wait_ms: Some(10_000), ..options() };
        let failure = library.run_sync(4, ten).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert!((9_000..=10_250).contains(&failure.elapsed_ms), "{}", failure.elapsed_ms);
        let run = failure.run.unwrap();
        assert_eq!(failure.jobs[0].id, run.run_id);

        let again = library.host.await_run(&library.connection, run, options()).await.unwrap().unwrap();
        assert_eq!(again.run.run_id, run.run_id);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_wait_of_zero_starts_a_run_or_looks_once() {
    stage(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let once = RunOptions { max_wait_ms: Some(0), ..options() };
        let failure = library.run_sync(1, once).await.unwrap_err();
        assert_eq!((failure.kind, failure.requests), (FailureKind::StillRunning, 1));
        let run = failure.run.unwrap();
        let look = || async { library.host.await_run(&library.connection, run, once).await.unwrap() };
        let failure = look().await.unwrap_err();
        assert_eq!((failure.kind, failure.requests, failure.jobs.len()), (FailureKind::StillRunning, 1, 1));
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(look().await.unwrap().requests, 1);
    });
}

#[test]
fn start_sync_returns_with_the_run_and_does_not_wait() {
    stage(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let started = library.host.start_sync(&library.connection, &SyncRef::Id(4), options()).await.unwrap().unwrap();
        assert_eq!((started.sync_id, started.run_id), (4, hightouch.runs(4)[0].id));
        assert_eq!(hightouch.requests().len(), 1);
    });
}

/// What a peer does with a connection after it was accepted.
#[derive(Clone, Copy, Debug)]
enum Peer {
    SilentBeforeTheHead,
    SilentInTheBody,
    DripsOneByteASecond,
}

#[test]
fn a_peer_that_stalls_is_given_up() {
    for peer in [Peer::SilentBeforeTheHead, Peer::SilentInTheBody, Peer::DripsOneByteASecond] {
        stage(async |stage| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let origin = format!("http://{}", listener.local_addr().unwrap());
            let server = tokio::spawn(async move {
                let mut held = Vec::new();
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    held.push(tokio::spawn(async move {
                        let mut request = [0; 4096];
                        let _ = stream.read(&mut request).await;
                        if !matches!(peer, Peer::SilentBeforeTheHead) {
                            let head =
                                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
                            let _ = stream.write_all(head).await;
                        }
                        loop {
                            tokio::time::sleep(Duration::from_secs(1)).await;
                            if matches!(peer, Peer::DripsOneByteASecond) && stream.write_all(b" ").await.is_err() {
                                return;
                            }
                        }
                    }));
                }
            });
            let library = stage.library(&origin);
            let run = RunRef { sync_id: 1, run_id: 42 };
            for wait in [300, 2_000, 45_000] {
                let limited = RunOptions { max_wait_ms: Some(wait), ..options() };
                let before = stage.time.elapsed();
                let failure = library.run_sync(1, limited).await.unwrap_err();
                let awaited = library.host.await_run(&library.connection, run, limited).await.unwrap().unwrap_err();
                let took = millis(stage.time.elapsed() - before);
                assert!(took <= 2 * (wait + 250), "{peer:?} {wait}: {took}");
                assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed, "{peer:?} {wait}");
                assert_eq!(awaited.run.unwrap().run_id, 42);
            }
            server.abort();
        });
    }
}

#[test]
fn a_hightouch_that_never_answers_is_given_up_at_the_deadline() {
    stage(async |stage| {
        let silent = Options::default().with_scenario(Scenario::Silent);
        let hightouch = LocalHightouch::start(silent).await.unwrap();
        let minute = RunOptions { max_wait_ms: Some(60_000), ..options() };
        let failure = stage.library(&hightouch.origin()).run_sync(1, minute).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed);
        assert!(failure.elapsed_ms <= 60_250);
    });
}

#[test]
fn polls_that_fail_for_the_whole_wait_leave_the_run_named() {
    stage(async |stage| {
        let failing = Options::default().with_scenario(Scenario::PollsFail);
        let hightouch = LocalHightouch::start(failing).await.unwrap();
        let minute = RunOptions { max_wait_ms: Some(60_000), ..options() };
        let failure = stage.library(&hightouch.origin()).run_sync(1, minute).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert_eq!(failure.run.unwrap().run_id, hightouch.runs(1)[0].id);
        assert!(failure.details.unwrap().contains("503"));
    });
}
