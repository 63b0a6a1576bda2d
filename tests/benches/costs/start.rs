//! Time from the start of an instance to the end of its response.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use xtask::build::{Guest, Kind, components, guest};
use xtask::embedder::{Captured, Config, Host, Stderr};

use super::figure::{Figure, Section, Times, Unit};

/// Number of starts of each component. The components take turns, so that other load affects all of
/// them.
const TURNS: usize = 3_000;
/// Number of starts before the measurement.
const WARM_UP: usize = 200;
const FLOOR: &str = "minimal component";

/// A component that handles HTTP requests, and its measured times.
struct Candidate {
    name: &'static str,
    /// A path with an immediate response.
    path: &'static str,
    host: Host,
    instance: Times,
    response: Times,
}

impl Candidate {
    fn new(name: &'static str, path: &'static str, component: &Path) -> Self {
        let host = Host::new(component, config(false)).unwrap();
        Self {
            name,
            path,
            host,
            instance: Times::default(),
            response: Times::default(),
        }
    }

    async fn measure_once(&mut self) -> (Duration, Duration) {
        let began = Instant::now();
        self.host.instantiate().await.unwrap();
        let instance = began.elapsed();
        let began = Instant::now();
        let response = self.host.get(self.path).await.unwrap();
        let responded = began.elapsed();
        assert_eq!(response.status(), 200, "{}", self.name);
        (instance, responded)
    }
}

fn config(metered: bool) -> Config {
    Config {
        stderr: Stderr::Captured(Captured::new()),
        metered,
        ..Config::default()
    }
}

pub fn measure() -> Section {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let floor = guest(Guest::Ok).unwrap();
    let files = components().unwrap();
    let endpoints =
        Kind::ENDPOINTS.map(|kind| Candidate::new(kind.world(), "/healthz", files.path(kind)));
    let mut all: Vec<Candidate> = [Candidate::new("floor", "/", &floor)]
        .into_iter()
        .chain(endpoints)
        .collect();
    runtime.block_on(async {
        for turn in 0..WARM_UP + TURNS {
            // Rotate the order, so that no component always follows the same one.
            let first = turn % all.len();
            for index in (first..all.len()).chain(0..first) {
                let candidate = &mut all[index];
                let (instance, response) = candidate.measure_once().await;
                if turn >= WARM_UP {
                    candidate.instance.add(instance);
                    candidate.response.add(response);
                }
            }
        }
    });
    let (floor_times, ours) = all.split_first().unwrap();
    let floor_fuel = fuel(&runtime, &floor, "/");
    let mut figures = Vec::new();
    for (candidate, kind) in ours.iter().zip(Kind::ENDPOINTS) {
        let file = files.path(kind);
        let name = |what: &str| format!("{}, {what}", candidate.name);
        let mut times = |what: &str, ours: f64, floor: f64| {
            figures.push(
                Figure::new(name(what), Unit::Microseconds, ours).compared_with(FLOOR, floor),
            );
        };
        times(
            "instance, median",
            candidate.instance.median(),
            floor_times.instance.median(),
        );
        times(
            "response, median",
            candidate.response.median(),
            floor_times.response.median(),
        );
        times(
            "response, 95th percentile",
            candidate.response.quantile(0.95),
            floor_times.response.quantile(0.95),
        );
        let ratio = candidate.response.median() / floor_times.response.median();
        figures.push(
            Figure::new(
                name("response, relative to the minimum"),
                Unit::Times,
                ratio,
            )
            .target(1.3),
        );
        let executed = fuel(&runtime, file, "/healthz");
        figures.push(
            Figure::new(name("response, fuel"), Unit::Instructions, executed)
                .compared_with(FLOOR, floor_fuel),
        );
    }
    let how = format!(
        "From the start of an instance, or of its response to GET /healthz, until the instance is dropped. The component is precompiled, and the \
         instance comes from a pool and uses no socket. Each request has its own instance. Each is measured {TURNS} times, in turns. Fuel is wasmtime's count, about one \
         unit per WebAssembly instruction: counted."
    );
    Section {
        name: "start",
        how,
        figures,
    }
}

/// Returns the fuel that an instance uses for this path.
fn fuel(runtime: &Runtime, component: &Path, path: &str) -> f64 {
    let host = Host::new(component, config(true)).unwrap();
    runtime.block_on(host.get(path)).unwrap();
    host.fuel() as f64
}
