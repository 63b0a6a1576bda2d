//! The course of a run.

use std::time::Duration;

use super::status::Status;

/// Numbers of added, changed and removed rows.
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
    /// Creates row counts.
    pub fn new(added: u64, changed: u64, removed: u64) -> Self {
        Self {
            added,
            changed,
            removed,
        }
    }

    /// Returns the part of the rows that is done at `share`, from 0 to 1.
    pub(super) fn share(self, share: f64) -> Self {
        // The counts are far below 2^52, so floats represent them exactly.
        let part = |count: u64| (count as f64 * share).floor() as u64;
        Self::new(part(self.added), part(self.changed), part(self.removed))
    }
}

/// The course of a run and its final figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    steps: Vec<(Duration, Status)>,
    /// `querySize` after the warehouse has responded. `None` stays null to the end.
    pub query_size: Option<u64>,
    /// `plannedRows` after the warehouse has responded.
    pub planned: RowCounts,
    /// Final `successfulRows`. They grow during the run.
    pub successful: RowCounts,
    /// Final `failedRows`. They grow during the run.
    pub failed: RowCounts,
    /// Final `completionRatio`. It grows during the run.
    pub completion_ratio: f64,
    /// Final `error`.
    pub error: Option<String>,
}

impl Timeline {
    /// Creates a timeline from steps in any order: a time since the trigger of an idle sync, and
    /// the status from then on. Before the first step the run is queued. Without an ended status
    /// the run never ends. It has no rows, no error and a final `completionRatio` of 1.
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

    /// Creates a typical timeline through queued, querying, processing and reporting to `end`,
    /// within `total`.
    pub fn over(total: Duration, end: Status) -> Self {
        // Recorded runs of an idle sync start 0.3 to 1.9 s after the trigger, independent of their
        // duration.
        let queue = (total / 12).min(Duration::from_secs(1));
        // `startedAt` has a precision of one millisecond.
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

    /// Counts these rows as planned, sent and accepted. `querySize` is their sum.
    pub fn with_rows(mut self, rows: RowCounts) -> Self {
        self.query_size = Some(rows.added + rows.changed + rows.removed);
        self.planned = rows;
        self.successful = rows;
        self
    }

    /// Counts this number of the planned rows as rejected, and the others as accepted.
    pub fn with_rejected(mut self, rejected: RowCounts) -> Self {
        self.failed = rejected;
        self.successful = RowCounts::new(
            self.planned.added.saturating_sub(rejected.added),
            self.planned.changed.saturating_sub(rejected.changed),
            self.planned.removed.saturating_sub(rejected.removed),
        );
        self
    }

    /// Stops the run early. Only this share of the planned rows was sent, which is the final
    /// `completionRatio`.
    pub fn stopped_at(mut self, share: f64) -> Self {
        self.successful = self.planned.share(share);
        self.completion_ratio = share;
        self
    }

    /// Sets the final `error`.
    pub fn with_error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// Returns the steps in order of time.
    pub fn steps(&self) -> &[(Duration, Status)] {
        &self.steps
    }

    /// Replaces all statuses between `from` and `to` with `status`.
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

    /// Returns the offset of the first step whose status satisfies `is`.
    pub(super) fn first(&self, is: impl Fn(Status) -> bool) -> Option<Duration> {
        self.steps
            .iter()
            .find(|(_, status)| is(*status))
            .map(|(offset, _)| *offset)
    }

    /// Returns the status at `offset`.
    pub(super) fn status_at(&self, offset: Duration) -> Status {
        self.steps
            .iter()
            .take_while(|(from, _)| *from <= offset)
            .last()
            .map_or(Status::Queued, |(_, status)| *status)
    }

    /// Returns the completed share of the work at `offset`, from 0 to 1. A run that never ends
    /// makes no progress.
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
    fn a_typical_run_has_every_status_in_order() {
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
