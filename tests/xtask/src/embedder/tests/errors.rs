//! What a guest is told of a request that went wrong. The component decides by it whether its request may have arrived, so
//! this is where a newer wasmtime that tells otherwise is noticed.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Outbound, in_virtual_time};
use super::guests::{FETCH, FETCH_TLS};
use super::{config, get, serve, status};

/// The numbers with which the guest says how its request ended: 600 and wasi:http's error code, 800 and the one of a body that
/// broke off, 899 where that has none.
const DNS_ERROR: u16 = 601;
const CONNECTION_REFUSED: u16 = 606;
const CONNECTION_READ_TIMEOUT: u16 = 609;
const TLS_PROTOCOL_ERROR: u16 = 612;
const HTTP_PROTOCOL_ERROR: u16 = 635;
const BODY_BROKE_OFF: u16 = 899;
const OK: u16 = 200;

/// How a server behaves once it has accepted a connection.
#[derive(Clone, Copy)]
enum Server {
    /// Closes it without having read anything.
    ClosesAtOnce,
    /// Resets it without having read anything.
    ResetsAtOnce,
    /// Reads the request, then closes it.
    ReadsAndCloses,
    /// Reads the request, then resets it.
    ReadsAndResets,
    /// Reads the request, answers with these bytes, then closes it.
    Answers(&'static [u8]),
    /// The same, and resets it.
    AnswersAndResets(&'static [u8]),
    /// Reads the request, answers with these bytes, then says nothing more.
    FallsSilent(&'static [u8]),
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (behaviour, bytes): (_, &[u8]) = match self {
            Self::ClosesAtOnce => ("closes at once", b""),
            Self::ResetsAtOnce => ("resets at once", b""),
            Self::ReadsAndCloses => ("reads and closes", b""),
            Self::ReadsAndResets => ("reads and resets", b""),
            Self::Answers(bytes) => ("answers and closes", bytes),
            Self::AnswersAndResets(bytes) => ("answers and resets", bytes),
            Self::FallsSilent(bytes) => ("answers and falls silent", bytes),
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
        if let Self::Answers(bytes) | Self::AnswersAndResets(bytes) | Self::FallsSilent(bytes) =
            self
        {
            stream.write_all(bytes).await.unwrap();
        }
        match self {
            Self::ResetsAtOnce | Self::ReadsAndResets => stream.set_zero_linger().unwrap(),
            Self::AnswersAndResets(_) => {
                // So that the bytes are read before the reset discards them.
                tokio::time::sleep(Duration::from_millis(1)).await;
                stream.set_zero_linger().unwrap();
            }
            Self::FallsSilent(_) => std::future::pending().await,
            Self::ClosesAtOnce | Self::ReadsAndCloses | Self::Answers(_) => {}
        }
    }
}

/// What the guest is told of a request to this authority.
fn told_of_authority(authority: &str) -> u16 {
    in_virtual_time(async |time| {
        let (mut config, _) = config(&time);
        config.outbound = Outbound::Any;
        config.environment = vec![("AUTHORITY".to_owned(), authority.to_owned())];
        let serving = serve("told-of-authority", FETCH, config).await;
        status(&get(&serving).await)
    })
}

/// What the guest is told of a request to such a server.
fn told_of_server(server: Server, name: &str, handle: &str) -> u16 {
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
        let serving = serve(name, handle, config).await;
        status(&get(&serving).await)
    })
}

#[test]
fn a_request_that_did_not_arrive() {
    for (authority, told) in [
        ("127.0.0.1:1", CONNECTION_REFUSED),
        ("nowhere.invalid:80", DNS_ERROR),
    ] {
        assert_eq!(told_of_authority(authority), told, "{authority}");
    }
}

#[test]
fn a_request_that_may_have_arrived() {
    use Server::{
        Answers, AnswersAndResets, ClosesAtOnce, FallsSilent, ReadsAndCloses, ReadsAndResets,
        ResetsAtOnce,
    };
    const HALF_A_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-le";
    const NINE_BYTES: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok";
    const CHUNKS: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
    const UNTIL_CLOSED: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nok";
    for (server, told) in [
        (ClosesAtOnce, HTTP_PROTOCOL_ERROR),
        (ResetsAtOnce, HTTP_PROTOCOL_ERROR),
        (ReadsAndCloses, HTTP_PROTOCOL_ERROR),
        (ReadsAndResets, HTTP_PROTOCOL_ERROR),
        (Answers(b"SSH-2.0-server\r\n\r\n"), HTTP_PROTOCOL_ERROR),
        (Answers(HALF_A_HEAD), HTTP_PROTOCOL_ERROR),
        (Answers(NINE_BYTES), BODY_BROKE_OFF),
        (Answers(CHUNKS), BODY_BROKE_OFF),
        (Answers(UNTIL_CLOSED), OK),
        (AnswersAndResets(NINE_BYTES), BODY_BROKE_OFF),
        (AnswersAndResets(UNTIL_CLOSED), BODY_BROKE_OFF),
        (FallsSilent(b""), CONNECTION_READ_TIMEOUT),
        (FallsSilent(HALF_A_HEAD), CONNECTION_READ_TIMEOUT),
        // After the ten minutes that wasmtime waits between bytes unless it is told otherwise.
        (FallsSilent(NINE_BYTES), BODY_BROKE_OFF),
    ] {
        let name = "told-of-server";
        assert_eq!(told_of_server(server, name, FETCH), told, "{server}");
    }
}

/// A server that accepts the connection and says nothing is not among them: wasmtime has no timeout for the handshake.
#[test]
fn a_tls_handshake_that_fails() {
    for server in [
        Server::ClosesAtOnce,
        Server::ReadsAndCloses,
        Server::ReadsAndResets,
        Server::Answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ] {
        let told = told_of_server(server, "told-of-tls", FETCH_TLS);
        assert_eq!(told, TLS_PROTOCOL_ERROR, "{server}");
    }
}
