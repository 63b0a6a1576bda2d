//! Calls of all kinds over a failing connection, by components with little memory.

use std::time::Duration;

use xtask::build::{Kind, Wasi, components};
use xtask::embedder::{
    Config, Failure, FailureKind, Host, Limits, Outbound, Report, RunOptions, RunRef, SyncRef,
};
use xtask::local_hightouch::{LocalHightouch, Status};

use super::cases::last_event;
use super::raw::{Arrived, Fault, Line, Place};
use super::stage::{Endpoint, EndpointResponse, Stage, connection, options, send_request};

/// Secrets that must not appear anywhere.
const KEY: &str = "ht/9f27c1+aa=41b8d0e6-7c55";
const TOKEN: &str = "tok-5c0a77e2f913-b6d28e41aa";
pub const SECRETS: [&str; 2] = [KEY, TOKEN];

/// Memory limit of an instance, in bytes.
pub const MEMORY: usize = 6 << 20;

/// The kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    RunSync,
    AwaitRun,
    /// `POST` with the caller's own key.
    Post,
    /// `GET` with a stored key.
    Get,
    /// `POST` for an event stream with a stored key, at Spin's endpoint.
    Events,
}

impl CallKind {
    pub const ALL: [Self; 5] = [
        Self::RunSync,
        Self::AwaitRun,
        Self::Post,
        Self::Get,
        Self::Events,
    ];

    pub fn awaits(self) -> bool {
        matches!(self, Self::AwaitRun | Self::Get)
    }

    /// Returns whether it calls a function of a library.
    fn is_of_library(self) -> bool {
        matches!(self, Self::RunSync | Self::AwaitRun)
    }

    fn component(self, wasi: Wasi) -> Kind {
        let [v0_2, v0_3] = match self {
            Self::RunSync | Self::AwaitRun => Kind::LIBRARIES,
            Self::Post | Self::Get => [Kind::Endpoint, Kind::Service],
            Self::Events => [Kind::SpinEndpoint, Kind::SpinService],
        };
        match wasi {
            Wasi::V0_2 => v0_2,
            Wasi::V0_3 => v0_3,
        }
    }

    /// Returns whether the endpoint has a stored key and its caller sends a token.
    fn stores_the_key(self) -> bool {
        matches!(self, Self::Get | Self::Events)
    }

    /// Returns the maximum duration of a call. An endpoint waits up to 10 s for the response that
    /// contains the run's ID, and then up to 1 s for the list. A timeout of 0 does so too.
    pub fn bound(self, wait: u64) -> Duration {
        Duration::from_millis(if wait == 0 || !self.is_of_library() {
            wait.max(11_000)
        } else {
            wait
        })
    }
}

/// A call and its fault. The timeout is in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub fault: Fault,
    pub place: Place,
    pub way: CallKind,
    pub wait: u64,
    pub wasi: Wasi,
}

/// The result of a call of any kind.
#[derive(Debug)]
pub struct CallResult {
    /// The failure's kind. `None` for a success.
    pub kind: Option<String>,
    pub run: Option<u64>,
    /// Whether an earlier event of the stream contained the run.
    pub reported_before: bool,
    /// Elapsed time, as the guest reports it.
    pub elapsed: Option<Duration>,
    /// Elapsed time, as the host measures it.
    pub took: Duration,
    /// The complete output, in any form.
    pub output: String,
}

impl CallResult {
    fn of_call(outcome: Result<Report, Failure>, took: Duration) -> Self {
        let output = format!("{outcome:?}");
        let (kind, run, elapsed) = match outcome {
            Ok(report) => (None, Some(report.run.run_id), report.elapsed_ms),
            Err(failure) => (
                Some(kind_name(failure.kind).into()),
                failure.run.map(|run| run.run_id),
                failure.elapsed_ms,
            ),
        };
        Self {
            kind,
            run,
            reported_before: false,
            elapsed: Some(Duration::from_millis(elapsed)),
            took,
            output,
        }
    }

    fn of_answer(received: &EndpointResponse, took: Duration) -> Self {
        let output = format!("{received:?}");
        let (json, reported_before) = match received.header("content-type") {
            Some("text/event-stream") => {
                let (event, data) = last_event(&received.text);
                assert!(
                    matches!(event.as_str(), "report" | "problem"),
                    "{event} at the end: {output}"
                );
                (data, received.text.contains("event: progress"))
            }
            _ => (received.json(), false),
        };
        let run = json["runId"].as_u64();
        let kind = match received.status {
            202 => {
                let location = received.header("location").expect("a location").to_owned();
                assert!(
                    location.starts_with(&format!("/syncs/1/runs/{}", run.unwrap())),
                    "{output}"
                );
                assert!(received.header("retry-after").is_some(), "{output}");
                Some("still-running".into())
            }
            _ => json["kind"].as_str().map(str::to_owned),
        };
        assert_eq!(kind.is_none(), json["status"] == "success", "{output}");
        Self {
            kind,
            run,
            reported_before,
            elapsed: json["elapsedMs"].as_u64().map(Duration::from_millis),
            took,
            output,
        }
    }
}

/// Returns a kind as problems show it. The omitted kinds cannot be caused by a connection.
fn kind_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Api => "api",
        FailureKind::Unreachable => "unreachable",
        FailureKind::MalformedAnswer => "malformed-answer",
        FailureKind::TriggerUnconfirmed => "trigger-unconfirmed",
        FailureKind::StillRunning => "still-running",
        other => panic!("{other:?}"),
    }
}

/// The state after the end of the call.
pub struct FinalState {
    /// The run, if there is one, and whether it succeeded.
    pub run: Option<(u64, bool)>,
    /// Number of started runs, including the awaited one.
    pub started: usize,
    pub arrived: Vec<Arrived>,
    /// Peak memory of the component, in bytes.
    pub memory: usize,
}

/// Makes the call on its own stage.
pub async fn run_case(case: &Case, stage: &Stage) -> (CallResult, FinalState) {
    let Case {
        fault,
        place,
        way,
        wait,
        wasi,
    } = *case;
    let hightouch = stage.local().await;
    let line = Line::open(fault, place, &hightouch.origin());
    if way.awaits() {
        start_other_run(&hightouch, &line).await;
    }
    let run = hightouch.runs(1).first().map_or(0, |run| run.id);
    let host = host(way, wasi, stage, line.origin());
    let begun = stage.time.elapsed();
    let ended = if way.is_of_library() {
        let connection = connection(line.origin(), KEY);
        let waited = RunOptions {
            max_wait_ms: Some(wait),
            ..options()
        };
        let outcome = match way {
            CallKind::AwaitRun => {
                host.await_run(
                    &connection,
                    RunRef {
                        sync_id: 1,
                        run_id: run,
                    },
                    waited,
                )
                .await
            }
            _ => host.run_sync(&connection, &SyncRef::Id(1), waited).await,
        };
        CallResult::of_call(outcome.expect("no trap"), stage.time.elapsed() - begun)
    } else {
        let endpoint = Endpoint::serve(&host).await;
        let request = match way {
            CallKind::Get => endpoint.get(&format!("/syncs/1/runs/{run}")),
            _ => endpoint.post("/syncs/1/runs"),
        };
        let accept = if way == CallKind::Events {
            "text/event-stream"
        } else {
            "*/*"
        };
        let request = request
            .header("prefer", format!("wait={}", wait / 1000))
            .header("accept", accept);
        let received =
            send_request(request.bearer_auth(if way.stores_the_key() { TOKEN } else { KEY })).await;
        CallResult::of_answer(&received, stage.time.elapsed() - begun)
    };
    let run = hightouch
        .runs(1)
        .first()
        .map(|run| (run.id, run.status == Status::Success));
    let memory = host.peak_memory();
    (
        ended,
        FinalState {
            run,
            started: hightouch.triggers(),
            arrived: line.arrived(),
            memory,
        },
    )
}

fn host(way: CallKind, wasi: Wasi, stage: &Stage, origin: &str) -> Host {
    let limits = Limits {
        memory: MEMORY,
        ..Limits::default()
    };
    let mut config = Config {
        outbound: Outbound::only([origin]),
        limits,
        ..stage.config(origin)
    };
    if way.stores_the_key() {
        for (name, value) in [("ENDPOINT_TOKEN", TOKEN), ("HIGHTOUCH_API_KEY", KEY)] {
            config.environment.push((name.into(), value.into()));
            config
                .variables
                .insert(name.to_ascii_lowercase(), value.into());
        }
    }
    Host::new(components().unwrap().path(way.component(wasi)), config).unwrap()
}

/// Starts the run that the call then follows.
async fn start_other_run(hightouch: &LocalHightouch, line: &Line) {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let request = client.post(format!("{}/api/v1/syncs/1/trigger", hightouch.origin()));
    request
        .bearer_auth(xtask::local_hightouch::KEY)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    line.carries(hightouch.runs(1)[0].id);
}
