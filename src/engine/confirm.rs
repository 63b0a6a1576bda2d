//! After a trigger whose answer never came or told nothing: did a run come of it? Hightouch has no idempotency key, so its list of
//! runs is asked.
//!
//! A run counts as the one in question where it came into being after the trigger was sent: by its ID, where the IDs before are
//! known, else by its age at the server's own clock, of which `Date` tells the second. It may be somebody else's, started at the same
//! moment; with nothing asked for beyond the ordinary that run does the same work on the same data, so it is taken. Where a resync was
//! asked for, or several runs fit, or ages cannot be told, it is not decided here: the caller is told which runs it may be.

use core::time::Duration;

use super::operation::{Action, Operation, Phase, Reply};
use super::outcome::{Failure, FailureKind};
use super::pages::{Order, Pages};
use super::setback::Setback;
use super::time::Instant;
use super::trigger::Trigger;
use crate::hightouch::{Request, Run, RunId, moment_of};

/// How long a run may take to be listed. Only after that does a list without it mean that there is none.
const SETTLE: Duration = Duration::from_secs(10);
/// How long the list is asked for in all, where it cannot be read.
const PATIENCE: Duration = Duration::from_secs(15);
/// By how much the clocks of Hightouch's own machines differ at most where all is well.
const SKEW: Duration = Duration::from_millis(500);
/// By how much they may differ where it is not. A run that is older by less than this cannot be told from the one in question.
const GREATEST_SKEW: Duration = Duration::from_secs(30);
/// How often a trigger that came to nothing is sent again.
const RESENDS: u32 = 2;
/// The most candidates that are named.
const NAMED: usize = 10;

/// Finding out what came of a trigger.
#[derive(Debug)]
pub(super) struct Confirm {
    trigger: Trigger,
    /// Why it is not known.
    cause: Setback,
    /// When the trigger was sent.
    sent: Instant,
    /// When it turned out that its answer tells nothing.
    unclear: Instant,
    /// When the list was asked for: what it does not show was not listed then.
    asked: Option<Instant>,
    pages: Pages,
    order: Order,
    /// The runs that may be it.
    candidates: Vec<RunId>,
    /// Whether it can be told of each that it came after the trigger was sent.
    certain: bool,
}

impl Confirm {
    pub(super) fn new(trigger: Trigger, cause: Setback, sent: Instant, unclear: Instant) -> Self {
        Self {
            trigger,
            cause,
            sent,
            unclear,
            asked: None,
            pages: Pages::default(),
            order: Order::default(),
            candidates: Vec::new(),
            certain: true,
        }
    }

    /// The same, with the list to be read from its beginning.
    fn again(self) -> Self {
        Self::new(self.trigger, self.cause, self.sent, self.unclear)
    }

    pub(super) fn request(&self) -> Request {
        Request::runs(self.trigger.sync, self.pages.offset)
    }

    /// Takes note of a run in a list that came back at `now`, when the server's clock stood at `date`.
    fn note(&mut self, run: &Run, now: Instant, date: Option<time::OffsetDateTime>) {
        self.order.note(run.id);
        if let Some(baseline) = self.trigger.baseline {
            if run.id.get() <= baseline {
                return;
            }
        } else {
            let created = run.created_at.as_deref().and_then(moment_of);
            match date.zip(created) {
                Some((date, created)) => {
                    let age: Duration = (date - created).try_into().unwrap_or(Duration::ZERO);
                    let oldest = now.since(self.sent);
                    if age > oldest.saturating_add(GREATEST_SKEW) {
                        return;
                    }
                    self.certain &= age <= oldest.saturating_add(SKEW);
                }
                None => self.certain = false,
            }
        }
        if self.candidates.len() < NAMED && !self.candidates.contains(&run.id) {
            self.candidates.push(run.id);
        }
    }
}

impl Operation {
    pub(super) fn confirmed(&mut self, now: Instant, mut phase: Confirm, reply: Reply) -> Action {
        let date = reply.as_ref().ok().and_then(|answer| answer.date);
        phase.asked.get_or_insert(self.sent);
        let mut pages = std::mem::take(&mut phase.pages);
        let more = match pages.note(reply, |body| Run::read_page(body, &mut |run| phase.note(&run, now, date))) {
            Ok(more) => more,
            Err(setback) => {
                let again = phase.again();
                let waited = now.since(again.unclear);
                if !setback.passing() || waited >= PATIENCE {
                    return self.unconfirmed(now, again, Some(setback));
                }
                let delay = self.backoff.after_setback(setback.asked(), &mut self.jitter);
                return self.pause(now, delay.min(PATIENCE - waited), Phase::Confirm(again), Some(setback));
            }
        };
        phase.pages = pages;
        // What is in question is among the newest.
        if more && !phase.order.newest_first() {
            return self.go(now, Phase::Confirm(phase));
        }
        self.backoff.reset();
        match phase.candidates.as_slice() {
            [] => self.none_listed(now, phase),
            [run] if phase.certain && !self.options.resync.any() => {
                let run = *run;
                self.started(now, run)
            }
            _ => self.unconfirmed(now, phase, None),
        }
    }

    /// No run that may be it is listed: not yet, or not at all.
    fn none_listed(&mut self, now: Instant, phase: Confirm) -> Action {
        let waited = phase.asked.unwrap_or(phase.unclear).since(phase.unclear);
        if waited < SETTLE {
            let delay = (SETTLE - waited).min(Duration::from_secs(1).saturating_add(waited));
            return self.pause(now, delay, Phase::Confirm(phase.again()), None);
        }
        // Nothing is listed, but what is slow may still come.
        if phase.cause.may_go_on() {
            return self.unconfirmed(now, phase, None);
        }
        let Confirm { mut trigger, cause, .. } = phase;
        // An error status fails by the rule; an answer that was lost on the way is nobody's decision.
        if matches!(cause, Setback::Trouble(_)) && trigger.resent < RESENDS && self.has_room_for_trigger(now) {
            trigger.resent += 1;
            return self.go(now, Phase::Trigger(trigger));
        }
        self.give_up(now, cause)
    }

    /// It cannot be told.
    pub(super) fn unconfirmed(&mut self, now: Instant, phase: Confirm, setback: Option<Setback>) -> Action {
        let Confirm { cause, candidates, .. } = phase;
        let why = match (candidates.as_slice(), setback) {
            ([], Some(setback)) => format!("Hightouch's list of runs could not tell: {}", setback.sentence()),
            ([], None) => "Hightouch's list of runs has not shown it so far.".into(),
            (runs, _) => {
                let names: Vec<String> = runs.iter().map(ToString::to_string).collect();
                format!("These runs may be it: {}.", names.join(", "))
            }
        };
        let details = format!(
            "The run may have been started or not. {why} The request was not sent again, for that could run the sync twice: look at the \
             sync's runs first. {}",
            cause.sentence()
        );
        let message = match cause.status() {
            Some(_) => cause.message(),
            None => format!("{}. Whether the run was started is not known.", cause.message()),
        };
        let outcome = match self.fail(now, FailureKind::TriggerUnconfirmed, message, Some(details)) {
            Action::Done(outcome) => *outcome,
            other => return other,
        };
        Action::Done(Box::new(outcome.map_err(|failure| Failure { http_status: cause.status(), ..failure })))
    }
}
