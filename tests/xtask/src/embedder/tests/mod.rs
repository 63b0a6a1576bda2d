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
mod reuse;
mod time;

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Captured, Clock, Config, Host, Serving, Stderr, VirtualTime, in_virtual_time};
use crate::build::{Guest, guest};
use guests::Behaviour;

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

/// A version of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wasi {
    V0_2,
    V0_3,
}

/// Runs a test in virtual time, once for each version of WASI.
fn with_each_wasi(test: impl AsyncFn(VirtualTime, Wasi)) {
    for wasi in [Wasi::V0_2, Wasi::V0_3] {
        eprintln!("{wasi:?}");
        in_virtual_time(async |time| test(time, wasi).await);
    }
}

/// A guest that is served, and the path of its behaviour.
struct Served {
    serving: Serving,
    path: &'static str,
}

impl std::ops::Deref for Served {
    type Target = Serving;

    fn deref(&self) -> &Serving {
        &self.serving
    }
}

/// Serves a guest with this behaviour. `name` is the name of the test.
async fn serve(wasi: Wasi, name: &str, behaviour: Behaviour, config: Config) -> Served {
    let host = match wasi {
        Wasi::V0_2 => Host::new(&guests::build(name, behaviour.wat).path(), config),
        Wasi::V0_3 => Host::new(&guest(Guest::Probe).unwrap(), config),
    };
    Served {
        serving: host.unwrap().serve(ANY_PORT).await.unwrap(),
        path: behaviour.path,
    }
}

/// Sends a request and returns the whole response.
async fn get(served: &Served) -> String {
    get_from(served.addr(), served.path).await
}

/// Like [`get`], for an address. A task can use it.
async fn get_from(address: SocketAddr, path: &str) -> String {
    let mut response = String::new();
    let mut stream = send_to(address, path).await;
    stream.read_to_string(&mut response).await.unwrap();
    response
}

/// Sends a request.
async fn send(served: &Served) -> TcpStream {
    send_to(served.addr(), served.path).await
}

async fn send_to(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Returns the status of a response, or the value of its header `x-status`.
fn status(response: &str) -> u16 {
    let own = response.split_once("\r\nx-status: ").map(|(_, rest)| rest);
    own.or_else(|| response.split_once(' ').map(|(_, rest)| rest))
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or_else(|| panic!("no response: {response:?}"))
}

#[test]
fn a_component_that_runs_in_no_world_cannot_be_called() {
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let host = Host::new(&guest(Guest::Probe).unwrap(), config).unwrap();
        let connection = super::Connection {
            api_key: String::new(),
            api_origin: None,
        };
        let called = host.list_runs(&connection, &super::SyncRef::Id(1), None);
        let error = called.await.unwrap_err().to_string();
        assert!(error.contains("hightouch:sync/async-runs"), "{error}");
    });
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
        let response = get_from(serving.addr(), "/").await;
        assert_eq!(status(&response), 200);
        assert!(response.contains("ok"), "{response}");
        assert_eq!(captured.text(), "");
    });
}

#[test]
fn a_request_needs_no_socket_and_uses_the_same_fuel_each_time() {
    for (file, path, text) in [
        (guest(Guest::Ok).unwrap(), "/", "ok"),
        (guest(Guest::Probe).unwrap(), "/hello", "hello"),
    ] {
        in_virtual_time(async |time| {
            let (config, _) = config(&time);
            let metered = Config {
                metered: true,
                ..config
            };
            let host = Host::new(&file, metered).unwrap();
            let response = host.get(path).await.unwrap();
            assert_eq!(
                (response.status().as_u16(), response.body().as_ref()),
                (200, text.as_bytes())
            );
            let used = host.fuel();
            assert!(used > 100, "{used}");
            host.get(path).await.unwrap();
            assert_eq!(host.fuel(), 2 * used);
            assert_eq!(host.instances(), 0);
        });
    }
}
