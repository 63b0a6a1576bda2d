//! Simulates one run and the clients that poll it. Measures the number of polls and the lag of the
//! report after the end of the run.

use core::time::Duration;

use fastrand::Rng;
use hightouch_sync::engine::{Action, Event, IfRunning, Instant, Operation, Options, SyncGoal};
use hightouch_sync::hightouch::{Method, Response, SyncId, SyncRef};

/// Duration of a request and its response.
const LATENCY: Duration = Duration::from_millis(40);

/// Information that a client has in addition to the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// None: the completion ratio does not change.
    Nothing,
    /// A completion ratio that changes randomly.
    Noise,
    /// A correct completion ratio.
    Ratio,
    /// Durations of earlier runs, from a list that was read anyway.
    History,
    /// A correct completion ratio and durations of earlier runs.
    RatioAndHistory,
}

impl Knowledge {
    pub const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Noise,
        Self::Ratio,
        Self::History,
        Self::RatioAndHistory,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Noise => "random ratio",
            Self::Ratio => "correct ratio",
            Self::History => "history",
            Self::RatioAndHistory => "history, correct ratio",
        }
    }

    fn history(self) -> bool {
        matches!(self, Self::History | Self::RatioAndHistory)
    }
}

/// A class of runs with similar durations.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    pub name: &'static str,
    pub mean: f64,
    /// Relative deviation of the runs' durations.
    pub spread: f64,
}

pub const CLASSES: [(&str, f64); 8] = [
    ("1.8 s", 1.8),
    ("7 s", 7.0),
    ("10 s", 10.0),
    ("20 s", 20.0),
    ("59 s", 59.0),
    ("10 min", 600.0),
    ("1 h", 3_600.0),
    ("6 h", 21_600.0),
];

impl Class {
    /// Returns every duration with every spread.
    pub fn all() -> impl Iterator<Item = Self> {
        CLASSES
            .into_iter()
            .flat_map(|(name, mean)| [0.1, 0.5].map(|spread| Self { name, mean, spread }))
    }

    fn duration(&self, rng: &mut Rng) -> Duration {
        Duration::from_secs_f64(self.mean * (1.0 + self.spread * (rng.f64() * 2.0 - 1.0)))
    }
}

/// The number of polls of a run, and the lag of its report.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    pub polls: u32,
    /// Lag in seconds.
    pub lag: f64,
}

/// Simulates a client that polls at fixed intervals.
pub fn fixed(interval: f64, class: &Class, rng: &mut Rng) -> Observation {
    let duration = class.duration(rng).as_secs_f64();
    let latency = LATENCY.as_secs_f64();
    // The run is created when the trigger arrives. A pause begins when a response has arrived.
    let (mut arrives, mut polls) = (2.0 * latency + interval, 1);
    while arrives < duration {
        arrives += 2.0 * latency + interval;
        polls += 1;
    }
    Observation {
        polls,
        lag: arrives + latency - duration,
    }
}

/// Simulates the engine.
pub fn engine(class: &Class, known: Knowledge, rng: &mut Rng) -> Observation {
    let duration = class.duration(rng);
    let earlier: Vec<Duration> = (0..8).map(|_| class.duration(rng)).collect();
    let sync = SyncId::try_from(7).unwrap();
    let if_running = if known.history() {
        IfRunning::Join
    } else {
        IfRunning::Queue
    };
    let options = Options {
        if_running,
        max_wait: Duration::from_hours(24),
        ..Options::default()
    };
    let (mut now, mut event) = (Instant::default(), Event::Woke);
    let mut operation = Operation::new(SyncGoal::Run(SyncRef::Id(sync)), options, now, rng.u64(..));
    let (mut created, mut polls) = (now, 0);
    loop {
        let request = match operation.step(now, event) {
            Action::Done(outcome) => {
                assert!(outcome.is_ok(), "{outcome:?}");
                return Observation {
                    polls,
                    lag: now
                        .duration_since(created)
                        .saturating_sub(duration)
                        .as_secs_f64(),
                };
            }
            Action::Wait { until } => {
                (now, event) = (until, Event::Woke);
                continue;
            }
            Action::Send { request, .. } => request,
        };
        let arrives = now + LATENCY;
        let body = if request.method == Method::Post {
            created = arrives;
            r#"{"id":"42"}"#.into()
        } else if request.target.contains("runId=") {
            polls += 1;
            let age = arrives.duration_since(created);
            let status = if age >= duration {
                "success"
            } else {
                "processing"
            };
            let ratio = match known {
                Knowledge::Nothing | Knowledge::History => 0.54,
                Knowledge::Noise => rng.f64(),
                Knowledge::Ratio | Knowledge::RatioAndHistory => {
                    (age.as_secs_f64() / duration.as_secs_f64()).min(1.0)
                }
            };
            format!(
                r#"{{"data":[{{"id":42,"status":"{status}","completionRatio":{ratio}}}],"hasMore":false}}"#
            )
        } else {
            list(&earlier)
        };
        now = arrives + LATENCY;
        event = Event::Response(Response::new(200, body));
    }
}

/// Returns a list of earlier runs.
fn list(durations: &[Duration]) -> String {
    let entries: Vec<String> = durations
        .iter()
        .enumerate()
        .map(|(id, duration)| {
            let (hours, seconds) = (duration.as_secs() / 3600, duration.as_secs() % 3600);
            let finished =
                format!("2022-02-08T{hours:02}:{:02}:{:02}.{:03}Z", seconds / 60, seconds % 60, duration.subsec_millis());
            let id = id + 1;
            format!(r#"{{"id":{id},"status":"success","createdAt":"2022-02-08T00:00:00Z","finishedAt":"{finished}"}}"#)
        })
        .collect();
    format!(r#"{{"data":[{}],"hasMore":false}}"#, entries.join(","))
}

/// Results of many runs of a class.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Figures {
    /// Mean number of polls per run.
    pub polls: f64,
    /// Time from `finishedAt` to the report in seconds: mean and 95th percentile.
    pub lag: f64,
    pub lag_p95: f64,
}

impl Figures {
    pub fn of(runs: usize, mut observe: impl FnMut(&mut Rng) -> Observation) -> Self {
        // Each run has its own seed, so that all clients poll the same runs.
        let observations: Vec<Observation> = (0..runs)
            .map(|run| observe(&mut Rng::with_seed(run as u64)))
            .collect();
        let mut lags: Vec<f64> = observations.iter().map(|one| one.lag).collect();
        lags.sort_by(f64::total_cmp);
        let count = runs as f64;
        Self {
            polls: observations
                .iter()
                .map(|one| f64::from(one.polls))
                .sum::<f64>()
                / count,
            lag: lags.iter().sum::<f64>() / count,
            lag_p95: lags[runs * 95 / 100],
        }
    }

    /// Returns whether these results have both fewer polls and less lag than the others.
    pub fn is_better_than(&self, others: &Self) -> bool {
        self.polls < others.polls && self.lag < others.lag
    }
}

/// The fixed intervals of other clients, and the clients' names.
pub const FIXED: [(f64, &str); 4] = [
    (1.0, "Kestra, ht CLI"),
    (3.0, "Airflow, Dagster, Mage"),
    (5.0, "Paradime"),
    (10.0, "Prefect"),
];

/// Compares the engine with the fixed intervals for one class.
pub fn compare(class: &Class, known: Knowledge, runs: usize) -> (Figures, [Figures; 4]) {
    let engine = Figures::of(runs, |rng| engine(class, known, rng));
    (
        engine,
        FIXED.map(|(interval, _)| Figures::of(runs, |rng| fixed(interval, class, rng))),
    )
}
