//! Sequences: starting a run of one, and looking at it until it has ended.
//!
//! Hightouch lists no runs of sequences, so that nothing tells what came of a trigger whose answer was lost: it is not sent again, and the
//! caller is told at once.

use core::time::Duration;

use super::attempt_error::AttemptError;
use super::operation::{Action, Operation, Phase, Reply};
use super::options::Goal;
use super::outcome::FailureKind;
use super::time::Instant;
use super::trigger::{TriggerError, judge};
use super::verdict::{of_all, sequence_verdict};
use crate::hightouch::{
    ReadError, RunStatus, SequenceId, SequenceRun, SequenceRunId, SequenceStatus, SyncRun,
    Timestamp, read_sequence_trigger,
};

/// How long Hightouch may not know a run that it has named itself.
const SETTLE: Duration = Duration::from_secs(8);
/// Maximum time from the first response that says `done` until the ends of all sync runs are listed. Shorter than the endpoint's default wait
/// of 25 s, so that a loop of `GET`s ends.
const DONE_TIMEOUT: Duration = Duration::from_secs(20);
/// The most sync runs that a message names.
const NAMED: usize = 10;

impl Operation {
    pub(super) fn sequence_triggered(
        &mut self,
        now: Instant,
        sequence: SequenceId,
        reply: Reply,
    ) -> Action {
        match judge(reply, read_sequence_trigger) {
            Ok(run) => {
                self.sequence_run = Some(SequenceRun::unseen(run));
                self.begun(now);
                if matches!(self.goal, Goal::StartSequence(_)) {
                    return self.succeed(now);
                }
                self.look_later(now, Phase::PollSequence)
            }
            Err(TriggerError::NotStarted(setback)) => {
                self.not_started(now, Phase::TriggerSequence(sequence), setback)
            }
            Err(TriggerError::Unknown(cause)) => {
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
        let Some(read) = self
            .sequence_run
            .as_ref()
            .map(|known| read(reply, &known.id))
        else {
            return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
        };
        let seen = match read {
            Ok(seen) => seen,
            Err(setback) if !self.is_final(&setback) || self.may_show_later(now, &setback) => {
                let delay = self
                    .backoff
                    .after_setback(setback.asked(), &mut self.jitter);
                return self.pause(now, delay, Phase::PollSequence, Some(setback));
            }
            Err(setback) => return self.give_up(now, setback),
        };
        let (mut oldest, mut verdict) = (None, None);
        if let Some(known) = &mut self.sequence_run {
            let is_whole = take(known, seen);
            let finished = |run: &SyncRun| run.finished_at.as_deref().and_then(Timestamp::rfc3339);
            oldest = known.sync_runs.iter().filter_map(finished).min();
            // A list that lacks sync runs may lack others too.
            verdict = sequence_verdict(known, self.options.accept_warnings)
                .filter(|_| is_whole || !is_done(known));
        }
        self.backoff.reset();
        self.sighted = true;
        self.learn_age(now, date, oldest);
        match verdict {
            None if self.sequence_run.as_ref().is_some_and(is_done) => self.done_without_ends(now),
            None => self.look_later(now, Phase::PollSequence),
            Some(true) => self.succeed(now),
            Some(false) => self.sequence_failed(now),
        }
    }

    /// The run is `done`, but lists no sync runs, or some without an end: the list may be late, but not for ever.
    fn done_without_ends(&mut self, now: Instant) -> Action {
        let since = *self.done_since.get_or_insert(now);
        let left = DONE_TIMEOUT.saturating_sub(now.duration_since(since));
        if !left.is_zero() {
            let delay = self
                .pace
                .next_look(now, self.run_age(now), &mut self.jitter);
            let delay = delay.min(left.max(self.pace.apart()));
            return self.pause(now, delay, Phase::PollSequence, None);
        }
        let Some(run) = &self.sequence_run else {
            return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
        };
        if sequence_verdict(run, self.options.accept_warnings) == Some(false) {
            return self.sequence_failed(now);
        }
        let without_end: Vec<&SyncRun> = run
            .sync_runs
            .iter()
            .filter(|sync_run| !sync_run.ended())
            .collect();
        let missing = if run.sync_runs.is_empty() {
            String::from("it lists no sync runs")
        } else if without_end.is_empty() {
            String::from("it does not list all sync runs that it listed before")
        } else {
            let names: Vec<String> = without_end
                .iter()
                .take(NAMED)
                .map(|sync_run| name(sync_run))
                .collect();
            let more = if without_end.len() > NAMED {
                " and more"
            } else {
                ""
            };
            format!("it lists no end of {}{more}", names.join(", "))
        };
        let message = format!(
            "Hightouch reports the sequence as `done`, but {missing}. Success is not proven. Check the sequence run in Hightouch before you run the sequence again."
        );
        let details = format!("sequence run {} is `done`.", run.id);
        self.fail(now, FailureKind::SyncFailed, message, Some(details))
    }

    /// Whether it is a run that was named so lately that not all of Hightouch need know it.
    fn may_show_later(&self, now: Instant, setback: &AttemptError) -> bool {
        let unknown = matches!(
            setback,
            AttemptError::Refused {
                status: 400 | 404 | 422,
                ..
            }
        );
        unknown && matches!(self.goal, Goal::RunSequence(_)) && self.run_age(now) < SETTLE
    }

    /// Ends in a failure that names the sync runs that did not succeed.
    fn sequence_failed(&mut self, now: Instant) -> Action {
        let accept_warnings = self.options.accept_warnings;
        let Some(run) = &self.sequence_run else {
            return self.fail(now, FailureKind::Other, "There is no run to look at.", None);
        };
        let bad = |sync_run: &SyncRun| {
            of_all(
                &mut [(&sync_run.status, sync_run.ended())].into_iter(),
                accept_warnings,
            )
            .failed()
        };
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

fn is_done(run: &SequenceRun) -> bool {
    run.status == SequenceStatus::Done
}

/// Reads the answer that tells of a run.
fn read(reply: Reply, id: &SequenceRunId) -> Result<SequenceRun, AttemptError> {
    let answer = reply.map_err(AttemptError::TransportError)?;
    if !answer.ok() {
        return Err(AttemptError::refused(&answer));
    }
    let unreadable = |why| AttemptError::Unreadable {
        status: answer.status,
        why,
    };
    let run = answer
        .whole()
        .and_then(SequenceRun::read)
        .map_err(unreadable)?;
    // Of another run it tells nothing of this one.
    if run.id == *id {
        Ok(run)
    } else {
        Err(unreadable(ReadError::Missing("id")))
    }
}

/// Takes note of a response about the run. A sync run that an earlier response listed and this one does not still counts: the response may
/// come from a replica that lags, and the sync run may have failed. A failure that was seen stays one. Returns whether the response lists every
/// sync run that an earlier one listed.
fn take(known: &mut SequenceRun, seen: SequenceRun) -> bool {
    let earlier = std::mem::replace(&mut known.sync_runs, seen.sync_runs);
    known.status = seen.status;
    // A sync run without an ID cannot be found again: only a shorter list shows that one is missing.
    let is_shorter = known.sync_runs.len() < earlier.len();
    let mut is_whole = !is_shorter;
    for before in earlier {
        let has_room = known.sync_runs.len() < SequenceRun::MOST;
        match known
            .sync_runs
            .iter_mut()
            .find(|now| before.run.is_some() && now.run == before.run)
        {
            Some(now) if has_failed(&before) => *now = before,
            Some(_) => {}
            None if is_shorter || before.run.is_some() => {
                is_whole = false;
                if has_room {
                    known.sync_runs.push(before);
                }
            }
            None => {}
        }
    }
    is_whole
}

/// Whether a sync run ended without success, whatever the caller says about warnings.
fn has_failed(sync_run: &SyncRun) -> bool {
    of_all(
        &mut [(&sync_run.status, sync_run.ended())].into_iter(),
        true,
    )
    .failed()
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
