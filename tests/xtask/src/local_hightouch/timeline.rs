//! What a run goes through, and when.

use std::time::Duration;

use super::status::Status;

/// How many rows were added, changed and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// `addedCount`.
    pub added: u64,
    /// `changedCount`.
    pub changed: u64,
    /// `removedCount`.
    pub removed: u64,
}

impl RowCounts {
    /// Counts of each kind.
    pub fn new(added: u64, changed: u64, removed: u64) -> Self {
        Self {
            added,
            changed,
            removed,
        }
    }

    /// The part of these rows that is done at `share`, from 0 to 1.
    pub(super) fn share(self, share: f64) -> Self {
        // Counts of a fixture are far below 2^52, where a float still holds every integer.
        let part = |count: u64| (count as f64 * share).floor() as u64;
        Self::new(part(self.added), part(self.changed), part(self.removed))
    }
}

/// What a run goes through, and the figures it ends with.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    steps: Vec<(Duration, Status)>,
    /// `querySize` once the warehouse has answered; `None` stays null to the end.
    pub query_size: Option<u64>,
    /// `plannedRows` once the warehouse has answered.
    pub planned: RowCounts,
    /// `successfulRows` at the end; they grow towards it.
    pub successful: RowCounts,
    /// `failedRows` at the end; they grow towards it.
    pub failed: RowCounts,
    /// `completionRatio` at the end; it grows towards it.
    pub completion_ratio: f64,
    /// `error` at the end.
    pub error: Option<String>,
}

impl Timeline {
    /// Steps as (time since the trigger of an idle sync, status from then on), in any order. Before the first
    /// one the run is queued. Without an ended status the run never ends. No rows, no error, a final
    /// `completionRatio` of 1.
    pub fn new(steps: impl IntoIterator<Item = (Duration, Status)>) -> Self {
        let mut steps: Vec<_> = steps.into_iter().collect();
        steps.sort_by_key(|(offset, _)| *offset);
        Self {
            steps,
            query_size: Some(0),
            planned: RowCounts::default(),
            successful: RowCounts::default(),
            failed: RowCounts::default(),
            completion_ratio: 1.0,
            error: None,
        }
    }

    /// The ordinary way through queued, querying, processing and reporting to `end`, within `total`.
    pub fn over(total: Duration, end: Status) -> Self {
        // An idle sync starts 0.3 to 1.9 s after its trigger, however long it then takes.
        let queue = (total / 12).min(Duration::from_secs(1));
        // Whole milliseconds, as it shows in `startedAt`.
        let queue = queue - Duration::from_nanos(u64::from(queue.subsec_nanos() % 1_000_000));
        let work = total - queue;
        Self::new([
            (Duration::ZERO, Status::Queued),
            (queue, Status::Querying),
            (queue + work / 4, Status::Processing),
            (total - work / 10, Status::Reporting),
            (total, end),
        ])
    }

    /// All rows planned, sent and accepted; `querySize` is their sum.
    pub fn with_rows(mut self, rows: RowCounts) -> Self {
        self.query_size = Some(rows.added + rows.changed + rows.removed);
        self.planned = rows;
        self.successful = rows;
        self
    }

    /// As many rows of the planned ones rejected as given, the others accepted.
    pub fn with_rejected(mut self, rejected: RowCounts) -> Self {
        self.failed = rejected;
        self.successful = RowCounts::new(
            self.planned.added.saturating_sub(rejected.added),
            self.planned.changed.saturating_sub(rejected.changed),
            self.planned.removed.saturating_sub(rejected.removed),
        );
        self
    }

    /// Stopped early: only this share of the planned rows was sent, which is the final `completionRatio`.
    pub fn stopped_at(mut self, share: f64) -> Self {
        self.successful = self.planned.share(share);
        self.completion_ratio = share;
        self
    }

    /// Ends with this text in `error`.
    pub fn with_error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// The steps by time.
    pub fn steps(&self) -> &[(Duration, Status)] {
        &self.steps
    }

    /// With `status` and no other from `from` up to `to`.
    pub(super) fn with_status_between(
        mut self,
        from: Duration,
        to: Duration,
        status: Status,
    ) -> Self {
        self.steps
            .retain(|(offset, _)| *offset < from || *offset >= to);
        self.steps.push((from, status));
        self.steps.sort_by_key(|(offset, _)| *offset);
        self
    }

    /// The offset of the first step that `is` so.
    pub(super) fn first(&self, is: impl Fn(Status) -> bool) -> Option<Duration> {
        self.steps
            .iter()
            .find(|(_, status)| is(*status))
            .map(|(offset, _)| *offset)
    }

    /// The status at `offset`.
    pub(super) fn status_at(&self, offset: Duration) -> Status {
        self.steps
            .iter()
            .take_while(|(from, _)| *from <= offset)
            .last()
            .map_or(Status::Queued, |(_, status)| *status)
    }

    /// How much of the work is done at `offset`, from 0 to 1. A run that never ends gets nowhere.
    pub(super) fn progress_at(&self, offset: Duration) -> f64 {
        let Some(end) = self.first(Status::has_ended) else {
            return 0.0;
        };
        if offset >= end {
            return 1.0;
        }
        let from = self.first(Status::knows_rows).unwrap_or(end);
        let done = offset.saturating_sub(from).as_secs_f64();
        let whole = end.saturating_sub(from).as_secs_f64();
        if whole > 0.0 { done / whole } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_run_goes_through_every_status() {
        let timeline = Timeline::over(Duration::from_secs(5), Status::Success);
        let statuses: Vec<_> = timeline
            .steps()
            .iter()
            .map(|step| step.1.as_str())
            .collect();
        assert_eq!(
            statuses,
            ["queued", "querying", "processing", "reporting", "success"]
        );
        assert_eq!(
            timeline.status_at(Duration::from_millis(4_999)),
            Status::Reporting
        );
        assert_eq!(timeline.status_at(Duration::from_secs(5)), Status::Success);
    }

    #[test]
    fn progress_grows_from_the_first_row_to_the_end() {
        let timeline = Timeline::new([
            (Duration::ZERO, Status::Querying),
            (Duration::from_secs(2), Status::Processing),
            (Duration::from_secs(6), Status::Success),
        ]);
        let progress = |seconds| timeline.progress_at(Duration::from_secs(seconds));
        assert_eq!(progress(1), 0.0);
        assert_eq!(progress(3), 0.25);
        assert_eq!(progress(5), 0.75);
        assert_eq!(progress(60), 1.0);
    }

    #[test]
    fn rejected_rows_are_not_among_the_accepted() {
        let timeline = Timeline::over(Duration::from_secs(1), Status::Warning)
            .with_rows(RowCounts::new(10, 5, 0))
            .with_rejected(RowCounts::new(3, 0, 0));
        assert_eq!(timeline.query_size, Some(15));
        assert_eq!(timeline.successful, RowCounts::new(7, 5, 0));
    }
}
