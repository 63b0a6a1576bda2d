//! A server that takes lineage events and notifications, records every request, and can misbehave.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::raw::{self, Fault, IntactResponse, NotAccepting, Request};

/// Number of connections that may wait to be accepted.
const BACKLOG: u32 = 128;
/// Size of one part of [`Reaction::Endless`], in bytes.
const PART: usize = 1 << 16;

/// A received request.
#[derive(Clone, Debug)]
pub struct Received {
    /// Time since the consumer started.
    pub at: Duration,
    pub method: String,
    /// The path with the query.
    pub target: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    fn new(request: &Request, at: Duration) -> Self {
        let mut lines = request.head.lines();
        let method = lines
            .next()
            .and_then(|line| line.split(' ').next())
            .unwrap_or_default();
        Self {
            at,
            method: method.into(),
            target: request.target().into(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        }
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The consumer's reaction to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    /// Responds with this status and no body.
    Status(u16),
    /// Responds with this status and these header lines. Each line ends in a line break.
    Headed(u16, String),
    /// Responds with 201 after this delay.
    Late(Duration),
    /// Responds with 201 and a body that never ends.
    Endless,
    /// Responds with this fault of a peer.
    Faulty(Fault),
}

/// A running consumer. Dropping it stops it.
pub struct Consumer {
    origin: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

type Script = dyn FnMut(&Received) -> Reaction + Send;

struct Shared {
    started: Instant,
    script: Mutex<Box<Script>>,
    /// Whether it responds at the first byte of a request.
    responds_early: bool,
    received: Mutex<Vec<Received>>,
    sent: AtomicUsize,
}

impl Consumer {
    /// Starts a consumer that accepts every request with 201.
    pub fn accepting() -> Self {
        Self::reacting(|_| Reaction::Status(201))
    }

    /// Starts a consumer whose reaction to each request is this.
    pub fn always(reaction: Reaction) -> Self {
        match reaction {
            Reaction::Faulty(fault) if fault.prevents_connection() => Self::unreachable(fault),
            reaction => {
                let early = reaction == Reaction::Faulty(Fault::RespondsEarly);
                Self::start(move |_| reaction.clone(), early)
            }
        }
    }

    /// Starts a consumer that reacts so to this number of requests, and accepts the others.
    pub fn first(mut count: usize, reaction: Reaction) -> Self {
        Self::reacting(move |_| {
            if count == 0 {
                return Reaction::Status(201);
            }
            count -= 1;
            reaction.clone()
        })
    }

    /// Starts a consumer with a reaction to each request.
    pub fn reacting(script: impl FnMut(&Received) -> Reaction + Send + 'static) -> Self {
        Self::start(script, false)
    }

    fn start(
        script: impl FnMut(&Received) -> Reaction + Send + 'static,
        responds_early: bool,
    ) -> Self {
        let listener = socket().listen(BACKLOG).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::new(Box::new(script), responds_early));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            origin,
            shared,
            _server: server,
        }
    }

    /// Reserves a port at which no connection can be made.
    fn unreachable(fault: Fault) -> Self {
        let socket = socket();
        let origin = format!("http://{}", socket.local_addr().unwrap());
        let shut = NotAccepting::new(fault, socket);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _shut = shut;
            std::future::pending().await
        });
        Self {
            origin,
            shared: Arc::new(Shared::new(Box::new(|_| Reaction::Status(201)), false)),
            _server: server,
        }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the requests that arrived completely, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Returns the number of bytes of endless bodies that the consumer could send.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

fn socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(converse(stream, Arc::clone(&shared)));
    }
}

async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let request = if shared.responds_early {
        raw::peek_request(&stream).await
    } else {
        raw::read(&mut stream).await
    };
    let Some(request) = request else { return };
    let received = Received::new(&request, shared.started.elapsed());
    shared.received.lock().unwrap().push(received.clone());
    let reaction = (shared.script.lock().unwrap())(&received);
    let steps = match reaction {
        Reaction::Status(status) => vec![raw::Step::ScriptedResponse(
            accepted().head(status, "content-length: 0\r\n"),
        )],
        Reaction::Headed(status, lines) => vec![raw::Step::ScriptedResponse(
            accepted().head(status, &format!("{lines}content-length: 0\r\n")),
        )],
        Reaction::Late(by) => {
            sleep(by).await;
            vec![raw::Step::ScriptedResponse(accepted().whole())]
        }
        Reaction::Endless => return shared.send_forever(&mut stream).await,
        Reaction::Faulty(fault) => fault.script(&accepted(), 1, 0),
    };
    if raw::carry_out(steps, &mut stream).await && !shared.responds_early {
        raw::close(stream).await;
    }
}

/// Returns the response to a request that is accepted.
fn accepted() -> IntactResponse {
    IntactResponse {
        status: 201,
        date: String::new(),
        body: br#"{"accepted": "everything"}"#.to_vec(),
    }
}

impl Shared {
    fn new(script: Box<Script>, responds_early: bool) -> Self {
        Self {
            started: Instant::now(),
            script: Mutex::new(script),
            responds_early,
            received: Mutex::default(),
            sent: AtomicUsize::default(),
        }
    }

    /// Sends a response whose body never ends, until the client disconnects.
    async fn send_forever(&self, stream: &mut TcpStream) {
        let head = accepted().head(201, "");
        let mut sending = stream.write_all(&head).await;
        while sending.is_ok() {
            sending = stream.write_all(&[b' '; PART]).await;
            self.sent.fetch_add(PART, Ordering::Relaxed);
        }
    }
}
