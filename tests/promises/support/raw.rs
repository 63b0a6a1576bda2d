//! A line to the local Hightouch that fails: a raw TCP server that passes requests on, and spoils what goes back.

use std::net::{Ipv4Addr, SocketAddr, TcpStream as BlockingStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use xtask::local_hightouch::KEY;

/// Declares the faults once: the variant, and what a peer then does.
macro_rules! faults {
    ($($(#[doc = $about:literal])* $variant:ident,)*) => {
        /// What a peer does instead of answering well.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $about])* $variant,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

faults! {
    /// Nobody listens at the port.
    Refused,
    /// The backlog is full: nobody answers the connection's first packet.
    Unanswered,
    /// The connection is made by the kernel, and nobody ever accepts it.
    NeverAccepted,

    /// The request is read, and nothing comes.
    SilentBeforeTheHead,
    /// Nothing more comes after half a head.
    SilentInTheHead,
    /// Nothing comes after the head.
    SilentAfterTheHead,
    /// Nothing more comes after half a body.
    SilentInTheBody,
    /// The head comes a byte a second.
    DripsTheHead,
    /// The body comes a byte a second.
    DripsTheBody,
    /// A chunked body comes a byte and a chunk a second.
    DripsChunks,

    /// The connection is reset.
    ResetBeforeTheHead,
    /// The connection is reset after half a head.
    ResetInTheHead,
    /// The connection is reset after the head.
    ResetAfterTheHead,
    /// The connection is reset after half a body.
    ResetInTheBody,
    /// The connection ends.
    ClosedBeforeTheHead,
    /// The connection ends after half a head.
    ClosedInTheHead,
    /// The connection ends after the head.
    ClosedAfterTheHead,
    /// The connection ends after half of what `Content-Length` promised.
    ClosedInTheBody,
    /// The connection ends within a chunk.
    ClosedInAChunk,
    /// The connection ends between two chunks.
    ClosedBetweenChunks,
    /// The size of a chunk is no number.
    NoChunkSize,

    /// The whole answer comes at the first byte of the request, and the connection ends with the rest unread.
    AnswersEarly,
    /// The same answer comes twice.
    AnswersTwice,
    /// Fifty hints come before the answer.
    FiftyHints,
    /// Five thousand `100 Continue` come at once, then one a second, and no answer.
    ContinuesForEver,
    /// 101, as if a protocol had been agreed on.
    SwitchesProtocols,
    /// 204, without a body.
    NoContent,
    /// 200 with an empty body.
    EmptyBody,
    /// `Content-Length` is half of the body's.
    LengthTooSmall,
    /// `Content-Length` is no number.
    LengthIsNoNumber,
    /// Two `Content-Length`s that differ.
    TwoLengths,
    /// Bytes that are no HTTP.
    Garbage,
    /// The body alone, as HTTP/0.9 had it.
    NoHead,
    /// 200, compressed, though nobody asked for it.
    Gzip,
    /// A page of a proxy, with 200.
    Page,
    /// A page of a proxy, with 502.
    BadGatewayPage,
    /// 408.
    RequestTimeout,
    /// 429 with `Retry-After` in seconds.
    TooManyRequests,
    /// 429 with `Retry-After` as a date.
    TooManyRequestsUntil,
    /// 500 with the JSON string that Hightouch documents.
    InternalServerError,
    /// 503 without a body.
    Unavailable,

    /// Ten thousand headers.
    TenThousandHeaders,
    /// A header of 1 MB.
    LongHeader,
    /// 50 MB, of which `Content-Length` warns.
    HugeBody,
    /// 50 MB in chunks.
    HugeChunks,
    /// 50 MB up to the end of the connection.
    HugeUntilClosed,
    /// `data` is nested 100,000 deep, so that there is no run in it.
    DeepData,
    /// A field of the run is nested 100,000 deep.
    DeepField,
    /// A field that nobody reads is nested 100,000 deep.
    DeepUnknownField,
    /// 500 with `details` nested 100,000 deep.
    DeepDetails,
    /// 500 with a message of nearly 1 MiB, one character of which is escaped.
    LongMessage,
    /// 500 with `details` of nearly 1 MiB.
    LongDetails,
    /// The name of a field is nearly 1 MiB long.
    LongName,
    /// The run's status, error and times are long and escaped, nearly 1 MiB in all.
    LongFields,
    /// 100,000 runs on one page.
    ManyRuns,
    /// 20,000 jobs of the run on one page.
    ManyJobs,
    /// Each page says that there is another.
    EndlessPages,
    /// 5,000 jobs of the run, each with an error text of 200 KB, five on a page.
    LongErrors,
    /// 5,000 jobs of the run, each with an error text of 16 KiB, sixty on a page.
    ManyErrors,
    /// 900 jobs of the run, each with an error text that takes 16 KiB, sixty on a page, all of it characters that JSON escapes.
    JobsThatGoOn,
}

/// Where the fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the first request that starts a run, which is carried out all the same.
    TriggerCarriedOut,
    /// On the first request that starts a run, which is not carried out.
    TriggerLost,
    /// On the first two requests that read.
    TwoReads,
    /// On every request that reads.
    Reads,
    /// On every request. What starts a run is carried out, unless the fault denies it.
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

    /// Whether a request meets the fault, so many of its kind having come before.
    fn meets(self, triggers: bool, before: usize) -> bool {
        match self {
            Self::TriggerCarriedOut | Self::TriggerLost => triggers && before == 0,
            Self::TwoReads => !triggers && before < 2,
            Self::Reads => !triggers,
            Self::Everything => true,
        }
    }
}

impl Fault {
    /// Whether the fault is one of making the connection.
    pub fn at_the_door(self) -> bool {
        matches!(self, Self::Refused | Self::Unanswered | Self::NeverAccepted)
    }

    /// Whether the peer keeps the connection and never ends its answer.
    pub fn keeps_waiting(self) -> bool {
        use Fault::{
            ContinuesForEver, DripsChunks, DripsTheBody, DripsTheHead, NeverAccepted, Unanswered,
        };
        use Fault::{SilentAfterTheHead, SilentBeforeTheHead, SilentInTheBody, SilentInTheHead};
        matches!(
            self,
            NeverAccepted
                | Unanswered
                | DripsTheHead
                | DripsTheBody
                | DripsChunks
                | ContinuesForEver
        ) || matches!(
            self,
            SilentBeforeTheHead | SilentInTheHead | SilentAfterTheHead | SilentInTheBody
        )
    }

    /// Whether the client can know that its request never arrived.
    pub fn proves_that_nothing_was_sent(self) -> bool {
        // That nobody answered in time is no proof: no host says whether it was the connection or the response.
        self == Self::Refused
    }

    /// Whether the fault says that no run was started, so that it would be a lie where one was.
    pub fn denies(self) -> bool {
        matches!(self, Self::TooManyRequests | Self::TooManyRequestsUntil)
    }

    /// Whether the fault makes false statements about the run in the form of a good list, so that nobody can see through it.
    pub fn lies(self) -> bool {
        matches!(
            self,
            Self::DeepData
                | Self::EndlessPages
                | Self::LongErrors
                | Self::ManyErrors
                | Self::JobsThatGoOn
        )
    }

    /// Whether there is so much of it that it takes real time, or much memory.
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
        ) || self.lies()
    }

    /// Whether the answer can be read all the same.
    pub fn harmless(self) -> bool {
        matches!(self, Self::AnswersTwice | Self::FiftyHints)
    }

    /// How long the server asks to be left alone.
    pub fn asks_for(self) -> Duration {
        if self.denies() { ASKED } else { Duration::ZERO }
    }
}

/// What 429 asks for.
const ASKED: Duration = Duration::from_secs(3);
/// How long a fault at the door lasts that passes.
const SHUT: Duration = Duration::from_secs(4);

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Since the line was opened.
    pub at: Duration,
    /// Whether it starts a run.
    pub triggers: bool,
    /// Whether it met the fault.
    pub spoiled: bool,
    /// Whether it accepts no content coding.
    pub identity: bool,
}

/// A line to a Hightouch. Dropped, it is cut.
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
    /// The first good answer to a trigger has gone back.
    triggered: Notify,
    arrived: Mutex<Vec<Arrived>>,
    run: Mutex<Option<u64>>,
}

impl Line {
    /// A line to the Hightouch at this origin.
    pub fn open(fault: Fault, place: Place, hightouch: &str) -> Self {
        let (one, two) = twins();
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
        // What listens from the beginning has to listen when this returns.
        let door = Door::new(fault, place, one, two);
        let mut server = JoinSet::new();
        server.spawn(door.keep(Arc::clone(&shared)));
        Self {
            origin,
            shared,
            _server: server,
        }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Tells of a run that was started some other way, so that faults can name it.
    pub fn carries(&self, run: u64) {
        *self.shared.run.lock().unwrap() = Some(run);
    }

    /// What arrived, in order.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.shared.arrived.lock().unwrap().clone()
    }
}

/// Two sockets at one port, of which none listens yet.
fn twins() -> (TcpSocket, TcpSocket) {
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

/// Whether and how connections are made, over time.
struct Door {
    fault: Fault,
    place: Place,
    first: First,
    two: Option<TcpSocket>,
}

enum First {
    Shut(Shut),
    Open(TcpListener),
}

/// A door that is shut.
enum Shut {
    /// The port is taken, and nobody listens.
    Refused(TcpSocket),
    /// The backlog is full of these.
    Full(TcpListener, Vec<BlockingStream>),
    /// Nobody accepts.
    Left(TcpListener),
}

impl Shut {
    fn new(fault: Fault, socket: TcpSocket) -> Self {
        match fault {
            Fault::Refused => Self::Refused(socket),
            Fault::Unanswered => {
                let address = socket.local_addr().unwrap();
                let listener = socket.listen(0).unwrap();
                // Until one gets no answer. How many fit is the kernel's to say.
                let knock =
                    || BlockingStream::connect_timeout(&address, Duration::from_millis(20)).ok();
                Self::Full(listener, std::iter::from_fn(knock).collect())
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

impl Door {
    fn new(fault: Fault, place: Place, one: TcpSocket, two: TcpSocket) -> Self {
        let shut_first =
            fault.at_the_door() && matches!(place, Place::TriggerLost | Place::Everything);
        if shut_first {
            Self {
                fault,
                place,
                first: First::Shut(Shut::new(fault, one)),
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
            First::Shut(shut) => {
                if place == Place::Everything {
                    return std::future::pending().await;
                }
                sleep(SHUT).await;
                shut.open()
            }
            First::Open(open) if !fault.at_the_door() => open,
            First::Open(open) => {
                tokio::select! {
                    () = accept(&open, &shared) => {}
                    () = shared.triggered.notified() => {}
                }
                let shut = match (fault, two) {
                    (Fault::NeverAccepted, _) | (_, None) => Shut::Left(open),
                    (_, Some(two)) => {
                        drop(open);
                        Shut::new(fault, two)
                    }
                };
                if place == Place::Reads {
                    let _shut = shut;
                    return std::future::pending().await;
                }
                sleep(SHUT).await;
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

/// A request, as far as it matters.
struct Request {
    post: bool,
    identity: bool,
    target: String,
    body: Vec<u8>,
}

/// Takes a request's first line without reading anything, so that the rest lies there unread.
async fn glance(stream: &TcpStream) -> Option<Request> {
    let mut bytes = [0; 1024];
    let seen = stream.peek(&mut bytes).await.ok()?;
    let text = String::from_utf8(bytes[..seen].to_vec()).ok()?;
    let (method, rest) = text.split_once(' ')?;
    let target = rest.split(' ').next()?.into();
    // The rest of the head need not be there yet.
    Some(Request {
        post: method == "POST",
        identity: true,
        target,
        body: Vec::new(),
    })
}

/// Reads a request: one to a connection is all that is answered. None where the peer goes before it is whole.
async fn read(stream: &mut TcpStream) -> Option<Request> {
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
    // As hyper writes it.
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < head + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let target = text.split(' ').nth(1)?.to_owned();
    let identity = text.lines().any(|line| line == "accept-encoding: identity");
    Some(Request {
        post: text.starts_with("POST"),
        identity,
        target,
        body: bytes.split_off(head),
    })
}

async fn converse(mut stream: TcpStream, shared: Arc<Shared>) {
    let early = shared.fault == Fault::AnswersEarly;
    let request = if early {
        glance(&stream).await
    } else {
        read(&mut stream).await
    };
    let Some(request) = request else { return };
    let spoiled = shared.arrived(&request);
    let lost = shared.place == Place::TriggerLost || request.post && shared.fault.denies();
    let truth = if spoiled && lost {
        Truth::nothing()
    } else {
        shared.pass_on(&request).await
    };
    let run = *shared.run.lock().unwrap();
    let script = match spoiled {
        true => shared
            .fault
            .script(&truth, run.unwrap_or(1), page_of(&request)),
        false => vec![Act::Say(truth.whole())],
    };
    for act in script {
        if !act.out(&mut stream).await {
            return;
        }
    }
    if request.post && !spoiled {
        shared.triggered.notify_one();
    }
    if early && spoiled {
        return;
    }
    // What was sent is lost where a connection is closed before the peer has closed it.
    let _ = stream.shutdown().await;
    while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
}

/// The page of a list that is asked for, by what the faults put on one.
fn page_of(request: &Request) -> usize {
    let offset = request
        .target
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix("offset="));
    offset.and_then(|offset| offset.parse().ok()).unwrap_or(0)
}

impl Shared {
    /// Takes note of a request, and says whether it meets the fault.
    fn arrived(&self, request: &Request) -> bool {
        let mut arrived = self.arrived.lock().unwrap();
        let before = arrived
            .iter()
            .filter(|other| other.triggers == request.post)
            .count();
        let spoiled = !self.fault.at_the_door() && self.place.meets(request.post, before);
        arrived.push(Arrived {
            at: self.opened.elapsed(),
            triggers: request.post,
            spoiled,
            identity: request.identity,
        });
        spoiled
    }

    async fn pass_on(&self, request: &Request) -> Truth {
        let method = if request.post {
            reqwest::Method::POST
        } else {
            reqwest::Method::GET
        };
        let asked = self
            .client
            .request(method, format!("{}{}", self.hightouch, request.target))
            .bearer_auth(KEY);
        let asked = if request.body.is_empty() {
            asked
        } else {
            asked.header("content-type", "application/json")
        };
        let answer = asked.body(request.body.clone()).send().await.unwrap();
        let status = answer.status().as_u16();
        let date = answer
            .headers()
            .get("date")
            .map(|date| date.to_str().unwrap().to_owned());
        let body = answer.bytes().await.unwrap().to_vec();
        if let (true, Ok(told)) = (
            request.post,
            serde_json::from_slice::<serde_json::Value>(&body),
        ) {
            *self.run.lock().unwrap() = told["id"].as_str().and_then(|id| id.parse().ok());
        }
        Truth {
            status,
            date: date.unwrap_or_default(),
            body,
        }
    }
}

/// What Hightouch answered.
struct Truth {
    status: u16,
    date: String,
    body: Vec<u8>,
}

impl Truth {
    /// Of a request that never reached it.
    fn nothing() -> Self {
        Self {
            status: 200,
            date: String::new(),
            body: br#"{"nothing":"came of it"}"#.to_vec(),
        }
    }

    /// The head with these lines, all of which end in a line break.
    fn head(&self, status: u16, lines: &str) -> Vec<u8> {
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

    fn whole(&self) -> Vec<u8> {
        self.with_length(self.status, &self.body)
    }
}

/// One step of a peer.
enum Act {
    Say(Vec<u8>),
    /// So often the same.
    Repeat(Vec<u8>, usize),
    /// A byte a second.
    Drip(Vec<u8>),
    /// The same each second, without end.
    EverySecond(Vec<u8>),
    Hang,
    Reset,
}

impl Act {
    /// Carries it out; false where there is nobody left to talk to.
    async fn out(self, stream: &mut TcpStream) -> bool {
        match self {
            Self::Say(bytes) => stream.write_all(&bytes).await.is_ok(),
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
                // Until the peer goes.
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                false
            }
            Self::Reset => {
                // What was written leaves before; the rest of a request that nobody reads would reset the connection anyway.
                tokio::task::yield_now().await;
                stream.set_zero_linger().unwrap();
                false
            }
        }
    }
}

/// The bytes as gzip has them that did not shorten them (RFC 1952, and one stored block of RFC 1951).
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

/// How deep is deep.
const DEPTH: usize = 100_000;
/// Nearly all that is read of a body.
const NEARLY: usize = 1_048_000;

impl Fault {
    /// What the peer does where this is the truth of a run.
    fn script(self, truth: &Truth, run: u64, offset: usize) -> Vec<Act> {
        use Act::{Drip, EverySecond, Hang, Repeat, Reset, Say};
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
        let with = |status: u16, body: &str| vec![Say(truth.with_length(status, body.as_bytes()))];
        let headed = |status: u16, lines: &str| {
            vec![Say(
                truth.head(status, &format!("{lines}content-length: 0\r\n"))
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
            Self::SilentInTheHead => vec![Say(half_head), Hang],
            Self::SilentAfterTheHead => vec![Say(head), Hang],
            Self::SilentInTheBody => vec![Say(half_body), Hang],
            Self::DripsTheHead => vec![Drip(whole)],
            Self::DripsTheBody => {
                let padded = [vec![b' '; 1000], truth.body.clone()].concat();
                let head = truth.head(
                    truth.status,
                    &format!("content-length: {}\r\n", padded.len()),
                );
                vec![Say(head), Drip(padded)]
            }
            Self::DripsChunks => vec![Say(chunked), EverySecond(chunk(b" "))],
            Self::ResetBeforeTheHead => vec![Reset],
            Self::ResetInTheHead => vec![Say(half_head), Reset],
            Self::ResetAfterTheHead => vec![Say(head), Reset],
            Self::ResetInTheBody => vec![Say(half_body), Reset],
            Self::ClosedBeforeTheHead => vec![],
            Self::ClosedInTheHead => vec![Say(half_head)],
            Self::ClosedAfterTheHead => vec![Say(head)],
            Self::ClosedInTheBody => vec![Say(half_body)],
            Self::ClosedInAChunk => {
                let mut cut = chunk(&truth.body);
                cut.truncate(cut.len() / 2);
                vec![Say(chunked), Say(cut)]
            }
            Self::ClosedBetweenChunks => vec![
                Say(chunked),
                Say(chunk(&truth.body[..truth.body.len() / 2])),
            ],
            Self::NoChunkSize => vec![
                Say(chunked),
                Say(b"many\r\n".to_vec()),
                Say(truth.body.clone()),
            ],
            Self::AnswersEarly => vec![Say(whole)],
            Self::AnswersTwice => vec![Say(whole.clone()), Say(whole)],
            Self::FiftyHints => {
                let hint = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";
                vec![Repeat(hint.to_vec(), 50), Say(whole)]
            }
            Self::ContinuesForEver => {
                let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
                vec![Repeat(go_on.to_vec(), 5000), EverySecond(go_on.to_vec())]
            }
            Self::SwitchesProtocols => vec![
                Say(truth.head(101, "upgrade: x\r\n")),
                Say(truth.body.clone()),
                Hang,
            ],
            Self::NoContent => vec![Say(truth.head(204, ""))],
            Self::EmptyBody => with(200, ""),
            Self::LengthTooSmall => {
                let head = truth.head(
                    200,
                    &format!("content-length: {}\r\n", truth.body.len() / 2),
                );
                vec![Say(head), Say(truth.body.clone())]
            }
            Self::LengthIsNoNumber => vec![
                Say(truth.head(200, "content-length: -5\r\n")),
                Say(truth.body.clone()),
            ],
            Self::TwoLengths => {
                let head = truth.head(200, "content-length: 3\r\ncontent-length: 4\r\n");
                vec![Say(head), Say(truth.body.clone())]
            }
            Self::Garbage => {
                let garbage = (0_u32..65_536)
                    .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0] | 0x80);
                vec![Say(garbage.collect())]
            }
            Self::NoHead => vec![Say(truth.body.clone())],
            Self::Gzip => {
                let body = gzip(&truth.body);
                let lines = format!(
                    "content-encoding: gzip\r\ncontent-length: {}\r\n",
                    body.len()
                );
                vec![Say(truth.head(truth.status, &lines)), Say(body)]
            }
            Self::Page => with(200, "<html><h1>It works!</h1></html>"),
            Self::BadGatewayPage => with(502, "<html><h1>502 Bad Gateway</h1></html>"),
            Self::RequestTimeout => headed(408, ""),
            Self::TooManyRequests => headed(429, &format!("retry-after: {}\r\n", ASKED.as_secs())),
            Self::TooManyRequestsUntil => {
                // Two dates of its own, so that nothing depends on the day.
                let dates = format!(
                    "retry-after: Thu, 01 Jan 2026 00:00:0{} GMT\r\n",
                    ASKED.as_secs()
                );
                let head =
                    "HTTP/1.1 429 Too Many Requests\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
                vec![Say(format!("{head}{dates}content-length: 0\r\n\r\n").into())]
            }
            Self::InternalServerError => with(500, r#""Internal Server Error""#),
            Self::Unavailable => headed(503, ""),
            Self::TenThousandHeaders => headed(200, &"x-filler: 1\r\n".repeat(10_000)),
            Self::LongHeader => headed(200, &format!("x-filler: {}\r\n", "x".repeat(1_000_000))),
            Self::HugeBody => {
                vec![
                    Say(truth.head(200, "content-length: 52428800\r\n")),
                    Repeat(vec![b' '; 1 << 16], 800),
                ]
            }
            Self::HugeChunks => vec![Say(chunked), Repeat(chunk(&[b' '; 1 << 16]), 800)],
            Self::HugeUntilClosed => {
                vec![Say(truth.head(200, "")), Repeat(vec![b' '; 1 << 16], 800)]
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
                // Not from the newest to the oldest, so that there is no end in sight.
                let runs =
                    (run + 1..=run + 100).map(|id| format!(r#"{{"id":{id},"status":"success"}}"#));
                with(200, &list(runs.collect::<Vec<_>>().join(","), true))
            }
            Self::LongErrors => with(200, &list(jobs(5, &"e".repeat(200_000)), offset < 4995)),
            Self::ManyErrors => with(200, &list(jobs(60, &"e".repeat(16 * 1024)), offset < 4940)),
            Self::JobsThatGoOn => with(
                200,
                &list(jobs(60, &r"\u0001".repeat(16 * 1024 / 6)), offset < 840),
            ),
        }
    }
}
