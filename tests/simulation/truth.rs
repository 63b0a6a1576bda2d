//! Checks the calls of a world against what the simulated Hightouch knows.

use core::time::Duration;

mod lists;
mod sequences;
mod since;

use core::ops::Deref;

use hightouch_sync::engine::{
    Failure, FailureKind, MAX_CONCURRENT_RUNS, Outcome, SyncReport, report_of,
};
use hightouch_sync::hightouch::SequenceRun;

use super::hightouch::{Hightouch, Run};
use super::play::{AnyReport, LATEST_WAKE, PlayedCall, PlayedWorld, Sent, awaited};
use super::world::{Allowed, BEHIND, Fault, Goal, IfRunning, Millis, Nonsense, World};

/// Maximum time from the creation of an adopted run until the trigger is sent: the sum of the
/// differences between Hightouch's clocks that the engine accepts, and of those that the simulation
/// adds.
const SAME_MOMENT: Millis = 1_250;
/// Additional time if a response arrived a second time, so soon that its `Date` does not show its
/// age.
const KEPT: Millis = 1_250;
/// Maximum pause between two polls, including the duration of one poll.
const LONGEST_PAUSE: Millis = 70_000;
/// Minimum time between two polls of one operation, per operation that shares the key.
const SHARE: Millis = 100;

/// A situation that the simulation has to reach. A check proves little if its situation never
/// occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    Succeeded,
    SyncFailed,
    StillRunning,
    FoundAfterAll,
    TookAnothersRun,
    SentAgain,
    Unconfirmed,
    UnconfirmedAndNamed,
    Joined,
    /// A run that began since the given time was adopted.
    Stands,
    /// No run began since the given time, so one was started.
    NoneSince,
    SequenceSucceeded,
    SequenceFailed,
    SequenceUnconfirmed,
    /// The sequence's run existed before the trigger.
    SequenceGoing,
    Busy,
    NotGranted,
    Unreachable,
    Refused,
    RateLimited,
    Malformed,
    /// Some rows were rejected, and the limit allows it.
    Tolerated,
    /// More rows were rejected than the limit allows, or an unknown number.
    BeyondLimit,
    SequenceTolerated,
    SequenceBeyondLimit,
    /// A repeated call adopted the run of an earlier call.
    Repeated,
    /// The value of `unless_since` is too far in the future.
    FarFuture,
    /// The operation waited until the time `unless_since` had come.
    Awaited,
    Forbidden,
    NotStarted,
    /// The response to a trigger named an older run, and a list had shown it.
    OlderRun,
    /// The response to a trigger named an older run that had ended long before.
    OlderRunEnded,
    Listed,
    ListedInPages,
}

impl Situation {
    pub const ALL: [Self; 34] = [
        Self::Succeeded,
        Self::SyncFailed,
        Self::StillRunning,
        Self::FoundAfterAll,
        Self::TookAnothersRun,
        Self::SentAgain,
        Self::Unconfirmed,
        Self::UnconfirmedAndNamed,
        Self::Joined,
        Self::Stands,
        Self::NoneSince,
        Self::SequenceSucceeded,
        Self::SequenceFailed,
        Self::SequenceUnconfirmed,
        Self::SequenceGoing,
        Self::Busy,
        Self::NotGranted,
        Self::Unreachable,
        Self::Refused,
        Self::RateLimited,
        Self::Malformed,
        Self::Tolerated,
        Self::BeyondLimit,
        Self::SequenceTolerated,
        Self::SequenceBeyondLimit,
        Self::Repeated,
        Self::FarFuture,
        Self::Awaited,
        Self::Forbidden,
        Self::NotStarted,
        Self::OlderRun,
        Self::OlderRunEnded,
        Self::Listed,
        Self::ListedInPages,
    ];
}

/// A call, and what the simulated Hightouch knows.
struct Played<'p> {
    world: &'p World,
    hightouch: &'p Hightouch<'p>,
    call: &'p PlayedCall,
}

impl Deref for Played<'_> {
    type Target = PlayedCall;

    fn deref(&self) -> &PlayedCall {
        self.call
    }
}

type Check = fn(&Played<'_>) -> Result<(), Broken>;

/// Checks every promise for every call. Returns the situations that occurred.
///
/// # Errors
///
/// Returns the first promise that is broken.
pub fn check(
    mut played: PlayedWorld<'_>,
) -> Result<Vec<Situation>, Box<(Broken, PlayedWorld<'_>)>> {
    played.hightouch.create_all();
    let checks: &[Check] = match played.world.sequence {
        _ if played.world.call.goal.lists() => &[
            allowed,
            lists::exact,
            lists::patient,
            lists::few_requests,
            never_hangs,
            polite,
        ],
        None => &[
            allowed,
            once,
            since::gated,
            since::future,
            never_false,
            never_lost,
            patient,
            never_hangs,
            polite,
        ],
        Some(_) => &[
            sequences::once,
            sequences::never_false,
            sequences::read_once,
            sequences::patient,
            never_hangs,
            polite,
        ],
    };
    let mut all = Vec::new();
    let mut check_all = || {
        for call in &played.calls {
            let played = Played {
                world: played.world,
                hightouch: &played.hightouch,
                call,
            };
            checks.iter().try_for_each(|check| check(&played))?;
            all.extend(situations(&played));
        }
        since::repeated(&played)
    };
    match check_all() {
        Ok(situations) => {
            all.extend(situations);
            Ok(all)
        }
        Err(broken) => Err(Box::new((broken, played))),
    }
}

/// A broken promise, and how it was broken.
#[derive(Debug, PartialEq)]
pub struct Broken {
    pub promise: &'static str,
    pub how: String,
}

fn broken(promise: &'static str, how: impl Into<String>) -> Result<(), Broken> {
    Err(Broken {
        promise,
        how: how.into(),
    })
}

/// Returns the sequence's run that an outcome reports.
fn sequence_run(outcome: &Outcome<AnyReport>) -> Option<&SequenceRun> {
    match report_of(outcome)? {
        AnyReport::Sequence(report) => Some(&report.run),
        _ => None,
    }
}

fn report(outcome: &Outcome<AnyReport>) -> Option<&SyncReport> {
    match report_of(outcome)? {
        AnyReport::Sync(report) => Some(report),
        _ => None,
    }
}

impl Played<'_> {
    fn ours(&self) -> impl Iterator<Item = &Run> {
        let mut runs = self.hightouch.runs.iter();
        core::iter::from_fn(move || runs.find(|run| self.is_own(run)))
    }

    /// Returns whether this call started the run.
    fn is_own(&self, run: &Run) -> bool {
        run.by == Some(self.nth)
    }

    /// Returns when the wait of the call is over.
    fn deadline(&self) -> Millis {
        self.began + self.world.call.max_wait
    }

    fn run(&self, id: u64) -> Option<&Run> {
        self.hightouch.runs.iter().find(|run| run.id == id)
    }

    /// Returns whether one page shows all runs.
    fn one_page(&self) -> bool {
        self.hightouch.runs.iter().map(Run::jobs).sum::<usize>() <= self.world.server.page
    }

    /// Returns whether the last response is a final error.
    fn last_word(&self) -> bool {
        self.sent.last().is_some_and(is_final)
    }
}

/// Returns whether the result of a request is a final error.
fn is_final(sent: &Sent) -> bool {
    matches!(sent.status, Some(400..=499)) && !matches!(sent.status, Some(408 | 429))
        || sent.fault == Some(Fault::NotGranted)
}

/// Returns when a response has arrived and the delay that it asks for has passed.
fn over(sent: &Sent) -> Millis {
    sent.back.saturating_add(sent.asked.map_or(0, millis))
}

/// A call that may not touch the sync sends nothing but the look-up of its slug.
fn allowed(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("only allowed syncs", how);
    let call = &played.world.call;
    let kind = played.outcome.as_ref().err().map(|failure| failure.kind);
    let is_forbidden = kind == Some(FailureKind::Forbidden);
    if call.allowed != Allowed::Others {
        // Hightouch's own 403 is of another kind.
        return if is_forbidden {
            broken("the sync is allowed".into())
        } else {
            Ok(())
        };
    }
    let is_look_up = |sent: &Sent| sent.target.starts_with("/api/v1/syncs?");
    if let Some(sent) = played.sent.iter().find(|sent| !is_look_up(sent)) {
        return broken(format!("it sent {}", sent.target));
    }
    let has_answer = |sent: &Sent| {
        sent.body
            .as_ref()
            .is_some_and(|body| body.contains(r#""slug":"demo""#))
    };
    if !call.goal.is_by_slug() && !played.sent.is_empty() {
        return broken("it looked up an ID".into());
    }
    let is_known = !call.goal.is_by_slug() || played.sent.last().is_some_and(has_answer);
    if is_known != is_forbidden || played.outcome.is_ok() {
        return broken(format!("it ended as {kind:?}"));
    }
    Ok(())
}

/// A call starts at most one run.
fn once(played: &Played<'_>) -> Result<(), Broken> {
    let ours: Vec<u64> = played.ours().map(|run| run.id).collect();
    if ours.len() > 1 {
        return broken("once", format!("it started the runs {ours:?}"));
    }
    let arrived = |sent: &&Sent| {
        sent.trigger && sent.fault != Some(Fault::Refused) && sent.status != Some(429)
    };
    let first = played
        .sent
        .iter()
        .find(arrived)
        .filter(|_| played.world.call.resync);
    if first.is_some_and(|first| {
        played
            .sent
            .iter()
            .any(|sent| sent.trigger && sent.at > first.at)
    }) {
        return broken("once", "a resync that may have arrived was sent again");
    }
    if played.world.call.goal == Goal::Await && played.sent.iter().any(|sent| sent.trigger) {
        return broken("once", "awaiting a run sent a trigger");
    }
    Ok(())
}

/// A reported success is a run that succeeded, and every run that an outcome names is the run of
/// this call.
fn never_false(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("never false", how);
    let call = &played.world.call;
    let Some(report) = report(&played.outcome) else {
        let claims = |failure: &Failure<AnyReport>| failure.kind != FailureKind::TriggerUnconfirmed;
        return match (
            played.outcome.as_ref().is_err_and(claims),
            played.ours().next(),
        ) {
            (true, Some(run)) => {
                broken(format!("it started run {}, and does not report it", run.id))
            }
            _ => Ok(()),
        };
    };
    let Some(run) = played.run(report.run.run.get()) else {
        let unknown = call.goal == Goal::Await
            && report.run.run.get() == awaited(played.world)
            && report.jobs.is_empty();
        return if unknown && played.outcome.is_err() {
            Ok(())
        } else {
            broken(format!("there is no run {}", report.run))
        };
    };
    let is_denied =
        |failure: &Failure<AnyReport>| failure.kind == FailureKind::NotFound && !played.last_word();
    if played.outcome.as_ref().is_err_and(is_denied) && run.created <= played.over {
        return broken(format!("run {} is reported as missing", run.id));
    }
    let first_trigger = played
        .sent
        .iter()
        .find(|sent| sent.trigger)
        .map(|sent| sent.at);
    match (call.goal, first_trigger) {
        (Goal::Await, _) if run.id != awaited(played.world) => {
            return broken(format!("run {} was not awaited", run.id));
        }
        (Goal::Await, _) => {}
        (_, _) if report.joined => {
            let is_going =
                call.if_running != IfRunning::Queue && !run.has_ended(played.began - BEHIND);
            let is_busy = |failure: &Failure<AnyReport>| failure.kind == FailureKind::Busy;
            if call.resync && !played.outcome.as_ref().is_err_and(is_busy) {
                return broken(format!("it adopted run {}, which is not a resync", run.id));
            }
            if first_trigger.is_some() || !is_going && !since::stands(played, run) {
                return broken(format!("it did not join run {}", run.id));
            }
        }
        (_, None) => {
            return broken(format!(
                "run {} is reported, and no trigger was sent",
                run.id
            ));
        }
        (_, Some(_)) if played.is_own(run) => {}
        // Only the end of the run shows that it is older.
        (_, Some(_)) if played.outcome.is_err() && named_without_list(played) == Some(run.id) => {}
        (_, Some(sent)) => {
            if played.ours().next().is_some() {
                return broken(format!(
                    "run {} is somebody else's, although the call started a run of its own",
                    run.id
                ));
            }
            let kept = played
                .sent
                .iter()
                .any(|sent| sent.fault == Some(Fault::Repeated));
            if run.created < sent - SAME_MOMENT - if kept { KEPT } else { 0 } {
                return broken(format!(
                    "run {} existed before the trigger was sent",
                    run.id
                ));
            }
            if call.resync {
                return broken(format!(
                    "run {} is somebody else's, and was started without a resync",
                    run.id
                ));
            }
        }
    }
    let waits = call.goal.waits();
    let ended = run.has_ended(played.over);
    if named_without_list(played) == Some(run.id)
        && matches!(&played.outcome, Err(failure) if failure.kind == FailureKind::SyncFailed)
    {
        return broken(format!(
            "run {} is older, and is reported as a failure",
            run.id
        ));
    }
    let succeeded = run.succeeded(call);
    match &played.outcome {
        Ok(_) if waits && !ended => broken(format!(
            "run {} is reported as a success while it was in progress",
            run.id
        )),
        Ok(_) if waits && !succeeded => broken(format!(
            "run {} is reported as a success, but did not succeed",
            run.id
        )),
        Ok(AnyReport::Sync(report)) if waits => {
            let mut statuses: Vec<&str> =
                report.jobs.iter().map(|job| job.status.as_str()).collect();
            let mut truth = run.statuses(played.over);
            statuses.sort_unstable();
            truth.sort_unstable();
            if played.world.server.ignores_run_id && !played.one_page() {
                // A run that is inserted between two requests moves entries to the next page.
                statuses.dedup();
                truth.dedup();
            }
            if statuses == truth {
                Ok(())
            } else {
                broken(format!("the jobs are {truth:?}, not {statuses:?}"))
            }
        }
        Err(failure) if failure.kind == FailureKind::SyncFailed && (!ended || succeeded) => {
            broken(format!("run {} is reported as a failure", run.id))
        }
        _ => Ok(()),
    }
}

/// Returns the older run that the response to a trigger named, if no list was read before.
fn named_without_list(played: &Played<'_>) -> Option<u64> {
    let mut before = played.sent.iter().take_while(|sent| !sent.trigger);
    let has_list = before.any(|sent| sent.list);
    let older = played.sent.iter().find_map(|sent| sent.older);
    older.filter(|_| !has_list)
}

/// Once a response has named a run, every outcome contains its ID. An outcome that is unconfirmed
/// names the candidates.
fn never_lost(played: &Played<'_>) -> Result<(), Broken> {
    let known = report(&played.outcome).map(|report| report.run.run.get());
    let named = played.sent.iter().find_map(|sent| sent.named);
    if named.is_some() && known != named {
        return broken(
            "never lost",
            format!("run {named:?} was named by a response, and the outcome names {known:?}"),
        );
    }
    let Err(failure) = &played.outcome else {
        return Ok(());
    };
    if failure.kind != FailureKind::TriggerUnconfirmed {
        return Ok(());
    }
    let listed = played
        .sent
        .iter()
        .rfind(|sent| sent.list && sent.body.is_some());
    let details = failure.details.as_deref().unwrap_or_default();
    match (listed, played.ours().next()) {
        (Some(list), Some(run))
            if run.listed() < list.at && played.one_page() && list.fault.is_none() =>
        {
            let id = run.id.to_string();
            let is_named = details
                .split(|other: char| !other.is_ascii_digit())
                .any(|word| word == id);
            if is_named {
                Ok(())
            } else {
                broken(
                    "never lost",
                    format!("run {id} was listed, and is not named"),
                )
            }
        }
        _ => Ok(()),
    }
}

/// Every call ends by its deadline.
fn never_hangs(played: &Played<'_>) -> Result<(), Broken> {
    let call = &played.world.call;
    let told = played
        .sent
        .iter()
        .find(|sent| sent.named.is_some())
        .map(|sent| sent.back);
    let most = match told {
        Some(told) => played.deadline().max(told),
        None => played.began + call.max_wait.max(call.answer_wait),
    } + call.oversleeps
        + LATEST_WAKE;
    if played.over > most {
        return broken(
            "never hangs",
            format!(
                "it ended at {} ms, but had to end by {most} ms",
                played.over
            ),
        );
    }
    Ok(())
}

/// No transient error ends the wait for a run.
fn patient(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("patient", how);
    let call = &played.world.call;
    let Err(failure) = &played.outcome else {
        return Ok(());
    };
    let Some(report) = report(&played.outcome) else {
        return patient_with_rate_limit(played, failure);
    };
    match failure.kind {
        FailureKind::SyncFailed | FailureKind::Busy => Ok(()),
        FailureKind::TriggerUnconfirmed if named_without_list(played).is_some() => Ok(()),
        FailureKind::StillRunning => {
            if played.over < played.deadline() - 1_000 {
                return broken(format!(
                    "the wait was over after {} ms of {} ms",
                    played.over, call.max_wait
                ));
            }
            let max_jobs = (1_000 / usize::try_from(call.among).unwrap()).max(100);
            // The engine does not read a run with more jobs than it keeps.
            let run = played
                .run(report.run.run.get())
                .filter(|run| run.jobs() <= max_jobs);
            let Some(end) = run.and_then(|run| Some(run.ends()?.max(run.listed()))) else {
                return Ok(());
            };
            let is_faulty = played
                .sent
                .iter()
                .filter(|sent| sent.fault.is_some())
                .map(over)
                .max();
            let from = end.max(is_faulty.unwrap_or(played.began)).max(played.began);
            if from.saturating_add(LONGEST_PAUSE) < played.deadline() && played.one_page() {
                return broken(format!(
                    "nothing failed after {from} ms, and the run had ended"
                ));
            }
            Ok(())
        }
        _ if played.last_word() => Ok(()),
        // The list shows newer runs, so the run does not exist.
        FailureKind::NotFound
            if call.goal == Goal::Await
                && played
                    .run(awaited(played.world))
                    .is_none_or(|run| run.created > played.over) =>
        {
            Ok(())
        }
        // Nothing shows that the run exists, so the last error is reported.
        _ if call.goal == Goal::Await
            && report.jobs.is_empty()
            && played.over >= played.deadline() - 1_000 =>
        {
            Ok(())
        }
        kind => broken(format!(
            "{kind:?} ended the wait for run {} after {} ms",
            report.run, played.over
        )),
    }
}

/// Before a run is known, a call waits until the rate limit admits its request.
fn patient_with_rate_limit(
    played: &Played<'_>,
    failure: &Failure<AnyReport>,
) -> Result<(), Broken> {
    let deadline = played.deadline();
    let last = played.sent.last().and_then(|last| last.status);
    if last == Some(429)
        && failure.http_status != Some(429)
        && failure.kind != FailureKind::TriggerUnconfirmed
    {
        return broken(
            "patient",
            format!(
                "the last response was a rate limit, and the call ended as {:?}",
                failure.kind
            ),
        );
    }
    if failure.http_status == Some(429) && played.over < deadline - 4_000 {
        return broken(
            "patient",
            format!(
                "the call failed because of a rate limit at {} ms, before {deadline} ms",
                played.over
            ),
        );
    }
    Ok(())
}

/// A call backs off after errors, and waits as long as `Retry-After` requests.
fn polite(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("polite", how);
    let call = &played.world.call;
    let end = played.began + call.max_wait.max(call.answer_wait);
    // The last request before the deadline may follow the previous one at any interval.
    let last_try = |sent: &Sent| {
        [played.deadline(), end]
            .iter()
            .any(|end| (end - sent.at).abs() <= 4_000)
    };
    for pair in played.sent.windows(2) {
        let [one, next] = pair else { continue };
        let pause = next.at - one.back;
        let Some(asked) = one.asked else { continue };
        let asked = millis(asked);
        if pause < asked && !last_try(next) {
            return broken(format!(
                "the server asked for a delay of {asked} ms, and the next request came after {pause} ms"
            ));
        }
    }
    let is_faulty = |sent: &&Sent| {
        let nonsense = matches!(sent.fault, Some(Fault::Nonsense(Nonsense::Html)));
        nonsense || matches!(sent.status, Some(429 | 500..=599))
    };
    for pair in played.sent.windows(2) {
        let [one, next] = pair else { continue };
        // The outcome of a trigger is looked up at once.
        let follows_trigger = one.trigger && !next.trigger;
        if is_faulty(&one) && !follows_trigger && next.at - one.back < 400 && !last_try(next) {
            return broken(format!(
                "after an error at {} ms the next request came at {} ms",
                one.back, next.at
            ));
        }
    }
    let apart = SHARE * Millis::from(call.among.min(MAX_CONCURRENT_RUNS)) * 95 / 100;
    for pair in played.sent.windows(2) {
        let [one, next] = pair else { continue };
        let is_poll = one.target == next.target && !one.trigger && !one.list && one.fault.is_none();
        if is_poll
            && one.status == Some(200)
            && next.at - one.back < apart
            && call.among > 1
            && !last_try(next)
        {
            return broken(format!(
                "with {} operations it polled at {} ms and again at {} ms",
                call.among, one.back, next.at
            ));
        }
    }
    if played.one_page() {
        for ten_seconds in played.sent.windows(30) {
            let (Some(first), Some(last)) = (ten_seconds.first(), ten_seconds.last()) else {
                continue;
            };
            if last.at - first.at < 10_000 {
                return broken(format!("30 requests in ten seconds from {} ms", first.at));
            }
        }
    }
    Ok(())
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}

fn situations(played: &Played<'_>) -> Vec<Situation> {
    let mut situations = Vec::new();
    if played.world.sequence.is_some() {
        situations.extend(sequences::situations(played));
    }
    if played.world.call.unless_since.is_some() {
        situations.extend(since::situations(played));
    }
    if played.world.call.goal.lists() {
        situations.extend(lists::situations(played));
    }
    if named_without_list(played).is_some() {
        situations.push(Situation::OlderRunEnded);
    } else if played.sent.iter().any(|sent| sent.older.is_some()) {
        situations.push(Situation::OlderRun);
    }
    let report = report(&played.outcome);
    let has_warning = |report: &SyncReport| report.status.as_str() == "warning";
    if played.world.call.tolerate.is_some()
        && played.world.call.goal.waits()
        && report.is_some_and(has_warning)
    {
        situations.push(if played.outcome.is_ok() {
            Situation::Tolerated
        } else {
            Situation::BeyondLimit
        });
    }
    if report.is_some_and(|report| report.joined) {
        situations.push(Situation::Joined);
    }
    let named = played.sent.iter().any(|sent| sent.named.is_some());
    if let (Some(report), false) = (report, played.world.call.goal == Goal::Await || named) {
        match played.run(report.run.run.get()) {
            Some(run) if played.is_own(run) => situations.push(Situation::FoundAfterAll),
            Some(_) if !report.joined && named_without_list(played).is_none() => {
                situations.push(Situation::TookAnothersRun);
            }
            _ => {}
        }
    }
    if played.sent.iter().filter(|sent| sent.trigger).count() > 1 {
        situations.push(Situation::SentAgain);
    }
    situations.push(match &played.outcome {
        Ok(_) => Situation::Succeeded,
        Err(failure) => match failure.kind {
            FailureKind::SyncFailed => Situation::SyncFailed,
            FailureKind::StillRunning => Situation::StillRunning,
            FailureKind::TriggerUnconfirmed => {
                let named = failure
                    .details
                    .as_ref()
                    .is_some_and(|details| details.contains("one of these runs"));
                if named {
                    Situation::UnconfirmedAndNamed
                } else {
                    Situation::Unconfirmed
                }
            }
            FailureKind::Busy => Situation::Busy,
            FailureKind::NotGranted => Situation::NotGranted,
            FailureKind::Unreachable => Situation::Unreachable,
            FailureKind::Forbidden => Situation::Forbidden,
            FailureKind::NotStarted => Situation::NotStarted,
            FailureKind::InvalidInput => Situation::FarFuture,
            FailureKind::MalformedAnswer => Situation::Malformed,
            _ if failure.http_status == Some(429) => Situation::RateLimited,
            _ => Situation::Refused,
        },
    });
    situations
}
