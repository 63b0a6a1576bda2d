//! Tests of instances that several callers share.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::super::{Config, Reuse, in_virtual_time};
use super::guests::{BEGIN_AND_WAIT, HELLO, TRAP, WAIT_AN_HOUR};
use super::{Served, Wasi, config, get, get_from, send_to, serve, status};

/// Sends this number of requests for [`WAIT_AN_HOUR`], and waits until the guests have received
/// them.
async fn wait_at_once(serving: &Served, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(send_to(serving.addr(), WAIT_AN_HOUR.path).await);
        sleep(Duration::from_millis(1)).await;
    }
    streams
}

#[test]
fn callers_share_an_instance_until_it_has_its_maximum_number_at_once() {
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let at_once = config.reuse.at_once;
        assert_eq!(at_once, 16, "the default of `wasmtime serve`");
        let serving = serve(Wasi::V0_3, "shared", HELLO, config).await;
        let mut waiting = wait_at_once(&serving, at_once).await;
        assert_eq!((serving.requests(), serving.instances()), (at_once, 1));
        waiting.extend(wait_at_once(&serving, 1).await);
        assert_eq!(serving.instances(), 2);
        assert_eq!(status(&get(&serving).await), 200);
        assert_eq!(serving.instances(), 2, "the second one has room");
        for mut stream in waiting {
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            assert_eq!(status(&response), 200);
        }
    });
}

#[test]
fn an_instance_ends_after_its_last_request_or_when_it_is_idle() {
    in_virtual_time(async |time| {
        let (mut config, _) = config(&time);
        config.reuse = Reuse {
            at_once: 2,
            in_total: 2,
            idle: Duration::from_secs(5),
        };
        let serving = serve(Wasi::V0_3, "total", HELLO, config).await;
        assert_eq!(status(&get(&serving).await), 200);
        sleep(Duration::from_secs(4)).await;
        assert_eq!(serving.instances(), 1, "it can be used again");
        assert_eq!(status(&get(&serving).await), 200);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(serving.instances(), 0, "it has handled all its requests");
        assert_eq!(status(&get(&serving).await), 200);
        sleep(Duration::from_secs(6)).await;
        assert_eq!(serving.instances(), 0, "it was idle");
    });
}

#[test]
fn without_reuse_each_request_has_its_own_instance() {
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let config = Config {
            reuse: Reuse::NONE,
            ..config
        };
        let serving = serve(Wasi::V0_3, "alone", HELLO, config).await;
        let waiting = wait_at_once(&serving, 5).await;
        assert_eq!(serving.instances(), 5);
        drop(waiting);
    });
}

#[test]
fn a_trap_ends_all_callers_of_the_instance_and_no_others() {
    in_virtual_time(async |time| {
        let (mut config, captured) = config(&time);
        config.reuse.at_once = 3;
        let serving = serve(Wasi::V0_3, "trap-for-all", HELLO, config).await;
        let mut waits = wait_at_once(&serving, 1).await;
        let mut begun = send_to(serving.addr(), BEGIN_AND_WAIT.path).await;
        sleep(Duration::from_millis(1)).await;
        // The one that traps is the third caller of the first instance.
        assert_eq!(status(&get_from(serving.addr(), TRAP.path).await), 500);
        let mut response = String::new();
        waits[0].read_to_string(&mut response).await.unwrap();
        assert_eq!(status(&response), 500);
        let mut truncated = String::new();
        begun.read_to_string(&mut truncated).await.unwrap();
        assert_eq!(status(&truncated), 200);
        assert!(
            !truncated.ends_with("0\r\n\r\n"),
            "it looks complete: {truncated:?}"
        );
        let log = captured.text();
        assert_eq!(log.matches("an instance failed").count(), 1, "{log}");
        assert_eq!(status(&get(&serving).await), 200);
    });
}
