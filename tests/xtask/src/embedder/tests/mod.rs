//! The host and small guests, in virtual time except where it says otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod built;
mod ends;
mod errors;
mod grants;
mod guests;
mod time;

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Captured, Clock, Config, Host, Serving, Stderr, VirtualTime};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A configuration in virtual time, and what its guests write.
fn config(time: &VirtualTime) -> (Config, Captured) {
    let captured = Captured::new();
    let config = Config {
        clock: Clock::Virtual(time.clone()),
        stderr: Stderr::Captured(captured.clone()),
        ..Config::default()
    };
    (config, captured)
}

/// Serves the guest that does this. `name` names the test.
async fn serve(name: &str, handle: &str, config: Config) -> Serving {
    let host = Host::new(&guests::build(name, handle).path(), config).unwrap();
    host.serve(ANY_PORT).await.unwrap()
}

/// Sends a request and returns all that comes back.
async fn get(serving: &Serving) -> String {
    get_from(serving.addr()).await
}

/// The same by address, so that a task can.
async fn get_from(address: SocketAddr) -> String {
    let mut answer = String::new();
    send(address)
        .await
        .read_to_string(&mut answer)
        .await
        .unwrap();
    answer
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

/// The status of an answer.
fn status(answer: &str) -> u16 {
    answer
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
}
