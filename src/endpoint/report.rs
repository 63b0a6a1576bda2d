//! A report in JSON.

use super::json::{Object, View};
use crate::calls::millis;
use crate::engine::{Report, SequenceReport, SyncReport};
use crate::hightouch::{RowCounts, Run, RunRef, SyncRun};

/// Where a run stands, or how it ended.
pub(super) struct ReportView<'a> {
    pub(super) standing: &'a Report,
    /// The slug of the run's workspace, where it is configured.
    pub(super) workspace: Option<&'a str>,
}

/// The note on a run that Hightouch has named and not listed.
const UNLISTED: &str = "Hightouch has not listed this run.";

impl View for ReportView<'_> {
    fn fields(&self, object: &mut Object<'_>) {
        let report = match self.standing {
            Report::Sync(report) => report,
            Report::Sequence(report) => return report.fields(object),
        };
        let SyncReport {
            run,
            status,
            jobs,
            joined,
            requests,
            elapsed,
            ..
        } = report;
        object.whole("syncId", run.sync.get());
        object.whole("runId", run.run.get());
        object.text("status", status.as_str());
        object.list("jobs", &mut jobs.iter().map(|job| job as &dyn View));
        object.flag("joined", *joined);
        object.whole("requests", u64::from(*requests));
        object.whole("elapsedMs", millis(*elapsed));
        object.text_or_null("url", self.workspace.map(|slug| url(slug, *run)).as_deref());
        if !report.is_listed() {
            object.text("note", UNLISTED);
        }
    }
}

impl View for SequenceReport {
    fn fields(&self, object: &mut Object<'_>) {
        object.text("sequenceRunId", self.run.id.as_str());
        object.text("status", self.run.status.as_str());
        object.list(
            "syncRuns",
            &mut self.run.sync_runs.iter().map(|run| run as &dyn View),
        );
        object.whole("requests", u64::from(self.requests));
        object.whole("elapsedMs", millis(self.elapsed));
    }
}

/// One sync's run in a run of a sequence, under the API's own field names. What is unknown is null.
impl View for SyncRun {
    fn fields(&self, object: &mut Object<'_>) {
        object.whole_or_null("syncId", self.sync.map(|sync| sync.get()));
        object.whole_or_null("syncRunId", self.run.map(|run| run.get()));
        object.text("status", self.status.as_str());
        object.text_or_null("finishedAt", self.finished_at.as_deref());
    }
}

/// A run in Hightouch's own interface.
pub(super) fn url(workspace: &str, run: RunRef) -> String {
    format!(
        "https://app.hightouch.com/{workspace}/syncs/{}/runs/{}",
        run.sync, run.run
    )
}

/// One job, under the API's own field names. What is unknown is null.
impl View for Run {
    fn fields(&self, object: &mut Object<'_>) {
        object.whole("id", self.id.get());
        object.text("status", self.status.as_str());
        object.text_or_null("error", self.error.as_deref());
        object.text_or_null("createdAt", self.created_at.as_deref());
        object.text_or_null("startedAt", self.started_at.as_deref());
        object.text_or_null("finishedAt", self.finished_at.as_deref());
        object.whole_or_null("querySize", self.query_size);
        match &self.completion_ratio {
            Some(ratio) => object.number("completionRatio", ratio.as_str()),
            None => object.null("completionRatio"),
        }
        for (name, rows) in [
            ("plannedRows", &self.planned_rows),
            ("successfulRows", &self.successful_rows),
            ("failedRows", &self.failed_rows),
        ] {
            match rows {
                Some(rows) => object.object(name, rows),
                None => object.null(name),
            }
        }
    }
}

impl View for RowCounts {
    fn fields(&self, object: &mut Object<'_>) {
        object.whole("addedCount", self.added);
        object.whole("changedCount", self.changed);
        object.whole("removedCount", self.removed);
    }
}
