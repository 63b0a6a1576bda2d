//! Tests of the host with small guests, in virtual time unless noted otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod ends;
mod errors;
mod grants;
mod guests;
mod time;

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Captured, Clock, Config, Host, Serving, Stderr, VirtualTime, in_virtual_time};
use crate::build::{Guest, guest};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Returns a configuration in virtual time, and the output of its guests.
fn config(time: &VirtualTime) -> (Config, Captured) {
    let captured = Captured::new();
    let config = Config {
        clock: Clock::Virtual(time.clone()),
        stderr: Stderr::Captured(captured.clone()),
        ..Config::default()
    };
    (config, captured)
}

/// Serves the guest with this handler. `name` is the name of the test.
async fn serve(name: &str, handle: &str, config: Config) -> Serving {
    let host = Host::new(&guests::build(name, handle).path(), config).unwrap();
    host.serve(ANY_PORT).await.unwrap()
}

/// Sends a request and returns the whole response.
async fn get(serving: &Serving) -> String {
    get_from(serving.addr()).await
}

/// Like [`get`], for an address. A task can use it.
async fn get_from(address: SocketAddr) -> String {
    let mut response = String::new();
    send(address)
        .await
        .read_to_string(&mut response)
        .await
        .unwrap();
    response
}

/// Sends a request.
async fn send(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    stream
}

/// Returns the status of a response.
fn status(response: &str) -> u16 {
    response
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no response: {response:?}"))
}

#[test]
fn the_minimal_guest_responds_ok() {
    let file = guest(Guest::Ok).unwrap();
    in_virtual_time(async |time| {
        let (config, captured) = config(&time);
        let serving = Host::new(&file, config)
            .unwrap()
            .serve(ANY_PORT)
            .await
            .unwrap();
        let response = get(&serving).await;
        assert_eq!(status(&response), 200);
        assert!(response.contains("ok"), "{response}");
        assert_eq!(captured.text(), "");
    });
}

#[test]
fn a_request_needs_no_socket_and_uses_the_same_fuel_each_time() {
    let file = guest(Guest::Ok).unwrap();
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let host = Host::new(
            &file,
            Config {
                metered: true,
                ..config
            },
        )
        .unwrap();
        let response = host.get("/").await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (200, &b"ok"[..])
        );
        let used = host.fuel();
        assert!(used > 100, "{used}");
        host.get("/").await.unwrap();
        assert_eq!(host.fuel(), 2 * used);
        assert_eq!(host.instances(), 0);
    });
}
