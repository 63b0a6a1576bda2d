//! After a trigger whose answer never came or told nothing: did a run come of it? Hightouch has no idempotency key, so its list of
//! runs is asked, until what is not listed by then is not there.
//!
//! A run counts as the one in question where it came into being after the trigger was sent, by Hightouch's own clock. It may be somebody
//! else's, started at the same moment while the trigger was lost; with nothing asked for beyond the ordinary that run does the same work
//! on the same data, so it is taken. Where a resync was asked for, or several runs fit, or ages cannot be told, it is not decided here:
//! the caller is told which runs it may be.

use core::time::Duration;

use super::attempt_error::AttemptError;
use super::list::RunList;
use super::operation::{Action, Operation, Phase, Reply};
use super::outcome::{Failure, FailureKind};
use super::server_clock::{ServerClock, When};
use super::time::Instant;
use super::trigger::Trigger;
use crate::hightouch::{Request, Run, RunId, Timestamp};

/// How long a run may take to be listed. Only what a list shows that was asked for after that is the whole truth: that there is no run,
/// or that there is no other.
pub(super) const SETTLE: Duration = Duration::from_secs(8);
/// When the list is asked for, besides at once. At each of these the fraction of the server's second is another, so that its clock, whose
/// `Date` tells whole seconds, becomes known to a quarter of one.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(1250),
    Duration::from_millis(3500),
    Duration::from_millis(5750),
    SETTLE,
];
/// How long the list is asked for where it cannot be read. A rate limit is sat out.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a trigger that came to nothing is sent again.
const RESENDS: u32 = 2;
/// The most candidates that are named.
const NAMED: usize = 10;

/// Finding out what came of a trigger.
#[derive(Debug)]
pub(super) struct Confirm {
    trigger: Trigger,
    /// Why it is not known.
    cause: AttemptError,
    /// When the trigger was sent.
    sent: Instant,
    /// When it turned out that its answer tells nothing.
    unclear: Instant,
    /// When the list was asked for: what it does not show was not listed then.
    asked: Option<Instant>,
    list: RunList,
    notes: Notes,
    /// Those that the list before showed.
    before: Vec<Candidate>,
    /// Whether the list has entries that could not be read as runs, any of which may be it, or was kept somewhere on the way.
    unread: bool,
}

/// What the list shows.
#[derive(Clone, Debug, Default)]
struct Notes {
    /// The runs that may be it.
    candidates: Vec<Candidate>,
    /// Whether there is a run that was there before the trigger.
    older_seen: bool,
}

/// A run that may be the one in question.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    run: RunId,
    created: Option<Timestamp>,
}

/// What a list tells.
enum Finding {
    /// No run came of the trigger that is listed.
    NoRun,
    /// This one did, if none is listed beside it later.
    Run(RunId),
    /// It cannot be told, and no later list will tell.
    Ambiguous,
    /// It cannot be told by now.
    Inconclusive,
}

impl Confirm {
    pub(super) fn new(
        trigger: Trigger,
        cause: AttemptError,
        sent: Instant,
        unclear: Instant,
    ) -> Self {
        let list = RunList::newest(trigger.sync);
        Self {
            trigger,
            cause,
            sent,
            unclear,
            asked: None,
            list,
            notes: Notes::default(),
            before: Vec::new(),
            unread: false,
        }
    }

    /// The same, with the list to be read from its beginning.
    fn again(self) -> Self {
        let before = if self.notes.candidates.is_empty() {
            self.before
        } else {
            self.notes.candidates
        };
        let list = self.list.again();
        Self {
            before,
            list,
            ..Self::new(self.trigger, self.cause, self.sent, self.unclear)
        }
    }

    pub(super) fn request(&self) -> Request {
        self.list.request()
    }

    /// What the list tells, which has been read.
    fn tell(&mut self, clock: &ServerClock, resync: bool) -> Finding {
        let when = |candidate: &Candidate| clock.compare(candidate.created, self.sent);
        self.notes
            .candidates
            .retain(|candidate| when(candidate) != When::LongBefore);
        let of = |one: When| {
            self.notes
                .candidates
                .iter()
                .filter(move |candidate| when(candidate) == one)
        };
        let mut new = of(When::After);
        match (new.next(), new.next()) {
            _ if self.unread && !resync => Finding::Inconclusive,
            _ if self.notes.candidates.is_empty() => Finding::NoRun,
            _ if resync => Finding::Ambiguous,
            (Some(_), Some(_)) => Finding::Ambiguous,
            (Some(new), None) if of(When::Unknown).next().is_none() => Finding::Run(new.run),
            _ => Finding::Inconclusive,
        }
    }
}

impl Notes {
    /// Takes note of a run in a list that came back at `now`.
    fn note(
        &mut self,
        run: &Run,
        trigger: &Trigger,
        sent: Instant,
        clock: &mut ServerClock,
        now: Instant,
    ) {
        let created = run.created_at.as_deref().and_then(Timestamp::rfc3339);
        if let Some(created) = created {
            clock.note_past(created, now);
        }
        if trigger
            .baseline
            .is_some_and(|baseline| run.id.get() <= baseline)
        {
            self.older_seen = true;
            return;
        }
        let known = |candidate: &Candidate| candidate.run == run.id;
        let when = clock.compare(created, sent);
        self.older_seen |= when == When::LongBefore;
        if when != When::LongBefore && !self.candidates.iter().any(known) {
            self.candidates.push(Candidate {
                run: run.id,
                created,
            });
            // One more than are named is as good as any number.
            self.candidates.truncate(NAMED + 1);
        }
    }
}

impl Operation {
    pub(super) fn confirmed(&mut self, now: Instant, mut phase: Confirm, reply: Reply) -> Action {
        phase.asked.get_or_insert(self.sent);
        phase.unread |= reply.as_ref().is_ok_and(|answer| answer.is_old);
        let Confirm {
            list,
            notes,
            trigger,
            sent,
            ..
        } = &mut phase;
        let (clock, pace) = (&mut self.clock, &mut self.pace);
        let read = list.read(reply, notes, |notes, run| {
            pace.note_earlier(&run);
            notes.note(&run, trigger, *sent, clock, now);
        });
        let page = match read {
            Ok(Some(page)) => page,
            Ok(None) => return self.go(now, Phase::Confirm(phase)),
            Err(setback) => {
                let again = phase.again();
                let too_long =
                    now.duration_since(again.unclear) >= PATIENCE && !setback.rate_limited();
                // Neither the trigger's response nor the list can be read, and no later one will be.
                let encoded = setback.is_encoded() && again.cause.is_encoded();
                if !setback.passing() || encoded || too_long {
                    return self.unconfirmed(now, again, Some(setback));
                }
                let delay = self
                    .backoff
                    .after_setback(setback.asked(), &mut self.jitter);
                return self.pause(now, delay, Phase::Confirm(again), Some(setback));
            }
        };
        phase.unread |= page.has_unreadable;
        // The run is newer than every run that was there before the trigger.
        let has_all_newer = phase.notes.older_seen || phase.notes.candidates.len() > NAMED;
        if page.has_more && !(page.newest_first && has_all_newer) {
            return self.go(now, Phase::Confirm(phase));
        }
        self.backoff.reset();
        let told = phase.tell(&self.clock, self.options.resync.any());
        if matches!(told, Finding::Ambiguous) {
            return self.unconfirmed(now, phase, None);
        }
        let asked = phase
            .asked
            .unwrap_or(phase.unclear)
            .duration_since(phase.unclear);
        if asked < SETTLE {
            let looks = LOOKS
                .into_iter()
                .map(|look| (phase.unclear + look).duration_since(now));
            return match looks.into_iter().find(|delay| !delay.is_zero()) {
                Some(delay) => self.pause(now, delay, Phase::Confirm(phase.again()), None),
                None => self.go(now, Phase::Confirm(phase.again())),
            };
        }
        match told {
            Finding::Run(run) => self.started(now, run),
            Finding::NoRun => self.none_listed(now, phase),
            Finding::Ambiguous | Finding::Inconclusive => self.unconfirmed(now, phase, None),
        }
    }

    /// No run came of it that is listed by now.
    fn none_listed(&mut self, now: Instant, phase: Confirm) -> Action {
        // What is slow may still come. And a resync is too dear to be risked twice.
        // A response of success says that there is one, whatever the list shows.
        let is_success = matches!(phase.cause, AttemptError::Unreadable { .. });
        if is_success || phase.cause.may_go_on() || self.options.resync.any() {
            return self.unconfirmed(now, phase, None);
        }
        let Confirm {
            mut trigger, cause, ..
        } = phase;
        // An error status fails by the rule; an answer that was lost on the way is nobody's decision.
        if matches!(cause, AttemptError::TransportError(_))
            && trigger.resent < RESENDS
            && self.has_room_for_trigger(now)
        {
            trigger.resent += 1;
            return self.go(now, Phase::Trigger(trigger));
        }
        self.give_up(now, cause)
    }

    /// It cannot be told.
    pub(super) fn unconfirmed(
        &mut self,
        now: Instant,
        phase: Confirm,
        setback: Option<AttemptError>,
    ) -> Action {
        let Confirm {
            cause,
            before: candidates,
            trigger,
            ..
        } = phase.again();
        let named = match trigger.named.as_slice() {
            [] => String::new(),
            named => {
                let ids: Vec<String> = named.iter().map(ToString::to_string).collect();
                format!("Hightouch's response names run {}. ", ids.join(" and run "))
            }
        };
        let why = match (candidates.as_slice(), setback) {
            ([], Some(setback)) => format!(
                "Hightouch's list of runs could not tell: {}",
                setback.sentence()
            ),
            ([], None) => "Hightouch's list of runs has not shown it so far.".into(),
            (runs, _) => {
                let mut names = String::new();
                for candidate in runs.iter().take(NAMED) {
                    names += if names.is_empty() { "" } else { ", " };
                    names += &candidate.run.to_string();
                }
                let more = if runs.len() > NAMED { " and more" } else { "" };
                format!("These runs may be it: {names}{more}.")
            }
        };
        let details = format!(
            "The run may have been started or not. {named}{why} The request was not sent again, for that could run the sync twice: look at the \
             sync's runs first. {}",
            cause.sentence()
        );
        self.cannot_be_told(now, &cause, details)
    }

    /// Ends in the failure of a trigger of which it cannot be told what came of it.
    pub(super) fn cannot_be_told(
        &mut self,
        now: Instant,
        cause: &AttemptError,
        details: String,
    ) -> Action {
        let message = match cause.status() {
            Some(_) => cause.message(),
            None => format!(
                "{}. Whether the run was started is not known.",
                cause.message()
            ),
        };
        let outcome = match self.fail(now, FailureKind::TriggerUnconfirmed, message, Some(details))
        {
            Action::Done(outcome) => *outcome,
            other => return other,
        };
        Action::Done(Box::new(outcome.map_err(|failure| Failure {
            http_status: cause.status(),
            ..failure
        })))
    }
}
