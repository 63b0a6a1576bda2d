//! Tests of the ways in which guests end.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::super::{Config, in_virtual_time};
use super::guests::{
    BEGIN_AND_TRAP, BEGIN_AND_WAIT, HELLO, RESPOND_AND_WAIT, SILENT, SPIN, TRAP, WAIT_AN_HOUR,
};
use super::{config, get, send, serve, status};

#[test]
fn a_finished_request_leaves_nothing_behind() {
    in_virtual_time(async |time| {
        let (config, captured) = config(&time);
        let serving = serve("hello", HELLO, config).await;
        let response = get(&serving).await;
        assert_eq!(status(&response), 200);
        assert!(response.contains("hello"), "{response}");
        sleep(Duration::from_millis(1)).await;
        assert_eq!((serving.requests(), serving.instances()), (0, 0));
        assert_eq!(captured.text(), "");
    });
}

#[test]
fn a_trap_before_the_response_is_a_500_and_its_cause_is_on_stderr() {
    in_virtual_time(async |time| {
        let (config, captured) = config(&time);
        let serving = serve("trap", TRAP, config).await;
        let response = get(&serving).await;
        assert_eq!(status(&response), 500);
        assert!(response.contains("text/plain"), "{response}");
        let log = captured.text();
        assert!(log.contains("unreachable"), "{log}");
    });
}

#[test]
fn a_guest_that_returns_no_response_is_a_500() {
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let serving = serve("silent", SILENT, config).await;
        assert_eq!(status(&get(&serving).await), 500);
    });
}

#[test]
fn a_trap_during_the_response_truncates_it() {
    in_virtual_time(async |time| {
        let (config, captured) = config(&time);
        let serving = serve("trap-within", BEGIN_AND_TRAP, config).await;
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
    in_virtual_time(async |time| {
        let (mut config, _) = config(&time);
        config.limits.after_response = Duration::from_secs(30);
        let serving = serve("hung-up", BEGIN_AND_WAIT, config).await;
        let mut stream = send(serving.addr()).await;
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
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let serving = serve("hung-up-early", WAIT_AN_HOUR, config).await;
        let stream = send(serving.addr()).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(serving.instances(), 1);
        drop(stream);
        sleep(Duration::from_secs(32)).await;
        assert_eq!((serving.requests(), serving.instances()), (0, 0));
    });
}

#[test]
fn a_guest_may_continue_for_a_while_after_its_response() {
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let serving = serve("afterwards", RESPOND_AND_WAIT, config).await;
        assert_eq!(status(&get(&serving).await), 200);
        sleep(Duration::from_secs(29)).await;
        assert_eq!(serving.instances(), 1);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(serving.instances(), 0);
    });
}

#[test]
fn dropping_the_server_ends_what_runs() {
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let serving = serve("dropped", BEGIN_AND_WAIT, config).await;
        let host = serving.host.clone();
        let address = serving.addr();
        let mut stream = send(serving.addr()).await;
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
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let serving = serve("stopped", WAIT_AN_HOUR, config).await;
        let host = serving.host.clone();
        let _stream = send(serving.addr()).await;
        sleep(Duration::from_secs(1)).await;
        assert_eq!(host.instances(), 1);
        serving.stop().await;
        assert_eq!(host.instances(), 0);
    });
}

/// This test uses real time, because no virtual time passes while a guest computes.
#[tokio::test]
async fn a_guest_that_computes_for_ever_hangs_neither_host_nor_server() {
    let serving = serve("spin", SPIN, Config::default()).await;
    let mut stream = send(serving.addr()).await;
    let mut byte = [0];
    let response = timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
    assert!(response.is_err(), "it responded");
    assert_eq!(serving.instances(), 1);
    let host = serving.host.clone();
    serving.stop().await;
    assert_eq!(host.instances(), 0);
}
