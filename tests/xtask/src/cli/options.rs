//! The options of `run` and `runs`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

/// The arguments of `run`.
#[derive(Args, Clone, Debug)]
pub(super) struct RunArguments {
    /// The IDs or slugs of the syncs, up to 100. With --local-hightouch, the default is sync 1.
    #[arg(value_name = "SYNC", required_unless_present = "local_hightouch")]
    pub(super) syncs: Vec<String>,
    /// Send every row again.
    #[arg(long)]
    full_resync: bool,
    /// Mark every row as already synced, without writing to the destination.
    #[arg(long)]
    reset_cdc: bool,
    /// Empty the audience and fill it again.
    #[arg(long)]
    clear_and_fill: bool,
    /// What to do if a run of the sync is in progress: queue another run, join that run, or refuse.
    #[arg(long, value_name = "ACTION", value_enum)]
    if_running: Option<IfRunning>,
    /// Count a run that ended in `warning` as a success. `warning` means that the destination
    /// rejected some of the rows.
    #[arg(long, conflicts_with_all = ["max_rejected", "max_rejected_percent"])]
    accept_warnings: bool,
    /// Count a run that ended in `warning` as a success if the destination rejected at most this
    /// number of rows.
    #[arg(long, value_name = "ROWS")]
    max_rejected: Option<u64>,
    /// Count a run that ended in `warning` as a success if the destination rejected at most this
    /// share of the rows, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    max_rejected_percent: Option<f64>,
    /// Join a run that started at or after this time, or that is queued, instead of starting
    /// another one. The time has the form 2026-01-31T06:00:00Z. Repeat the command with the same
    /// time to retry it safely.
    #[arg(long, value_name = "TIME")]
    unless_run_since: Option<String>,
    /// Maximum duration of the command in seconds, without the build of the components. A run that
    /// has not ended by then continues in Hightouch.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    wait: u64,
    /// With several syncs, the maximum number of runs at the same time.
    #[arg(long, value_name = "RUNS", value_parser = clap::value_parser!(u64).range(1..=50))]
    parallel: Option<u64>,
    /// With several syncs, start no other sync after one has failed.
    #[arg(long)]
    stop_on_failure: bool,
    /// Print the report as JSON, and nothing else, to stdout. A failure is printed as JSON too.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

/// The arguments of `runs`.
#[derive(Args, Clone, Debug)]
pub(super) struct RunsArguments {
    /// The sync's ID or slug.
    pub(super) sync: String,
    /// Maximum number of runs.
    #[arg(long, value_name = "RUNS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(super) limit: u64,
    /// Print the runs as JSON, and nothing else, to stdout. A failure is printed as JSON too.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

/// The Hightouch API that a command calls, and whether it prints the log of the calls.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Target {
    /// Print the component's log lines to stderr.
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Call the local Hightouch, a mock of the Hightouch API. The key is `local`, unless
    /// HIGHTOUCH_API_KEY is set.
    #[arg(long)]
    pub(super) local_hightouch: bool,
    /// Whether to ignore HIGHTOUCH_API_KEY.
    #[arg(skip)]
    pub(super) ignores_key: bool,
}

/// The values of `--if-running`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum IfRunning {
    Queue,
    Join,
    Refuse,
}

fn percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "it is not a number from 0 to 100".into())
}

impl RunArguments {
    /// Returns the syncs, or sync 1 if there are none.
    pub(super) fn syncs(&self) -> Vec<String> {
        if self.syncs.is_empty() {
            vec!["1".into()]
        } else {
            self.syncs.clone()
        }
    }

    /// Returns the maximum duration of the command.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs(self.wait)
    }

    /// Returns the body that runs one sync.
    pub(super) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        for (name, is_set) in [
            ("fullResync", self.full_resync),
            ("resetCDC", self.reset_cdc),
            ("clearAndFill", self.clear_and_fill),
        ] {
            if is_set {
                body.insert(name.into(), true.into());
            }
        }
        if let Some(action) = self.if_running {
            let word = match action {
                IfRunning::Queue => "queue",
                IfRunning::Join => "join",
                IfRunning::Refuse => "refuse",
            };
            body.insert("ifRunning".into(), word.into());
        }
        if let Some(time) = &self.unless_run_since {
            body.insert("unlessRunSince".into(), time.as_str().into());
        }
        if self.accept_warnings {
            body.insert("acceptWarnings".into(), true.into());
        } else if self.max_rejected.is_some() || self.max_rejected_percent.is_some() {
            // The endpoint ignores a limit that is null.
            let limit = json!({
                "maxRejected": self.max_rejected,
                "maxRejectedPercent": self.max_rejected_percent,
            });
            body.insert("acceptWarnings".into(), limit);
        }
        body
    }

    /// Returns the body that runs several syncs.
    pub(super) fn batch_body(&self, syncs: &[String]) -> Map<String, Value> {
        let mut body = self.body();
        body.insert("syncs".into(), syncs.into());
        if let Some(parallel) = self.parallel {
            body.insert("parallel".into(), parallel.into());
        }
        if self.stop_on_failure {
            body.insert("stopOnFailure".into(), true.into());
        }
        body
    }

    /// Returns the query that accepts the same warnings, for `GET` of a run.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        if self.accept_warnings {
            query.push(("acceptWarnings", "true".into()));
        }
        if let Some(rows) = self.max_rejected {
            query.push(("maxRejected", rows.to_string()));
        }
        if let Some(percent) = self.max_rejected_percent {
            query.push(("maxRejectedPercent", percent.to_string()));
        }
        query
    }
}
