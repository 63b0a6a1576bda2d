//! Sequences: starting a run of one, and looking at it until it has ended.
//!
//! Hightouch lists no runs of sequences, so that nothing tells what came of a trigger whose answer was lost: it is not sent again, and the
//! caller is told at once.

use core::time::Duration;

use super::operation::{Action, Operation, Phase, Reply};
use super::options::Goal;
use super::outcome::FailureKind;
use super::setback::Setback;
use super::time::Instant;
use super::trigger::{Untold, judge};
use super::verdict::{of_all, sequence_verdict};
use crate::hightouch::{
    Moment, RunStatus, SequenceId, SequenceRun, SequenceRunId, SequenceStatus, SyncRun, Unreadable,
    read_sequence_trigger,
};

/// How long Hightouch may not know a run that it has named itself.
const SETTLE: Duration = Duration::from_secs(8);
/// The most sync runs that a message names.
const NAMED: usize = 10;

impl Operation {
    pub(super) fn sequence_triggered(&mut self, now: Instant, sequence: SequenceId, reply: Reply) -> Action {
        match judge(reply, read_sequence_trigger) {
            Ok(run) => {
                self.sequence_run = Some(SequenceRun::unseen(run));
                self.begun(now);
                if matches!(self.goal, Goal::StartSequence(_)) {
                    return self.succeed(now);
                }
                self.look_later(now, Phase::LookAtSequence)
            }
            Err(Untold::No(setback)) => self.not_started(now, Phase::TriggerSequence(sequence), setback),
            Err(Untold::Unclear(cause)) => {
                let details = format!(
                    "The run may have been started or not, and Hightouch has no list of a sequence's runs to look in. The request was not \
                     sent again, for that could run the sequence twice: look at the sequence's runs first. {}",
                    cause.sentence()
                );
                self.cannot_be_told(now, &cause, details)
            }
        }
    }

    pub(super) fn sequence_looked(&mut self, now: Instant, reply: Reply) -> Action {
        let date = reply.as_ref().ok().and_then(|answer| answer.date);
        let Some(read) = self.sequence_run.as_ref().map(|known| read(reply, &known.id)) else {
            return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
        };
        let seen = match read {
            Ok(seen) => seen,
            Err(setback) if !self.is_final(&setback) || self.may_show_later(now, &setback) => {
                let delay = self.backoff.after_setback(setback.asked(), &mut self.jitter);
                return self.pause(now, delay, Phase::LookAtSequence, Some(setback));
            }
            Err(setback) => return self.give_up(now, setback),
        };
        let (mut oldest, mut verdict) = (None, None);
        if let Some(known) = &mut self.sequence_run {
            take(known, seen);
            let finished = |run: &SyncRun| run.finished_at.as_deref().and_then(Moment::rfc3339);
            oldest = known.sync_runs.iter().filter_map(finished).min();
            verdict = sequence_verdict(known, self.options.accept_warnings);
        }
        self.backoff.reset();
        self.sighted = true;
        self.learn_age(now, date, oldest);
        match verdict {
            None => self.look_later(now, Phase::LookAtSequence),
            Some(true) => self.succeed(now),
            Some(false) => self.sequence_failed(now),
        }
    }

    /// Whether it is a run that was named so lately that not all of Hightouch need know it.
    fn may_show_later(&self, now: Instant, setback: &Setback) -> bool {
        let unknown = matches!(setback, Setback::Refused { status: 400 | 404 | 422, .. });
        unknown && matches!(self.goal, Goal::RunSequence(_)) && self.run_age(now) < SETTLE
    }

    /// Ends in a failure that names the sync runs that did not succeed.
    fn sequence_failed(&mut self, now: Instant) -> Action {
        let accept_warnings = self.options.accept_warnings;
        let Some(run) = &self.sequence_run else {
            return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
        };
        let bad = |sync_run: &SyncRun| of_all(&mut [&sync_run.status].into_iter(), accept_warnings).failed();
        let mut names = String::new();
        let mut count = 0;
        let mut only_warnings = true;
        for sync_run in run.sync_runs.iter().filter(|sync_run| bad(sync_run)) {
            count += 1;
            only_warnings &= sync_run.status == RunStatus::Warning;
            if count <= NAMED {
                names += if names.is_empty() { "" } else { ", " };
                names += &name(sync_run);
            }
        }
        let word = run.status.as_str();
        let message = match count {
            0 => format!("The sequence ended as `{word}`."),
            _ => {
                let more = if count > NAMED { " and more" } else { "" };
                let hint = if only_warnings && run.status == SequenceStatus::Done {
                    " Some rows were rejected, which counts as a failure unless warnings are accepted."
                } else {
                    ""
                };
                format!(
                    "The sequence ended as `{word}`, and these sync runs in it did not succeed: {names}{more}.{hint}"
                )
            }
        };
        let details = format!("sequence run {} ended as `{word}`.", run.id);
        self.fail(now, FailureKind::SyncFailed, message, Some(details))
    }
}

/// Reads the answer that tells of a run.
fn read(reply: Reply, id: &SequenceRunId) -> Result<SequenceRun, Setback> {
    let answer = reply.map_err(Setback::Trouble)?;
    if !answer.ok() {
        return Err(Setback::refused(&answer));
    }
    let unreadable = |why| Setback::Unreadable { status: answer.status, why };
    let run = answer.whole().and_then(SequenceRun::read).map_err(unreadable)?;
    // Of another run it tells nothing of this one.
    if run.id == *id { Ok(run) } else { Err(unreadable(Unreadable::Missing("id"))) }
}

/// Takes note of how a run was seen. A list that has become shorter is not the whole of it (it came from a replica that lags), and what is
/// not in it may have failed: what was seen before still stands, but for a failure that Hightouch has told by now.
fn take(known: &mut SequenceRun, seen: SequenceRun) {
    if seen.sync_runs.len() >= known.sync_runs.len() {
        known.sync_runs = seen.sync_runs;
    } else if !matches!(seen.status, SequenceStatus::Failed | SequenceStatus::Cancelled) {
        return;
    }
    known.status = seen.status;
}

/// A sync's run and how it ended, for a person.
fn name(sync_run: &SyncRun) -> String {
    let word = sync_run.status.as_str();
    match (sync_run.run, sync_run.sync) {
        (Some(run), Some(sync)) => format!("run {run} of sync {sync} (`{word}`)"),
        (None, Some(sync)) => format!("a run of sync {sync} (`{word}`)"),
        (Some(run), None) => format!("run {run} (`{word}`)"),
        (None, None) => format!("one that Hightouch does not name (`{word}`)"),
    }
}
