//! A world for one or several calls: everything that is decided before they begin.
//!
//! It is plain data. So a world that broke a promise can be kept in a file, and be replayed after
//! the generator has changed.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// A time in milliseconds after the beginning of the first call, negative before it; or a duration
/// in milliseconds.
pub type Millis = i64;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    pub call: Call,
    pub server: Server,
    /// The runs that others start, or started before.
    pub others: Vec<OthersRun>,
    /// The plans of the runs that the calls start, in order. A call should start at most one.
    pub ours: Vec<Plan>,
    /// The latencies and faults of the requests, in order.
    pub exchanges: Vec<Exchange>,
    /// The latency and the fault of every further request.
    pub afterwards: Exchange,
    pub outages: Vec<Outage>,
    /// The sequence, if the goal is about one.
    #[serde(default)]
    pub sequence: Option<Sequence>,
}

/// The options of a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub goal: Goal,
    pub resync: bool,
    pub accept_warnings: bool,
    /// The limit on rejected rows. If it is given, `accept_warnings` has no effect.
    #[serde(default)]
    pub tolerate: Option<Limit>,
    pub if_running: IfRunning,
    /// The value of the option `unless_since`, by the clock of `createdAt`.
    #[serde(default)]
    pub unless_since: Option<Millis>,
    /// The pauses before the repetitions of the call, each counted from the end of the call before.
    #[serde(default)]
    pub repeats: Vec<Millis>,
    #[serde(default)]
    pub allowed: Allowed,
    /// Maximum number of entries of [`Goal::List`].
    #[serde(default = "ten")]
    pub listed: u64,
    /// Number of operations that share the API key.
    #[serde(default = "one")]
    pub among: u32,
    pub max_wait: Millis,
    pub answer_wait: Millis,
    pub seed: u64,
    /// The delay with which the host wakes the call each time, in addition to a random delay.
    pub oversleeps: Millis,
}

fn one() -> u32 {
    1
}

fn ten() -> u64 {
    10
}

/// A limit on rejected rows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limit {
    pub rows: Option<u64>,
    /// Hundredths of a percent.
    pub share: Option<u64>,
}

impl Limit {
    /// Returns whether the rows of these jobs are within the limit, in exact arithmetic. An unknown
    /// number is not.
    pub fn allows(&self, jobs: &[Rows]) -> bool {
        let sum = |counts: fn(&Rows) -> Counts| -> Option<u128> {
            jobs.iter()
                .flat_map(|rows| counts(rows).unwrap_or([None; 3]))
                .map(|count| count.map(u128::from))
                .sum()
        };
        let (rejected, successful) = (sum(|rows| rows.rejected), sum(|rows| rows.successful));
        let is_few = self
            .rows
            .is_none_or(|max| rejected.is_some_and(|rejected| rejected <= u128::from(max)));
        let is_small_share = self.share.is_none_or(|share| {
            rejected
                .zip(successful)
                .is_some_and(|(rejected, successful)| {
                    10_000 * rejected <= u128::from(share) * (rejected + successful)
                })
        });
        is_few && is_small_share
    }
}

/// The numbers of added, changed and removed rows. If the whole value is `None`, the response
/// contains `null`. If one number is `None`, the response lacks its field.
pub type Counts = Option<[Option<u64>; 3]>;

/// The row counts of one job that has ended.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Rows {
    pub rejected: Counts,
    pub successful: Counts,
    /// Rows that were planned and not attempted.
    pub unattempted: u64,
}

/// The syncs that a call may touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Allowed {
    #[default]
    All,
    /// A list with the sync.
    This,
    /// A list without the sync.
    Others,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    Run,
    RunBySlug,
    Start,
    StartBySlug,
    /// Awaits the newest run from before the call, or a run that does not exist.
    Await,
    RunSequence,
    StartSequence,
    /// Like `Await`.
    AwaitSequence,
    /// The most recent runs.
    List,
    ListBySlug,
}

impl Goal {
    pub fn is_of_sequence(self) -> bool {
        matches!(
            self,
            Self::RunSequence | Self::StartSequence | Self::AwaitSequence
        )
    }

    pub fn lists(self) -> bool {
        matches!(self, Self::List | Self::ListBySlug)
    }

    /// Returns whether the call names the sync by its slug.
    pub fn is_by_slug(self) -> bool {
        matches!(self, Self::RunBySlug | Self::StartBySlug | Self::ListBySlug)
    }

    /// Returns whether the call starts a run of a sync.
    pub fn starts_sync(self) -> bool {
        matches!(
            self,
            Self::Run | Self::RunBySlug | Self::Start | Self::StartBySlug
        )
    }

    /// Returns whether the goal is to await a run.
    pub fn awaits(self) -> bool {
        matches!(self, Self::Await | Self::AwaitSequence)
    }

    /// Returns whether the call waits for the end of the run.
    pub fn waits(self) -> bool {
        !matches!(
            self,
            Self::Start | Self::StartBySlug | Self::StartSequence | Self::List | Self::ListBySlug
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IfRunning {
    Queue,
    Join,
    Refuse,
}

impl Call {
    /// Returns whether a run with these jobs is a success if some of them ended as `warning`.
    pub fn accepts_warnings(&self, jobs: &[Rows]) -> bool {
        match &self.tolerate {
            Some(limit) => limit.allows(jobs),
            None => self.accept_warnings,
        }
    }

    /// Returns whether some runs with a warning are successes.
    pub fn may_accept_warnings(&self) -> bool {
        self.tolerate.is_some() || self.accept_warnings
    }
}

/// The behaviour of the simulated Hightouch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// The milliseconds that its clock shows beyond a whole second when the first call begins.
    pub phase: Millis,
    /// Difference between the clock of `Date` and that of `createdAt`.
    pub date_ahead: Millis,
    pub sends_date: bool,
    pub newest_first: bool,
    pub ignores_run_id: bool,
    /// Number of entries on a page.
    pub page: usize,
    pub ids_are_text: bool,
    /// Whether statuses are in upper case.
    pub shouts: bool,
    /// Whether the list contains `startedAt`.
    #[serde(default)]
    pub tells_start: bool,
    /// Whether the list contains `finishedAt`.
    #[serde(default)]
    pub tells_end: bool,
    /// Whether the list has no order by ID.
    #[serde(default)]
    pub mixed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OthersRun<P = Plan> {
    pub at: Millis,
    pub plan: P,
}

/// The plan of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Time from the creation of the run until it is listed.
    pub listed_after: Millis,
    /// Minimum time in the queue. `takes` is the time from the start to the end.
    pub queued: Millis,
    pub takes: Millis,
    /// The endings of its jobs. Each job ends before the next one.
    pub jobs: Vec<Ending>,
    /// The row counts of the jobs. Those of further jobs are unknown.
    #[serde(default)]
    pub rows: Vec<Rows>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Success,
    Warning,
    Failed,
    Cancelled,
    Interrupted,
    /// The run never ends. Its status is unknown to the engine.
    Never,
}

/// A sequence and its runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sequence {
    /// Whether a trigger joins a run that is in progress; it always joins a queued one.
    pub joins: bool,
    /// The status of the response about an unknown run.
    pub unknown: u16,
    pub others: Vec<OthersRun<SequencePlan>>,
    /// The plans of the runs that the calls start, in order. A call should start at most one.
    pub ours: Vec<SequencePlan>,
}

/// The plan of a run of a sequence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SequencePlan {
    /// Time from the creation of the run until Hightouch knows it.
    pub known_after: Millis,
    /// Minimum time in the status `pending`.
    pub pending: Millis,
    /// The duration and the ending of each sync run. They execute one after the other.
    pub syncs: Vec<(Millis, Ending)>,
    pub ends: SequenceEnding,
    /// What responses show of the sync runs from the end of the run until `whole_after` has passed.
    pub lags: Lag,
    pub whole_after: Millis,
    /// The row counts of the jobs of each sync run. A sync run without any has one job with unknown
    /// counts.
    #[serde(default)]
    pub rows: Vec<Vec<Rows>>,
    /// How much later the list of a sync's runs shows the end of a sync run.
    #[serde(default)]
    pub ends_listed_after: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SequenceEnding {
    Done,
    Failed,
    Cancelled,
    /// The run never ends. Its status is unknown to the engine.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lag {
    /// The response lists no sync runs.
    Empty,
    /// The response lists the sync runs as they were shortly before the end.
    Before,
}

/// The latencies of a request and of its response, and its fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// Time until the request arrives. `back` is the time until the response arrives.
    pub there: Millis,
    pub back: Millis,
    pub fault: Option<Fault>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// The connection is refused.
    Refused,
    /// The host does not allow the request.
    NotGranted,
    /// The connection ends, and the request does not arrive.
    LostBefore,
    /// The connection ends, and the request takes effect after this time.
    LostAfter { takes_effect: Millis },
    /// No response arrives, and the request does not arrive.
    SilentBefore,
    /// No response arrives, and the request takes effect after this time.
    SilentAfter { takes_effect: Millis },
    /// The response has this status. The request takes effect after this time, or not.
    Status {
        code: u16,
        retry_after: Option<Asked>,
        takes_effect: Option<Millis>,
    },
    /// The response is cut off.
    Cut { percent: usize },
    /// A response with status 200 has other content. The request takes effect.
    Nonsense(Nonsense),
    /// A response with status 200 contains an error. The request takes no effect.
    Envelope,
    /// The response shows an old state. Only for requests that read.
    Behind { by: Millis },
    /// The list comes from a cache, and shows its age of at least one second. Only for lists of
    /// runs.
    Kept { by: Millis },
    /// The response lacks sync runs of a sequence's run. Only if an earlier response has shown
    /// them, or if the run has not ended.
    Short { by: usize },
    /// The response shows another run of the sequence.
    OfAnother,
    /// The response to a trigger names an older run. Either a list has shown the run, or the run
    /// had ended long before the trigger.
    OlderRun { takes_effect: bool },
    /// The response to the previous request arrives again, with its old `Date`. Only if both
    /// requests are the same.
    Repeated,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Asked {
    Seconds(u64),
    /// An HTTP date, as a time after `Date`.
    Date(Millis),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Nonsense {
    Html,
    Empty,
    Null,
    WrongTypes,
    TooLong,
    /// The runs have no times.
    NoTimes,
    NoIds,
    /// A page before the end of the list is empty.
    EmptyPage,
    /// `hasMore` is a string.
    MoreAsText,
    /// The first entry of a list is not an object.
    StrangeEntry,
    /// The response has status 206.
    Part,
    /// The connection ends after a complete body.
    CutBehind,
}

/// A time during which every request has the same fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outage {
    pub from: Millis,
    pub to: Millis,
    pub fault: Fault,
}

/// Maximum time from a request without a response until it takes effect.
///
/// The engine assumes that Hightouch lists a run within eight seconds after the response was lost.
/// The sum of this time, [`LISTED`] and [`BEHIND`] stays below that.
const TAKES_EFFECT: Millis = 2_500;
/// Maximum time from the creation of a run until it is listed.
const LISTED: Millis = 2_500;
/// Maximum age of the state that a response shows.
pub const BEHIND: Millis = 2_400;

impl World {
    /// Generates the world of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let kind = rng.u32(0..100);
        let call = call(rng);
        let of_sequence = call.goal.is_of_sequence();
        let lists = call.goal.lists();
        let mut world = Self {
            server: server(rng),
            others: Vec::new(),
            ours: (0..4).map(|_| plan(rng)).collect(),
            exchanges: Vec::new(),
            afterwards: Exchange {
                there: rng.i64(5..400),
                back: rng.i64(5..400),
                fault: None,
            },
            outages: Vec::new(),
            sequence: of_sequence.then(|| sequence(rng)),
            call,
        };
        // Runs that began long before the call.
        for _ in 0..rng.usize(0..4) {
            let at = -pick(rng, &[40_000, 90_000, 600_000, 86_400_000]) - rng.i64(0..30_000);
            world.others.push(OthersRun {
                at,
                plan: settled(plan(rng)),
            });
        }
        let (trigger, reads) = match kind {
            0..10 => (0.0, 0.0),
            10..40 => (0.95, 0.1),
            40..60 => (0.1, 0.5),
            60..80 => (0.4, 0.3),
            80..90 => (0.9, 0.6),
            _ => (0.9, 0.1),
        };
        // The trigger is among the first requests.
        for place in 0..rng.usize(2..40) {
            let share = if place < 3 { trigger } else { reads };
            let fault = if rng.f64() < share {
                Some(fault(rng, of_sequence))
            } else {
                None
            };
            // A trigger after a list is among the first requests too.
            let fault = if place < 5 && call_reads_list(&world.call) && rng.u32(0..12) == 0 {
                Some(Fault::OlderRun {
                    takes_effect: rng.bool(),
                })
            } else {
                fault
            };
            let slow = rng.u32(0..12) == 0;
            let most = if slow { 5_000 } else { 600 };
            world.exchanges.push(Exchange {
                there: rng.i64(1..most),
                back: rng.i64(1..most),
                fault,
            });
        }
        match kind {
            // A request without a response may take effect at any time, and nobody else starts
            // runs.
            90..95 => {
                for exchange in &mut world.exchanges {
                    let late = rng.i64(0..120_000);
                    match &mut exchange.fault {
                        Some(Fault::SilentAfter { takes_effect }) => *takes_effect = late,
                        Some(Fault::Status {
                            code: 408 | 504,
                            takes_effect: Some(takes_effect),
                            ..
                        }) => *takes_effect = late,
                        _ => {}
                    }
                }
            }
            // The clocks differ by seconds, and nobody else starts runs.
            95..100 => {
                world.server.date_ahead = rng.i64(1_000..28_000) * if rng.bool() { 1 } else { -1 };
            }
            _ => {
                for _ in 0..rng.usize(0..4) {
                    let at = pick(
                        rng,
                        &[
                            -20_000, -3_000, -1_500, 0, 500, 2_000, 5_000, 12_000, 30_000,
                        ],
                    );
                    world.others.push(OthersRun {
                        at: at + rng.i64(-500..1_500),
                        plan: plan(rng),
                    });
                }
            }
        }
        for _ in 0..rng.usize(0..3) {
            if rng.u32(0..3) == 0 {
                let from = rng.i64(0..120_000);
                let fault = pick(
                    rng,
                    &[
                        Fault::Refused,
                        Fault::LostBefore,
                        Fault::SilentBefore,
                        Fault::Status {
                            code: 503,
                            retry_after: None,
                            takes_effect: None,
                        },
                        Fault::Status {
                            code: 429,
                            retry_after: Some(Asked::Seconds(7)),
                            takes_effect: None,
                        },
                        Fault::Status {
                            code: 429,
                            retry_after: None,
                            takes_effect: None,
                        },
                    ],
                );
                let lasts = pick(rng, &[1_000, 8_000, 40_000, 400_000]);
                world.outages.push(Outage {
                    from,
                    to: from + rng.i64(0..lasts),
                    fault,
                });
            }
        }
        if !world.server.sends_date {
            // Without `Date`, an old response looks like one of a replica that lags.
            let repeats = |exchange: &&mut Exchange| exchange.fault == Some(Fault::Repeated);
            world
                .exchanges
                .iter_mut()
                .filter(repeats)
                .for_each(|exchange| exchange.fault = Some(Fault::LostBefore));
        }
        if world.server.page < 100 {
            // Many jobs on small pages would exceed the maximum number of pages.
            let plans = world
                .others
                .iter_mut()
                .map(|theirs| &mut theirs.plan)
                .chain(&mut world.ours);
            plans.for_each(|plan| {
                plan.jobs.truncate(4);
                plan.rows.truncate(4);
            });
        }
        if of_sequence {
            (world.others, world.ours) = (Vec::new(), Vec::new());
        }
        if lists {
            // Enough runs for several pages.
            let runs = pick(rng, &[0, 3, 30, 120, 300]);
            for _ in 0..rng.usize(0..=runs) {
                let at = -rng.i64(40_000..86_400_000);
                world.others.push(OthersRun {
                    at,
                    plan: settled(plan(rng)),
                });
            }
        }
        world.others.sort_by_key(|theirs| theirs.at);
        if let Some(sequence) = world.sequence.as_mut().filter(|_| rng.bool()) {
            // With a limit, the call reads the row counts of sync runs.
            world.call.tolerate = Some(limit(rng));
            for plan in &mut sequence.ours {
                plan.ends = SequenceEnding::Done;
                plan.ends_listed_after = pick(rng, &[0, 500, LISTED]);
                for (_, ending) in &mut plan.syncs {
                    if rng.bool() {
                        *ending = pick(rng, &[Ending::Success, Ending::Warning, Ending::Warning]);
                    }
                }
            }
        }
        if world.call.goal.starts_sync() && rng.u32(0..3) == 0 {
            world.call.unless_since = Some(since(rng, &world.others));
            for _ in 0..pick(rng, &[0, 1, 2, 3]) {
                let pause = pick(rng, &[1, 1_000, 8_000, 60_000, 600_000]);
                world.call.repeats.push(rng.i64(0..=pause));
            }
            // A world without faults: its clocks matter only for `unless_since`.
            if kind < 10 {
                world.outages.clear();
                world.server.date_ahead = rng.i64(-900..900);
                world.ours.iter_mut().for_each(|plan| plan.queued /= 10);
                world.exchanges.clear();
                let latency = rng.i64(5..100);
                let Exchange { there, back, .. } = &mut world.afterwards;
                (*there, *back) = (latency, latency);
            }
        }
        let is_blind =
            world.call.if_running == IfRunning::Queue && world.call.unless_since.is_none();
        let waits = world.call.goal.starts_sync() && world.call.goal.waits();
        if kind < 10 && waits && is_blind && rng.bool() {
            // Without a list, only the end of the run shows that it is older.
            let trigger = usize::from(world.call.goal.is_by_slug());
            if let Some(exchange) = world.exchanges.get_mut(trigger) {
                exchange.fault = Some(Fault::OlderRun {
                    takes_effect: rng.bool(),
                });
            }
        }
        world
    }
}

impl World {
    /// Returns what happens to a request: the one with this index, over all calls.
    pub fn exchange(&self, index: usize) -> &Exchange {
        self.exchanges.get(index).unwrap_or(&self.afterwards)
    }
}

fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())].clone()
}

fn call(rng: &mut Rng) -> Call {
    let list = pick(rng, &[Goal::List, Goal::List, Goal::ListBySlug]);
    let goal = pick(
        rng,
        &[
            Goal::Run,
            Goal::Run,
            Goal::Run,
            Goal::Run,
            Goal::Run,
            Goal::RunBySlug,
            Goal::Start,
            Goal::StartBySlug,
            Goal::Await,
            Goal::RunSequence,
            Goal::RunSequence,
            Goal::StartSequence,
            Goal::AwaitSequence,
            list,
        ],
    );
    let max_wait = pick(
        rng,
        &[
            0, 300, 2_500, 9_000, 25_000, 25_000, 60_000, 600_000, 3_600_000, 3_600_000, 21_600_000,
        ],
    );
    Call {
        goal,
        resync: rng.u32(0..10) == 0,
        accept_warnings: rng.bool(),
        tolerate: if rng.u32(0..3) == 0 {
            Some(limit(rng))
        } else {
            None
        },
        repeats: Vec::new(),
        allowed: match rng.u32(0..24) {
            0 => Allowed::Others,
            1..4 => Allowed::This,
            _ => Allowed::All,
        },
        listed: pick(rng, &[1, 2, 5, 10, 10, 20, 50, 100]),
        if_running: pick(
            rng,
            &[
                IfRunning::Queue,
                IfRunning::Queue,
                IfRunning::Queue,
                IfRunning::Join,
                IfRunning::Refuse,
            ],
        ),
        unless_since: None,
        among: pick(rng, &[1, 1, 1, 1, 1, 2, 10, 50, 400]),
        max_wait,
        answer_wait: pick(rng, &[0, 10_000]).max(if max_wait == 0 { 10_000 } else { 0 }),
        seed: rng.u64(..),
        oversleeps: pick(rng, &[0, 0, 3, 40]),
    }
}

fn server(rng: &mut Rng) -> Server {
    let page = pick(rng, &[100, 100, 100, 20, 3]);
    Server {
        phase: rng.i64(0..1_000),
        date_ahead: rng.i64(-200..200),
        sends_date: rng.u32(0..8) != 0,
        newest_first: rng.bool(),
        ignores_run_id: rng.u32(0..4) == 0,
        page,
        ids_are_text: rng.bool(),
        shouts: rng.u32(0..8) == 0,
        tells_start: rng.u32(0..4) != 0,
        tells_end: rng.bool(),
        // The first page has to show that the list has no order. Only a few entries could be in
        // order by chance.
        mixed: page >= 20 && rng.u32(0..8) == 0,
    }
}

/// Returns a value for `unless_since`: a little before or after the beginning of the
/// operation, far in the future, or the time of one of these runs.
fn since(rng: &mut Rng, others: &[OthersRun]) -> Millis {
    match rng.choice(others) {
        Some(theirs) if rng.bool() => theirs.at + pick(rng, &[0, 0, 1, 1_000]),
        _ => {
            let about = [
                -60_000, -20_000, -4_000, -1_000, 0, 0, 3_000, 10_000, 25_000, 60_000, 3_600_000,
            ];
            pick(rng, &about) + rng.i64(-2_000..2_000)
        }
    }
}

/// Returns whether the call reads the list of runs before it starts a run.
fn call_reads_list(call: &Call) -> bool {
    call.goal.starts_sync() && call.if_running != IfRunning::Queue
}

fn limit(rng: &mut Rng) -> Limit {
    let rows = pick(rng, &[0, 1, 3, 10, 100]);
    let share = pick(rng, &[0, 57, 100, 1_000, 5_000, 10_000]);
    match rng.u32(0..3) {
        0 => Limit {
            rows: Some(rows),
            share: None,
        },
        1 => Limit {
            rows: None,
            share: Some(share),
        },
        _ => Limit {
            rows: Some(rows),
            share: Some(share),
        },
    }
}

/// Returns the row counts of a job with some rejected rows or with none.
fn rows(rng: &mut Rng) -> Rows {
    let counts = |rng: &mut Rng, most: u64| {
        let mut count = || {
            if rng.bool() {
                Some(rng.u64(0..=most))
            } else {
                Some(0)
            }
        };
        Some([count(), count(), count()])
    };
    let rejected = pick(rng, &[0, 1, 3, 60]);
    let successful = pick(rng, &[0, 1, 10, 99, 1_000]);
    let mut rows = Rows {
        rejected: counts(rng, rejected),
        successful: counts(rng, successful),
        unattempted: pick(rng, &[0, 0, 100, 5_000]),
    };
    // A share that is exactly the limit of 0.57 %, or a little more.
    if rng.u32(0..12) == 0 {
        let rejected = rng.u64(57..59);
        rows.rejected = Some([Some(rejected), Some(0), Some(0)]);
        rows.successful = Some([Some(10_000 - rejected), Some(0), Some(0)]);
    }
    // In one of ten jobs, a count is unknown.
    if rng.u32(0..10) == 0 {
        let counts = if rng.bool() {
            &mut rows.rejected
        } else {
            &mut rows.successful
        };
        match counts {
            Some(counts) if rng.bool() => counts[rng.usize(0..3)] = None,
            _ => *counts = None,
        }
    }
    rows
}

fn sequence(rng: &mut Rng) -> Sequence {
    let mut others = Vec::new();
    for _ in 0..rng.usize(0..3) {
        let at = pick(rng, &[-86_400_000, -90_000, -20_000, -3_000, 0, 500, 5_000])
            + rng.i64(-500..1_500);
        others.push(OthersRun {
            at,
            plan: sequence_plan(rng),
        });
    }
    others.sort_by_key(|theirs| theirs.at);
    Sequence {
        joins: rng.bool(),
        unknown: pick(rng, &[400, 404, 422]),
        others,
        ours: (0..2).map(|_| sequence_plan(rng)).collect(),
    }
}

fn sequence_plan(rng: &mut Rng) -> SequencePlan {
    let longest = pick(rng, &[500, 2_000, 10_000, 60_000, 600_000]);
    let syncs = if rng.u32(0..20) == 0 {
        0
    } else {
        rng.usize(1..5)
    };
    let smooth = rng.bool();
    let ending = |rng: &mut Rng| match rng.u32(0..12) {
        _ if smooth => Ending::Success,
        0 => pick(
            rng,
            &[Ending::Cancelled, Ending::Interrupted, Ending::Never],
        ),
        1 | 2 => Ending::Failed,
        3 | 4 => Ending::Warning,
        _ => Ending::Success,
    };
    let known = pick(rng, &[10, 10, 10, LISTED]);
    let whole = pick(rng, &[1, 1, 1_500, 20_000]);
    SequencePlan {
        known_after: rng.i64(0..known),
        pending: rng.i64(0..2_000),
        syncs: (0..syncs)
            .map(|_| (rng.i64(100..longest), ending(rng)))
            .collect(),
        ends: match rng.u32(0..20) {
            0 => SequenceEnding::Failed,
            1 => SequenceEnding::Cancelled,
            2 => SequenceEnding::Never,
            _ => SequenceEnding::Done,
        },
        lags: pick(rng, &[Lag::Empty, Lag::Before]),
        whole_after: rng.i64(0..whole),
        rows: (0..syncs)
            .map(|_| {
                let jobs = pick(rng, &[0, 1, 1, 1, 2, 4]);
                (0..jobs).map(|_| rows(rng)).collect()
            })
            .collect(),
        ends_listed_after: pick(rng, &[0, 0, 500, LISTED]),
    }
}

fn plan(rng: &mut Rng) -> Plan {
    let longest = pick(rng, &[500, 2_000, 10_000, 60_000, 600_000, 3_600_000]);
    let jobs = match rng.u32(0..10) {
        0..6 => vec![Ending::Success],
        6..8 => vec![pick(
            rng,
            &[
                Ending::Warning,
                Ending::Failed,
                Ending::Cancelled,
                Ending::Interrupted,
            ],
        )],
        // More jobs than an operation keeps if it shares the key with others.
        8 if rng.u32(0..40) == 0 => vec![Ending::Success; rng.usize(95..106)],
        8 => (0..rng.usize(2..5))
            .map(|_| {
                pick(
                    rng,
                    &[
                        Ending::Success,
                        Ending::Success,
                        Ending::Warning,
                        Ending::Failed,
                    ],
                )
            })
            .collect(),
        _ => vec![pick(rng, &[Ending::Success, Ending::Failed, Ending::Never])],
    };
    let listed = pick(rng, &[10, 10, 1_000, LISTED]);
    Plan {
        listed_after: rng.i64(0..listed),
        queued: rng.i64(0..2_000),
        takes: rng.i64(100..longest),
        rows: jobs.iter().map(|_| rows(rng)).collect(),
        jobs,
    }
}

/// Returns the plan with an end, so that a run from long ago does not block the queue.
fn settled(mut plan: Plan) -> Plan {
    plan.takes = plan.takes.min(60_000);
    for job in &mut plan.jobs {
        if *job == Ending::Never {
            *job = Ending::Success;
        }
    }
    plan
}

fn fault(rng: &mut Rng, of_sequence: bool) -> Fault {
    let effect = |rng: &mut Rng| pick(rng, &[0, 0, 200, TAKES_EFFECT]);
    match rng.u32(0..24) {
        0 | 1 => Fault::Refused,
        2 if rng.u32(0..4) == 0 => Fault::NotGranted,
        3..6 => Fault::LostBefore,
        6..10 => Fault::LostAfter {
            takes_effect: effect(rng),
        },
        10 => Fault::SilentBefore,
        11 | 12 => Fault::SilentAfter {
            takes_effect: effect(rng),
        },
        13 | 14 => Fault::Status {
            code: pick(rng, &[500, 502, 503, 504, 408]),
            retry_after: None,
            takes_effect: if rng.bool() { Some(effect(rng)) } else { None },
        },
        15 | 16 => Fault::Status {
            code: 429,
            retry_after: pick(
                rng,
                &[
                    None,
                    Some(Asked::Seconds(3)),
                    Some(Asked::Seconds(90)),
                    Some(Asked::Date(4_000)),
                    Some(Asked::Seconds(1 << 60)),
                ],
            ),
            takes_effect: None,
        },
        17 if rng.u32(0..4) == 0 => Fault::Status {
            code: pick(rng, &[401, 403, 404, 422, 400]),
            retry_after: None,
            takes_effect: None,
        },
        18 => Fault::Cut {
            percent: rng.usize(0..100),
        },
        19 | 20 => Fault::Nonsense(pick(
            rng,
            &[
                Nonsense::Html,
                Nonsense::Empty,
                Nonsense::Null,
                Nonsense::WrongTypes,
                Nonsense::TooLong,
                Nonsense::NoTimes,
                Nonsense::NoIds,
                Nonsense::EmptyPage,
                Nonsense::MoreAsText,
                Nonsense::StrangeEntry,
                Nonsense::Part,
                Nonsense::CutBehind,
            ],
        )),
        21 if rng.u32(0..3) == 0 => Fault::Envelope,
        22 if of_sequence => pick(
            rng,
            &[
                Fault::Short { by: 1 },
                Fault::Short { by: 3 },
                Fault::OfAnother,
                Fault::Behind { by: BEHIND },
            ],
        ),
        22 if rng.u32(0..4) == 0 => Fault::Kept {
            by: pick(rng, &[1_000, 10_000, 100_000]) + rng.i64(0..9_000),
        },
        22 => Fault::Behind {
            by: rng.i64(0..BEHIND),
        },
        _ => Fault::Repeated,
    }
}
