//! A workspace with its syncs and runs. It reads no clock: every method takes the time as an
//! argument.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;

use super::fixtures::{DestinationFixture, SequenceFixture, SyncFixture};
use super::options::Options;
use super::run::{Ahead, Flags, Run, RunSnapshot};
use super::scenario::Scenario;
use super::sequence::SequenceRun;

#[derive(Debug)]
pub(super) struct Workspace {
    /// The ID, which is also the account number.
    pub(super) id: u32,
    pub(super) scenario: Scenario,
    syncs: Vec<SyncFixture>,
    destinations: Vec<DestinationFixture>,
    /// All runs, in ascending order of their IDs.
    runs: Vec<Run>,
    /// The indices in `runs` of each sync's runs.
    by_sync: BTreeMap<u64, Vec<usize>>,
    next_run_id: u64,
    /// Difference between consecutive run IDs. It is the number of workspaces, so that no two runs
    /// share an ID.
    id_step: u64,
    pub(super) sequences: Vec<SequenceFixture>,
    /// Whether a trigger during a sequence run queues another run.
    pub(super) queues_sequence_runs: bool,
    pub(super) sequence_runs: Vec<SequenceRun>,
}

impl Workspace {
    pub(super) fn new(id: u32, id_step: u64, options: &Options, now: OffsetDateTime) -> Self {
        let mut workspace = Self {
            id,
            scenario: options.scenario,
            syncs: options.syncs.clone(),
            destinations: options.destinations.clone(),
            runs: Vec::new(),
            by_sync: BTreeMap::new(),
            next_run_id: u64::from(id),
            id_step,
            sequences: options.sequences.clone(),
            queues_sequence_runs: options.queues_sequence_runs,
            sequence_runs: Vec::new(),
        };
        workspace.fill_history(now);
        workspace
    }

    fn fill_history(&mut self, now: OffsetDateTime) {
        let mut history = Vec::new();
        for sync in &mut self.syncs {
            if self.scenario.needs_history() && sync.history.is_empty() {
                let hour = std::time::Duration::from_secs(3600);
                sync.history
                    .push((hour * 2, Arc::new(sync.timeline.clone())));
            }
            for (before, timeline) in &sync.history {
                history.push((now - *before, sync.id, Arc::clone(timeline)));
            }
        }
        history.sort_by_key(|(created_at, ..)| *created_at);
        for (created_at, sync_id, timeline) in history {
            let id = self.take_run_id();
            let ahead = self.ahead(sync_id, created_at);
            let mut run = Run::new(id, sync_id, created_at, ahead, timeline, Flags::default());
            run.earlier = true;
            self.add(run);
        }
    }

    fn take_run_id(&mut self) -> u64 {
        let id = self.next_run_id;
        self.next_run_id = id.saturating_add(self.id_step);
        id
    }

    fn add(&mut self, run: Run) {
        self.by_sync
            .entry(run.sync_id)
            .or_default()
            .push(self.runs.len());
        self.runs.push(run);
    }

    pub(super) fn syncs(&self) -> &[SyncFixture] {
        &self.syncs
    }

    pub(super) fn sync(&self, id: u64) -> Option<&SyncFixture> {
        self.syncs.iter().find(|sync| sync.id == id)
    }

    pub(super) fn destination(&self, id: u64) -> Option<&DestinationFixture> {
        self.destinations
            .iter()
            .find(|destination| destination.id == id)
    }

    pub(super) fn sync_by_slug(&self, slug: &str) -> Option<&SyncFixture> {
        self.syncs.iter().find(|sync| sync.slug == slug)
    }

    /// Returns all runs of a sync, in the order of their triggers.
    pub(super) fn runs_of(&self, sync_id: u64) -> impl DoubleEndedIterator<Item = &Run> {
        self.by_sync
            .get(&sync_id)
            .into_iter()
            .flatten()
            .filter_map(|index| self.runs.get(*index))
    }

    pub(super) fn run(&self, id: u64) -> Option<&Run> {
        let index = self.runs.binary_search_by_key(&id, |run| run.id).ok()?;
        self.runs.get(index)
    }

    /// Starts a run, or queues it behind the run in progress. Returns `None` if the sync does not
    /// exist.
    pub(super) fn trigger(
        &mut self,
        sync_id: u64,
        flags: Flags,
        now: OffsetDateTime,
    ) -> Option<u64> {
        let sync = self.sync(sync_id)?;
        let further_jobs = sync.further_jobs.clone();
        let timeline = self.scenario.adapt(sync.timeline.clone());
        let ahead = self.ahead(sync_id, now);
        let id = self.take_run_id();
        let run = Run::new(id, sync_id, now, ahead, timeline, flags);
        self.add(run.with_further_jobs(further_jobs));
        Some(id)
    }

    /// Returns the state of the latest run. A run that is triggered now waits for it, because each
    /// run waits for the one before it.
    fn ahead(&self, sync_id: u64, now: OffsetDateTime) -> Ahead {
        match self.runs_of(sync_id).next_back().map(Run::ends_at) {
            None => Ahead::Nothing,
            Some(None) => Ahead::EndlessRun,
            Some(Some(end)) if end > now => Ahead::RunUntil(end),
            Some(Some(_)) => Ahead::Nothing,
        }
    }

    /// Returns the runs that were triggered after the server started.
    pub(super) fn started(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| !run.earlier)
    }

    pub(super) fn snapshots(
        &self,
        sync_id: u64,
        now: OffsetDateTime,
    ) -> impl Iterator<Item = RunSnapshot> {
        self.started()
            .filter(move |run| run.sync_id == sync_id)
            .map(move |run| run.snapshot(self.id, now))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use time::ext::NumericalDuration;
    use time::macros::datetime;

    use super::super::status::Status;
    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn workspace(scenario: Scenario) -> Workspace {
        Workspace::new(1, 2, &Options::default().with_scenario(scenario), START)
    }

    #[test]
    fn a_second_trigger_queues_a_second_run() {
        let mut workspace = workspace(Scenario::Faithful);
        let first = workspace.trigger(1, Flags::default(), START).unwrap();
        let second = workspace
            .trigger(1, Flags::default(), START + 1.seconds())
            .unwrap();
        assert_ne!(first, second);

        let runs: Vec<_> = workspace.snapshots(1, START + 4.9.seconds()).collect();
        assert_eq!(
            (runs[0].status, runs[1].status),
            (Status::Reporting, Status::Queued)
        );
        let runs: Vec<_> = workspace.snapshots(1, START + 5.seconds()).collect();
        assert_eq!(
            (runs[0].status, runs[1].status),
            (Status::Success, Status::Querying)
        );
        assert_eq!(runs[1].started_at, runs[0].finished_at);
        assert!(runs[1].started_at.as_ref() > Some(&runs[1].created_at));
    }

    #[test]
    fn an_unknown_sync_starts_nothing() {
        let mut workspace = workspace(Scenario::Faithful);
        assert_eq!(workspace.trigger(404, Flags::default(), START), None);
        assert_eq!(workspace.started().count(), 0);
    }

    #[test]
    fn earlier_runs_have_ended_and_their_ids_rise_with_time() {
        let workspace = workspace(Scenario::Faithful);
        assert!(workspace.runs_of(1).count() > 0);
        for sync in workspace.syncs() {
            for run in workspace.runs_of(sync.id) {
                assert!(run.status(START).has_ended());
            }
        }
        assert!(workspace.runs.is_sorted_by_key(|run| run.created_at));
        assert!(workspace.runs.is_sorted_by_key(|run| run.id));
    }

    #[test]
    fn where_other_runs_matter_every_sync_has_some() {
        let workspace = workspace(Scenario::IgnoresRunId);
        for sync in workspace.syncs() {
            assert!(workspace.runs_of(sync.id).count() > 0, "{}", sync.slug);
        }
    }
}
