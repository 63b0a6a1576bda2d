//! Checks a batch against what the server knows.

mod details;
mod following;

use std::collections::BTreeMap;

use hightouch_sync::engine::{Failure, FailureKind, MAX_CONCURRENT_RUNS, SyncReport, report_of};
use hightouch_sync::hightouch::Timestamp;

use super::play::{Announced, Ended, PlayedBatch, Sender, SentRequest, stops};
use super::server::{BatchRun, LIMIT_WINDOW, slug_of};
use super::world::{BatchGoal, MAX_LIMIT, OperationPlan};
use crate::hightouch::START;
use crate::play::LATEST_WAKE;
pub use crate::truth::Broken;
use crate::world::{Fault, IfRunning, Millis};

/// Maximum time from the end of a run until an operation notices it, if nothing fails.
const MAX_LAG: Millis = 90_000;
/// Minimum time between two polls of one operation, per operation that is in progress.
const SPACING: Millis = 100;
/// A poll this close to the deadline may follow the previous poll at any interval, because it is
/// the last one.
const LAST_POLL: Millis = 4_000;

/// Maximum difference between Hightouch's clock and the time that an operation reports: `Date` has
/// no fractions of a second, and a response may take as long as its timeout.
const MAX_CLOCK_LAG: Millis = 1_000 + 15_000 + LATEST_WAKE;

/// A situation that the simulation has to reach. A check proves little if its situation never
/// occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    Succeeded,
    SyncFailed,
    StillRunning,
    Unconfirmed,
    Unreachable,
    Joined,
    Busy,
    /// The sync was listed by its ID and by its slug.
    Duplicate,
    /// The time was up before a run was started.
    NoSlot,
    /// No run was started, because another operation had failed.
    Stopped,
    /// Like `Stopped`, but the operation had already sent requests.
    StoppedInProgress,
    /// A batch ran its operations one after the other.
    OneByOne,
    /// A trigger was sent again.
    Resent,
    /// The server's workspace limit rejected a request.
    LimitExceeded,
    /// At least 190 requests were sent in ten seconds.
    NearLimit,
    /// Eight requests were in flight at once.
    AllSlots,
    /// A run was followed after the batch.
    Followed,
    /// Like `Followed`, and the end of the run was seen.
    FollowedToEnd,
    /// Like `Followed`, but the run was still in progress when the time to follow it was up.
    FollowTimeUp,
    /// The details of a sync were read completely.
    DetailsRead,
    /// A request for details waited for its turn.
    DetailsWaited,
}

impl Situation {
    pub const ALL: [Self; 21] = [
        Self::Succeeded,
        Self::SyncFailed,
        Self::StillRunning,
        Self::Unconfirmed,
        Self::Unreachable,
        Self::Joined,
        Self::Busy,
        Self::Duplicate,
        Self::NoSlot,
        Self::Stopped,
        Self::StoppedInProgress,
        Self::OneByOne,
        Self::Resent,
        Self::LimitExceeded,
        Self::NearLimit,
        Self::AllSlots,
        Self::Followed,
        Self::FollowedToEnd,
        Self::FollowTimeUp,
        Self::DetailsRead,
        Self::DetailsWaited,
    ];
}

type Check = fn(&Checked<'_>) -> Result<(), Broken>;

/// Checks all promises. Returns the number of times that each situation occurred.
///
/// # Errors
///
/// Returns the first promise that is broken.
pub fn check(played: &PlayedBatch<'_>) -> Result<BTreeMap<Situation, u64>, Broken> {
    let mut sent_by: Vec<Vec<&SentRequest>> = vec![Vec::new(); played.ended.len()];
    let mut sent_by_followers = vec![Vec::new(); played.followed.len()];
    let mut sent_for_details = Vec::new();
    for sent in &played.sent {
        match sent.sender {
            Sender::Operation(index) => sent_by[index].push(sent),
            Sender::Follower(index) => sent_by_followers[index].push(sent),
            Sender::Details => sent_for_details.push(sent),
        }
    }
    let checked = Checked {
        played,
        sent_by,
        sent_by_followers,
        sent_for_details,
    };
    let checks: [Check; 14] = [
        all_end_in_time,
        once,
        own_runs,
        never_false,
        never_lost,
        rate_limit,
        spacing,
        not_started,
        patient,
        following::starts_nothing,
        following::ends_truly,
        details::read_once,
        progress,
        server_time,
    ];
    checks.iter().try_for_each(|check| check(&checked))?;
    Ok(situations(&checked))
}

/// A played batch, and the requests of each operation.
struct Checked<'p> {
    played: &'p PlayedBatch<'p>,
    sent_by: Vec<Vec<&'p SentRequest>>,
    sent_by_followers: Vec<Vec<&'p SentRequest>>,
    sent_for_details: Vec<&'p SentRequest>,
}

/// An operation that has ended.
struct Operation<'p> {
    index: usize,
    plan: &'p OperationPlan,
    sent: &'p [&'p SentRequest],
    ended: &'p Ended,
}

impl Operation<'_> {
    fn failure(&self) -> Option<&Failure<SyncReport>> {
        self.ended.outcome.as_ref().err()
    }

    fn kind(&self) -> Option<FailureKind> {
        self.failure().map(|failure| failure.kind)
    }

    fn report(&self) -> Option<&SyncReport> {
        report_of(&self.ended.outcome)
    }

    /// Returns the request whose response named the run that the operation started.
    fn named(&self) -> Option<&SentRequest> {
        self.sent.iter().copied().find(|sent| sent.named.is_some())
    }

    fn sent_trigger(&self) -> bool {
        self.sent.iter().any(|sent| sent.is_trigger())
    }
}

impl Checked<'_> {
    fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let plans = self.played.world.operations.iter().enumerate();
        plans.filter_map(|(index, plan)| {
            Some(Operation {
                index,
                plan,
                sent: &self.sent_by[index],
                ended: self.played.ended[index].as_ref()?,
            })
        })
    }

    /// Returns the other operation on the same sync.
    fn twin(&self, operation: &Operation<'_>) -> Option<usize> {
        let plans = self.played.world.operations.iter();
        plans
            .enumerate()
            .find(|(index, plan)| *index != operation.index && plan.sync == operation.plan.sync)
            .map(|(index, _)| index)
    }

    fn run_by(&self, index: usize) -> Option<&BatchRun> {
        let mut runs = self.played.server.runs.iter();
        runs.find(|run| run.by == Some(index))
    }

    /// Returns the deadline of an operation.
    fn deadline(&self, operation: &Operation<'_>) -> Millis {
        let world = self.played.world;
        match operation.named() {
            Some(named) => world.max_wait.max(named.back.unwrap_or_default()),
            None => world.max_wait.max(world.answer_wait),
        }
    }
}

fn broken(promise: &'static str, how: impl Into<String>) -> Result<(), Broken> {
    Err(Broken {
        promise,
        how: how.into(),
    })
}

/// Every operation ends by its deadline, plus the delay of the clock that wakes it.
fn all_end_in_time(checked: &Checked<'_>) -> Result<(), Broken> {
    if let Some(index) = checked.played.ended.iter().position(Option::is_none) {
        return broken("never hangs", format!("operation {index} has no outcome"));
    }
    for operation in checked.operations() {
        let latest = checked.deadline(&operation) + LATEST_WAKE;
        if operation.ended.at > latest {
            return broken(
                "never hangs",
                format!(
                    "operation {} ended at {} ms, after {latest} ms",
                    operation.index, operation.ended.at
                ),
            );
        }
    }
    Ok(())
}

/// No sync is triggered again after a trigger that took effect, and only one operation of the batch
/// triggers it.
fn once(checked: &Checked<'_>) -> Result<(), Broken> {
    let mut triggers: BTreeMap<u64, Vec<&SentRequest>> = BTreeMap::new();
    for sent in &checked.played.sent {
        if let Some(index) = sent.operation().filter(|_| sent.is_trigger()) {
            let sync = checked.played.world.operations[index].sync;
            triggers.entry(sync).or_default().push(sent);
        }
    }
    for (sync, triggers) in triggers {
        let pairs = triggers.iter().zip(triggers.iter().skip(1));
        for (one, next) in pairs {
            if one.effect.is_some() {
                return broken(
                    "once",
                    format!(
                        "sync {sync} was triggered at {} ms and again at {} ms",
                        one.at, next.at
                    ),
                );
            }
            if one.sender != next.sender {
                return broken(
                    "once",
                    format!(
                        "{:?} and {:?} both triggered sync {sync}",
                        one.sender, next.sender
                    ),
                );
            }
        }
    }
    Ok(())
}

/// Every outcome names the sync of its operation, and a run that the operation started, joined or
/// awaited.
fn own_runs(checked: &Checked<'_>) -> Result<(), Broken> {
    let world = checked.played.world;
    let server = &checked.played.server;
    for operation in checked.operations() {
        let Operation { index, plan, .. } = &operation;
        let broken = |how: String| broken("own run", format!("operation {index}: {how}"));
        let named_sync = operation.failure().and_then(|failure| failure.sync);
        if named_sync.is_some_and(|sync| sync.get() != plan.sync) {
            return broken(format!(
                "it is about sync {}, and its failure names sync {named_sync:?}",
                plan.sync
            ));
        }
        let Some(report) = operation.report() else {
            continue;
        };
        let id = report.run.run.get();
        if report.run.sync.get() != plan.sync {
            return broken(format!(
                "it is about sync {}, and its report names {}",
                plan.sync, report.run
            ));
        }
        let Some(run) = server.run(id).filter(|run| run.sync == plan.sync) else {
            return broken(format!("{} does not exist", report.run));
        };
        let is_own = match plan.goal {
            BatchGoal::Await => id == server.awaited(plan.sync),
            // A run that is in progress, and that this operation did not start.
            _ if report.joined => {
                let began = operation.sent.first().map_or(0, |sent| sent.at);
                world.if_running != IfRunning::Queue
                    && run.by != Some(*index)
                    && !run.has_ended(began)
                    && !operation.sent_trigger()
            }
            _ => run.by == Some(*index),
        };
        if !is_own {
            return broken(format!("{} is not its run", report.run));
        }
    }
    Ok(())
}

/// A success is a run that succeeded, and a failed run is a run that failed.
fn never_false(checked: &Checked<'_>) -> Result<(), Broken> {
    let world = checked.played.world;
    for operation in checked.operations() {
        let Operation {
            index, plan, ended, ..
        } = &operation;
        let broken = |how: String| broken("never false", format!("operation {index}: {how}"));
        if operation.kind() == Some(FailureKind::InvalidInput) {
            let twin = checked.twin(&operation);
            let has_trigger =
                |twin: usize| checked.sent_by[twin].iter().any(|sent| sent.is_trigger());
            if !twin.is_some_and(has_trigger) {
                return broken("no other operation triggered the sync of the duplicate".into());
            }
            if operation.report().is_some() {
                return broken("a duplicate reports a run".into());
            }
        }
        let Some(report) = operation.report() else {
            let claims_no_run = operation.kind() != Some(FailureKind::TriggerUnconfirmed);
            match checked.run_by(*index) {
                Some(run) if claims_no_run => {
                    return broken(format!("it started run {}, and does not report it", run.id));
                }
                _ => continue,
            }
        };
        let Some(run) = checked.played.server.run(report.run.run.get()) else {
            continue;
        };
        let is_success = run.is_success(world.accept_warnings);
        let has_ended = run.has_ended(ended.at);
        let waits = plan.goal != BatchGoal::Start;
        match &ended.outcome {
            Ok(_) if waits && !(has_ended && is_success) => {
                return broken(format!(
                    "run {} is `{}`, and is reported as a success",
                    run.id,
                    run.status(ended.at)
                ));
            }
            Err(failure)
                if failure.kind == FailureKind::SyncFailed && (!has_ended || is_success) =>
            {
                return broken(format!(
                    "run {} is `{}`, and is reported as a failure",
                    run.id,
                    run.status(ended.at)
                ));
            }
            Err(failure) if failure.kind == FailureKind::Busy && !report.joined => {
                return broken(format!("it is `busy` because of its own run {}", run.id));
            }
            _ => {}
        }
    }
    Ok(())
}

/// If a response names the run that an operation started, the outcome names it, and
/// `Batch::next_started` returns it once.
fn never_lost(checked: &Checked<'_>) -> Result<(), Broken> {
    let mut announced: BTreeMap<u64, u64> = BTreeMap::new();
    for Announced { sender, report } in &checked.played.announced {
        if matches!(sender, Sender::Follower(_)) {
            return broken("never lost", format!("{sender:?} announced {}", report.run));
        }
        *announced.entry(report.run.sync.get()).or_default() += 1;
        let is_known = checked
            .played
            .server
            .run(report.run.run.get())
            .is_some_and(|run| run.sync == report.run.sync.get());
        if !is_known {
            return broken("never lost", format!("{} was announced", report.run));
        }
    }
    let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
    for operation in checked.operations() {
        let reported = operation.report().map(|report| report.run.run.get());
        let named = operation.named().and_then(|sent| sent.named);
        if named.is_some() && reported != named {
            return broken(
                "never lost",
                format!(
                    "operation {}: a response named run {named:?}, and the outcome names \
                     {reported:?}",
                    operation.index
                ),
            );
        }
        let is_announced = reported.is_some()
            && operation.plan.goal != BatchGoal::Await
            && operation.kind() != Some(FailureKind::Busy);
        if is_announced {
            *expected.entry(operation.plan.sync).or_default() += 1;
        }
    }
    if announced != expected {
        return broken(
            "never lost",
            format!("by sync, the announced runs are {announced:?}, not {expected:?}"),
        );
    }
    Ok(())
}

/// The batch, the one that follows it and the reader of details together send at most 200 requests
/// in any ten seconds. If the network is steady and nothing
/// fails, Hightouch rejects none of them.
fn rate_limit(checked: &Checked<'_>) -> Result<(), Broken> {
    let sent = &checked.played.sent;
    for (one, later) in sent.iter().zip(sent.iter().skip(MAX_LIMIT)) {
        if later.at - one.at < LIMIT_WINDOW {
            return broken(
                "rate limit",
                format!(
                    "{} requests in ten seconds from {} ms",
                    MAX_LIMIT + 1,
                    one.at
                ),
            );
        }
    }
    let rejected = checked.played.server.rejected;
    if checked.played.world.is_calm() && rejected > 0 {
        return broken(
            "rate limit",
            format!("Hightouch rejected {rejected} requests"),
        );
    }
    Ok(())
}

/// The more operations there are, the longer the pauses between the polls of each operation are.
fn spacing(checked: &Checked<'_>) -> Result<(), Broken> {
    let world = checked.played.world;
    let deadlines = [world.max_wait, world.max_wait.max(world.answer_wait)];
    check_spacing(&checked.sent_by, world.concurrent(), &deadlines)?;
    let Some(began) = checked.played.follow_began else {
        return Ok(());
    };
    let followed = checked.played.followed.len();
    let concurrent = followed.min(usize::try_from(MAX_CONCURRENT_RUNS).unwrap());
    check_spacing(
        &checked.sent_by_followers,
        concurrent,
        &[began + world.follow],
    )
}

/// Checks the pauses between the polls of each of some operations. `concurrent` is the number of
/// operations that are in progress at a time.
fn check_spacing(
    sent_by: &[Vec<&SentRequest>],
    concurrent: usize,
    deadlines: &[Millis],
) -> Result<(), Broken> {
    if concurrent == 1 {
        return Ok(());
    }
    let least = SPACING * Millis::try_from(concurrent).unwrap() * 95 / 100;
    for sent in sent_by {
        for pair in sent.windows(2) {
            let [one, next] = pair else { continue };
            let Some(back) = one.back else { continue };
            let is_pair = one.is_poll() && next.is_poll() && one.status == Some(200);
            let is_last = deadlines
                .iter()
                .any(|deadline| (deadline - next.at).abs() <= LAST_POLL);
            if is_pair && one.fault.is_none() && !is_last && next.at - back < least {
                return broken(
                    "spacing",
                    format!(
                        "{:?} of {concurrent} polled at {} ms and again at {} ms",
                        one.sender, one.at, next.at
                    ),
                );
            }
        }
    }
    Ok(())
}

/// An operation that ended as `NotStarted` has started no run. If it ended because another
/// operation had failed, its message names that operation. After a failure, idle operations end at
/// once.
fn not_started(checked: &Checked<'_>) -> Result<(), Broken> {
    let played = checked.played;
    let stopped = played.stopped;
    let mut plans = played.world.operations.iter();
    let has_await = plans.any(|plan| plan.goal == BatchGoal::Await);
    for operation in checked.operations() {
        let Operation {
            index, sent, ended, ..
        } = &operation;
        let broken = |how: String| broken("not started", format!("operation {index}: {how}"));
        if let Some((failed, by)) = stopped {
            let is_idle = sent
                .iter()
                .all(|sent| sent.back.is_some_and(|back| back < failed));
            // An adopted run is polled.
            let has_begun = operation.plan.goal == BatchGoal::Await
                || operation.report().is_some()
                || sent.iter().any(|sent| sent.is_trigger() || sent.is_poll());
            // An operation that awaits a run starts nothing, so it may still take a free place.
            let waits_for_place = sent.is_empty() && has_await;
            if is_idle && !has_begun && !waits_for_place && ended.at > failed {
                return broken(format!(
                    "it was idle when operation {by} failed at {failed} ms, and ended at {} ms",
                    ended.at
                ));
            }
        }
        if operation.kind() != Some(FailureKind::NotStarted) {
            continue;
        }
        if operation.report().is_some() {
            return broken("it reports a run".into());
        }
        if let Some(run) = checked.run_by(*index) {
            return broken(format!("it started run {}", run.id));
        }
        // Only the list of runs proves that a trigger without a response started nothing.
        let is_unknown = |sent: &SentRequest| {
            let is_refused = sent.fault == Some(Fault::Refused)
                || matches!(sent.status, Some(400..=499)) && sent.status != Some(408);
            sent.is_trigger() && !is_refused
        };
        let last = sent.iter().rposition(|sent| is_unknown(sent));
        let lists = last.map(|last| {
            sent[last + 1..]
                .iter()
                .filter(|sent| sent.status == Some(200))
        });
        if lists.is_some_and(|lists| lists.count() == 0) {
            return broken("the outcome of its trigger is unknown".into());
        }
        let message = &operation.failure().unwrap().message;
        let names = |other: &Operation<'_>| {
            let name = if other.plan.by_slug {
                slug_of(other.plan.sync)
            } else {
                other.plan.sync.to_string()
            };
            stops(&other.ended.outcome)
                && other.ended.at <= ended.at
                && message.contains(&format!("`{name}"))
        };
        let says_stopped = message.contains("of the same call failed");
        if says_stopped && (stopped.is_none() || !checked.operations().any(|other| names(&other))) {
            return broken(format!("no such operation failed: {message}"));
        }
    }
    Ok(())
}

/// If nothing fails and there is enough time, every operation learns the result of its run, and one
/// of two operations on one sync ends as a duplicate.
fn patient(checked: &Checked<'_>) -> Result<(), Broken> {
    let world = checked.played.world;
    if !world.is_calm() || world.max_wait < 25_000 {
        return Ok(());
    }
    // The others wait for a free place, perhaps until the deadline.
    let all_begin = world.operations.len() <= world.parallel && checked.played.stopped.is_none();
    for operation in checked.operations() {
        let index = operation.index;
        let Some(failure) = operation.failure() else {
            continue;
        };
        let is_possible = match failure.kind {
            FailureKind::SyncFailed | FailureKind::InvalidInput => true,
            FailureKind::Busy => world.if_running != IfRunning::Queue,
            FailureKind::StillRunning => {
                let run = operation
                    .report()
                    .and_then(|report| checked.played.server.run(report.run.run.get()));
                let began = operation
                    .sent
                    .first()
                    .map_or(Millis::MAX / 2, |sent| sent.at);
                let noticed =
                    run.and_then(|run| Some(run.ends()?.max(run.listed()).max(began) + MAX_LAG));
                noticed.is_none_or(|noticed| noticed > world.max_wait)
            }
            FailureKind::NotStarted | FailureKind::Unreachable => !all_begin,
            _ => false,
        };
        if !is_possible {
            return broken(
                "patient",
                format!("operation {index} failed, and nothing was wrong: {failure:?}"),
            );
        }
    }
    if world.if_running == IfRunning::Queue && all_begin {
        for operation in checked.operations() {
            let Some(twin) = checked.twin(&operation) else {
                continue;
            };
            let is_duplicate = |ended: &Ended| {
                let failure = ended.outcome.as_ref().err();
                failure.is_some_and(|failure| failure.kind == FailureKind::InvalidInput)
            };
            let ended = [Some(operation.ended), checked.played.ended[twin].as_ref()];
            let duplicates = ended
                .into_iter()
                .flatten()
                .filter(|ended| is_duplicate(ended))
                .count();
            if duplicates != 1 {
                return broken(
                    "once",
                    format!(
                        "{duplicates} of the operations {} and {twin} are duplicates",
                        operation.index
                    ),
                );
            }
        }
    }
    Ok(())
}

/// An operation has seen progress if it has started its run and polled it, or if a response showed
/// the run in progress. It has not seen progress if every response showed that the run had ended.
///
/// The first rule is not checked if the time was up for an operation that started no run: its last
/// response may show the run in progress, and its outcome then shows the same.
fn progress(checked: &Checked<'_>) -> Result<(), Broken> {
    let operations = checked.operations().map(|operation| {
        let has_started = operation.plan.goal != BatchGoal::Await
            && operation.report().is_some_and(|report| !report.joined);
        (operation.sent, operation.ended, has_started)
    });
    let followed = checked.played.followed.iter();
    let followers = followed
        .zip(&checked.sent_by_followers)
        .filter_map(|(followed, sent)| Some((&sent[..], followed.ended.as_ref()?, false)));
    for (sent, ended, has_started) in operations.chain(followers) {
        let run = report_of(&ended.outcome)
            .and_then(|report| checked.played.server.run(report.run.run.get()));
        let shows_progress = |sent: &&&SentRequest| {
            run.zip(sent.read).is_some_and(|(run, read)| {
                let is_whole = sent.fault.is_none() && sent.status == Some(200);
                is_whole && !sent.is_trigger() && run.listed() <= read && !run.has_ended(read)
            })
        };
        let (shown, polls) = (
            || sent.iter().filter(shows_progress),
            || sent.iter().filter(|sent| sent.is_poll()),
        );
        let is_time_up = ended
            .outcome
            .as_ref()
            .is_err_and(|failure| failure.kind == FailureKind::StillRunning);
        let must = has_started && polls().next().is_some()
            || !is_time_up && shown().any(|sent| sent.is_poll());
        let may = has_started && run.is_some() || shown().next().is_some();
        let has = ended.has_seen_progress;
        if has && !may || !has && must {
            let sender = sent.first().map(|sent| sent.sender);
            return broken(
                "progress",
                format!("{sender:?} has seen progress: {has}; {run:?}"),
            );
        }
    }
    Ok(())
}

/// The time that an operation reports is never later than Hightouch's clock, and at most
/// [`MAX_CLOCK_LAG`] earlier. It is known if a response has arrived.
fn server_time(checked: &Checked<'_>) -> Result<(), Broken> {
    let ended = checked.operations().map(|operation| operation.ended);
    let followed = checked.played.followed.iter();
    let ended = ended.chain(followed.filter_map(|followed| followed.ended.as_ref()));
    let sent_by = checked.sent_by.iter().chain(&checked.sent_by_followers);
    for (ended, sent) in ended.zip(sent_by) {
        let has_response = sent.iter().any(|sent| sent.status.is_some());
        let time = |after| Timestamp::from_millis(START + after);
        let is_true = match ended.server_time {
            Some(shown) => {
                has_response && shown <= time(ended.at) && shown >= time(ended.at - MAX_CLOCK_LAG)
            }
            None => !has_response,
        };
        if !is_true {
            return broken(
                "server time",
                format!(
                    "at {} ms {:?} reports {:?}",
                    ended.at,
                    sent.first().map(|sent| sent.sender),
                    ended.server_time
                ),
            );
        }
    }
    Ok(())
}

fn situations(checked: &Checked<'_>) -> BTreeMap<Situation, u64> {
    let played = checked.played;
    let mut count: BTreeMap<Situation, u64> = BTreeMap::new();
    let mut add = |situation, times| *count.entry(situation).or_default() += times;
    for operation in checked.operations() {
        if operation.report().is_some_and(|report| report.joined) {
            add(Situation::Joined, 1);
        }
        let triggers = operation.sent.iter().filter(|sent| sent.is_trigger());
        add(Situation::Resent, u64::from(triggers.count() > 1));
        add(
            match operation.kind() {
                None => Situation::Succeeded,
                Some(FailureKind::SyncFailed) => Situation::SyncFailed,
                Some(FailureKind::StillRunning) => Situation::StillRunning,
                Some(FailureKind::TriggerUnconfirmed) => Situation::Unconfirmed,
                Some(FailureKind::Busy) => Situation::Busy,
                Some(FailureKind::InvalidInput) => Situation::Duplicate,
                Some(FailureKind::NotStarted) => {
                    let message = &operation.failure().unwrap().message;
                    match message.contains("of the same call failed") {
                        true if operation.sent.is_empty() => Situation::Stopped,
                        true => Situation::StoppedInProgress,
                        false => Situation::NoSlot,
                    }
                }
                Some(_) => Situation::Unreachable,
            },
            1,
        );
    }
    let is_one_by_one = played.world.parallel == 1 && played.world.operations.len() > 1;
    add(Situation::OneByOne, u64::from(is_one_by_one));
    add(
        Situation::LimitExceeded,
        u64::from(played.server.rejected > 0),
    );
    let near = played
        .sent
        .iter()
        .zip(played.sent.iter().skip(MAX_LIMIT - 11))
        .any(|(one, later)| later.at - one.at < LIMIT_WINDOW);
    add(Situation::NearLimit, u64::from(near));
    let is_full = |sent: &SentRequest| {
        let earlier = played.sent.iter().take_while(|other| other.at <= sent.at);
        earlier
            .filter(|other| other.sender != Sender::Details)
            .filter(|other| other.back.is_none_or(|back| back > sent.at))
            .count()
            >= 8
    };
    let all_slots = played.sent.iter().take(100).any(is_full);
    add(Situation::AllSlots, u64::from(all_slots));
    for followed in &played.followed {
        add(Situation::Followed, 1);
        let ended = followed.ended.as_ref().map(|ended| &ended.outcome);
        match ended.map(|outcome| outcome.as_ref().map_err(|failure| failure.kind)) {
            Some(Ok(_) | Err(FailureKind::SyncFailed)) => add(Situation::FollowedToEnd, 1),
            Some(Err(FailureKind::StillRunning)) => add(Situation::FollowTimeUp, 1),
            _ => {}
        }
    }
    add(Situation::DetailsRead, details::number_read(checked));
    add(
        Situation::DetailsWaited,
        u64::from(played.details_waited > 0),
    );
    count
}
