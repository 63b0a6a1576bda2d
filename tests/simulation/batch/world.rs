//! A world for one batch: its operations, the runs of their syncs, and the network.
//!
//! A world is small: everything else follows from its seed and from the number of an operation. So
//! an operation meets the same latencies and faults after other operations are removed.

use fastrand::Rng;

use crate::world::{Asked, Ending, Exchange, Fault, IfRunning, Millis};

/// Maximum time from a request without a response until it takes effect.
///
/// The engine assumes that Hightouch lists a run within eight seconds. The sum of this time and
/// [`MAX_LISTING_DELAY`] stays below that.
const MAX_EFFECT_DELAY: Millis = 2_500;
/// Maximum time from the creation of a run until it is listed.
const MAX_LISTING_DELAY: Millis = 2_500;

/// Hightouch's limit: the number of requests of one workspace in ten seconds.
pub const MAX_LIMIT: usize = 200;

/// The number that determines the latencies and faults of the requests for details, in place of the
/// number of an operation.
const DETAILS: u64 = 1 << 32;

/// What an operation of a batch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchGoal {
    Run,
    Start,
    /// Awaits the run that exists before the batch begins.
    Await,
}

/// One operation of a batch.
#[derive(Clone, Copy, Debug)]
pub struct OperationPlan {
    /// The number that determines the latencies and faults of the operation's requests.
    pub number: u64,
    pub goal: BatchGoal,
    pub sync: u64,
    pub by_slug: bool,
}

/// What happens to one run.
#[derive(Clone, Copy, Debug)]
pub struct RunPlan {
    /// Time from the creation of the run until it is listed.
    pub listed_after: Millis,
    /// Minimum time in the queue.
    pub queued: Millis,
    /// Time from the start to the end.
    pub duration: Millis,
    pub ending: Ending,
}

/// The latencies and the share of faulty requests.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Maximum time of a request to the server, and of its response.
    latency: Millis,
    /// Whether the time to the server is the same for every request, so that the server receives
    /// the requests in the order and at the intervals at which they were sent.
    is_steady: bool,
    /// Share of requests that are slow: up to five seconds each way.
    slow: f64,
    /// Share of triggers with a fault.
    trigger_faults: f64,
    /// Share of other requests with a fault.
    read_faults: f64,
}

/// Everything that is decided before a batch begins.
#[derive(Clone, Debug)]
pub struct BatchWorld {
    pub seed: u64,
    pub operations: Vec<OperationPlan>,
    /// Maximum number of operations that are in progress at a time.
    pub parallel: usize,
    /// Whether no run is started after an operation has failed.
    pub stop_on_failure: bool,
    pub if_running: IfRunning,
    pub accept_warnings: bool,
    pub max_wait: Millis,
    pub answer_wait: Millis,
    /// Number of requests in ten seconds that other clients of the workspace leave to the batch.
    pub limit: usize,
    /// Maximum number of entries on a page of a list of runs.
    pub page: usize,
    pub newest_first: bool,
    /// Whether Hightouch's 429 for the workspace limit carries `Retry-After`.
    pub limit_sends_retry_after: bool,
    /// How long runs that are still in progress after the batch are followed; zero if they are not
    /// followed.
    pub follow: Millis,
    /// Whether the details of the syncs are read.
    pub reads_details: bool,
    /// Number of destinations that the syncs share.
    destinations: u64,
    network: Network,
}

impl BatchWorld {
    /// Generates the world of a seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let operations = match rng.u32(0..10) {
            0..3 => rng.usize(1..=8),
            3..6 => rng.usize(9..=49),
            6..9 => rng.usize(50..=99),
            _ => 100,
        };
        let goal = pick(
            rng,
            &[
                Some(BatchGoal::Run),
                Some(BatchGoal::Run),
                Some(BatchGoal::Run),
                Some(BatchGoal::Start),
                None,
            ],
        );
        let by_slug = pick(rng, &[0.0, 0.3, 1.0]);
        let twins = pick(rng, &[0.0, 0.1, 0.5]);
        let max_wait = match goal {
            Some(BatchGoal::Start) => pick(rng, &[0, 0, 2_500, 25_000]),
            _ => pick(
                rng,
                &[
                    300, 2_500, 9_000, 25_000, 25_000, 60_000, 600_000, 3_600_000,
                ],
            ),
        };
        let network = network(rng);
        // A call that does not wait starts all runs at once.
        let parallel = match rng.u32(0..10) {
            _ if max_wait == 0 => 50,
            0..4 => 50,
            4..7 => rng.usize(1..=5),
            7 => 49,
            _ => rng.usize(1..=50),
        };
        Self {
            seed,
            parallel,
            stop_on_failure: max_wait > 0 && rng.u32(0..3) == 0,
            limit: if network.is_steady {
                MAX_LIMIT
            } else {
                pick(rng, &[MAX_LIMIT, MAX_LIMIT, 120, 60])
            },
            page: pick(rng, &[100, 100, 2]),
            newest_first: rng.bool(),
            operations: plan_operations(rng, operations, goal, by_slug, twins),
            if_running: pick(
                rng,
                &[
                    IfRunning::Queue,
                    IfRunning::Queue,
                    IfRunning::Join,
                    IfRunning::Refuse,
                ],
            ),
            accept_warnings: rng.bool(),
            max_wait,
            answer_wait: if max_wait == 0 {
                11_000
            } else {
                pick(rng, &[0, 11_000])
            },
            limit_sends_retry_after: rng.bool(),
            follow: 0,
            reads_details: false,
            destinations: 1,
            network,
        }
        .with_reporting()
    }

    /// Decides whether runs are followed and whether details are read. These decisions use random
    /// numbers of their own, so that everything else in the world of a seed stays the same.
    fn with_reporting(self) -> Self {
        let mut rng = self.rng(u64::MAX, 0);
        let rng = &mut rng;
        let follow = pick(rng, &[1_000, 5_000, 30_000, 60_000, 300_000, 3_600_000]);
        Self {
            follow: if rng.bool() { follow } else { 0 },
            reads_details: rng.u32(0..3) == 0,
            destinations: pick(rng, &[1, 7, 1_000]),
            ..self
        }
    }

    /// Returns the world with some of its operations.
    pub fn with_operations(&self, operations: Vec<OperationPlan>) -> Self {
        Self {
            operations,
            ..self.clone()
        }
    }

    /// Returns the world without a batch that follows.
    pub fn without_following(&self) -> Self {
        Self {
            follow: 0,
            ..self.clone()
        }
    }

    /// Returns the world without requests for details.
    pub fn without_details(&self) -> Self {
        Self {
            reads_details: false,
            ..self.clone()
        }
    }

    /// Returns whether no request has a fault, and the server receives the requests as they were
    /// sent.
    pub fn is_calm(&self) -> bool {
        let Network {
            is_steady,
            slow,
            trigger_faults,
            read_faults,
            ..
        } = self.network;
        is_steady && slow == 0.0 && trigger_faults == 0.0 && read_faults == 0.0
    }

    /// Returns the number of operations that are in progress at a time.
    pub fn concurrent(&self) -> usize {
        self.operations.len().min(self.parallel)
    }

    /// Returns the destination of a sync.
    pub fn destination(&self, sync: u64) -> u64 {
        9_000 + sync % self.destinations
    }

    /// Returns what happens to a request: the one with index `nth` of an operation.
    pub fn exchange(&self, operation: &OperationPlan, nth: u64, is_trigger: bool) -> Exchange {
        self.nth_exchange(operation.number, nth, is_trigger)
    }

    /// Returns what happens to a request for details: the one with index `nth`.
    pub fn details_exchange(&self, nth: u64) -> Exchange {
        self.nth_exchange(DETAILS, nth, false)
    }

    fn nth_exchange(&self, number: u64, nth: u64, is_trigger: bool) -> Exchange {
        let mut rng = self.rng(number, nth + 1);
        let rng = &mut rng;
        let Network {
            latency,
            is_steady,
            slow,
            trigger_faults,
            read_faults,
        } = self.network;
        let latency = if rng.f64() < slow { 5_000 } else { latency };
        let faults = if is_trigger {
            trigger_faults
        } else {
            read_faults
        };
        Exchange {
            there: if is_steady {
                latency
            } else {
                rng.i64(1..=latency)
            },
            back: rng.i64(1..=latency),
            fault: (rng.f64() < faults).then(|| fault(rng)),
        }
    }

    /// Returns the runs of a sync that exist before the batch begins, and their ages at that time.
    pub fn earlier_runs(&self, sync: u64) -> Vec<(Millis, RunPlan)> {
        let mut rng = self.rng(sync, 0);
        let is_awaited = self
            .operations
            .iter()
            .any(|operation| operation.sync == sync && operation.goal == BatchGoal::Await);
        let number = pick(&mut rng, &[0, 1, 1, 5]).max(usize::from(is_awaited));
        let mut age = rng.i64(30_000..60_000);
        let mut runs = Vec::with_capacity(number);
        for _ in 0..number {
            runs.push((age, run_plan(&mut rng)));
            age += rng.i64(1_000..600_000);
        }
        runs.reverse();
        runs
    }

    /// Returns what happens to a run that the batch starts. `nth` is the number of runs of the sync
    /// that the batch started before.
    pub fn started_run(&self, sync: u64, nth: u64) -> RunPlan {
        run_plan(&mut self.rng(sync, u64::MAX - nth))
    }

    /// Returns random numbers that depend on the seed and on two numbers.
    fn rng(&self, one: u64, other: u64) -> Rng {
        let mut rng = Rng::with_seed(self.seed);
        let seed = rng.u64(..) ^ one.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = Rng::with_seed(seed);
        let seed = rng.u64(..) ^ other.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Rng::with_seed(seed)
    }
}

/// Plans the operations. `goal` is the goal of all of them; `None` mixes the goals. `by_slug` is
/// the share of slugs. `twins` is the share of syncs that are listed by their ID and by their slug.
fn plan_operations(
    rng: &mut Rng,
    operations: usize,
    goal: Option<BatchGoal>,
    by_slug: f64,
    twins: f64,
) -> Vec<OperationPlan> {
    let mut plans: Vec<OperationPlan> = Vec::with_capacity(operations + 1);
    let mut sync = 1_000;
    while plans.len() < operations {
        sync += 1;
        let goal = goal.unwrap_or_else(|| {
            pick(
                rng,
                &[
                    BatchGoal::Run,
                    BatchGoal::Run,
                    BatchGoal::Start,
                    BatchGoal::Await,
                ],
            )
        });
        let plan = OperationPlan {
            number: 0,
            goal,
            sync,
            by_slug: goal != BatchGoal::Await && rng.f64() < by_slug,
        };
        plans.push(plan);
        if goal != BatchGoal::Await && plans.len() < operations && rng.f64() < twins {
            plans.push(OperationPlan {
                by_slug: !plan.by_slug,
                ..plan
            });
        }
    }
    rng.shuffle(&mut plans);
    for (number, plan) in (0..).zip(&mut plans) {
        plan.number = number;
    }
    plans
}

fn network(rng: &mut Rng) -> Network {
    let (trigger_faults, read_faults) = match rng.u32(0..10) {
        0..3 => (0.0, 0.0),
        3..5 => (0.05, 0.02),
        5..7 => (0.4, 0.1),
        7..9 => (0.2, 0.4),
        _ => (0.8, 0.05),
    };
    let is_calm = trigger_faults == 0.0;
    Network {
        latency: pick(rng, &[5, 20, 100, 100, 400]),
        is_steady: is_calm,
        slow: if is_calm {
            0.0
        } else {
            pick(rng, &[0.0, 0.05, 0.5])
        },
        trigger_faults,
        read_faults,
    }
}

fn run_plan(rng: &mut Rng) -> RunPlan {
    let longest = pick(rng, &[500, 2_000, 10_000, 60_000, 600_000]);
    let listed = pick(rng, &[10, 10, 1_000, MAX_LISTING_DELAY]);
    RunPlan {
        listed_after: rng.i64(0..listed),
        queued: rng.i64(0..2_000),
        duration: rng.i64(100..longest),
        ending: match rng.u32(0..20) {
            0..13 => Ending::Success,
            13 => Ending::Warning,
            14..16 => Ending::Failed,
            16..18 => Ending::Cancelled,
            18 => Ending::Interrupted,
            _ => Ending::Never,
        },
    }
}

fn fault(rng: &mut Rng) -> Fault {
    let effect = |rng: &mut Rng| pick(rng, &[0, 0, 200, MAX_EFFECT_DELAY]);
    match rng.u32(0..16) {
        0 => Fault::Refused,
        1..4 => Fault::LostBefore,
        4..7 => Fault::LostAfter {
            takes_effect: effect(rng),
        },
        7 => Fault::SilentBefore,
        8 => Fault::SilentAfter {
            takes_effect: effect(rng),
        },
        9..11 => Fault::Status {
            code: pick(rng, &[500, 502, 503, 504, 408]),
            retry_after: None,
            takes_effect: if rng.bool() { Some(effect(rng)) } else { None },
        },
        11..14 => Fault::Status {
            code: 429,
            retry_after: pick(
                rng,
                &[None, Some(Asked::Seconds(3)), Some(Asked::Seconds(20))],
            ),
            takes_effect: None,
        },
        14 if rng.u32(0..4) == 0 => Fault::Status {
            code: pick(rng, &[401, 403, 422]),
            retry_after: None,
            takes_effect: None,
        },
        _ => Fault::Cut {
            percent: rng.usize(0..100),
        },
    }
}

fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())].clone()
}
