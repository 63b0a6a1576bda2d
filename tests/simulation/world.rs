//! A world to run an operation in: everything that is decided before it begins, as plain data, so that a world that broke a promise can be
//! kept in a file and replayed after the generator has changed.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// Milliseconds from the beginning of the operation; those before it are negative.
pub type Millis = i64;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    pub call: Call,
    pub server: Server,
    /// Runs that somebody else starts, or started before.
    pub others: Vec<Theirs>,
    /// What becomes of the runs that the operation starts, in order. There should be no second.
    pub ours: Vec<Plan>,
    /// How each request fares, in order.
    pub exchanges: Vec<Exchange>,
    /// How every further request fares.
    pub afterwards: Exchange,
    pub outages: Vec<Outage>,
    /// Where the operation is about a sequence: that sequence.
    #[serde(default)]
    pub sequence: Option<Sequence>,
}

/// What is asked of the engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    pub goal: Goal,
    pub resync: bool,
    pub accept_warnings: bool,
    /// The limit on rejected rows. If it is given, `accept_warnings` has no effect.
    #[serde(default)]
    pub tolerate: Option<Limit>,
    pub if_running: IfRunning,
    /// The moment since when a run of somebody else's is as good as a new one, by the clock of `createdAt`.
    #[serde(default)]
    pub unless_since: Option<Millis>,
    /// The same call is repeated: the pause before each further call, after the end of the call
    /// before.
    #[serde(default)]
    pub repeats: Vec<Millis>,
    #[serde(default)]
    pub allowed: Allowed,
    /// Maximum number of entries of [`Goal::List`].
    #[serde(default = "ten")]
    pub listed: u64,
    /// How many operations there are at once with the key.
    #[serde(default = "one")]
    pub among: u32,
    pub max_wait: Millis,
    pub answer_wait: Millis,
    pub seed: u64,
    /// By how much the host wakes it late.
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

/// The numbers of added, changed and removed rows. `None` is `null`, and a number that is `None` is
/// missing.
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
    /// The newest run that was started before the operation, or one that there is not.
    Await,
    RunSequence,
    StartSequence,
    /// As `Await`.
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

    /// Whether the call names the sync by its slug.
    pub fn is_by_slug(self) -> bool {
        matches!(self, Self::RunBySlug | Self::StartBySlug | Self::ListBySlug)
    }

    /// Whether it starts a run of a sync.
    pub fn starts_sync(self) -> bool {
        matches!(
            self,
            Self::Run | Self::RunBySlug | Self::Start | Self::StartBySlug
        )
    }

    /// Whether it starts nothing.
    pub fn awaits(self) -> bool {
        matches!(self, Self::Await | Self::AwaitSequence)
    }

    /// Whether it is reached when the run has ended.
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

/// Hightouch's ways.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// What its clock shows beyond a whole second when the operation begins.
    pub phase: Millis,
    /// How far the clock of `Date` is ahead of that of `createdAt`.
    pub date_ahead: Millis,
    pub sends_date: bool,
    pub newest_first: bool,
    pub ignores_run_id: bool,
    /// Entries on a page.
    pub page: usize,
    pub ids_are_text: bool,
    pub shouts: bool,
    /// The list says when a run began, not only when it was made.
    #[serde(default)]
    pub tells_start: bool,
    /// The list says when a job ended.
    #[serde(default)]
    pub tells_end: bool,
    /// The list has no order by ID.
    #[serde(default)]
    pub mixed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Theirs<P = Plan> {
    pub at: Millis,
    pub plan: P,
}

/// What becomes of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// How long after it came into being it is listed.
    pub listed_after: Millis,
    /// How long it waits in the queue at the least, and how long it then takes.
    pub queued: Millis,
    pub takes: Millis,
    /// How its jobs end, each some time before the next.
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
    /// It goes on for ever, under a status that nobody knows.
    Never,
}

/// A sequence and its runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sequence {
    /// A trigger while a run is going is answered with that run, and otherwise with the one that is queued behind it.
    pub joins: bool,
    /// The status that answers for a run that is not known.
    pub unknown: u16,
    pub others: Vec<Theirs<SequencePlan>>,
    /// What becomes of the runs that the operation starts, in order. There should be no second.
    pub ours: Vec<SequencePlan>,
}

/// What becomes of a run of a sequence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SequencePlan {
    /// How long after it came into being it is known.
    pub known_after: Millis,
    /// How long it is pending at the least.
    pub pending: Millis,
    /// How long each of its sync runs takes, one after the other, and how it ends.
    pub syncs: Vec<(Millis, Ending)>,
    pub ends: SequenceEnding,
    /// What is told of its sync runs at its end, and how much later the truth is.
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
    /// It goes on for ever, under a status that nobody knows.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lag {
    /// None of them.
    Empty,
    /// All of them, as they were a moment before.
    Before,
}

/// How a request and its answer fare.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// How long the request takes to arrive, and the answer to come.
    pub there: Millis,
    pub back: Millis,
    pub fault: Option<Fault>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// No connection is made.
    Refused,
    /// The host does not allow it.
    NotGranted,
    /// The connection ends; the request never arrived.
    LostBefore,
    /// The connection ends; the request takes effect, so much later.
    LostAfter { takes_effect: Millis },
    /// Nothing comes; the request never arrived.
    SilentBefore,
    /// Nothing comes; the request takes effect, so much later.
    SilentAfter { takes_effect: Millis },
    /// This status comes instead; the request takes effect so much later, or not.
    Status {
        code: u16,
        retry_after: Option<Asked>,
        takes_effect: Option<Millis>,
    },
    /// The answer is cut off.
    Cut { percent: usize },
    /// Something else comes with status 200, after the request took effect.
    Nonsense(Nonsense),
    /// An error comes with status 200, and the request took no effect.
    Envelope,
    /// What is read is as it was so long ago; only where something is read.
    Behind { by: Millis },
    /// The list was kept on the way for so long, at least a second, and says so; only where runs are listed.
    Kept { by: Millis },
    /// So many sync runs are left out of those of a sequence's run; only where they were told before, or are not all there are to be.
    Short { by: usize },
    /// The answer tells of another run of the sequence.
    OfAnother,
    /// The response to a trigger names a run that the list showed before; only for triggers, after
    /// a list was read.
    OlderRun { takes_effect: bool },
    /// The answer to the request before comes again, `Date` and all; only where the same was asked.
    Repeated,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Asked {
    Seconds(u64),
    /// An HTTP date so far ahead of `Date`.
    Date(Millis),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Nonsense {
    Html,
    Empty,
    Null,
    WrongTypes,
    TooLong,
    /// Runs are listed without their times, or without their IDs.
    NoTimes,
    NoIds,
    /// A list has an empty page before its end.
    EmptyPage,
    /// A list says as a text whether it goes on.
    MoreAsText,
    /// The first entry of a list is no object.
    StrangeEntry,
    /// The response is a part of what there is: status 206.
    Part,
    /// The connection ends behind a body that is whole.
    CutBehind,
}

/// While it lasts, no request comes through.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outage {
    pub from: Millis,
    pub to: Millis,
    pub fault: Fault,
}

/// The engine takes for granted that what takes effect is listed within eight seconds after its answer was lost. These three together
/// stay a little below: how late a lost request takes effect, how late a run is then listed, how far a list may be behind.
const TAKES_EFFECT: Millis = 2_500;
const LISTED: Millis = 2_500;
pub const BEHIND: Millis = 2_400;

impl World {
    /// The world of a seed.
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
        // Runs of long ago, and of late.
        for _ in 0..rng.usize(0..4) {
            let at = -pick(rng, &[40_000, 90_000, 600_000, 86_400_000]) - rng.i64(0..30_000);
            world.others.push(Theirs {
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
        // Requests of one kind come at about the same places: the trigger among the first.
        for place in 0..rng.usize(2..40) {
            let share = if place < 3 { trigger } else { reads };
            let fault = if rng.f64() < share {
                Some(fault(rng, of_sequence))
            } else {
                None
            };
            // A trigger that follows a list comes among the first.
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
            // What was lost may take effect at any time, and nobody else starts anything.
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
            // The clocks are far apart, and nobody else starts anything.
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
                    world.others.push(Theirs {
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
            // An answer from the past that does not say so cannot be told from one that lags behind.
            let repeats = |exchange: &&mut Exchange| exchange.fault == Some(Fault::Repeated);
            world
                .exchanges
                .iter_mut()
                .filter(repeats)
                .for_each(|exchange| exchange.fault = Some(Fault::LostBefore));
        }
        if world.server.page < 100 {
            // So many that nobody reads them all.
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
                world.others.push(Theirs {
                    at,
                    plan: settled(plan(rng)),
                });
            }
        }
        world.others.sort_by_key(|theirs| theirs.at);
        if world.call.goal.starts_sync() && rng.u32(0..3) == 0 {
            world.call.unless_since = Some(moment(rng, &world.others));
            for _ in 0..pick(rng, &[0, 1, 2, 3]) {
                let pause = pick(rng, &[1, 1_000, 8_000, 60_000, 600_000]);
                world.call.repeats.push(rng.i64(0..=pause));
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
        // The first page shows that the list has no order. A few entries may be in order by chance.
        mixed: page >= 20 && rng.u32(0..8) == 0,
    }
}

/// Returns a time since which a run counts: a little before or after the beginning of the operation,
/// far in the future, or the time of one of these runs.
fn moment(rng: &mut Rng, others: &[Theirs]) -> Millis {
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

/// Whether the operation reads the list of runs before it starts a run.
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
    // One count in ten jobs is unknown.
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
        others.push(Theirs {
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
        // More than the room that is left among many.
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

/// The same, but it ends: what was started long ago does not stand in the way for ever.
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
