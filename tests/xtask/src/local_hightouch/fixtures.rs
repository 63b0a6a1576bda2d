//! The syncs and sequences of every workspace.

use std::sync::Arc;
use std::time::Duration;

use super::status::Status;
use super::timeline::{RowCounts, Timeline};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A sync and the course of its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncFixture {
    /// The numeric ID.
    pub id: u64,
    /// The slug, which is unique in the workspace.
    pub slug: String,
    /// `modelId`.
    pub model_id: u64,
    /// `destinationId`.
    pub destination_id: u64,
    /// Whether the sync is disabled for schedules. A disabled sync can still be triggered.
    pub disabled: bool,
    /// The course of each run.
    pub timeline: Timeline,
    /// The courses of additional jobs of each run. The run list contains each job as an entry with
    /// the run's ID.
    pub further_jobs: Vec<Timeline>,
    /// Runs that were triggered before the server started, in any order. Each has the time from its
    /// trigger to the server's start, and its course.
    pub history: Vec<(Duration, Arc<Timeline>)>,
}

impl SyncFixture {
    /// Creates an enabled sync without earlier runs.
    pub fn new(id: u64, slug: impl Into<String>, timeline: Timeline) -> Self {
        Self {
            id,
            slug: slug.into(),
            model_id: 1,
            destination_id: 1,
            disabled: false,
            timeline,
            further_jobs: Vec::new(),
            history: Vec::new(),
        }
    }

    /// Adds a job to each run.
    pub fn with_further_job(mut self, timeline: Timeline) -> Self {
        self.further_jobs.push(timeline);
        self
    }

    /// Adds a run that was triggered this long before the server started.
    pub fn with_earlier_run(mut self, before: Duration, timeline: Timeline) -> Self {
        self.history.push((before, Arc::new(timeline)));
        self
    }

    /// Adds this number of runs before the server started, at intervals of `every`. The last one
    /// was triggered one interval before the start.
    pub fn with_earlier_runs(mut self, count: u32, every: Duration, timeline: Timeline) -> Self {
        let timeline = Arc::new(timeline);
        self.history
            .extend((1..=count).map(|back| (every * back, Arc::clone(&timeline))));
        self
    }
}

/// A destination, to which syncs send rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationFixture {
    /// The numeric ID.
    pub id: u64,
    /// The name.
    pub name: String,
    /// The slug, which is unique in the workspace.
    pub slug: String,
    /// `type`, such as `salesforce`.
    pub destination_type: String,
}

/// Returns the destinations of every workspace.
pub fn destinations() -> Vec<DestinationFixture> {
    [
        (
            1,
            "Salesforce (production)",
            "salesforce-production",
            "salesforce",
        ),
        (2, "HubSpot", "hubspot-marketing", "hubspot"),
        (3, "Braze", "braze-eu", "braze"),
    ]
    .map(|(id, name, slug, destination_type)| DestinationFixture {
        id,
        name: name.to_owned(),
        slug: slug.to_owned(),
        destination_type: destination_type.to_owned(),
    })
    .into()
}

/// A sequence: syncs that run one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceFixture {
    /// The UUID.
    pub id: String,
    /// The IDs of the syncs, in order.
    pub sync_ids: Vec<u64>,
    /// Whether a failed sync run ends the sequence as `failed`. Otherwise the sequence continues
    /// and ends as `done`.
    pub stops_on_failure: bool,
}

/// The sequence of `demo-empty` and `demo-warning`. It is `done` within 3 s.
pub const SEQUENCE: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d";
/// The sequence of `demo-empty` and `demo-failed`, which continues after a failure. It is `done`
/// within 3 s.
pub const SEQUENCE_DONE_WITH_FAILURE: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4e";
/// The sequence of `demo-failed` and `demo`, which stops at a failure. It is `failed` within 2 s.
pub const SEQUENCE_FAILED: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4f";

/// Returns the sequences of every workspace.
pub fn sequences() -> Vec<SequenceFixture> {
    let sequence = |id: &str, sync_ids: &[u64], stops_on_failure| SequenceFixture {
        id: id.to_owned(),
        sync_ids: sync_ids.to_vec(),
        stops_on_failure,
    };
    vec![
        sequence(SEQUENCE, &[5, 2], true),
        sequence(SEQUENCE_DONE_WITH_FAILURE, &[5, 3], false),
        sequence(SEQUENCE_FAILED, &[3, 1], true),
    ]
}

/// Returns the syncs of every workspace: `1` demo, `2` demo-warning, `3` demo-failed, `4`
/// demo-minute, `5` demo-empty, `6` demo-hour, `7` demo-cancelled, `8` demo-interrupted. Sync `404`
/// does not exist.
pub fn syncs() -> Vec<SyncFixture> {
    let seconds = Duration::from_secs;
    let all = RowCounts::new(640, 120, 13);
    let some = RowCounts::new(48, 0, 2);
    let success = |total| Timeline::over(total, Status::Success);

    let warning = Timeline::over(seconds(2), Status::Warning)
        .with_rows(some)
        .with_rejected(RowCounts::new(3, 0, 0));
    let failed = Timeline::over(seconds(2), Status::Failed).with_rows(some).stopped_at(0.0).with_error(
        "INVALID_SESSION_ID: Session expired or invalid: the destination rejected the credentials of \
             \"Salesforce (production)\". Reconnect the destination and run the sync again.",
    );
    let cancelled = Timeline::over(seconds(2), Status::Cancelled)
        .with_rows(some)
        .stopped_at(0.4)
        .with_error("Sync run was cancelled by a user");
    let interrupted = Timeline::over(seconds(2), Status::Interrupted)
        .with_rows(some)
        .stopped_at(0.7)
        .with_error("Sync run was interrupted and will be retried on its next schedule");

    vec![
        SyncFixture::new(1, "demo", success(seconds(5)).with_rows(all))
            .with_earlier_run(DAY * 2, failed.clone())
            .with_earlier_run(DAY, success(seconds(7)).with_rows(all)),
        SyncFixture {
            destination_id: 2,
            ..SyncFixture::new(2, "demo-warning", warning.clone())
        }
        .with_earlier_run(DAY, warning),
        SyncFixture::new(3, "demo-failed", failed.clone())
            .with_earlier_run(DAY, success(seconds(2)).with_rows(some)),
        SyncFixture {
            model_id: 2,
            destination_id: 2,
            ..SyncFixture::new(4, "demo-minute", success(seconds(60)).with_rows(all))
        }
        .with_earlier_run(DAY, success(seconds(59)).with_rows(all)),
        SyncFixture::new(5, "demo-empty", success(seconds(1))),
        SyncFixture {
            model_id: 2,
            destination_id: 3,
            ..SyncFixture::new(
                6,
                "demo-hour",
                success(seconds(3600)).with_rows(RowCounts::new(1_250_000, 80_000, 4_000)),
            )
        },
        SyncFixture {
            disabled: true,
            ..SyncFixture::new(7, "demo-cancelled", cancelled.clone())
        }
        .with_earlier_run(DAY, cancelled),
        SyncFixture {
            destination_id: 3,
            ..SyncFixture::new(8, "demo-interrupted", interrupted.clone())
        }
        .with_earlier_run(DAY, interrupted),
    ]
}
