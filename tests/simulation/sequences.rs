//! The simulated runs of a sequence.

use std::fmt::Write as _;

use super::hightouch::{Entry, ResponseFaults, word};
use super::world::{Call, Ending, Lag, Millis, Rows, Sequence, SequenceEnding, SequencePlan};

/// The sequence.
pub const SEQUENCE: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
/// The suffix of the IDs of its runs. The number of the run precedes it.
const RUN: &str = "-5e90-4e2c-8000-00000000000a";
/// Time of a sync run in the status `queued`.
const QUEUED: Millis = 300;

/// A run of the sequence.
#[derive(Debug)]
pub struct Run {
    pub number: u64,
    pub created: Millis,
    started: Millis,
    plan: SequencePlan,
}

/// A sync run of the sequence: the ID of the sync, the ID of the run, and the status.
pub type SyncRun = (u64, u64, &'static str);

impl Run {
    /// Returns when the status becomes final; `None` if it never does.
    fn over(&self) -> Option<Millis> {
        let takes: Millis = self.plan.syncs.iter().map(|(takes, _)| takes).sum();
        (self.plan.ends != SequenceEnding::Never).then_some(self.started + takes)
    }

    /// Returns whether the run ends as `done`.
    fn is_done(&self) -> bool {
        self.plan.ends == SequenceEnding::Done
    }

    /// Returns when responses show the end of all sync runs; `None` if they never do.
    pub fn ends(&self) -> Option<Millis> {
        let over = self.over()?;
        if !self.is_done() {
            return Some(over);
        }
        let goes_on = self
            .plan
            .syncs
            .iter()
            .any(|(_, ending)| *ending == Ending::Never);
        (!goes_on && !self.plan.syncs.is_empty()).then_some(over + self.plan.whole_after)
    }

    pub fn has_ended(&self, now: Millis) -> bool {
        self.ends().is_some_and(|end| end <= now)
    }

    /// Returns whether the run is a success when it has ended.
    pub fn succeeds(&self, call: &Call) -> bool {
        let is_good = |(place, (_, ending)): (usize, &(Millis, Ending))| match ending {
            Ending::Success => true,
            Ending::Warning => call.accepts_warnings(&self.rows(place)),
            _ => false,
        };
        self.is_done()
            && !self.plan.syncs.is_empty()
            && self.plan.syncs.iter().enumerate().all(is_good)
    }

    /// Returns the row counts of the jobs of a sync run.
    fn rows(&self, place: usize) -> Vec<Rows> {
        match self.plan.rows.get(place) {
            Some(rows) if !rows.is_empty() => rows.clone(),
            _ => vec![Rows::default()],
        }
    }

    /// Returns the numbers of the sync runs that ended as `warning`, and whether the row counts of
    /// each are accepted.
    pub fn warned(&self, call: &Call) -> Vec<(u64, bool)> {
        let syncs = self.plan.syncs.iter().enumerate();
        syncs
            .filter(|(_, (_, ending))| *ending == Ending::Warning)
            .map(|(place, _)| {
                let id = 1_000 * self.number + 1 + u64::try_from(place).unwrap();
                (id, call.accepts_warnings(&self.rows(place)))
            })
            .collect()
    }

    /// Returns the entries of a sync run in the list of its sync's runs: one for each job.
    fn entries(&self, sync: u64, now: Millis) -> Vec<Entry> {
        let place = usize::try_from(sync - 1).unwrap();
        let Some((takes, ending)) = self.plan.syncs.get(place) else {
            return Vec::new();
        };
        let before: Millis = self.plan.syncs[..place]
            .iter()
            .map(|(takes, _)| takes)
            .sum();
        let begins = self.started + before;
        if now < begins {
            return Vec::new();
        }
        let started = begins + QUEUED.min(*takes);
        let ended = (*ending != Ending::Never)
            .then_some(begins + takes + self.plan.ends_listed_after)
            .filter(|ended| *ended <= now);
        let rows = self.rows(place);
        let last = rows.len() - 1;
        rows.into_iter()
            .enumerate()
            .map(|(job, rows)| Entry {
                id: 1_000 * self.number + sync,
                created: begins,
                started,
                status: match ended {
                    // Not every job rejected rows.
                    Some(_) if *ending == Ending::Warning && job < last => "success",
                    Some(_) => word(*ending),
                    None if now < started => "queued",
                    None => "processing",
                },
                ended,
                rows,
            })
            .collect()
    }

    /// Returns when Hightouch knows the run.
    pub fn known(&self) -> Millis {
        self.created + self.plan.known_after
    }

    fn status(&self, now: Millis) -> &'static str {
        match self.plan.ends {
            _ if now < self.started => "pending",
            SequenceEnding::Never if now >= self.started + 5_000 => "wrapping up",
            _ if self.over().is_none_or(|over| now < over) => "running",
            SequenceEnding::Done => "done",
            SequenceEnding::Failed => "failed",
            SequenceEnding::Cancelled => "cancelled",
            SequenceEnding::Never => unreachable!("it is never over"),
        }
    }

    /// Returns the sync runs.
    pub fn sync_runs(&self, now: Millis) -> Vec<SyncRun> {
        let mut begins = self.started;
        let mut all = Vec::new();
        for ((takes, ending), place) in self.plan.syncs.iter().zip(1..) {
            if now < begins {
                break;
            }
            let status = match ending {
                _ if now - begins < QUEUED.min(*takes) => "queued",
                _ if now - begins < *takes => "processing",
                ending => word(*ending),
            };
            all.push((place, 1_000 * self.number + place, status));
            begins += takes;
        }
        all
    }

    /// Returns the sync runs that a response shows.
    fn told(&self, now: Millis) -> Vec<SyncRun> {
        match (self.over(), self.plan.lags) {
            (Some(over), Lag::Empty) if (over..over + self.plan.whole_after).contains(&now) => {
                Vec::new()
            }
            (Some(over), Lag::Before) if (over..over + self.plan.whole_after).contains(&now) => {
                self.sync_runs(over - 1)
            }
            _ => self.sync_runs(now),
        }
    }
}

/// A trigger that takes effect later.
struct Upcoming<'w> {
    at: Millis,
    ours: bool,
    plan: &'w SequencePlan,
}

pub struct Sequences<'w> {
    world: &'w Sequence,
    pub runs: Vec<Run>,
    /// The number of the run that each trigger of the operation started or joined.
    pub effects: Vec<u64>,
    /// The run to await: the newest one from before the operation, or one that does not exist.
    pub awaited: u64,
    coming: Vec<Upcoming<'w>>,
    triggers: usize,
}

impl<'w> Sequences<'w> {
    pub fn new(world: &'w Sequence) -> Self {
        let coming = world.others.iter().map(|theirs| Upcoming {
            at: theirs.at,
            ours: false,
            plan: &theirs.plan,
        });
        let mut sequences = Self {
            world,
            runs: Vec::new(),
            effects: Vec::new(),
            awaited: 0,
            coming: coming.collect(),
            triggers: 0,
        };
        sequences.advance(0);
        sequences.awaited = sequences.runs.last().map_or(1, |run| run.number);
        sequences
    }

    /// Creates the runs that are due.
    pub fn advance(&mut self, now: Millis) {
        self.coming.sort_by_key(|coming| coming.at);
        while let Some(coming) = self.coming.first().filter(|coming| coming.at <= now) {
            let at = coming.at;
            let Upcoming { ours, plan, .. } = self.coming.remove(0);
            let goes = |run: &&Run| run.over().is_none_or(|over| at < over);
            let there = self
                .runs
                .last()
                .filter(goes)
                .filter(|run| self.world.joins || at < run.started);
            let number = match there {
                Some(run) => run.number,
                None => self.make(at, plan),
            };
            if ours {
                self.effects.push(number);
            }
        }
    }

    fn make(&mut self, created: Millis, plan: &SequencePlan) -> u64 {
        // The runs execute one after the other. A run that never ends does not block the next one:
        // the simulation does not model a blocked queue.
        let before = self
            .runs
            .iter()
            .map(|run| run.over().unwrap_or(run.started))
            .max()
            .unwrap_or(created);
        let number = 1 + u64::try_from(self.runs.len()).unwrap();
        self.runs.push(Run {
            number,
            created,
            started: before.max(created + plan.pending),
            plan: plan.clone(),
        });
        number
    }

    /// Creates all runs that the operation has triggered.
    pub fn create_all(&mut self) {
        let last = self
            .coming
            .iter()
            .filter(|coming| coming.ours)
            .map(|coming| coming.at)
            .max();
        self.advance(last.unwrap_or(Millis::MIN));
    }

    /// Lets a trigger take effect at this time, which may be in the future.
    pub fn trigger(&mut self, at: Millis) {
        let plan = self
            .world
            .ours
            .get(self.triggers)
            .or(self.world.ours.last())
            .unwrap();
        self.triggers += 1;
        self.coming.push(Upcoming {
            at,
            ours: true,
            plan,
        });
    }

    /// Returns the list of the runs of a sync of the sequence, the oldest run first.
    pub fn entries(&self, sync: u64, now: Millis) -> Vec<Entry> {
        let runs = self.runs.iter();
        runs.flat_map(|run| run.entries(sync, now)).collect()
    }

    pub fn run(&self, number: u64) -> Option<&Run> {
        self.runs.iter().find(|run| run.number == number)
    }

    /// Returns the body of the response about a run, or the error status for an unknown run.
    pub fn answer(
        &self,
        id: &str,
        now: Millis,
        faults: ResponseFaults,
        shouts: bool,
    ) -> Result<String, u16> {
        let then = now - faults.behind;
        let known = |run: &&Run| run.known() <= then;
        let asked = self
            .runs
            .iter()
            .filter(known)
            .find(|run| run_id(run.number).eq_ignore_ascii_case(id));
        let run = asked.ok_or(self.world.unknown)?;
        let another = self
            .runs
            .iter()
            .filter(known)
            .find(|other| other.number != run.number);
        if let Some(another) = another.filter(|_| faults.of_another) {
            return Ok(said(another, then, &another.told(then), shouts));
        }
        let mut told = run.told(then);
        // If the run is `done`, only an earlier response shows that sync runs are missing.
        if run.status(then) != "done" || told.len() <= faults.shown_before {
            told.truncate(told.len().saturating_sub(faults.short));
        }
        Ok(said(run, then, &told, shouts))
    }
}

/// Returns the ID of a run.
pub fn run_id(number: u64) -> String {
    format!("{number:08x}{RUN}")
}

/// Returns the number of the run with this ID.
pub fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id.to_ascii_lowercase().strip_suffix(RUN)?, 16).ok()
}

fn said(run: &Run, then: Millis, told: &[SyncRun], shouts: bool) -> String {
    let case = |text: &str| {
        if shouts {
            text.to_uppercase()
        } else {
            text.into()
        }
    };
    let (id, status) = (case(&run_id(run.number)), case(run.status(then)));
    let mut body = format!(r#"{{"id":"{id}","status":"{status}","syncRuns":["#);
    for (place, (sync, sync_run, status)) in told.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let status = case(status);
        write!(
            body,
            r#"{comma}{{"syncId":{sync},"syncRunId":{sync_run},"status":"{status}"}}"#
        )
        .unwrap();
    }
    body += "]}";
    body
}
