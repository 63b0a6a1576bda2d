//! Tests of the ways in which guests end.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::super::{Config, Reuse};
use super::guests::{
    BEGIN_AND_TRAP, BEGIN_AND_WAIT, HELLO, RESPOND_AND_WAIT, SILENT, SPIN, TRAP, WAIT_AN_HOUR,
};
use super::{Wasi, config, get, send, serve, status, with_each_wasi};

/// Returns the time after which an instance without work has ended.
fn until_idle(wasi: Wasi) -> Duration {
    match wasi {
        Wasi::V0_2 => Duration::from_millis(1),
        Wasi::V0_3 => Reuse::default().idle + Duration::from_millis(2),
    }
}

#[test]
fn a_finished_request_leaves_nothing_behind() {
    with_each_wasi(async |time, wasi| {
        let (config, captured) = config(&time);
        let serving = serve(wasi, "hello", HELLO, config).await;
        let response = get(&serving).await;
        assert_eq!(status(&response), 200);
        assert!(response.contains("hello"), "{response}");
        sleep(until_idle(wasi)).await;
        assert_eq!((serving.requests(), serving.instances()), (0, 0));
        assert_eq!(captured.text(), "");
    });
}

#[test]
fn a_trap_before_the_response_is_a_500_and_its_cause_is_on_stderr() {
    with_each_wasi(async |time, wasi| {
        let (config, captured) = config(&time);
        let serving = serve(wasi, "trap", TRAP, config).await;
        let response = get(&serving).await;
        assert_eq!(status(&response), 500);
        assert!(response.contains("text/plain"), "{response}");
        let log = captured.text();
        assert!(log.contains("unreachable"), "{log}");
    });
}

#[test]
fn a_guest_that_returns_no_response_is_a_500() {
    with_each_wasi(async |time, wasi| {
        let (config, _) = config(&time);
        let serving = serve(wasi, "silent", SILENT, config).await;
        assert_eq!(status(&get(&serving).await), 500);
    });
}

#[test]
fn a_trap_during_the_response_truncates_it() {
    with_each_wasi(async |time, wasi| {
        let (config, captured) = config(&time);
        let serving = serve(wasi, "trap-within", BEGIN_AND_TRAP, config).await;
        let response = get(&serving).await;
        assert!(
            !response.ends_with("0\r\n\r\n"),
            "it looks complete: {response:?}"
        );
        assert!(captured.text().contains("unreachable"));
    });
}

#[test]
fn a_guest_whose_client_hung_up_is_ended_after_a_while() {
    with_each_wasi(async |time, wasi| {
        let (mut config, _) = config(&time);
        config.limits.after_response = Duration::from_secs(30);
        let serving = serve(wasi, "hung-up", BEGIN_AND_WAIT, config).await;
        let mut stream = send(&serving).await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(serving.requests(), 1);
        drop(stream);
        sleep(Duration::from_secs(29)).await;
        assert_eq!((serving.requests(), serving.instances()), (1, 1));
        sleep(Duration::from_secs(2)).await;
        assert_eq!((serving.requests(), serving.instances()), (0, 0));
    });
}

#[test]
fn a_client_that_disconnects_before_the_response_is_noticed_too() {
    with_each_wasi(async |time, wasi| {
        let (config, _) = config(&time);
        let serving = serve(wasi, "hung-up-early", WAIT_AN_HOUR, config).await;
        let stream = send(&serving).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(serving.instances(), 1);
        drop(stream);
        sleep(Duration::from_secs(32)).await;
        assert_eq!((serving.requests(), serving.instances()), (0, 0));
    });
}

#[test]
fn a_guest_may_continue_for_a_while_after_its_response() {
    with_each_wasi(async |time, wasi| {
        let (config, _) = config(&time);
        let serving = serve(wasi, "afterwards", RESPOND_AND_WAIT, config).await;
        assert_eq!(status(&get(&serving).await), 200);
        sleep(Duration::from_secs(29)).await;
        assert_eq!(serving.instances(), 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(serving.instances(), 0);
    });
}

#[test]
fn dropping_the_server_ends_what_runs() {
    with_each_wasi(async |time, wasi| {
        let (config, _) = config(&time);
        let serving = serve(wasi, "dropped", BEGIN_AND_WAIT, config).await;
        let host = serving.host.clone();
        let address = serving.addr();
        let mut stream = send(&serving).await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(host.instances(), 1);
        drop(serving);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(host.instances(), 0);
        assert!(
            TcpStream::connect(address).await.is_err(),
            "it still listens"
        );
    });
}

#[test]
fn stopping_the_server_waits_until_all_has_ended() {
    with_each_wasi(async |time, wasi| {
        let (config, _) = config(&time);
        let serving = serve(wasi, "stopped", WAIT_AN_HOUR, config).await;
        let host = serving.host.clone();
        let _stream = send(&serving).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(host.instances(), 1);
        serving.serving.stop().await;
        assert_eq!(host.instances(), 0);
    });
}

/// This test uses real time, because no virtual time passes while a guest computes.
#[tokio::test]
async fn a_guest_that_computes_for_ever_hangs_neither_host_nor_server() {
    for wasi in [Wasi::V0_2, Wasi::V0_3] {
        let serving = serve(wasi, "spin", SPIN, Config::default()).await;
        let mut stream = send(&serving).await;
        let mut byte = [0];
        let response = timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
        assert!(response.is_err(), "it responded");
        assert_eq!(serving.instances(), 1);
        let host = serving.host.clone();
        serving.serving.stop().await;
        assert_eq!(host.instances(), 0);
    }
}
