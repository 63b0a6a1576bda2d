//! OpenLineage events (<https://openlineage.io/spec/2-0-2/OpenLineage.json>).

use serde_json::Value;
use uuid::Uuid;

use super::lineage_parent::LineageParent;
use crate::endpoint::response::report::url;
use crate::engine::{
    Details, Failure, FailureKind, Outcome, Report, SequenceReport, SyncReport, Verdict, Warnings,
    verdict,
};
use crate::hightouch::{RunStatus, SequenceStatus, SyncRun, Timestamp};

/// The producer of the events. The project has no public repository that a URL could name.
const PRODUCER: &str = concat!("urn:hightouch-sync:", env!("CARGO_PKG_VERSION"));
/// The schemas of an event and of its facets.
const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const JOB_TYPE: &str =
    "https://openlineage.io/spec/facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet";
const PARENT: &str =
    "https://openlineage.io/spec/facets/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet";
const ERROR_MESSAGE: &str = "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";
const NOMINAL_TIME: &str =
    "https://openlineage.io/spec/facets/1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet";
const PROCESSING_ENGINE: &str = "https://openlineage.io/spec/facets/1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet";
const OUTPUT_STATISTICS: &str = "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet";
/// The schemas of this project's own facets: `facets.json`.
const SYNC_RUN: &str = "urn:hightouch-sync:facets:1-0-0#/$defs/HightouchSyncRunFacet";
const SEQUENCE_RUN: &str = "urn:hightouch-sync:facets:1-0-0#/$defs/HightouchSequenceRunFacet";

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    Start,
    Complete,
    Fail,
    Abort,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Complete => "COMPLETE",
            Self::Fail => "FAIL",
            Self::Abort => "ABORT",
        }
    }
}

/// Returns the type of the event that reports the end of a run; `None` if its end was not seen.
///
/// A cancelled or interrupted run is aborted. A run that ended as `warning` is complete only if its
/// warnings are accepted.
pub(super) fn end_of(outcome: &Outcome, warnings: Warnings) -> Option<EventType> {
    let report = match outcome {
        Ok(report) => report,
        Err(Failure {
            kind: FailureKind::SyncFailed,
            report: Some(report),
            ..
        }) => report,
        Err(_) => return None,
    };
    match report {
        Report::Sync(report) => match verdict(&report.jobs, warnings) {
            Verdict::InProgress(_) => None,
            Verdict::Succeeded(_) => Some(EventType::Complete),
            Verdict::Failed(RunStatus::Cancelled | RunStatus::Interrupted) => {
                Some(EventType::Abort)
            }
            Verdict::Failed(_) => Some(EventType::Fail),
        },
        Report::Sequence(_) if outcome.is_ok() => Some(EventType::Complete),
        Report::Sequence(report) if report.run.status == SequenceStatus::Cancelled => {
            Some(EventType::Abort)
        }
        Report::Sequence(_) => Some(EventType::Fail),
    }
}

/// The facts about a run that an event contains. They take far less memory than a report.
#[derive(Debug)]
pub(super) struct Facts {
    /// The time at which its jobs started or were created, or else the time at which the run became
    /// known.
    pub(super) start_time: Option<String>,
    /// The time at which the run ended, or else the time at which its end became known.
    pub(super) end_time: Option<String>,
    job_type: &'static str,
    /// The facets that only runs of this kind have.
    facets: Vec<(&'static str, Value)>,
    /// The number of rows that the destination accepted; `None` for a run without a destination.
    successful_rows: Option<u128>,
}

impl Facts {
    /// Returns the facts in a report. `now` is the time that Hightouch's clock shows, and
    /// `workspace` is the slug of the run's workspace.
    pub(super) fn of(report: &Report, now: Option<Timestamp>, workspace: Option<&str>) -> Self {
        let time = |reported: Option<Timestamp>| reported.or(now)?.to_rfc3339();
        match report {
            Report::Sync(report) => Self {
                start_time: time(report.started().or_else(|| report.created())),
                end_time: time(report.finished()),
                job_type: "SYNC",
                facets: vec![
                    ("nominalTime", nominal_time(report)),
                    ("hightouch_syncRun", sync_run(report, workspace)),
                ],
                successful_rows: report.successful_rows(),
            },
            Report::Sequence(report) => Self {
                start_time: time(None),
                end_time: time(finished(report)),
                job_type: "SEQUENCE",
                facets: vec![("hightouch_sequenceRun", sequence_run(report))],
                successful_rows: None,
            },
        }
    }
}

/// Returns when the last sync run of a sequence finished; `None` if no sync run has an end time.
fn finished(report: &SequenceReport) -> Option<Timestamp> {
    let sync_runs = report.run.sync_runs.iter();
    sync_runs
        .filter_map(|run| Timestamp::rfc3339(run.finished_at.as_deref()?))
        .max()
}

/// The content of an event.
pub(super) struct Content<'a> {
    pub(super) event_type: EventType,
    pub(super) time: String,
    pub(super) run_id: Uuid,
    pub(super) namespace: &'a str,
    pub(super) job: &'a str,
    pub(super) parent: Option<&'a LineageParent>,
    pub(super) facts: &'a Facts,
    pub(super) details: &'a Details,
    /// Why the run did not succeed.
    pub(super) error: Option<&'a str>,
}

impl Content<'_> {
    /// Returns the event as JSON.
    pub(super) fn to_json(&self) -> Value {
        object(vec![
            ("eventType", self.event_type.as_str().into()),
            ("eventTime", self.time.as_str().into()),
            ("producer", PRODUCER.into()),
            ("schemaURL", EVENT.into()),
            ("run", self.run()),
            ("job", self.job()),
            // The namespace of a model is not known here.
            ("inputs", Value::Array(Vec::new())),
            (
                "outputs",
                Value::Array(self.destination().into_iter().collect()),
            ),
        ])
    }

    fn run(&self) -> Value {
        let mut facets = self.facts.facets.clone();
        facets.push(("processing_engine", processing_engine()));
        facets.push(("parent", self.parent.map_or(Value::Null, parent)));
        let error = self.error.map_or(Value::Null, error_message);
        facets.push(("errorMessage", error));
        object(vec![
            ("runId", self.run_id.to_string().into()),
            ("facets", object(facets)),
        ])
    }

    fn job(&self) -> Value {
        let job_type = facet(
            JOB_TYPE,
            vec![
                ("processingType", "BATCH".into()),
                ("integration", "HIGHTOUCH".into()),
                ("jobType", self.facts.job_type.into()),
            ],
        );
        object(vec![
            ("namespace", self.namespace.into()),
            ("name", self.job.into()),
            ("facets", object(vec![("jobType", job_type)])),
        ])
    }

    /// Returns the output dataset: the destination of the sync, if it is known.
    fn destination(&self) -> Option<Value> {
        let destination = self.details.destination.as_ref()?;
        let rows = self.facts.successful_rows;
        let rows = rows.filter(|_| self.event_type != EventType::Start);
        let facets = rows.map(|rows| {
            let statistics = facet(OUTPUT_STATISTICS, vec![("rowCount", count(rows))]);
            object(vec![("outputStatistics", statistics)])
        });
        Some(object(vec![
            ("namespace", destination.kind.as_str().into()),
            ("name", destination.slug.as_str().into()),
            ("outputFacets", facets.unwrap_or_default()),
        ]))
    }
}

/// DataHub refuses an event whose producer it does not know, unless this facet names an engine.
fn processing_engine() -> Value {
    facet(
        PROCESSING_ENGINE,
        vec![
            // The version of Hightouch's API.
            ("version", "v1".into()),
            ("name", "Hightouch".into()),
            (
                "openlineageAdapterVersion",
                env!("CARGO_PKG_VERSION").into(),
            ),
        ],
    )
}

fn nominal_time(report: &SyncReport) -> Value {
    let created = report.created().and_then(Timestamp::to_rfc3339);
    created.map_or(Value::Null, |created| {
        facet(NOMINAL_TIME, vec![("nominalStartTime", created.into())])
    })
}

fn parent(parent: &LineageParent) -> Value {
    let run = vec![("runId", parent.run.to_string().into())];
    let job = vec![
        ("namespace", parent.namespace.as_str().into()),
        ("name", parent.job.as_str().into()),
    ];
    facet(PARENT, vec![("run", object(run)), ("job", object(job))])
}

fn error_message(message: &str) -> Value {
    facet(
        ERROR_MESSAGE,
        vec![
            ("message", message.into()),
            // The schema requires a language. The message comes from Hightouch or from the
            // destination, whose languages are not known.
            ("programmingLanguage", "unknown".into()),
        ],
    )
}

fn sync_run(report: &SyncReport, workspace: Option<&str>) -> Value {
    let url = workspace.map(|workspace| url(workspace, report.run));
    facet(
        SYNC_RUN,
        vec![
            ("syncId", report.run.sync.get().into()),
            ("runId", report.run.run.get().into()),
            ("status", report.status.as_str().into()),
            ("url", url.into()),
            ("successfulRows", report.successful_rows().map(count).into()),
            ("rejectedRows", report.rejected_rows().map(count).into()),
        ],
    )
}

fn sequence_run(report: &SequenceReport) -> Value {
    let run = &report.run;
    let entry = |run: &SyncRun| {
        object(vec![
            ("syncId", run.sync.map(|sync| sync.get()).into()),
            ("syncRunId", run.run.map(|run| run.get()).into()),
            ("status", run.status.as_str().into()),
        ])
    };
    facet(
        SEQUENCE_RUN,
        vec![
            ("sequenceRunId", run.id.as_str().into()),
            ("status", run.status.as_str().into()),
            (
                "syncRuns",
                Value::Array(run.sync_runs.iter().map(entry).collect()),
            ),
        ],
    )
}

/// Returns a number of rows. The sum over all jobs of a run fits into 64 bits in practice.
fn count(rows: u128) -> Value {
    u64::try_from(rows).unwrap_or(u64::MAX).into()
}

/// Returns a facet: an object with the two fields of every facet.
fn facet(schema: &str, mut fields: Vec<(&str, Value)>) -> Value {
    fields.push(("_producer", PRODUCER.into()));
    fields.push(("_schemaURL", schema.into()));
    object(fields)
}

/// Returns an object of the fields that are not null.
pub(super) fn object(fields: Vec<(&str, Value)>) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect())
}
