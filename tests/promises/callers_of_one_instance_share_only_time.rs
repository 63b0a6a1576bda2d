//! Callers of a component of WASI 0.3 share an instance. What one of them receives or does costs
//! the others time, and nothing else. `each_of_many_gets_its_own_end` shows that no caller sees
//! another's key, run, body or trace.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use xtask::build::Kind;
use xtask::embedder::{Config, Host, Limits, Outbound, Reuse};
use xtask::local_hightouch::{
    KEY, LocalHightouch, Options, RateLimit, RowCounts, Status, SyncFixture, Timeline,
};

use super::support::cases::last_event;
use super::support::raw;
use super::support::stage::{
    Endpoint, EndpointResponse, Scripted, Stage, respond_with, send_request, stage,
};

/// The components whose callers share an instance.
const SERVICES: [Kind; 2] = [Kind::Service, Kind::SpinService];
/// Number of callers that `wasmtime serve` lets share an instance.
const CALLERS: u64 = 16;
/// Maximum linear memory of an instance while 16 callers read full pages of Hightouch's lists, in
/// bytes.
const MAX_FULL: usize = 6 << 20;
/// Maximum linear memory of an instance while each of 16 callers receives the longest response that
/// is read, in bytes.
const MAX_HUGE: usize = 64 << 20;

/// Runs a test in virtual time, once for each component.
fn with_each_service(test: impl AsyncFn(Stage, Kind)) {
    for kind in SERVICES {
        stage(async |stage| test(stage, kind).await);
    }
}

/// Returns the component, with this memory limit for an instance.
fn host(stage: &Stage, kind: Kind, origin: &str, memory: usize) -> Host {
    let config = Config {
        outbound: Outbound::only([origin]),
        limits: Limits {
            memory,
            ..Limits::default()
        },
        ..stage.config(origin)
    };
    assert_eq!(config.reuse.at_once as u64, CALLERS);
    Host::new(xtask::build::components().unwrap().path(kind), config).unwrap()
}

/// Starts a local Hightouch without a rate limit. Each sync has these jobs and earlier runs.
async fn hightouch(jobs: u32, earlier: u32) -> LocalHightouch {
    let minute = Duration::from_secs(60);
    let timeline = Timeline::over(minute, Status::Success).with_rows(RowCounts::new(640, 120, 13));
    let sync = |id| {
        let mut sync = SyncFixture::new(id, format!("sync-{id}"), timeline.clone());
        sync.further_jobs = (1..jobs).map(|_| timeline.clone()).collect();
        sync.with_earlier_runs(earlier, minute * 10, timeline.clone())
    };
    let options = Options {
        syncs: (1..=CALLERS).map(sync).collect(),
        rate_limit: RateLimit {
            requests: usize::MAX,
            ..RateLimit::default()
        },
        ..Options::default()
    };
    LocalHightouch::start(options).await.unwrap()
}

/// Calls the endpoint as all callers at the same time, with this key for each. Returns the responses
/// in the order of the syncs.
async fn call_all(
    endpoint: &Endpoint,
    body: &Value,
    key: impl Fn(u64) -> String,
) -> Vec<EndpointResponse> {
    let mut calls = JoinSet::new();
    for sync in 1..=CALLERS {
        let request = endpoint
            .post(&format!("/syncs/{sync}/runs"))
            .bearer_auth(key(sync))
            .header("prefer", "wait=120")
            .json(body);
        calls.spawn(async move { (sync, send_request(request).await) });
        // One after another, so that an instance never has to refuse a call because it computes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(endpoint.serving.instances(), 1, "they share it");
    let mut responses = calls.join_all().await;
    responses.sort_by_key(|(sync, _)| *sync);
    responses
        .into_iter()
        .map(|(_, response)| response)
        .collect()
}

fn succeeded(response: &EndpointResponse) -> bool {
    response.status == 200 && response.json()["status"] == "success"
}

#[test]
fn the_memory_for_sixteen_callers_is_limited() {
    with_each_service(async |stage, kind| {
        let hightouch = hightouch(100, 100).await;
        let host = host(&stage, kind, &hightouch.origin(), MAX_FULL);
        let endpoint = Endpoint::serve(&host).await;
        let responses = call_all(&endpoint, &json!({"ifRunning": "join"}), |_| KEY.into()).await;
        for response in &responses {
            assert!(succeeded(response), "{}", response.text);
            assert_eq!(response.json()["jobs"].as_array().unwrap().len(), 100);
        }
        let peak = host.peak_memory();
        println!("{}: {} KiB for full pages", kind.world(), peak >> 10);
        assert!(peak <= MAX_FULL, "{} KiB", peak >> 10);
    });
}

/// Maximum linear memory of an instance with as many event streams as it can have, in bytes.
const MAX_STREAMS: usize = 8 << 20;

/// A host counts a caller as one of the sixteen only until its response begins. The response of an
/// event stream begins at once, so the maximum number of event streams is that of all requests to an
/// instance.
#[test]
fn the_memory_for_as_many_event_streams_as_an_instance_can_have_is_limited() {
    with_each_service(async |stage, kind| {
        let hightouch = hightouch(1, 0).await;
        let host = host(&stage, kind, &hightouch.origin(), MAX_STREAMS);
        let endpoint = Endpoint::serve(&host).await;
        let mut calls = JoinSet::new();
        let most = Reuse::default().in_total as u64;
        for caller in 0..most {
            let request = endpoint
                .post(&format!("/syncs/{}/runs", caller % CALLERS + 1))
                .bearer_auth(KEY)
                .header("prefer", "wait=3600")
                .header("accept", "text/event-stream");
            calls.spawn(send_request(request));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            (
                endpoint.serving.clients() as u64,
                endpoint.serving.instances()
            ),
            (most, 1)
        );
        while let Some(response) = calls.join_next().await {
            let text = response.unwrap().text;
            let (event, data) = last_event(&text);
            assert_eq!(
                (event.as_str(), &data["status"]),
                ("report", &json!("success"))
            );
        }
        let peak = host.peak_memory();
        println!(
            "{}: {} KiB for {most} event streams",
            kind.world(),
            peak >> 10
        );
    });
}

/// The longest body of a response that is read is 1 MiB.
fn huge() -> String {
    let filler = "\\u00e4".repeat((1 << 20) / 6 - 100);
    format!(r#"{{"data":[{{"id":42,"status":"success","error":"{filler}"}}],"hasMore":false}}"#)
}

/// Serves run 42, whose list is this body. It sends a list only when all callers have asked for it,
/// and then slowly, so that all callers receive their lists at the same time.
fn lists_at_the_same_time(body: String) -> (String, JoinSet<()>) {
    const CHUNK: usize = 16 << 10;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(128).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let everybody = Arc::new(Barrier::new(CALLERS as usize));
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (everybody, body) = (Arc::clone(&everybody), body.clone());
            connections.spawn(async move {
                let request = raw::read(&mut stream).await.unwrap();
                let body = if request.head.starts_with("POST") {
                    r#"{"id":"42"}"#.to_owned()
                } else {
                    everybody.wait().await;
                    body
                };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes()).await.unwrap();
                for chunk in body.as_bytes().chunks(CHUNK) {
                    stream.write_all(chunk).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
    });
    (origin, server)
}

#[test]
fn sixteen_huge_responses_at_once_fit_and_trap_nothing() {
    with_each_service(async |stage, kind| {
        let (origin, _server) = lists_at_the_same_time(huge());
        let host = host(&stage, kind, &origin, MAX_HUGE);
        let endpoint = Endpoint::serve(&host).await;
        for response in call_all(&endpoint, &json!({}), |_| KEY.into()).await {
            assert!(
                succeeded(&response),
                "{}: {:.500}",
                response.status,
                response.text
            );
        }
        let peak = host.peak_memory();
        println!("{}: {} KiB for huge responses", kind.world(), peak >> 10);
        let log = stage.stderr.text();
        assert!(!log.contains("failed:"), "{log}");
    });
}

/// The key of the caller whose responses are unusual.
const UNUSUAL: &str = "unusual";

#[test]
fn the_unusual_responses_of_one_caller_change_no_other_result() {
    let huge = huge();
    let deep = "[".repeat(500_000);
    let responses = [
        ("a huge list", 200, huge),
        ("no JSON", 200, "x".repeat(3 << 20)),
        ("deep JSON", 200, deep),
        ("a huge error", 401, "y".repeat(3 << 20)),
        ("errors", 500, String::new()),
        ("too many requests", 429, String::new()),
    ];
    for (name, status, body) in responses {
        with_each_service(async |stage, kind| {
            let body = body.clone();
            let hightouch = Scripted::start(move |what, key| {
                if key.ends_with(UNUSUAL) {
                    return respond_with(status, body.clone());
                }
                if what.starts_with("POST") {
                    return respond_with(200, r#"{"id":"42"}"#);
                }
                respond_with(
                    200,
                    r#"{"data":[{"id":42,"status":"success"}],"hasMore":false}"#,
                )
            })
            .await;
            let host = host(&stage, kind, hightouch.origin(), MAX_FULL);
            let endpoint = Endpoint::serve(&host).await;
            let key = |sync| match sync {
                1 => UNUSUAL.to_owned(),
                _ => KEY.to_owned(),
            };
            let received = call_all(&endpoint, &json!({}), key).await;
            let (unusual, others) = received.split_first().unwrap();
            assert!(!succeeded(unusual), "{name}: {}", unusual.text);
            assert!(others.iter().all(succeeded), "{name}: {others:?}");
            let log = stage.stderr.text();
            assert!(!log.contains("failed:"), "{name}: {log}");
        });
    }
}

#[test]
fn callers_who_hang_up_change_no_other_result() {
    with_each_service(async |stage, kind| {
        let hightouch = hightouch(1, 0).await;
        let host = host(&stage, kind, &hightouch.origin(), MAX_FULL);
        let endpoint = Endpoint::serve(&host).await;
        let address = endpoint.serving.addr();
        let mut calls = JoinSet::new();
        for sync in 1..=CALLERS {
            let hangs_up = sync % 2 == 0;
            let accept = if sync % 4 == 0 {
                "text/event-stream"
            } else {
                "*/*"
            };
            let request = format!(
                "POST /syncs/{sync}/runs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\naccept: {accept}\r\n\
                 prefer: wait=120\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            calls.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                if hangs_up {
                    tokio::time::sleep(Duration::from_secs(sync)).await;
                    return None;
                }
                let mut response = String::new();
                stream.read_to_string(&mut response).await.unwrap();
                Some(response)
            });
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(endpoint.serving.instances(), 1, "they share it");
        let responses = calls.join_all().await;
        let complete: Vec<_> = responses.into_iter().flatten().collect();
        assert_eq!(complete.len() as u64, CALLERS / 2);
        for response in complete {
            assert!(response.starts_with("HTTP/1.1 200"), "{response}");
            assert!(response.contains(r#""status":"success""#), "{response}");
        }
        // Those who hung up before their response began are not noticed, so their runs are followed
        // to the end. Nobody waits after that.
        let idle = Reuse::default().idle;
        tokio::time::sleep(Duration::from_secs(120) + idle).await;
        assert_eq!(endpoint.serving.instances(), 0);
        let log = stage.stderr.text();
        assert!(!log.contains("failed:"), "{log}");
        let (started, ended) = ("\"event\":\"started\"", "\"event\":\"");
        assert!(log.matches(started).count() as u64 >= CALLERS, "{log}");
        assert!(log.contains(ended), "{log}");
    });
}
