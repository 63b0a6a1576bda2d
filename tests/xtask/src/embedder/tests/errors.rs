//! Tests of the errors that a guest receives for its failed requests. The component uses these
//! errors to decide whether a request may have arrived. These tests fail if a newer wasmtime
//! returns other errors.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Outbound, in_virtual_time};
use super::guests::{Behaviour, FETCH, FETCH_TLS};
use super::{Wasi, config, get, serve, status};

/// Status codes with which the guest reports the outcome of its request: 600 plus wasi:http's error
/// code, 800 plus the error code of a truncated body, or 899 if the truncated body has no error
/// code.
const DNS_ERROR: u16 = 601;
const CONNECTION_REFUSED: u16 = 606;
const CONNECTION_READ_TIMEOUT: u16 = 609;
const TLS_PROTOCOL_ERROR: u16 = 612;
const HTTP_PROTOCOL_ERROR: u16 = 635;
const BODY_TRUNCATED: u16 = 899;
/// In WASI 0.3, the error of a truncated body has a code.
const BODY_READ_TIMEOUT: u16 = 809;
const BODY_PROTOCOL_ERROR: u16 = 835;
const OK: u16 = 200;

/// The behaviour of a server after it has accepted a connection.
#[derive(Clone, Copy)]
enum Server {
    /// Closes the connection before it reads anything.
    ClosesAtOnce,
    /// Resets the connection before it reads anything.
    ResetsAtOnce,
    /// Reads the request, then closes the connection.
    ReadsAndCloses,
    /// Reads the request, then resets the connection.
    ReadsAndResets,
    /// Reads the request, responds with these bytes, then closes the connection.
    Responds(&'static [u8]),
    /// Reads the request, responds with these bytes, then resets the connection.
    RespondsAndResets(&'static [u8]),
    /// Reads the request, responds with these bytes, then sends nothing more.
    StopsSending(&'static [u8]),
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (behaviour, bytes): (_, &[u8]) = match self {
            Self::ClosesAtOnce => ("closes at once", b""),
            Self::ResetsAtOnce => ("resets at once", b""),
            Self::ReadsAndCloses => ("reads and closes", b""),
            Self::ReadsAndResets => ("reads and resets", b""),
            Self::Responds(bytes) => ("responds and closes", bytes),
            Self::RespondsAndResets(bytes) => ("responds and resets", bytes),
            Self::StopsSending(bytes) => ("responds and stops sending", bytes),
        };
        write!(f, "{behaviour} {}", bytes.escape_ascii())
    }
}

impl Server {
    async fn converse(self, mut stream: TcpStream) {
        if !matches!(self, Self::ClosesAtOnce | Self::ResetsAtOnce) {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
        }
        if let Self::Responds(bytes) | Self::RespondsAndResets(bytes) | Self::StopsSending(bytes) =
            self
        {
            stream.write_all(bytes).await.unwrap();
        }
        match self {
            Self::ResetsAtOnce | Self::ReadsAndResets => stream.set_zero_linger().unwrap(),
            Self::RespondsAndResets(_) => {
                // Let the client read the bytes before the reset discards them.
                tokio::time::sleep(Duration::from_millis(1)).await;
                stream.set_zero_linger().unwrap();
            }
            Self::StopsSending(_) => std::future::pending().await,
            Self::ClosesAtOnce | Self::ReadsAndCloses | Self::Responds(_) => {}
        }
    }
}

/// Returns the guest's result of a request to this authority.
fn result_from_authority(wasi: Wasi, authority: &str) -> u16 {
    in_virtual_time(async |time| {
        let (mut config, _) = config(&time);
        config.outbound = Outbound::Any;
        config.environment = vec![("AUTHORITY".to_owned(), authority.to_owned())];
        let serving = serve(wasi, "result-authority", FETCH, config).await;
        status(&get(&serving).await)
    })
}

/// Returns the guest's result of a request to a server with this behaviour.
fn result_from_server(wasi: Wasi, server: Server, name: &str, behaviour: Behaviour) -> u16 {
    in_virtual_time(async |time| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(server.converse(stream));
            }
        });
        let (mut config, _) = config(&time);
        config.outbound = Outbound::Any;
        config.environment = vec![("AUTHORITY".to_owned(), authority)];
        let serving = serve(wasi, name, behaviour, config).await;
        status(&get(&serving).await)
    })
}

#[test]
fn a_request_that_did_not_arrive() {
    for (authority, expected) in [
        ("127.0.0.1:1", CONNECTION_REFUSED),
        ("nowhere.invalid:80", DNS_ERROR),
    ] {
        for wasi in [Wasi::V0_2, Wasi::V0_3] {
            let result = result_from_authority(wasi, authority);
            assert_eq!(result, expected, "{wasi:?}: {authority}");
        }
    }
}

#[test]
fn a_request_that_may_have_arrived() {
    use Server::{
        ClosesAtOnce, ReadsAndCloses, ReadsAndResets, ResetsAtOnce, Responds, RespondsAndResets,
        StopsSending,
    };
    const HALF_A_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-le";
    const NINE_BYTES: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
    const CHUNKS: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
    const UNTIL_CLOSED: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nok";
    for (server, expected) in [
        (ClosesAtOnce, HTTP_PROTOCOL_ERROR),
        (ResetsAtOnce, HTTP_PROTOCOL_ERROR),
        (ReadsAndCloses, HTTP_PROTOCOL_ERROR),
        (ReadsAndResets, HTTP_PROTOCOL_ERROR),
        (Responds(b"SSH-2.0-server\r\n\r\n"), HTTP_PROTOCOL_ERROR),
        (Responds(HALF_A_HEAD), HTTP_PROTOCOL_ERROR),
        (Responds(NINE_BYTES), BODY_TRUNCATED),
        (Responds(CHUNKS), BODY_TRUNCATED),
        (Responds(UNTIL_CLOSED), OK),
        (RespondsAndResets(NINE_BYTES), BODY_TRUNCATED),
        (RespondsAndResets(UNTIL_CLOSED), BODY_TRUNCATED),
        (StopsSending(b""), CONNECTION_READ_TIMEOUT),
        (StopsSending(HALF_A_HEAD), CONNECTION_READ_TIMEOUT),
        // wasmtime's default timeout between bytes is ten minutes.
        (StopsSending(NINE_BYTES), BODY_TRUNCATED),
    ] {
        let result = |wasi| result_from_server(wasi, server, "result-server", FETCH);
        assert_eq!(result(Wasi::V0_2), expected, "WASI 0.2: {server}");
        let expected_of_0_3 = match (expected, server) {
            (BODY_TRUNCATED, StopsSending(_)) => BODY_READ_TIMEOUT,
            (BODY_TRUNCATED, _) => BODY_PROTOCOL_ERROR,
            (expected, _) => expected,
        };
        assert_eq!(result(Wasi::V0_3), expected_of_0_3, "WASI 0.3: {server}");
    }
}

/// A server that accepts the connection and sends nothing is not tested: wasmtime has no timeout
/// for the TLS handshake.
#[test]
fn a_tls_handshake_that_fails() {
    for server in [
        Server::ClosesAtOnce,
        Server::ReadsAndCloses,
        Server::ReadsAndResets,
        Server::Responds(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ] {
        for wasi in [Wasi::V0_2, Wasi::V0_3] {
            let result = result_from_server(wasi, server, "result-tls", FETCH_TLS);
            assert_eq!(result, TLS_PROTOCOL_ERROR, "{wasi:?}: {server}");
        }
    }
}
