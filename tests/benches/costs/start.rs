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
const FLOOR: &str = "only says ok";

/// A component that handles HTTP requests, and its measured times.
struct Contender {
    name: &'static str,
    /// A path with an immediate response.
    path: &'static str,
    host: Host,
    instance: Times,
    answer: Times,
}

impl Contender {
    fn new(name: &'static str, path: &'static str, component: &Path) -> Self {
        let host = Host::new(component, config(false)).unwrap();
        Self {
            name,
            path,
            host,
            instance: Times::default(),
            answer: Times::default(),
        }
    }

    async fn take_turn(&mut self) -> (Duration, Duration) {
        let began = Instant::now();
        self.host.instantiate().await.unwrap();
        let instance = began.elapsed();
        let began = Instant::now();
        let answer = self.host.get(self.path).await.unwrap();
        let answered = began.elapsed();
        assert_eq!(answer.status(), 200, "{}", self.name);
        (instance, answered)
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
    let mut all = [
        Contender::new("floor", "/", &floor),
        Contender::new(Kind::Endpoint.world(), "/healthz", &files.endpoint),
        Contender::new(Kind::SpinEndpoint.world(), "/healthz", &files.spin_endpoint),
    ];
    runtime.block_on(async {
        for turn in 0..WARM_UP + TURNS {
            // Rotate the order, so that no component always follows the same one.
            let first = turn % all.len();
            for index in (first..all.len()).chain(0..first) {
                let contender = &mut all[index];
                let (instance, answer) = contender.take_turn().await;
                if turn >= WARM_UP {
                    contender.instance.note(instance);
                    contender.answer.note(answer);
                }
            }
        }
    });
    let [floor_times, ours @ ..] = &all;
    let floor_burnt = burnt(&runtime, &floor, "/");
    let mut figures = Vec::new();
    for (contender, file) in ours.iter().zip([&files.endpoint, &files.spin_endpoint]) {
        let name = |what: &str| format!("{}, {what}", contender.name);
        let mut times = |what: &str, ours: f64, floor: f64| {
            figures.push(Figure::new(name(what), Unit::Microseconds, ours).beside(FLOOR, floor));
        };
        times(
            "instance, median",
            contender.instance.median(),
            floor_times.instance.median(),
        );
        times(
            "answer, median",
            contender.answer.median(),
            floor_times.answer.median(),
        );
        times(
            "answer, 95th percentile",
            contender.answer.quantile(0.95),
            floor_times.answer.quantile(0.95),
        );
        let ratio = contender.answer.median() / floor_times.answer.median();
        figures.push(Figure::new(name("answer, to the floor's"), Unit::Times, ratio).target(1.3));
        let executed = burnt(&runtime, file, "/healthz");
        figures.push(
            Figure::new(name("answer, fuel"), Unit::Instructions, executed)
                .beside(FLOOR, floor_burnt),
        );
    }
    let how = format!(
        "From nothing to an instance, or to its answer to GET /healthz, and to it being gone again; compiled before, from a pool, no \
         socket, {TURNS} times each in turns. Fuel is what wasmtime counts, about one for each WebAssembly instruction: counted."
    );
    Section {
        name: "start",
        how,
        figures,
    }
}

/// Returns the fuel that an instance uses for this path.
fn burnt(runtime: &Runtime, component: &Path, path: &str) -> f64 {
    let host = Host::new(component, config(true)).unwrap();
    runtime.block_on(host.get(path)).unwrap();
    host.fuel() as f64
}
