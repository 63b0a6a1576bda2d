//! OpenLineage events (<https://openlineage.io/spec/2-0-2/OpenLineage.json>).

use serde::Serialize;
use uuid::Uuid;

use super::lineage_parent::LineageParent;
use crate::endpoint::response::report::url;
use crate::engine::{
    Details, Failure, FailureKind, Outcome, Report, SequenceReport, SyncReport, Verdict, Warnings,
    verdict,
};
use crate::hightouch::{RunStatus, SequenceStatus, SyncRun, Timestamp};

/// The producer of the events. Version 0.1.0 has no public repository that a URL could name.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum EventType {
    Start,
    Complete,
    Fail,
    Abort,
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

/// Returns when a run started: by its jobs, or else by `now`, the time that Hightouch's clock shows
/// when the run becomes known.
pub(super) fn start_time(report: &Report, now: Option<Timestamp>) -> Option<String> {
    let reported = match report {
        Report::Sync(report) => report.started().or_else(|| report.created()),
        Report::Sequence(_) => None,
    };
    reported.or(now)?.to_rfc3339()
}

/// Returns when a run ended: by its jobs, or else by `now`, the time that Hightouch's clock shows
/// when the end becomes known.
pub(super) fn end_time(report: &Report, now: Option<Timestamp>) -> Option<String> {
    let reported = match report {
        Report::Sync(report) => report.finished(),
        Report::Sequence(report) => report
            .run
            .sync_runs
            .iter()
            .filter_map(|run| Timestamp::rfc3339(run.finished_at.as_deref()?))
            .max(),
    };
    reported.or(now)?.to_rfc3339()
}

/// The content of an event.
pub(super) struct Content<'a> {
    pub(super) event_type: EventType,
    pub(super) time: String,
    pub(super) run_id: Uuid,
    pub(super) namespace: &'a str,
    pub(super) job: &'a str,
    pub(super) parent: Option<&'a LineageParent>,
    pub(super) report: &'a Report,
    pub(super) details: &'a Details,
    /// The slug of the run's workspace.
    pub(super) workspace: Option<&'a str>,
    /// Why the run did not succeed.
    pub(super) error: Option<&'a str>,
}

impl Content<'_> {
    /// Returns the event as JSON.
    pub(super) fn to_json(&self) -> Vec<u8> {
        // Every value here can be serialized.
        serde_json::to_vec(&self.event()).unwrap_or_default()
    }

    fn event(&self) -> Event<'_> {
        let sync_report = match self.report {
            Report::Sync(report) => Some(report),
            Report::Sequence(_) => None,
        };
        let has_ended = self.event_type != EventType::Start;
        let rows = sync_report.and_then(SyncReport::successful_rows);
        let statistics = rows.filter(|_| has_ended).map(|row_count| OutputFacets {
            output_statistics: Facet::new(OUTPUT_STATISTICS, Statistics { row_count }),
        });
        let destination = self.details.destination.as_ref();
        let outputs = sync_report.and(destination).map(|destination| Dataset {
            namespace: &destination.kind,
            name: &destination.slug,
            output_facets: statistics,
        });
        Event {
            event_type: self.event_type,
            event_time: &self.time,
            producer: PRODUCER,
            schema_url: EVENT,
            run: Run {
                run_id: self.run_id,
                facets: RunFacets {
                    processing_engine: Facet::new(
                        PROCESSING_ENGINE,
                        ProcessingEngine {
                            version: "v1",
                            name: "Hightouch",
                            openlineage_adapter_version: env!("CARGO_PKG_VERSION"),
                        },
                    ),
                    nominal_time: sync_report.and_then(nominal_time),
                    parent: self.parent.map(parent),
                    error_message: self.error.map(error_message),
                    sync_run: sync_report.map(|report| sync_run(report, self.workspace)),
                    sequence_run: match self.report {
                        Report::Sync(_) => None,
                        Report::Sequence(report) => Some(sequence_run(report)),
                    },
                },
            },
            job: Job {
                namespace: self.namespace,
                name: self.job,
                facets: JobFacets {
                    job_type: Facet::new(
                        JOB_TYPE,
                        JobType {
                            processing_type: "BATCH",
                            integration: "HIGHTOUCH",
                            job_type: match self.report {
                                Report::Sync(_) => "SYNC",
                                Report::Sequence(_) => "SEQUENCE",
                            },
                        },
                    ),
                },
            },
            inputs: [],
            outputs,
        }
    }
}

fn nominal_time(report: &SyncReport) -> Option<Facet<NominalTime>> {
    let nominal_start_time = report.created()?.to_rfc3339()?;
    Some(Facet::new(NOMINAL_TIME, NominalTime { nominal_start_time }))
}

fn parent(parent: &LineageParent) -> Facet<Parent<'_>> {
    Facet::new(
        PARENT,
        Parent {
            run: ParentRun { run_id: parent.run },
            job: ParentJob {
                namespace: &parent.namespace,
                name: &parent.job,
            },
        },
    )
}

fn error_message(message: &str) -> Facet<ErrorMessage<'_>> {
    Facet::new(
        ERROR_MESSAGE,
        ErrorMessage {
            message,
            // The schema requires a language. The message comes from Hightouch or from the
            // destination, whose languages are not known.
            programming_language: "unknown",
        },
    )
}

fn sync_run<'a>(report: &'a SyncReport, workspace: Option<&str>) -> Facet<SyncRunFacet<'a>> {
    Facet::new(
        SYNC_RUN,
        SyncRunFacet {
            sync_id: report.run.sync.get(),
            run_id: report.run.run.get(),
            status: report.status.as_str(),
            url: workspace.map(|workspace| url(workspace, report.run)),
            successful_rows: report.successful_rows(),
            rejected_rows: report.rejected_rows(),
        },
    )
}

fn sequence_run(report: &SequenceReport) -> Facet<SequenceRunFacet<'_>> {
    let run = &report.run;
    Facet::new(
        SEQUENCE_RUN,
        SequenceRunFacet {
            sequence_run_id: run.id.as_str(),
            status: run.status.as_str(),
            sync_runs: run.sync_runs.iter().map(SequenceEntry::new).collect(),
        },
    )
}

/// A facet: an object with the two fields of every facet.
#[derive(Serialize)]
struct Facet<T> {
    #[serde(rename = "_producer")]
    producer: &'static str,
    #[serde(rename = "_schemaURL")]
    schema_url: &'static str,
    #[serde(flatten)]
    content: T,
}

impl<T> Facet<T> {
    fn new(schema_url: &'static str, content: T) -> Self {
        Self {
            producer: PRODUCER,
            schema_url,
            content,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_type: EventType,
    event_time: &'a str,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
    run: Run<'a>,
    job: Job<'a>,
    /// The namespace of a model is not known here, so there are no input datasets.
    inputs: [(); 0],
    /// The destination, or nothing.
    #[serde(serialize_with = "as_list")]
    outputs: Option<Dataset<'a>>,
}

/// Writes an option as a list of at most one entry.
fn as_list<S: serde::Serializer>(
    entry: &Option<Dataset<'_>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entry)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    run_id: Uuid,
    facets: RunFacets<'a>,
}

#[derive(Serialize)]
struct RunFacets<'a> {
    processing_engine: Facet<ProcessingEngine>,
    #[serde(rename = "nominalTime", skip_serializing_if = "Option::is_none")]
    nominal_time: Option<Facet<NominalTime>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Facet<Parent<'a>>>,
    #[serde(rename = "errorMessage", skip_serializing_if = "Option::is_none")]
    error_message: Option<Facet<ErrorMessage<'a>>>,
    #[serde(rename = "hightouch_syncRun", skip_serializing_if = "Option::is_none")]
    sync_run: Option<Facet<SyncRunFacet<'a>>>,
    #[serde(
        rename = "hightouch_sequenceRun",
        skip_serializing_if = "Option::is_none"
    )]
    sequence_run: Option<Facet<SequenceRunFacet<'a>>>,
}

/// DataHub refuses an event whose producer it does not know, unless this facet names an engine.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessingEngine {
    /// The version of Hightouch's API.
    version: &'static str,
    name: &'static str,
    openlineage_adapter_version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NominalTime {
    nominal_start_time: String,
}

#[derive(Serialize)]
struct Parent<'a> {
    run: ParentRun,
    job: ParentJob<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParentRun {
    run_id: Uuid,
}

#[derive(Serialize)]
struct ParentJob<'a> {
    namespace: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorMessage<'a> {
    message: &'a str,
    programming_language: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncRunFacet<'a> {
    sync_id: u64,
    run_id: u64,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    successful_rows: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_rows: Option<u128>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SequenceRunFacet<'a> {
    sequence_run_id: &'a str,
    status: &'a str,
    sync_runs: Vec<SequenceEntry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SequenceEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_run_id: Option<u64>,
    status: &'a str,
}

impl<'a> SequenceEntry<'a> {
    fn new(run: &'a SyncRun) -> Self {
        Self {
            sync_id: run.sync.map(|sync| sync.get()),
            sync_run_id: run.run.map(|run| run.get()),
            status: run.status.as_str(),
        }
    }
}

#[derive(Serialize)]
struct Job<'a> {
    namespace: &'a str,
    name: &'a str,
    facets: JobFacets,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobFacets {
    job_type: Facet<JobType>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobType {
    processing_type: &'static str,
    integration: &'static str,
    job_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dataset<'a> {
    namespace: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_facets: Option<OutputFacets>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputFacets {
    output_statistics: Facet<Statistics>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    row_count: u128,
}
