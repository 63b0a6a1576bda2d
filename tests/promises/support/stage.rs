//! The environment of promises: the built components in the embedded host, a mock of Hightouch, and
//! virtual time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use xtask::build::{Kind, components};
use xtask::embedder::{
    Captured, Clock, Config, Connection, Host, IfRunning, Outbound, Resync, RunOptions, Serving,
    Stderr, SyncRef, VirtualTime, Warnings, in_virtual_time,
};
use xtask::local_hightouch::{self as local, LocalHightouch};

use super::openapi;

/// The components, built and compiled. Virtual time does not advance meanwhile, so the clocks of a
/// test would differ if it began earlier.
static READY: LazyLock<()> = LazyLock::new(|| {
    for kind in Kind::ALL {
        Host::new(components().unwrap().path(kind), Config::default()).unwrap();
    }
});

/// Runs a test in virtual time.
pub fn stage<T>(test: impl AsyncFnOnce(Stage) -> T) -> T {
    LazyLock::force(&READY);
    in_virtual_time(async |time| {
        test(Stage {
            time,
            library: Kind::Library,
            stderr: Captured::new(),
        })
        .await
    })
}

/// Runs a test of an endpoint in virtual time, once for each endpoint component.
pub fn with_each_endpoint(test: impl AsyncFn(Stage, Kind)) {
    for kind in Kind::ENDPOINTS {
        let _named = NamedOnPanic(kind);
        stage(async |stage| test(stage, kind).await);
    }
}

/// Runs a test of a library in virtual time, once for each library component.
pub fn with_each_library(test: impl AsyncFn(Stage)) {
    for library in Kind::LIBRARIES {
        let _named = NamedOnPanic(library);
        stage(async |stage| test(Stage { library, ..stage }).await);
    }
}

/// Prints the component if the test panics.
struct NamedOnPanic(Kind);

impl Drop for NamedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the component: {}", self.0.world());
        }
    }
}

/// The endpoint components.
pub const ENDPOINTS: [Kind; 4] = Kind::ENDPOINTS;

pub struct Stage {
    pub time: VirtualTime,
    /// The library component that [`Stage::library`] returns.
    pub library: Kind,
    /// The stderr of all components of this stage.
    pub stderr: Captured,
}

impl Stage {
    /// Returns a component that is configured for this origin and may call it.
    pub fn host(&self, kind: Kind, origin: &str) -> Host {
        let config = Config {
            outbound: Outbound::only([origin]),
            ..self.config(origin)
        };
        Host::new(components().unwrap().path(kind), config).unwrap()
    }

    /// Returns a configuration for this origin that does not allow calling it.
    pub fn config(&self, origin: &str) -> Config {
        Config {
            environment: vec![("HIGHTOUCH_API_ORIGIN".into(), origin.into())],
            variables: BTreeMap::from([("hightouch_api_origin".into(), origin.into())]),
            clock: Clock::Virtual(self.time.clone()),
            stderr: Stderr::Captured(self.stderr.clone()),
            ..Config::default()
        }
    }

    /// Returns the endpoint components for the same version of WASI as the library component.
    pub fn endpoints(&self) -> impl Iterator<Item = Kind> {
        let wasi = self.library.wasi();
        Kind::ENDPOINTS
            .into_iter()
            .filter(move |kind| kind.wasi() == wasi)
    }

    /// Returns the library component for this Hightouch.
    pub fn library(&self, origin: &str) -> Library {
        Library {
            host: self.host(self.library, origin),
            connection: connection(origin, local::KEY),
        }
    }

    /// Serves an endpoint component for this Hightouch on a socket.
    pub async fn endpoint(&self, kind: Kind, origin: &str) -> Endpoint {
        Endpoint::serve(&self.host(kind, origin)).await
    }

    /// Starts the local Hightouch.
    pub async fn local(&self) -> LocalHightouch {
        LocalHightouch::start(local::Options::default())
            .await
            .unwrap()
    }
}

/// A component whose functions are called directly.
pub struct Library {
    pub host: Host,
    pub connection: Connection,
}

pub fn connection(origin: &str, key: &str) -> Connection {
    Connection {
        api_key: key.into(),
        api_origin: Some(origin.into()),
    }
}

pub fn options() -> RunOptions {
    RunOptions {
        resync: Resync::empty(),
        warnings: Warnings::Fail,
        if_running: IfRunning::Queue,
        unless_run_since: None,
        max_wait_ms: None,
    }
}

impl Library {
    pub async fn run_sync(
        &self,
        sync: u64,
        options: RunOptions,
    ) -> Result<xtask::embedder::Report, xtask::embedder::Failure> {
        self.host
            .run_sync(&self.connection, &SyncRef::Id(sync), options)
            .await
            .expect("no trap")
    }
}

/// A component that is served.
pub struct Endpoint {
    pub serving: Serving,
    client: reqwest::Client,
}

/// An endpoint's response.
#[derive(Debug)]
pub struct EndpointResponse {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl EndpointResponse {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Endpoint {
    pub async fn serve(host: &Host) -> Self {
        let serving = host.serve((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        // Do not reuse connections: an idle connection has a timer, and virtual time would advance
        // to it.
        let client = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { serving, client }
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.serving.url()))
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.serving.url()))
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(
            method.parse().unwrap(),
            format!("{}{path}", self.serving.url()),
        )
    }
}

/// Sends a request and reads the whole response. Panics if the endpoint's own document does not
/// describe the response.
pub async fn send_request(request: reqwest::RequestBuilder) -> EndpointResponse {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, path) = (
        request.method().to_string(),
        request.url().path().to_owned(),
    );
    let response = client.execute(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let received = EndpointResponse {
        status,
        headers,
        text: response.text().await.unwrap(),
    };
    openapi::check(
        &method,
        &path,
        status,
        received.header("content-type"),
        &received.text,
    );
    received
}

/// Adds the local Hightouch's key.
pub fn with_key(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.bearer_auth(local::KEY)
}

/// A received request: method and target, such as `POST /api/v1/syncs/1/trigger`.
pub type Seen = String;

/// A server whose responses a test defines. Dropping it stops it.
pub struct Scripted {
    origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

/// A response of a scripted server.
pub struct ScriptedResponse {
    pub status: u16,
    pub body: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

pub fn respond_with(status: u16, body: impl Into<Vec<u8>>) -> ScriptedResponse {
    ScriptedResponse {
        status,
        body: body.into(),
        headers: Vec::new(),
    }
}

impl Scripted {
    /// Starts a server. `script` returns the response for the method and target, and for the
    /// `Authorization` header.
    pub async fn start(
        script: impl FnMut(&str, &str) -> ScriptedResponse + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script));
        let mut tasks = JoinSet::new();
        let noted = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen) = (Arc::clone(&script), Arc::clone(&noted));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                    async move {
                        let what = format!("{} {}", request.method(), request.uri());
                        let key = request.headers().get("authorization");
                        let key = key
                            .map(|value| value.to_str().unwrap().to_owned())
                            .unwrap_or_default();
                        drop(request.into_body().collect().await);
                        seen.lock().unwrap().push(what.clone());
                        let scripted = (script.lock().unwrap())(&what, &key);
                        let mut response = Response::builder().status(scripted.status);
                        for (name, value) in scripted.headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, Infallible>(
                            response
                                .body(Full::new(Bytes::from(scripted.body)))
                                .unwrap(),
                        )
                    }
                });
                connections.spawn(async move {
                    let server = hyper::server::conn::http1::Builder::new();
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self {
            origin,
            seen,
            _tasks: tasks,
        }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the received requests.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn triggers(&self) -> usize {
        self.seen()
            .iter()
            .filter(|what| what.starts_with("POST"))
            .count()
    }
}

/// Starts a mock of Hightouch that starts run 42 for every trigger and returns this body as the
/// list of runs.
pub async fn lists(body: impl Fn(usize) -> String + Send + 'static) -> Scripted {
    let mut looks = 0;
    Scripted::start(move |what, _| {
        if what.starts_with("POST") {
            return respond_with(200, r#"{"id":"42"}"#);
        }
        looks += 1;
        respond_with(200, body(looks))
    })
    .await
}

pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}
