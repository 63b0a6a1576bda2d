//! The cost of one sync without waiting: the guest and its host functions. Pauses take no time, and
//! no request uses a socket.

use std::time::{Duration, Instant};

use xtask::build::{Kind, components};
use xtask::embedder::{
    Clock, Config, Connection, GeneratedResponses, Host, IfRunning, Outbound, RunOptions, SyncRef,
    VirtualTime, in_virtual_time,
};

use super::figure::{Figure, Section, Times, Unit};
use super::machine::processor_time;
use super::native;
use super::scene::{Hightouch, REQUESTS, SLUG};

/// A key in the form of a UUID. Longer keys have more fragments to redact.
const API_KEY: &str = "5ad9ecd8-6a1f-4d4c-9e0b-0f3c4b7a2d61";
const SYNCS: u32 = 1_000;
const WARM_UP: u32 = 100;
/// A larger number, because native syncs are short compared with the precision of processor time.
const NATIVE_SYNCS: u32 = 20_000;

/// The measured costs of a sync in one component.
struct Costs {
    fuel: f64,
    processor: Option<Duration>,
    times: Times,
}

fn costs(kind: Kind) -> Costs {
    in_virtual_time(async |time| {
        let metered = host(kind, &time, true);
        sync(&metered).await;
        let fuel = metered.fuel() as f64;
        let (host, mut times) = (host(kind, &time, false), Times::default());
        for _ in 0..WARM_UP {
            sync(&host).await;
        }
        let before = processor_time();
        for _ in 0..SYNCS {
            let began = Instant::now();
            sync(&host).await;
            times.add(began.elapsed());
        }
        let processor = processor_time()
            .zip(before)
            .map(|(after, before)| (after - before) / SYNCS);
        Costs {
            fuel,
            processor,
            times,
        }
    })
}

pub fn measure() -> Section {
    let mut how = format!(
        "run-sync by slug, {REQUESTS} requests: the slug, a list of 20 runs, the trigger, three polls. Responses come immediately from the same \
         process, in virtual time. Times are of the whole call, from a new instance to the report, and include the host. The native \
         engine gets the same responses without a host. Processor time is a mean over {SYNCS} syncs, or {NATIVE_SYNCS} native ones."
    );
    let counted = native::instructions();
    if counted.is_none() {
        how.push_str(
            " Native instructions were not counted, because neither perf nor valgrind is available.",
        );
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let native_time = native::time(NATIVE_SYNCS).map(micros);
    let mut figures = Vec::new();
    for kind in Kind::LIBRARIES {
        let Costs {
            fuel,
            processor,
            times,
        } = costs(kind);
        let name = |what: &str| format!("{}, {what}", kind.world());
        let mut instructions =
            Figure::new(name("fuel"), Unit::Instructions, fuel).target(1_300_000.0);
        if let Some((count, by)) = counted {
            instructions = instructions.compared_with(by, count);
        }
        let processor = processor.map(micros);
        figures.push(instructions);
        figures.push(
            Figure::new(name("processor time"), Unit::Microseconds, processor)
                .compared_with("natively", native_time),
        );
        for (what, time) in [
            ("median", times.median()),
            ("95th percentile", times.quantile(0.95)),
        ] {
            figures.push(Figure::new(name(what), Unit::Microseconds, time));
        }
    }
    Section {
        name: "one sync",
        how,
        figures,
    }
}

fn host(kind: Kind, time: &VirtualTime, metered: bool) -> Host {
    let hightouch = Hightouch::default();
    let config = Config {
        outbound: Outbound::Any,
        clock: Clock::Virtual(time.clone()),
        generated_responses: Some(GeneratedResponses::new(move |method, target| {
            hightouch.respond(method, target)
        })),
        metered,
        ..Config::default()
    };
    Host::new(components().unwrap().path(kind), config).unwrap()
}

async fn sync(host: &Host) {
    let connection = Connection {
        api_key: API_KEY.into(),
        api_origin: Some("http://127.0.0.1:4000".into()),
    };
    let options = RunOptions {
        if_running: IfRunning::Join,
        ..RunOptions::default()
    };
    let report = host
        .run_sync(&connection, &SyncRef::Slug(SLUG.into()), options)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(report.requests, REQUESTS);
}
