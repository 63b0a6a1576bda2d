//! The number of waiting runs that a host can serve: measured with real runs, sockets and time, in
//! a separate host process.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use xtask::build::{Kind, components, workspace};
use xtask::cli::{GuestHost, HostPlan, Memory, Sample};
use xtask::embedder::Reuse;
use xtask::load::client;
use xtask::local_hightouch::{
    KEY, LocalHightouch, Options, RateLimit, Status, SyncFixture, Timeline,
};

use super::figure::{Figure, Section, Unit};

/// Number of simultaneous runs.
const RUNS: u64 = 400;
/// Number of runs that one call waits for, if it runs a batch. It is the component's limit of runs
/// in progress.
const TOGETHER: u64 = 50;
/// Time between calls that do not begin at the same time.
const SPACING: Duration = Duration::from_millis(10);
/// Maximum time until the last caller's run is in progress.
const PATIENCE: Duration = Duration::from_secs(60);
/// Duration of the measurement after that.
const DURATION: Duration = Duration::from_secs(4);
const EVERY: Duration = Duration::from_millis(200);

const GIBIBYTE: f64 = (1_u64 << 30) as f64;

/// A way in which runs wait.
#[derive(Clone, Copy)]
struct Case {
    kind: Kind,
    /// Number of runs that one call waits for.
    runs_per_call: u64,
    /// Maximum number of calls that share an instance.
    calls_per_instance: usize,
    /// Time between the beginnings of two calls. A host may make more instances for calls that begin
    /// at the same time.
    spacing: Duration,
    host: HostKind,
}

#[derive(Clone, Copy, PartialEq)]
enum HostKind {
    Embedded,
    /// The `wasmtime` command, with its defaults for WASI 0.3.
    Wasmtime,
}

/// Returns all cases. Those of the `wasmtime` command are included if it is installed.
fn cases() -> Vec<Case> {
    let shared = Reuse::default().at_once;
    let embedded = [
        (Kind::Endpoint, 1, 1),
        (Kind::Endpoint, TOGETHER, 1),
        (Kind::Service, 1, 1),
        (Kind::Service, 1, shared),
        (Kind::Service, TOGETHER, 1),
        (Kind::Library, 1, 1),
        (Kind::AsyncLibrary, 1, 1),
    ];
    let case = |host| {
        move |(kind, runs_per_call, calls_per_instance)| Case {
            kind,
            runs_per_call,
            calls_per_instance,
            spacing: Duration::ZERO,
            host,
        }
    };
    let wasmtime = [(Kind::Endpoint, 1, 1), (Kind::Service, 1, shared)];
    let wasmtime = wasmtime_command().map(|_| wasmtime.map(case(HostKind::Wasmtime)));
    let at_once = embedded
        .map(case(HostKind::Embedded))
        .into_iter()
        .chain(wasmtime.into_iter().flatten());
    let is_shared = |case: &Case| case.calls_per_instance > 1;
    let spaced = at_once.clone().filter(is_shared).map(|case| Case {
        spacing: SPACING,
        ..case
    });
    at_once.chain(spaced).collect()
}

/// Returns the path of the `wasmtime` command that `.ci/wasmtime` installs or that is in `PATH`.
fn wasmtime_command() -> Option<PathBuf> {
    let tools = std::fs::read_dir(workspace().join("target/tools")).ok();
    let installed = tools.into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("wasmtime-")
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    installed
        .map(|entry| entry.path().join("bin"))
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join("wasmtime"))
        .find(|command| command.is_file())
}

pub fn measure() -> Section {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut figures = Vec::new();
    for case in cases() {
        let memory = runtime.block_on(per_run(case));
        let private = memory.map(|memory| memory.private);
        let resident = memory.map(|memory| memory.resident);
        let name = |what: &str| {
            let mut name = case.kind.world().to_owned();
            if case.host == HostKind::Wasmtime {
                name.push_str(" in wasmtime serve");
            }
            if case.calls_per_instance > 1 {
                name.push_str(&format!(", {} callers", case.calls_per_instance));
            }
            if !case.spacing.is_zero() {
                name.push_str(&format!(" {} ms apart", case.spacing.as_millis()));
            }
            if case.runs_per_call > 1 {
                name.push_str(&format!(", {} runs per call", case.runs_per_call));
            }
            format!("{name}, {what}")
        };
        figures.push(Figure::new(
            name("memory per run"),
            Unit::Kibibytes,
            private.map(|bytes| bytes / 1024.0),
        ));
        figures.push(Figure::new(
            name("waiting runs"),
            Unit::RunsPerGibibyte,
            private.map(|bytes| GIBIBYTE / bytes),
        ));
        figures.push(Figure::new(
            name("resident memory"),
            Unit::Kibibytes,
            resident.map(|bytes| bytes / 1024.0),
        ));
    }
    let how = format!(
        "Private memory of the host process per run, with {RUNS} waiting runs, minus its memory after one run. Each call has its own instance, \
         unless a number of callers per instance is given. Resident memory also counts the component's initial data once per instance, \
         although the instances share it until they write to it. The callers and Hightouch are in another process. The libraries are called \
         through an HTTP adapter. `wasmtime serve` is measured if the wasmtime command is installed: the endpoint with the options of README.md, the service with the \
         defaults."
    );
    Section {
        name: "density",
        how,
        figures,
    }
}

/// The host's memory for one waiting run, in bytes.
#[derive(Clone, Copy)]
struct PerRun {
    private: f64,
    resident: f64,
}

/// Returns the host's memory for one waiting run, or `None` if the system does not provide it.
async fn per_run(case: Case) -> Option<PerRun> {
    let hour = || Timeline::over(Duration::from_secs(3600), Status::Success);
    let warm_up = SyncFixture::new(
        1,
        "short",
        Timeline::over(Duration::from_secs(1), Status::Success),
    );
    let others = (2..2 + RUNS).map(|id| SyncFixture::new(id, format!("long-{id}"), hour()));
    let hightouch = LocalHightouch::start(Options {
        syncs: std::iter::once(warm_up).chain(others).collect(),
        rate_limit: RateLimit {
            requests: usize::MAX,
            ..RateLimit::default()
        },
        ..Options::default()
    });
    let hightouch = hightouch.await.unwrap();
    let origin = hightouch.origin();
    let mut host = match case.host {
        HostKind::Embedded => GuestHost::start(HostPlan {
            kind: case.kind,
            origin: &origin,
            instances: u32::try_from(RUNS * 2).unwrap(),
            callers_per_instance: case.calls_per_instance,
        })
        .await
        .expect("a host"),
        HostKind::Wasmtime => {
            let component = components().unwrap().path(case.kind);
            GuestHost::start_wasmtime(&wasmtime_command().unwrap(), case.kind, component, &origin)
                .await
                .expect("a wasmtime command that serves")
        }
    };
    let (client, url) = (client().unwrap(), host.url().to_owned());
    let call = |syncs: Vec<u64>| {
        let (path, body) = match syncs.as_slice() {
            [sync] => (format!("/syncs/{sync}/runs"), "{}".to_owned()),
            syncs => (
                "/runs".to_owned(),
                serde_json::json!({ "syncs": syncs }).to_string(),
            ),
        };
        let request = client
            .post(format!("{url}{path}"))
            .bearer_auth(KEY)
            .header("prefer", "wait=600");
        request
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    assert_eq!(call(vec![1]).await.unwrap().status(), 200);
    host.until_quiet(PATIENCE).await.unwrap();
    let before = host.sample().await.unwrap();

    let mut callers = JoinSet::new();
    let syncs: Vec<u64> = (2..2 + RUNS).collect();
    for chunk in syncs.chunks(usize::try_from(case.runs_per_call).unwrap()) {
        callers.spawn(call(chunk.to_vec()));
        sleep(case.spacing).await;
    }
    let fullest = fullest(&mut host, &hightouch, case).await;
    callers.abort_all();
    // Kill the host: waiting for instances whose callers are gone takes too long.
    drop(host);
    let (fullest, before) = (fullest.memory?, before.memory?);
    let per_run = |memory: fn(&Memory) -> u64| {
        memory(&fullest).saturating_sub(memory(&before)) as f64 / RUNS as f64
    };
    Some(PerRun {
        private: per_run(|memory| memory.private),
        resident: per_run(|memory| memory.resident),
    })
}

/// Returns the measurement of the host when all runs are in progress and each has been polled.
async fn fullest(host: &mut GuestHost, hightouch: &LocalHightouch, case: Case) -> Sample {
    let calls = usize::try_from(RUNS / case.runs_per_call).unwrap();
    let began = Instant::now();
    let polled_twice = usize::try_from(RUNS).unwrap() * 3;
    while hightouch.requests().len() < polled_twice {
        assert!(
            began.elapsed() < PATIENCE,
            "some runs are not in progress after {PATIENCE:?}"
        );
        sleep(EVERY).await;
    }
    // One more for the run before the measurement.
    assert_eq!(
        hightouch.triggers() as u64,
        RUNS + 1,
        "all runs, and no others"
    );
    let mut most = host.sample().await.unwrap();
    let end = Instant::now() + DURATION;
    while Instant::now() < end {
        sleep(EVERY).await;
        let sample = host.sample().await.unwrap();
        if case.host == HostKind::Embedded {
            assert_eq!(sample.counts.waiting, calls, "all calls, and no others");
            // A new instance is also made if the others are busy at that moment.
            let instances = calls.div_ceil(case.calls_per_instance)..=calls;
            assert!(instances.contains(&sample.counts.instances), "{sample:?}");
        }
        let private = |sample: &Sample| sample.memory.map(|memory| memory.private);
        most = if private(&sample) > private(&most) {
            sample
        } else {
            most
        };
    }
    most
}
