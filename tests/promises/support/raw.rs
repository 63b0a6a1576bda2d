//! A failing connection to the local Hightouch: a raw TCP server that forwards requests and damages
//! the responses.

use std::net::{Ipv4Addr, SocketAddr, TcpStream as BlockingStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use xtask::local_hightouch::KEY;

/// Declares each fault once: the variant and the peer's behaviour.
macro_rules! faults {
    ($($(#[doc = $about:literal])* $variant:ident,)*) => {
        /// The faulty behaviour of a peer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $about])* $variant,)*
        }

        impl Fault {
            /// All faults.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

faults! {
    /// No process listens on the port.
    Refused,
    /// The backlog is full, so the first packet of a connection gets no reply.
    Unanswered,
    /// The kernel makes the connection, and no process accepts it.
    NeverAccepted,

    /// Reads the request and sends nothing.
    SilentBeforeTheHead,
    /// Sends nothing after half of the head.
    SilentInTheHead,
    /// Sends nothing after the head.
    SilentAfterTheHead,
    /// Sends nothing after half of the body.
    SilentInTheBody,
    /// Sends the head at one byte per second.
    DripsTheHead,
    /// Sends the body at one byte per second.
    DripsTheBody,
    /// Sends a chunked body at one chunk of one byte per second.
    DripsChunks,

    /// Resets the connection.
    ResetBeforeTheHead,
    /// Resets the connection after half of the head.
    ResetInTheHead,
    /// Resets the connection after the head.
    ResetAfterTheHead,
    /// Resets the connection after half of the body.
    ResetInTheBody,
    /// Closes the connection.
    ClosedBeforeTheHead,
    /// Closes the connection after half of the head.
    ClosedInTheHead,
    /// Closes the connection after the head.
    ClosedAfterTheHead,
    /// Closes the connection after half of the bytes in `Content-Length`.
    ClosedInTheBody,
    /// Closes the connection within a chunk.
    ClosedInAChunk,
    /// Closes the connection between two chunks.
    ClosedBetweenChunks,
    /// Sends a chunk size that is not a number.
    NoChunkSize,

    /// Sends the whole response at the first byte of the request, and closes the connection without
    /// reading the rest.
    RespondsEarly,
    /// Sends the response twice.
    RespondsTwice,
    /// Sends fifty informational responses before the response.
    FiftyHints,
    /// Sends five thousand `100 Continue` at once, then one per second, and no response.
    ContinuesForever,
    /// Sends 101, as if the client had requested another protocol.
    SwitchesProtocols,
    /// Sends 204 without a body.
    NoContent,
    /// Sends 200 with an empty body.
    EmptyBody,
    /// Sends a `Content-Length` of half of the body.
    LengthTooSmall,
    /// Sends a `Content-Length` that is not a number.
    LengthIsNoNumber,
    /// Sends two different `Content-Length` headers.
    TwoLengths,
    /// Sends bytes that are not HTTP.
    Garbage,
    /// Sends only the body, as in HTTP/0.9.
    NoHead,
    /// Sends a compressed 200 response although the client did not request it.
    Gzip,
    /// Sends a proxy's page with status 200.
    Page,
    /// Sends a proxy's page with status 502.
    BadGatewayPage,
    /// Sends 408.
    RequestTimeout,
    /// Sends 429 with `Retry-After` in seconds.
    TooManyRequests,
    /// Sends 429 with `Retry-After` as a date.
    TooManyRequestsUntil,
    /// Sends 500 with the JSON string that Hightouch documents.
    InternalServerError,
    /// Sends 503 without a body.
    Unavailable,

    /// Sends ten thousand headers.
    TenThousandHeaders,
    /// Sends a header of 1 MB.
    LongHeader,
    /// Sends 50 MB with `Content-Length`.
    HugeBody,
    /// Sends 50 MB in chunks.
    HugeChunks,
    /// Sends 50 MB without a length and closes the connection.
    HugeUntilClosed,
    /// Sends `data` with 100,000 nested levels, so that it contains no run.
    DeepData,
    /// Sends a run that has a field with 100,000 nested levels.
    DeepField,
    /// Sends an unknown field with 100,000 nested levels.
    DeepUnknownField,
    /// Sends 500 with `details` of 100,000 nested levels.
    DeepDetails,
    /// Sends 500 with a message of nearly 1 MiB, of which one character is escaped.
    LongMessage,
    /// Sends 500 with `details` of nearly 1 MiB.
    LongDetails,
    /// Sends a field whose name is nearly 1 MiB long.
    LongName,
    /// Sends a run whose status, error and times are long and escaped, nearly 1 MiB in all.
    LongFields,
    /// Sends a page of 100,000 runs.
    ManyRuns,
    /// Sends a page of 20,000 jobs of the run.
    ManyJobs,
    /// Sends pages that always announce another page.
    EndlessPages,
    /// Sends 5,000 jobs of the run, each with an error text of 200 KB, five on a page.
    LongErrors,
    /// Sends 5,000 jobs of the run, each with an error text of 16 KiB, sixty on a page.
    ManyErrors,
    /// Sends 900 jobs of the run, sixty on a page. Each has an error text of 16 KiB that consists
    /// of characters that JSON escapes.
    UnfinishedJobs,
}

/// The requests that the fault affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first request that starts a run. Hightouch carries it out.
    TriggerCarriedOut,
    /// The first request that starts a run. Hightouch does not receive it.
    TriggerLost,
    /// The first two requests that read.
    TwoReads,
    /// Every request that reads.
    Reads,
    /// Every request. Hightouch carries out triggers, unless the fault denies them.
    Everything,
}

impl Place {
    pub const ALL: &[Self] = &[
        Self::TriggerCarriedOut,
        Self::TriggerLost,
        Self::TwoReads,
        Self::Reads,
        Self::Everything,
    ];

    /// Returns whether the fault affects a request, after this number of requests of its kind.
    fn affects(self, triggers: bool, before: usize) -> bool {
        match self {
            Self::TriggerCarriedOut | Self::TriggerLost => triggers && before == 0,
            Self::TwoReads => !triggers && before < 2,
            Self::Reads => !triggers,
            Self::Everything => true,
        }
    }
}

impl Fault {
    /// Returns whether the fault prevents the connection.
    pub fn prevents_connection(self) -> bool {
        matches!(self, Self::Refused | Self::Unanswered | Self::NeverAccepted)
    }

    /// Returns whether the peer keeps the connection open and never completes its response.
    pub fn keeps_waiting(self) -> bool {
        use Fault::{
            ContinuesForever, DripsChunks, DripsTheBody, DripsTheHead, NeverAccepted, Unanswered,
        };
        use Fault::{SilentAfterTheHead, SilentBeforeTheHead, SilentInTheBody, SilentInTheHead};
        matches!(
            self,
            NeverAccepted
                | Unanswered
                | DripsTheHead
                | DripsTheBody
                | DripsChunks
                | ContinuesForever
        ) || matches!(
            self,
            SilentBeforeTheHead | SilentInTheHead | SilentAfterTheHead | SilentInTheBody
        )
    }

    /// Returns whether the client can know that its request never arrived.
    pub fn proves_that_nothing_was_sent(self) -> bool {
        // A timeout is not a proof: no host reports whether the connection or the response timed
        // out.
        self == Self::Refused
    }

    /// Returns whether the fault says that no run was started, which would be false if one was.
    pub fn denies_run(self) -> bool {
        matches!(self, Self::TooManyRequests | Self::TooManyRequestsUntil)
    }

    /// Returns whether the fault makes false statements about the run in a valid list, so that no
    /// client can detect it.
    pub fn makes_false_statements(self) -> bool {
        matches!(
            self,
            Self::DeepData
                | Self::EndlessPages
                | Self::LongErrors
                | Self::ManyErrors
                | Self::UnfinishedJobs
        )
    }

    /// Returns whether the fault takes real time or much memory because of its size.
    pub fn large(self) -> bool {
        matches!(
            self,
            Self::TenThousandHeaders
                | Self::LongHeader
                | Self::HugeBody
                | Self::HugeChunks
                | Self::HugeUntilClosed
                | Self::DeepData
                | Self::DeepField
                | Self::DeepUnknownField
                | Self::DeepDetails
                | Self::LongMessage
                | Self::LongDetails
                | Self::LongName
                | Self::LongFields
                | Self::ManyRuns
                | Self::ManyJobs
        ) || self.makes_false_statements()
    }

    /// Returns whether the response can still be read.
    pub fn harmless(self) -> bool {
        matches!(self, Self::RespondsTwice | Self::FiftyHints)
    }

    /// Returns the time that the server asks the client to wait.
    pub fn retry_after(self) -> Duration {
        if self.denies_run() {
            RETRY_AFTER
        } else {
            Duration::ZERO
        }
    }
}

/// `Retry-After` of the 429 responses.
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// Duration of a temporary fault that prevents connections.
const OUTAGE: Duration = Duration::from_secs(4);

/// A request that arrived completely.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Time since the connection was opened.
    pub at: Duration,
    /// Whether it starts a run.
    pub triggers: bool,
    /// Whether the fault affected it.
    pub damaged: bool,
    /// Whether it rejects content codings.
    pub identity: bool,
}

/// A failing connection to a Hightouch. Dropping it closes it.
pub struct Line {
    origin: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    fault: Fault,
    place: Place,
    hightouch: String,
    client: reqwest::Client,
    opened: Instant,
    /// Notified when the first correct response to a trigger has been sent.
    triggered: Notify,
    arrived: Mutex<Vec<Arrived>>,
    run: Mutex<Option<u64>>,
}

impl Line {
    /// Opens a connection to the Hightouch at this origin.
    pub fn open(fault: Fault, place: Place, hightouch: &str) -> Self {
        let (one, two) = two_sockets();
        let origin = format!("http://{}", one.local_addr().unwrap());
        let shared = Arc::new(Shared {
            fault,
            place,
            hightouch: hightouch.into(),
            client: reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
            opened: Instant::now(),
            triggered: Notify::new(),
            arrived: Mutex::default(),
            run: Mutex::default(),
        });
        // The server must listen when this function returns.
        let listener = Listener::new(fault, place, one, two);
        let mut server = JoinSet::new();
        server.spawn(listener.keep(Arc::clone(&shared)));
        Self {
            origin,
            shared,
            _server: server,
        }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sets the ID of a run that was started otherwise, so that faults can use it.
    pub fn carries(&self, run: u64) {
        *self.shared.run.lock().unwrap() = Some(run);
    }

    /// Returns the requests that arrived, in order.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.shared.arrived.lock().unwrap().clone()
    }
}

/// Returns two sockets with the same port. Neither listens yet.
fn two_sockets() -> (TcpSocket, TcpSocket) {
    let bound = |address: SocketAddr| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        socket
    };
    let one = bound((Ipv4Addr::LOCALHOST, 0).into());
    let two = bound(one.local_addr().unwrap());
    (one, two)
}

/// Controls whether connections can be made.
struct Listener {
    fault: Fault,
    place: Place,
    first: First,
    two: Option<TcpSocket>,
}

enum First {
    NotAccepting(NotAccepting),
    Open(TcpListener),
}

/// A state in which no connection can be made.
pub(super) enum NotAccepting {
    /// The port is reserved, and no process listens.
    Refused(TcpSocket),
    /// The backlog is full of these connections.
    Full(TcpListener, Vec<BlockingStream>),
    /// No process accepts connections.
    Left(TcpListener),
}

impl NotAccepting {
    pub(super) fn new(fault: Fault, socket: TcpSocket) -> Self {
        match fault {
            Fault::Refused => Self::Refused(socket),
            Fault::Unanswered => {
                let address = socket.local_addr().unwrap();
                let listener = socket.listen(0).unwrap();
                // Connect until one connection gets no reply. The kernel determines the number.
                let connect_once =
                    || BlockingStream::connect_timeout(&address, Duration::from_millis(20)).ok();
                Self::Full(listener, std::iter::from_fn(connect_once).collect())
            }
            _ => Self::Left(socket.listen(BACKLOG).unwrap()),
        }
    }

    fn open(self) -> TcpListener {
        match self {
            Self::Refused(socket) => socket.listen(BACKLOG).unwrap(),
            Self::Full(listener, waiting) => {
                drop(waiting);
                listener
            }
            Self::Left(listener) => listener,
        }
    }
}

const BACKLOG: u32 = 128;

impl Listener {
    fn new(fault: Fault, place: Place, one: TcpSocket, two: TcpSocket) -> Self {
        let shut_first =
            fault.prevents_connection() && matches!(place, Place::TriggerLost | Place::Everything);
        if shut_first {
            Self {
                fault,
                place,
                first: First::NotAccepting(NotAccepting::new(fault, one)),
                two: None,
            }
        } else {
            Self {
                fault,
                place,
                first: First::Open(one.listen(BACKLOG).unwrap()),
                two: Some(two),
            }
        }
    }

    async fn keep(self, shared: Arc<Shared>) {
        let Self {
            fault,
            place,
            first,
            two,
        } = self;
        let open = match first {
            First::NotAccepting(shut) => {
                if place == Place::Everything {
                    return std::future::pending().await;
                }
                sleep(OUTAGE).await;
                shut.open()
            }
            First::Open(open) if !fault.prevents_connection() => open,
            First::Open(open) => {
                tokio::select! {
                    () = accept(&open, &shared) => {}
                    () = shared.triggered.notified() => {}
                }
                let shut = match (fault, two) {
                    (Fault::NeverAccepted, _) | (_, None) => NotAccepting::Left(open),
                    (_, Some(two)) => {
                        drop(open);
                        NotAccepting::new(fault, two)
                    }
                };
                if place == Place::Reads {
                    let _shut = shut;
                    return std::future::pending().await;
                }
                sleep(OUTAGE).await;
                shut.open()
            }
        };
        accept(&open, &shared).await;
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(converse(stream, Arc::clone(shared)));
    }
}

/// A request.
pub struct Request {
    /// The request line and the headers.
    pub head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    fn is_post(&self) -> bool {
        self.head.starts_with("POST")
    }

    fn rejects_content_codings(&self) -> bool {
        self.head
            .lines()
            .any(|line| line == "accept-encoding: identity")
    }

    pub(super) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// Peeks at the first line of a request and leaves all data unread.
pub(super) async fn peek_request(stream: &TcpStream) -> Option<Request> {
    let mut bytes = [0; 1024];
    let seen = stream.peek(&mut bytes).await.ok()?;
    // The rest of the head may not have arrived yet.
    Some(Request {
        head: String::from_utf8(bytes[..seen].to_vec()).ok()?,
        body: Vec::new(),
    })
}

/// Reads a request. Each connection has only one. Returns `None` if the peer disconnects before the
/// request is complete.
pub async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    // The spelling of the header that hyper sends.
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < head + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request {
        body: bytes.split_off(head),
        head: text,
    })
}

async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let early = shared.fault == Fault::RespondsEarly;
    let request = if early {
        peek_request(&stream).await
    } else {
        read(&mut stream).await
    };
    let Some(request) = request else { return };
    let damaged = shared.arrived(&request);
    let lost = shared.place == Place::TriggerLost || request.is_post() && shared.fault.denies_run();
    let truth = if damaged && lost {
        IntactResponse::nothing()
    } else {
        shared.pass_on(&request).await
    };
    let run = *shared.run.lock().unwrap();
    let script = match damaged {
        true => shared
            .fault
            .script(&truth, run.unwrap_or(1), page_of(&request)),
        false => vec![Step::ScriptedResponse(truth.whole())],
    };
    if !carry_out(script, &mut stream).await {
        return;
    }
    if request.is_post() && !damaged {
        shared.triggered.notify_one();
    }
    if !(early && damaged) {
        close(stream).await;
    }
}

/// Carries out the steps of a peer. Returns false if the connection has ended.
pub(super) async fn carry_out(steps: Vec<Step>, stream: &mut TcpStream) -> bool {
    for step in steps {
        if !step.out(stream).await {
            return false;
        }
    }
    true
}

/// Closes the connection after the peer has closed it. Otherwise sent data can be lost.
pub(super) async fn close(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
}

/// Returns the number of the requested page, given the page size of the faults.
fn page_of(request: &Request) -> usize {
    let offset = request
        .target()
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("offset="));
    offset.and_then(|offset| offset.parse().ok()).unwrap_or(0)
}

impl Shared {
    /// Records a request. Returns whether the fault affects it.
    fn arrived(&self, request: &Request) -> bool {
        let mut arrived = self.arrived.lock().unwrap();
        let before = arrived
            .iter()
            .filter(|other| other.triggers == request.is_post())
            .count();
        let damaged =
            !self.fault.prevents_connection() && self.place.affects(request.is_post(), before);
        arrived.push(Arrived {
            at: self.opened.elapsed(),
            triggers: request.is_post(),
            damaged,
            identity: request.rejects_content_codings(),
        });
        damaged
    }

    async fn pass_on(&self, request: &Request) -> IntactResponse {
        let method = if request.is_post() {
            reqwest::Method::POST
        } else {
            reqwest::Method::GET
        };
        let asked = self
            .client
            .request(method, format!("{}{}", self.hightouch, request.target()))
            .bearer_auth(KEY);
        let asked = if request.body.is_empty() {
            asked
        } else {
            asked.header("content-type", "application/json")
        };
        let response = asked.body(request.body.clone()).send().await.unwrap();
        let status = response.status().as_u16();
        let date = response
            .headers()
            .get("date")
            .map(|date| date.to_str().unwrap().to_owned());
        let body = response.bytes().await.unwrap().to_vec();
        if let (true, Ok(received)) = (
            request.is_post(),
            serde_json::from_slice::<serde_json::Value>(&body),
        ) {
            *self.run.lock().unwrap() = received["id"].as_str().and_then(|id| id.parse().ok());
        }
        IntactResponse {
            status,
            date: date.unwrap_or_default(),
            body,
        }
    }
}

/// The response of a peer without a fault.
pub(super) struct IntactResponse {
    pub(super) status: u16,
    /// The value of `Date`. If it is empty, there is no such header.
    pub(super) date: String,
    pub(super) body: Vec<u8>,
}

impl IntactResponse {
    /// Returns the response for a request that never reached Hightouch.
    fn nothing() -> Self {
        Self {
            status: 200,
            date: String::new(),
            body: br#"{"nothing":"came of it"}"#.to_vec(),
        }
    }

    /// Returns a head with these lines. Each line ends in a line break.
    pub(super) fn head(&self, status: u16, lines: &str) -> Vec<u8> {
        let date = if self.date.is_empty() {
            String::new()
        } else {
            format!("date: {}\r\n", self.date)
        };
        format!("HTTP/1.1 {status} Told\r\n{date}content-type: application/json\r\nconnection: close\r\n{lines}\r\n")
            .into()
    }

    fn with_length(&self, status: u16, body: &[u8]) -> Vec<u8> {
        let mut all = self.head(status, &format!("content-length: {}\r\n", body.len()));
        all.extend_from_slice(body);
        all
    }

    pub(super) fn whole(&self) -> Vec<u8> {
        self.with_length(self.status, &self.body)
    }
}

/// A step of a peer.
pub(super) enum Step {
    ScriptedResponse(Vec<u8>),
    /// The same bytes, this number of times.
    Repeat(Vec<u8>, usize),
    /// One byte per second.
    Drip(Vec<u8>),
    /// The same bytes every second, forever.
    EverySecond(Vec<u8>),
    Hang,
    Reset,
}

impl Step {
    /// Carries out the step. Returns false if the peer is gone.
    async fn out(self, stream: &mut TcpStream) -> bool {
        match self {
            Self::ScriptedResponse(bytes) => stream.write_all(&bytes).await.is_ok(),
            Self::Repeat(bytes, times) => {
                for _ in 0..times {
                    if stream.write_all(&bytes).await.is_err() {
                        return false;
                    }
                }
                true
            }
            Self::Drip(bytes) => {
                for byte in bytes {
                    if stream.write_all(&[byte]).await.is_err() {
                        return false;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
                true
            }
            Self::EverySecond(bytes) => {
                while stream.write_all(&bytes).await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
                false
            }
            Self::Hang => {
                // Wait until the peer disconnects.
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                false
            }
            Self::Reset => {
                // Sent data leaves first. Unread data of the request would reset the connection
                // anyway.
                tokio::task::yield_now().await;
                stream.set_zero_linger().unwrap();
                false
            }
        }
    }
}

/// Wraps bytes as uncompressed gzip data (RFC 1952, with one stored block of RFC 1951).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let mut all = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    all.extend(length.to_le_bytes());
    all.extend((!length).to_le_bytes());
    all.extend(bytes);
    let checksum = bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    });
    all.extend((!checksum).to_le_bytes());
    all.extend(u32::from(length).to_le_bytes());
    all
}

/// Number of nested levels.
const DEPTH: usize = 100_000;
/// Nearly the maximum number of bytes that is read of a body.
const NEARLY: usize = 1_048_000;

impl Fault {
    /// Returns the steps of the peer for this response about a run.
    pub(super) fn script(self, truth: &IntactResponse, run: u64, offset: usize) -> Vec<Step> {
        use Step::{Drip, EverySecond, Hang, Repeat, Reset, ScriptedResponse};
        let whole = truth.whole();
        let head = truth.head(
            truth.status,
            &format!("content-length: {}\r\n", truth.body.len()),
        );
        let (half_head, half_body) = (
            whole[..head.len() / 2].to_vec(),
            whole[..head.len() + truth.body.len() / 2].to_vec(),
        );
        let chunked = truth.head(truth.status, "transfer-encoding: chunked\r\n");
        let chunk =
            |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        let with = |status: u16, body: &str| {
            vec![ScriptedResponse(truth.with_length(status, body.as_bytes()))]
        };
        let headed = |status: u16, lines: &str| {
            vec![ScriptedResponse(
                truth.head(status, &format!("{lines}content-length: 0\r\n")),
            )]
        };
        let deep = || format!("{}1{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
        let list = |jobs: String, more: bool| format!(r#"{{"data":[{jobs}],"hasMore":{more}}}"#);
        let jobs = |many: usize, text: &str| {
            let job = format!(r#"{{"id":{run},"status":"processing","error":"{text}"}}"#);
            vec![job; many].join(",")
        };
        match self {
            Self::Refused | Self::Unanswered | Self::NeverAccepted => {
                unreachable!("the door is shut")
            }
            Self::SilentBeforeTheHead => vec![Hang],
            Self::SilentInTheHead => vec![ScriptedResponse(half_head), Hang],
            Self::SilentAfterTheHead => vec![ScriptedResponse(head), Hang],
            Self::SilentInTheBody => vec![ScriptedResponse(half_body), Hang],
            Self::DripsTheHead => vec![Drip(whole)],
            Self::DripsTheBody => {
                let padded = [vec![b' '; 1000], truth.body.clone()].concat();
                let head = truth.head(
                    truth.status,
                    &format!("content-length: {}\r\n", padded.len()),
                );
                vec![ScriptedResponse(head), Drip(padded)]
            }
            Self::DripsChunks => vec![ScriptedResponse(chunked), EverySecond(chunk(b" "))],
            Self::ResetBeforeTheHead => vec![Reset],
            Self::ResetInTheHead => vec![ScriptedResponse(half_head), Reset],
            Self::ResetAfterTheHead => vec![ScriptedResponse(head), Reset],
            Self::ResetInTheBody => vec![ScriptedResponse(half_body), Reset],
            Self::ClosedBeforeTheHead => vec![],
            Self::ClosedInTheHead => vec![ScriptedResponse(half_head)],
            Self::ClosedAfterTheHead => vec![ScriptedResponse(head)],
            Self::ClosedInTheBody => vec![ScriptedResponse(half_body)],
            Self::ClosedInAChunk => {
                let mut cut = chunk(&truth.body);
                cut.truncate(cut.len() / 2);
                vec![ScriptedResponse(chunked), ScriptedResponse(cut)]
            }
            Self::ClosedBetweenChunks => vec![
                ScriptedResponse(chunked),
                ScriptedResponse(chunk(&truth.body[..truth.body.len() / 2])),
            ],
            Self::NoChunkSize => vec![
                ScriptedResponse(chunked),
                ScriptedResponse(b"many\r\n".to_vec()),
                ScriptedResponse(truth.body.clone()),
            ],
            Self::RespondsEarly => vec![ScriptedResponse(whole)],
            Self::RespondsTwice => vec![ScriptedResponse(whole.clone()), ScriptedResponse(whole)],
            Self::FiftyHints => {
                let hint = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";
                vec![Repeat(hint.to_vec(), 50), ScriptedResponse(whole)]
            }
            Self::ContinuesForever => {
                let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
                vec![Repeat(go_on.to_vec(), 5000), EverySecond(go_on.to_vec())]
            }
            Self::SwitchesProtocols => vec![
                ScriptedResponse(truth.head(101, "upgrade: x\r\n")),
                ScriptedResponse(truth.body.clone()),
                Hang,
            ],
            Self::NoContent => vec![ScriptedResponse(truth.head(204, ""))],
            Self::EmptyBody => with(200, ""),
            Self::LengthTooSmall => {
                let head = truth.head(
                    200,
                    &format!("content-length: {}\r\n", truth.body.len() / 2),
                );
                vec![ScriptedResponse(head), ScriptedResponse(truth.body.clone())]
            }
            Self::LengthIsNoNumber => vec![
                ScriptedResponse(truth.head(200, "content-length: -5\r\n")),
                ScriptedResponse(truth.body.clone()),
            ],
            Self::TwoLengths => {
                let head = truth.head(200, "content-length: 3\r\ncontent-length: 4\r\n");
                vec![ScriptedResponse(head), ScriptedResponse(truth.body.clone())]
            }
            Self::Garbage => {
                let garbage = (0_u32..65_536)
                    .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0] | 0x80);
                vec![ScriptedResponse(garbage.collect())]
            }
            Self::NoHead => vec![ScriptedResponse(truth.body.clone())],
            Self::Gzip => {
                let body = gzip(&truth.body);
                let lines = format!(
                    "content-encoding: gzip\r\ncontent-length: {}\r\n",
                    body.len()
                );
                vec![
                    ScriptedResponse(truth.head(truth.status, &lines)),
                    ScriptedResponse(body),
                ]
            }
            Self::Page => with(200, "<html><h1>It works!</h1></html>"),
            Self::BadGatewayPage => with(502, "<html><h1>502 Bad Gateway</h1></html>"),
            Self::RequestTimeout => headed(408, ""),
            Self::TooManyRequests => {
                headed(429, &format!("retry-after: {}\r\n", RETRY_AFTER.as_secs()))
            }
            Self::TooManyRequestsUntil => {
                // Fixed dates, so that the result does not depend on the day.
                let dates = format!(
                    "retry-after: Thu, 01 Jan 2026 00:00:0{} GMT\r\n",
                    RETRY_AFTER.as_secs()
                );
                let head =
                    "HTTP/1.1 429 Too Many Requests\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
                vec![ScriptedResponse(
                    format!("{head}{dates}content-length: 0\r\n\r\n").into(),
                )]
            }
            Self::InternalServerError => with(500, r#""Internal Server Error""#),
            Self::Unavailable => headed(503, ""),
            Self::TenThousandHeaders => headed(200, &"x-filler: 1\r\n".repeat(10_000)),
            Self::LongHeader => headed(200, &format!("x-filler: {}\r\n", "x".repeat(1_000_000))),
            Self::HugeBody => {
                vec![
                    ScriptedResponse(truth.head(200, "content-length: 52428800\r\n")),
                    Repeat(vec![b' '; 1 << 16], 800),
                ]
            }
            Self::HugeChunks => vec![
                ScriptedResponse(chunked),
                Repeat(chunk(&[b' '; 1 << 16]), 800),
            ],
            Self::HugeUntilClosed => {
                vec![
                    ScriptedResponse(truth.head(200, "")),
                    Repeat(vec![b' '; 1 << 16], 800),
                ]
            }
            Self::DeepData => with(200, &list(deep(), false)),
            Self::DeepField => with(
                200,
                &list(format!(r#"{{"id":{run},"error":{}}}"#, deep()), false),
            ),
            Self::DeepUnknownField => with(
                200,
                &list(format!(r#"{{"id":{run},"new":{}}}"#, deep()), false),
            ),
            Self::DeepDetails => with(
                500,
                &format!(r#"{{"message":"deep","details":{}}}"#, deep()),
            ),
            Self::LongMessage => with(
                500,
                &format!(r#"{{"message":"\u00e4{}"}}"#, "m".repeat(NEARLY)),
            ),
            Self::LongDetails => with(
                500,
                &format!(
                    r#"{{"message":"m","details":["{}"]}}"#,
                    "\\n".repeat(NEARLY / 2)
                ),
            ),
            Self::LongName => with(
                200,
                &format!(r#"{{"\u00e4{}":1,"id":0}}"#, "n".repeat(NEARLY)),
            ),
            Self::LongFields => {
                let text = "\\n".repeat(NEARLY / 10);
                let fields = ["status", "error", "createdAt", "startedAt", "finishedAt"];
                let fields: Vec<String> = fields
                    .iter()
                    .map(|name| format!(r#""{name}":"{text}""#))
                    .collect();
                with(
                    200,
                    &list(format!(r#"{{"id":{run},{}}}"#, fields.join(",")), false),
                )
            }
            Self::ManyRuns => {
                let runs: Vec<String> = (1..=100_000)
                    .map(|id| format!(r#"{{"id":{id},"status":"success"}}"#))
                    .collect();
                with(200, &list(runs.join(","), false))
            }
            Self::ManyJobs => with(200, &list(jobs(20_000, ""), false)),
            Self::EndlessPages => {
                // The order is not from newest to oldest, so that the list has no recognisable end.
                let runs =
                    (run + 1..=run + 100).map(|id| format!(r#"{{"id":{id},"status":"success"}}"#));
                with(200, &list(runs.collect::<Vec<_>>().join(","), true))
            }
            Self::LongErrors => with(200, &list(jobs(5, &"e".repeat(200_000)), offset < 4995)),
            Self::ManyErrors => with(200, &list(jobs(60, &"e".repeat(16 * 1024)), offset < 4940)),
            Self::UnfinishedJobs => with(
                200,
                &list(jobs(60, &r"\u0001".repeat(16 * 1024 / 6)), offset < 840),
            ),
        }
    }
}
