//! The callers of a load test.

use std::time::Duration;

use crate::local_hightouch::{Options, RowCounts, Status, SyncFixture, Timeline};
use crate::seeded_random::SeededRandom;

/// The ID of the first caller's sync.
const FIRST_SYNC: u64 = 10_001;

/// The caller's `Prefer` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No header.
    Default,
    /// `respond-async`.
    Async,
    /// `wait=SECONDS`.
    Seconds(u64),
}

impl Wait {
    /// Returns the value of `Prefer`.
    pub fn prefer(self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::Async => Some("respond-async".into()),
            Self::Seconds(seconds) => Some(format!("wait={seconds}")),
        }
    }
}

/// The beginning of each caller's API key.
pub(super) const KEY_MARK: &str = "marked-secret-";

/// A caller that starts one run and follows it until it ends.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its index among the callers.
    pub index: usize,
    /// Its API key, which no other caller has. The local Hightouch needs it as the further key with
    /// this index.
    pub key: String,
    /// Its sync, which no other caller runs. The row counts and error texts of its jobs are unique.
    pub sync: SyncFixture,
    /// Whether it accepts warnings.
    pub accept_warnings: bool,
    /// Its preferred timeout.
    pub wait: Wait,
}

impl Caller {
    /// Returns its `traceparent`, which identifies its requests everywhere.
    pub fn trace(&self) -> String {
        format!("00-{:032x}-{:016x}-01", self.sync.id, self.sync.id)
    }
}

/// The parameters of the callers.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of callers.
    pub callers: u64,
    /// The seed of all their properties.
    pub seed: u64,
    /// Maximum duration of their runs. The minimum is one second.
    pub longest: Duration,
}

impl Plan {
    /// Returns the callers.
    pub fn callers(&self) -> Vec<Caller> {
        (FIRST_SYNC..FIRST_SYNC.saturating_add(self.callers))
            .enumerate()
            .map(|(index, id)| caller(index, id, self))
            .collect()
    }
}

fn caller(index: usize, id: u64, plan: &Plan) -> Caller {
    let Plan { seed, longest, .. } = *plan;
    let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    let mut random = SeededRandom::new(seed, &format!("caller {id}"));
    let mut job = |number: u64, end: Status| {
        let length = Duration::from_millis(random.between(1_000, longest));
        let timeline = Timeline::over(length, end).with_rows(RowCounts::new(id, number, 3));
        match end {
            Status::Success => timeline,
            Status::Warning => timeline.with_rejected(RowCounts::new(2, 0, 1)),
            _ => timeline
                .stopped_at(0.4)
                .with_error(format!("job {number} of sync {id} ended as {end}")),
        }
    };
    let ends = ends(&mut SeededRandom::new(seed, &format!("ends {id}")));
    let mut timelines = (1..).zip(ends).map(|(number, end)| job(number, end));
    let first = timelines
        .next()
        .unwrap_or_else(|| Timeline::over(Duration::from_secs(1), Status::Success));
    let mut sync = SyncFixture::new(id, format!("load-{id}"), first);
    sync.further_jobs = timelines.collect();
    let wait = match random.between(1, 100) {
        1..=35 => Wait::Default,
        36..=80 => Wait::Seconds(60),
        81..=95 => Wait::Seconds(random.between(1, 5)),
        _ => Wait::Async,
    };
    let mark = SeededRandom::new(seed, &format!("key {id}")).between(0, u64::MAX);
    Caller {
        index,
        key: format!("{KEY_MARK}{id}-{mark:016x}"),
        sync,
        accept_warnings: random.percent(50),
        wait,
    }
}

/// Returns the options of a local Hightouch for these callers.
pub fn options_for(callers: &[Caller]) -> Options {
    Options {
        syncs: callers.iter().map(|caller| caller.sync.clone()).collect(),
        further_keys: callers.iter().map(|caller| caller.key.clone()).collect(),
        sequences: Vec::new(),
        ..Options::default()
    }
}

/// Returns the final statuses of the jobs of a caller's run.
fn ends(random: &mut SeededRandom) -> Vec<Status> {
    const ENDS: [Status; 5] = [
        Status::Success,
        Status::Warning,
        Status::Failed,
        Status::Cancelled,
        Status::Interrupted,
    ];
    let (jobs, good) = if random.percent(15) { (3, 70) } else { (1, 50) };
    let mut end = |_| {
        let end = random.pick(&ENDS).filter(|_| !random.percent(good));
        end.unwrap_or(Status::Success)
    };
    (0..jobs).map(&mut end).collect()
}
