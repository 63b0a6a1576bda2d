//! Sequences: syncs that run one after another. Only one run of a sequence is in progress at a
//! time.

use time::OffsetDateTime;

use super::run::{Flags, Run};
use super::status::Status;
use super::workspace::Workspace;

/// A run of a sequence.
#[derive(Clone, Debug)]
pub(super) struct SequenceRun {
    pub(super) id: String,
    pub(super) sequence: String,
    created_at: OffsetDateTime,
    pub(super) status: SequenceStatus,
    /// The IDs of its sync runs so far.
    pub(super) run_ids: Vec<u64>,
    ended_at: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceStatus {
    Pending,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl SequenceStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Workspace {
    /// Starts a run of a sequence and returns its ID. If a run is in progress, the new run is
    /// queued, unless one is queued already: then it returns the ID of that run. If the workspace
    /// does not queue runs, it returns the ID of the run in progress. Returns `None` if the
    /// sequence does not exist.
    pub(super) fn trigger_sequence(&mut self, id: &str, now: OffsetDateTime) -> Option<String> {
        self.advance_sequences(now);
        self.sequences.iter().find(|known| known.id == id)?;
        let queued = self
            .sequence_runs
            .iter()
            .find(|run| run.sequence == id && run.status == SequenceStatus::Pending);
        if let Some(queued) = queued {
            return Some(queued.id.clone());
        }
        let going = self
            .sequence_runs
            .iter()
            .find(|run| run.sequence == id && run.status == SequenceStatus::Running);
        if let Some(going) = going.filter(|_| !self.queues_sequence_runs) {
            return Some(going.id.clone());
        }
        let number = self.sequence_runs.len() + 1;
        let run = SequenceRun {
            id: format!("{number:08x}-5e90-4e2c-8000-{:012x}", self.id),
            sequence: id.to_owned(),
            created_at: now,
            status: SequenceStatus::Pending,
            run_ids: Vec::new(),
            ended_at: None,
        };
        let run_id = run.id.clone();
        self.sequence_runs.push(run);
        self.advance_sequences(now);
        Some(run_id)
    }

    /// Returns a sequence run in its state at the last call of [`Workspace::advance_sequences`].
    pub(super) fn sequence_run(&self, id: &str) -> Option<&SequenceRun> {
        self.sequence_runs.iter().find(|run| run.id == id)
    }

    /// Carries out all steps that are due by now, each at its due time.
    pub(super) fn advance_sequences(&mut self, now: OffsetDateTime) {
        for index in 0..self.sequence_runs.len() {
            while let Some(run) = self.sequence_runs.get(index).cloned() {
                let Some(next) = self.step(run, now) else {
                    break;
                };
                if let Some(slot) = self.sequence_runs.get_mut(index) {
                    *slot = next;
                }
            }
        }
    }

    /// Returns the run after its next step, or `None` if no step is due.
    fn step(&mut self, mut run: SequenceRun, now: OffsetDateTime) -> Option<SequenceRun> {
        let due_at = match run.status {
            SequenceStatus::Pending => self.turn_of(&run)?,
            SequenceStatus::Running => self.run(*run.run_ids.last()?)?.ends_at()?,
            SequenceStatus::Done | SequenceStatus::Failed | SequenceStatus::Cancelled => {
                return None;
            }
        };
        if due_at > now {
            return None;
        }
        let sequence = self
            .sequences
            .iter()
            .find(|known| known.id == run.sequence)?;
        let stopped = run
            .run_ids
            .last()
            .and_then(|id| self.run(*id))
            .and_then(|last| stopped_by(last, due_at))
            .filter(|_| sequence.stops_on_failure);
        let next_sync = sequence.sync_ids.get(run.run_ids.len()).copied();
        run.status = match (stopped, next_sync) {
            (Some(status), _) => status,
            (None, Some(sync_id)) => {
                run.run_ids
                    .push(self.trigger(sync_id, Flags::default(), due_at)?);
                SequenceStatus::Running
            }
            (None, None) => SequenceStatus::Done,
        };
        if run.status != SequenceStatus::Running {
            run.ended_at = Some(due_at);
        }
        Some(run)
    }

    /// Returns the time at which a pending run may begin: immediately, or when the run before it
    /// has ended.
    fn turn_of(&self, run: &SequenceRun) -> Option<OffsetDateTime> {
        let ahead = self
            .sequence_runs
            .iter()
            .take_while(|other| other.id != run.id)
            .filter(|other| other.sequence == run.sequence)
            .last();
        match ahead {
            None => Some(run.created_at),
            Some(ahead) => ahead.ended_at.map(|end| end.max(run.created_at)),
        }
    }
}

/// Returns the status of a sequence that stops because of this sync run, or `None` if it does not
/// stop.
fn stopped_by(run: &Run, now: OffsetDateTime) -> Option<SequenceStatus> {
    match run.status(now) {
        Status::Failed | Status::Interrupted => Some(SequenceStatus::Failed),
        Status::Cancelled => Some(SequenceStatus::Cancelled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use time::ext::NumericalDuration;
    use time::macros::datetime;

    use super::super::fixtures;
    use super::super::options::Options;
    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn workspace() -> Workspace {
        Workspace::new(1, 2, &Options::default(), START)
    }

    fn state(workspace: &mut Workspace, id: &str, seconds: f64) -> (&'static str, usize) {
        workspace.advance_sequences(START + seconds.seconds());
        let run = workspace.sequence_run(id).unwrap();
        (run.status.as_str(), run.run_ids.len())
    }

    #[test]
    fn its_syncs_run_one_after_another() {
        let mut workspace = workspace();
        let id = workspace
            .trigger_sequence(fixtures::SEQUENCE, START)
            .unwrap();
        assert_eq!(state(&mut workspace, &id, 0.5), ("running", 1));
        assert_eq!(state(&mut workspace, &id, 2.0), ("running", 2));
        assert_eq!(state(&mut workspace, &id, 3.0), ("done", 2));
    }

    #[test]
    fn looked_at_late_it_went_the_same_way() {
        let mut workspace = workspace();
        let id = workspace
            .trigger_sequence(fixtures::SEQUENCE, START)
            .unwrap();
        assert_eq!(state(&mut workspace, &id, 86_400.0), ("done", 2));
        let warning: Vec<_> = workspace.snapshots(2, START + 1.days()).collect();
        assert_eq!(
            warning.last().unwrap().created_at,
            "2026-01-01T00:00:01.000Z"
        );
    }

    #[test]
    fn only_one_run_of_a_sequence_is_in_progress() {
        let mut workspace = workspace();
        let mut trigger = |seconds: f64| {
            workspace
                .trigger_sequence(fixtures::SEQUENCE, START + seconds.seconds())
                .unwrap()
        };
        let first = trigger(0.0);
        let second = trigger(1.0);
        assert_ne!(first, second);
        assert_eq!(trigger(1.5), second);
        assert_eq!(state(&mut workspace, &second, 2.9), ("pending", 0));
        assert_eq!(state(&mut workspace, &second, 3.0), ("running", 1));
        assert_eq!(state(&mut workspace, &second, 6.0), ("done", 2));
    }

    #[test]
    fn a_failure_ends_some_sequences_and_not_others() {
        let mut workspace = workspace();
        let mut end = |sequence| {
            let id = workspace.trigger_sequence(sequence, START).unwrap();
            state(&mut workspace, &id, 60.0)
        };
        assert_eq!(end(fixtures::SEQUENCE_FAILED), ("failed", 1));
        assert_eq!(end(fixtures::SEQUENCE_DONE_WITH_FAILURE), ("done", 2));
    }
}
