//! The course of one run, and those who watch it: how many looks they need, and how long after its end they report it.

use core::time::Duration;

use fastrand::Rng;
use hightouch_sync::engine::{Action, Event, IfRunning, Instant, Operation, Options, SyncGoal};
use hightouch_sync::hightouch::{Method, Response, SyncId, SyncRef};

/// How long a request takes to arrive, and its answer to come back.
const WAY: Duration = Duration::from_millis(40);

/// What a poller sees beside the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: the completion ratio stands still.
    Nothing,
    /// A completion ratio that jumps about.
    Noise,
    /// A completion ratio that tells the truth.
    Ratio,
    /// How long earlier runs took, because a look at the list was made anyway.
    History,
    /// Both.
    RatioAndHistory,
}

impl Known {
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
            Self::Noise => "useless ratio",
            Self::Ratio => "honest ratio",
            Self::History => "history",
            Self::RatioAndHistory => "history, honest ratio",
        }
    }

    fn history(self) -> bool {
        matches!(self, Self::History | Self::RatioAndHistory)
    }
}

/// Lengths of runs of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    pub name: &'static str,
    pub mean: f64,
    /// By what share a run is shorter or longer.
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
    /// Every length with every spread.
    pub fn all() -> impl Iterator<Item = Self> {
        CLASSES
            .into_iter()
            .flat_map(|(name, mean)| [0.1, 0.5].map(|spread| Self { name, mean, spread }))
    }

    fn length(&self, rng: &mut Rng) -> Duration {
        Duration::from_secs_f64(self.mean * (1.0 + self.spread * (rng.f64() * 2.0 - 1.0)))
    }
}

/// What watching a run cost, and how late its end was reported.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    pub looks: u32,
    /// In seconds.
    pub lag: f64,
}

/// One who looks at fixed intervals.
pub fn fixed(interval: f64, class: &Class, rng: &mut Rng) -> Watched {
    let length = class.length(rng).as_secs_f64();
    let way = WAY.as_secs_f64();
    // The run is created when the trigger arrives; the pauses begin when an answer has come.
    let (mut arrives, mut looks) = (2.0 * way + interval, 1);
    while arrives < length {
        arrives += 2.0 * way + interval;
        looks += 1;
    }
    Watched {
        looks,
        lag: arrives + way - length,
    }
}

/// The engine.
pub fn ours(class: &Class, known: Known, rng: &mut Rng) -> Watched {
    let length = class.length(rng);
    let earlier: Vec<Duration> = (0..8).map(|_| class.length(rng)).collect();
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
    let (mut created, mut looks) = (now, 0);
    loop {
        let request = match operation.step(now, event) {
            Action::Done(outcome) => {
                assert!(outcome.is_ok(), "{outcome:?}");
                return Watched {
                    looks,
                    lag: now
                        .duration_since(created)
                        .saturating_sub(length)
                        .as_secs_f64(),
                };
            }
            Action::Wait { until } => {
                (now, event) = (until, Event::Woke);
                continue;
            }
            Action::Send { request, .. } => request,
        };
        let arrives = now + WAY;
        let body = if request.method == Method::Post {
            created = arrives;
            r#"{"id":"42"}"#.into()
        } else if request.target.contains("runId=") {
            looks += 1;
            let age = arrives.duration_since(created);
            let status = if age >= length {
                "success"
            } else {
                "processing"
            };
            let ratio = match known {
                Known::Nothing | Known::History => 0.54,
                Known::Noise => rng.f64(),
                Known::Ratio | Known::RatioAndHistory => {
                    (age.as_secs_f64() / length.as_secs_f64()).min(1.0)
                }
            };
            format!(
                r#"{{"data":[{{"id":42,"status":"{status}","completionRatio":{ratio}}}],"hasMore":false}}"#
            )
        } else {
            list(&earlier)
        };
        now = arrives + WAY;
        event = Event::Response(Response::new(200, body));
    }
}

/// A list of earlier runs.
fn list(lengths: &[Duration]) -> String {
    let entries: Vec<String> = lengths
        .iter()
        .enumerate()
        .map(|(id, length)| {
            let (hours, seconds) = (length.as_secs() / 3600, length.as_secs() % 3600);
            let finished =
                format!("2022-02-08T{hours:02}:{:02}:{:02}.{:03}Z", seconds / 60, seconds % 60, length.subsec_millis());
            let id = id + 1;
            format!(r#"{{"id":{id},"status":"success","createdAt":"2022-02-08T00:00:00Z","finishedAt":"{finished}"}}"#)
        })
        .collect();
    format!(r#"{{"data":[{}],"hasMore":false}}"#, entries.join(","))
}

/// What watching many runs of a class comes to.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Figures {
    /// Looks for each run.
    pub looks: f64,
    /// From `finishedAt` to the report, in seconds: mean, and 95th percentile.
    pub lag: f64,
    pub lag_p95: f64,
}

impl Figures {
    pub fn of(runs: usize, mut watch: impl FnMut(&mut Rng) -> Watched) -> Self {
        // Each run has its own seed, so that all pollers watch the same ones.
        let watched: Vec<Watched> = (0..runs)
            .map(|run| watch(&mut Rng::with_seed(run as u64)))
            .collect();
        let mut lags: Vec<f64> = watched.iter().map(|one| one.lag).collect();
        lags.sort_by(f64::total_cmp);
        let count = runs as f64;
        Self {
            looks: watched.iter().map(|one| f64::from(one.looks)).sum::<f64>() / count,
            lag: lags.iter().sum::<f64>() / count,
            lag_p95: lags[runs * 95 / 100],
        }
    }

    /// Whether these take both fewer looks and less time than others.
    pub fn beat(&self, others: &Self) -> bool {
        self.looks < others.looks && self.lag < others.lag
    }
}

/// The intervals of others, and whose they are.
pub const FIXED: [(f64, &str); 4] = [
    (1.0, "Kestra, ht CLI"),
    (3.0, "Airflow, Dagster, Mage"),
    (5.0, "Paradime"),
    (10.0, "Prefect"),
];

/// The engine and the fixed intervals over one class.
pub fn compare(class: &Class, known: Known, runs: usize) -> (Figures, [Figures; 4]) {
    let ours = Figures::of(runs, |rng| ours(class, known, rng));
    (
        ours,
        FIXED.map(|(interval, _)| Figures::of(runs, |rng| fixed(interval, class, rng))),
    )
}
