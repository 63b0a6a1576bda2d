//! The promises about runs of sequences.

use hightouch_sync::engine::{FailureKind, TransportErrorKind};

use super::{Broken, LONGEST_PAUSE, Played, Sent, Situation, broken, is_final, over, sequence_run};
use crate::sequences::{Run, Sequences, number, run_id};
use crate::world::{Fault, Goal};

/// The beginning of the message if more rows were rejected than the limit allows.
const BEYOND_LIMIT: &str = "The destination rejected more rows than the limit allows.";
/// Maximum time, in milliseconds, for which a run may be `done` before all its sync runs are listed
/// as ended.
const DONE_TIMEOUT: i64 = 20_000;

fn sequences<'p>(played: &'p Played<'_>) -> &'p Sequences<'p> {
    played.hightouch.sequences.as_ref().unwrap()
}

/// Returns the number of the run that the outcome reports.
fn told(played: &Played<'_>) -> Option<u64> {
    sequence_run(&played.outcome).map(|run| number(run.id.as_str()).unwrap_or(0))
}

/// Returns whether the outcome of a trigger is unknown.
fn is_unclear(sent: &Sent) -> bool {
    let lost = matches!(
        sent.trouble,
        Some(TransportErrorKind::Lost | TransportErrorKind::TimedOut)
    );
    let unsaid = matches!(sent.status, Some(200 | 206))
        && sent.named.is_none()
        && sent.fault != Some(Fault::Envelope);
    sent.trigger && (lost || unsaid || matches!(sent.status, Some(408 | 500..=599)))
}

/// A call starts or joins at most one run, and a trigger that may have arrived is not sent again.
pub fn once(played: &Played<'_>) -> Result<(), Broken> {
    let effects = &sequences(played).effects;
    if effects.len() > 1 {
        return broken(
            "once",
            format!("its triggers started or joined the runs {effects:?}"),
        );
    }
    if played.world.call.goal.awaits() && played.sent.iter().any(|sent| sent.trigger) {
        return broken("once", "awaiting a run sent a trigger");
    }
    let open = played
        .sent
        .iter()
        .find(|sent| is_unclear(sent) || sent.named.is_some());
    if open.is_some_and(|open| {
        played
            .sent
            .iter()
            .any(|sent| sent.trigger && sent.at > open.at)
    }) {
        return broken("once", "a trigger that may have arrived was sent again");
    }
    Ok(())
}

/// A reported success is a run that succeeded, the reported run is the run of this call, and an
/// unknown outcome is reported as unknown.
pub fn never_false(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("never false", how);
    let call = &played.world.call;
    let kind = played.outcome.as_ref().err().map(|failure| failure.kind);
    let is_open = played.sent.last().is_some_and(is_unclear);
    if is_open != (kind == Some(FailureKind::TriggerUnconfirmed)) {
        return broken(format!(
            "the outcome of the trigger is unknown: {is_open}, and the call ended as {kind:?}"
        ));
    }
    let asked_for = match call.goal {
        Goal::AwaitSequence => Some(sequences(played).awaited),
        _ => played.sent.iter().find_map(|sent| sent.named),
    };
    if told(played) != asked_for {
        return super::broken(
            "never lost",
            format!(
                "run {asked_for:?} was named by a response, and the outcome names {:?}",
                told(played)
            ),
        );
    }
    let effect = sequences(played).effects.first().copied();
    let Some(report) = sequence_run(&played.outcome) else {
        return match effect {
            Some(run) if !is_open => broken(format!(
                "its trigger started or joined run {run}, and it does not report it"
            )),
            _ => Ok(()),
        };
    };
    if !call.goal.awaits() && effect != asked_for {
        return broken(format!(
            "its trigger started or joined run {effect:?}, not run {asked_for:?}"
        ));
    }
    let truth = asked_for.and_then(|run| sequences(played).run(run));
    let sync_run = |run: &hightouch_sync::hightouch::SyncRun| {
        let number = |id: Option<u64>| id.unwrap_or(0);
        (
            number(run.sync.map(|id| id.get())),
            number(run.run.map(|id| id.get())),
            run.status.clone(),
        )
    };
    let sync_runs: Vec<_> = report.sync_runs.iter().map(sync_run).collect();
    let true_ones = truth
        .map(|run| run.sync_runs(played.over))
        .unwrap_or_default();
    for (sync, run, status) in &sync_runs {
        let there = true_ones.iter().find(|(_, id, _)| id == run);
        if there
            .is_none_or(|(of, _, truth)| of != sync || status.ended() && status.as_str() != *truth)
        {
            return broken(format!(
                "run {run} of sync {sync} is not `{}`: {there:?}",
                status.as_str()
            ));
        }
    }
    let says_done = |sent: &&Sent| {
        let body = sent.body.as_deref().unwrap_or_default().to_lowercase();
        let id = asked_for.map(run_id).unwrap_or_default();
        !sent.trigger && body.contains(r#""status":"done""#) && body.contains(&id)
    };
    let done = played.sent.iter().find(says_done).map(|sent| sent.back);
    let ended = truth.is_some_and(|run| run.has_ended(played.over));
    let succeeds = truth.is_some_and(|run| run.succeeds(call));
    match (kind, &played.outcome) {
        (None, _) if call.goal.waits() => {
            if !ended || !succeeds {
                return broken(format!(
                    "run {asked_for:?} is reported as a success; it has ended: {ended}"
                ));
            }
            if sync_runs.len() != true_ones.len() {
                return broken(format!(
                    "the sync runs are {true_ones:?}, and it reports {sync_runs:?}"
                ));
            }
            Ok(())
        }
        (Some(FailureKind::SyncFailed), Err(failure)) if failure.message.contains("not proven") => {
            match done {
                Some(done) if played.over >= done + DONE_TIMEOUT => Ok(()),
                _ => broken(format!(
                    "it did not wait for the ends of all sync runs, after `done` at {done:?} ms"
                )),
            }
        }
        (Some(FailureKind::SyncFailed), Err(failure)) => {
            let done_for_long = done.is_some_and(|done| played.over >= done + DONE_TIMEOUT);
            if !ended && !done_for_long || succeeds {
                return broken(format!("run {asked_for:?} is reported as a failure"));
            }
            if failure.message.starts_with(BEYOND_LIMIT) {
                return beyond_limit(played, truth, &failure.message);
            }
            let is_bad = |word: &str| match word {
                "warning" => !call.may_accept_warnings(),
                word => matches!(word, "failed" | "cancelled" | "interrupted"),
            };
            let unsaid = sync_runs.iter().find(|(sync, run, status)| {
                is_bad(status.as_str())
                    && !failure
                        .message
                        .contains(&format!("run {run} of sync {sync} "))
            });
            unsaid.map_or(Ok(()), |(_, run, _)| {
                broken(format!("sync run {run} failed, and is not named"))
            })
        }
        _ => Ok(()),
    }
}

/// Exactly the sync runs beyond the limit are named.
fn beyond_limit(played: &Played<'_>, truth: Option<&Run>, message: &str) -> Result<(), Broken> {
    let warned = truth.map(|run| run.warned(&played.world.call));
    for (run, is_accepted) in warned.unwrap_or_default() {
        let is_named = message.contains(&format!("run {run} of sync "));
        if is_named == is_accepted {
            return broken(
                "never false",
                format!("run {run} is within the limit: {is_accepted}, and named: {is_named}"),
            );
        }
    }
    Ok(())
}

/// If there is a limit on rejected rows, each sync run that ended as `warning` is read once, apart
/// from retries, and no other sync run is read.
pub fn read_once(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("few requests", how);
    let call = &played.world.call;
    let is_read = |sent: &&Sent| sent.target.contains("runId=");
    let reads: Vec<&Sent> = played.sent.iter().filter(is_read).collect();
    let told = told(played).and_then(|run| sequences(played).run(run));
    let warned = told.map(|run| run.warned(call)).unwrap_or_default();
    let run_of = |sent: &Sent| -> u64 {
        let (_, rest) = sent.target.split_once("runId=").unwrap();
        rest.split('&').next().unwrap().parse().unwrap()
    };
    for read in &reads {
        let run = run_of(read);
        if call.tolerate.is_none() || !warned.iter().any(|(warned, _)| *warned == run) {
            return broken(format!("it read run {run}"));
        }
    }
    for (run, _) in &warned {
        let of_run = || reads.iter().filter(|sent| run_of(sent) == *run);
        let first_pages = of_run()
            .filter(|sent| !sent.target.contains("offset="))
            .count();
        // A read that fails, or that shows a sync run that has not ended, is repeated.
        let shows_end = |sent: &Sent| {
            let body = sent.body.as_deref().unwrap_or_default().to_lowercase();
            sent.fault.is_none() && !body.contains("processing") && !body.contains("queued")
        };
        let repeated = of_run().filter(|sent| !shows_end(sent)).count();
        if first_pages > 1 + repeated {
            return broken(format!("it read run {run} {first_pages} times"));
        }
        let is_success = played.outcome.is_ok() && call.goal.waits();
        if is_success && call.tolerate.is_some() && first_pages == 0 {
            return broken(format!("it did not read the rows of run {run}"));
        }
    }
    Ok(())
}

/// No transient error ends the wait for a run.
pub fn patient(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("patient", how);
    let call = &played.world.call;
    let Err(failure) = &played.outcome else {
        return Ok(());
    };
    let (Some(report), Some(run)) = (sequence_run(&played.outcome), told(played)) else {
        return super::patient_with_rate_limit(played, failure);
    };
    let out_of_time = played.over >= played.deadline() - 1_000;
    match failure.kind {
        FailureKind::SyncFailed => Ok(()),
        FailureKind::StillRunning if !out_of_time => broken(format!(
            "the wait was over after {} ms of {} ms",
            played.over, call.max_wait
        )),
        FailureKind::StillRunning => {
            let run = sequences(played).run(run);
            let Some(end) = run.and_then(|run| Some(run.ends()?.max(run.known()))) else {
                return Ok(());
            };
            let is_faulty = played
                .sent
                .iter()
                .filter(|sent| sent.fault.is_some())
                .map(over)
                .max();
            let from = end.max(is_faulty.unwrap_or(0));
            if from.saturating_add(LONGEST_PAUSE) < played.deadline() {
                return broken(format!(
                    "from {from} ms nothing failed, and the run had ended"
                ));
            }
            Ok(())
        }
        // A run that a response has just named may be unknown to another replica.
        _ if played
            .sent
            .last()
            .is_some_and(|last| is_final(last) && (call.goal.awaits() || last.fault.is_some())) =>
        {
            Ok(())
        }
        _ if call.goal.awaits() && report.sync_runs.is_empty() && out_of_time => Ok(()),
        kind => broken(format!(
            "{kind:?} ended the wait for run {run} after {} ms",
            played.over
        )),
    }
}

pub fn situations(played: &Played<'_>) -> Vec<Situation> {
    let mut situations = Vec::new();
    let created = |run: &Run| run.created;
    let told = told(played)
        .and_then(|run| sequences(played).run(run))
        .map(created);
    let sent = played
        .sent
        .iter()
        .find(|sent| sent.named.is_some())
        .map(|sent| sent.at);
    if told.zip(sent).is_some_and(|(created, sent)| created < sent) {
        situations.push(Situation::SequenceGoing);
    }
    if played
        .sent
        .iter()
        .any(|sent| sent.target.contains("runId="))
    {
        match played.outcome.as_ref().map_err(|failure| failure.kind) {
            Ok(_) => situations.push(Situation::SequenceTolerated),
            Err(FailureKind::SyncFailed) => situations.push(Situation::SequenceBeyondLimit),
            Err(_) => {}
        }
    }
    situations.extend(
        match played.outcome.as_ref().map_err(|failure| failure.kind) {
            Ok(_) if played.world.call.goal.waits() => Some(Situation::SequenceSucceeded),
            Err(FailureKind::SyncFailed) => Some(Situation::SequenceFailed),
            Err(FailureKind::TriggerUnconfirmed) => Some(Situation::SequenceUnconfirmed),
            _ => None,
        },
    );
    situations
}
