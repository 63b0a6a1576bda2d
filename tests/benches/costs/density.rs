//! The number of waiting runs that a host can serve: measured with real runs, sockets and time, in
//! a separate host process.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use xtask::build::Kind;
use xtask::cli::{GuestHost, Memory, Sample};
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
/// Maximum time until the last caller's run is in progress.
const PATIENCE: Duration = Duration::from_secs(60);
/// Duration of the measurement after that.
const DURATION: Duration = Duration::from_secs(4);
const EVERY: Duration = Duration::from_millis(200);

const GIBIBYTE: f64 = (1_u64 << 30) as f64;

pub fn measure() -> Section {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut figures = Vec::new();
    for (kind, together) in [
        (Kind::Endpoint, 1),
        (Kind::Endpoint, TOGETHER),
        (Kind::Library, 1),
    ] {
        let memory = runtime.block_on(per_run(kind, together));
        let private = memory.map(|memory| memory.private);
        let resident = memory.map(|memory| memory.resident);
        let per_instance = if together == 1 {
            String::new()
        } else {
            format!(" {together} per instance,")
        };
        let name = |what: &str| format!("{},{per_instance} {what}", kind.world());
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
            name("resident memory per run"),
            Unit::Kibibytes,
            resident.map(|bytes| bytes / 1024.0),
        ));
    }
    let how = format!(
        "Private memory of the host process per run, with {RUNS} waiting runs and one run per instance unless noted, minus its memory after \
         one run. Resident memory also counts the component's initial data once per instance, although the instances share it until they write \
         to it. The callers and Hightouch are in another process. The library is called through an HTTP adapter."
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
async fn per_run(kind: Kind, together: u64) -> Option<PerRun> {
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
    let mut host = GuestHost::start(kind, &hightouch.origin(), u32::try_from(RUNS * 2).unwrap())
        .await
        .expect("a host");
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
    for chunk in syncs.chunks(usize::try_from(together).unwrap()) {
        callers.spawn(call(chunk.to_vec()));
    }
    let fullest = fullest(&mut host, &hightouch, RUNS / together).await;
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
async fn fullest(host: &mut GuestHost, hightouch: &LocalHightouch, instances: u64) -> Sample {
    let began = Instant::now();
    let polled_twice = usize::try_from(RUNS).unwrap() * 3;
    while hightouch.requests().len() < polled_twice {
        assert!(
            began.elapsed() < PATIENCE,
            "some runs are not in progress after {PATIENCE:?}"
        );
        sleep(EVERY).await;
    }
    let mut most = host.sample().await.unwrap();
    let end = Instant::now() + DURATION;
    while Instant::now() < end {
        sleep(EVERY).await;
        let sample = host.sample().await.unwrap();
        assert_eq!(
            sample.counts.instances as u64, instances,
            "all instances, and no others"
        );
        let private = |sample: &Sample| sample.memory.map(|memory| memory.private);
        most = if private(&sample) > private(&most) {
            sample
        } else {
            most
        };
    }
    most
}
