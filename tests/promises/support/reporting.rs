//! Endpoints that send lineage events and notifications, and what they sent.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use xtask::build::{Kind, components};
use xtask::embedder::{Config, Host, Limits, Outbound};

use super::consumer::{Consumer, Received};
use super::stage::{Endpoint, Stage};

/// The path of lineage events if `OPENLINEAGE_ENDPOINT` is not set.
pub const LINEAGE_PATH: &str = "/api/v1/lineage";
/// The path and the query of `NOTIFY_URL`.
pub const NOTIFY_PATH: &str = "/services/T0001/B0002/hook-4f1d8c3a9e?thread=7";

/// The settings of an endpoint, and the origins that it may call.
#[derive(Clone, Debug)]
pub struct Reporting {
    settings: Vec<(String, String)>,
    granted: Vec<String>,
}

impl Reporting {
    /// Reports nothing yet.
    pub fn new(hightouch: &str) -> Self {
        Self {
            settings: vec![("HIGHTOUCH_API_ORIGIN".into(), hightouch.into())],
            granted: vec![hightouch.into()],
        }
    }

    /// Adds a setting, or replaces it.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Sends lineage events to this consumer.
    pub fn lineage_to(self, consumer: &Consumer) -> Self {
        self.granting(consumer)
            .with("OPENLINEAGE_URL", consumer.origin())
    }

    /// Sends notifications to this consumer.
    pub fn notify(self, consumer: &Consumer) -> Self {
        let url = format!("{}{NOTIFY_PATH}", consumer.origin());
        self.granting(consumer).with("NOTIFY_URL", url)
    }

    /// Sends notifications of all runs to this consumer.
    pub fn notify_all(self, consumer: &Consumer) -> Self {
        self.notify(consumer).with("NOTIFY_ON", "all")
    }

    /// Follows runs for a day after the response.
    pub fn following(self) -> Self {
        self.with("FOLLOW_SECONDS", "86400")
    }

    /// Lets the endpoint call this consumer.
    pub fn granting(mut self, consumer: &Consumer) -> Self {
        self.granted.push(consumer.origin().into());
        self
    }

    /// Lets the endpoint call nothing but Hightouch.
    pub fn granting_hightouch_only(mut self) -> Self {
        self.granted.truncate(1);
        self
    }

    /// Serves the endpoint.
    pub async fn serve(&self, stage: &Stage, kind: Kind) -> Endpoint {
        Endpoint::serve(&self.host(stage, kind)).await
    }

    /// Returns the host of the endpoint.
    pub fn host(&self, stage: &Stage, kind: Kind) -> Host {
        let limits = Limits {
            // The host must not end an instance that follows a run.
            after_response: Duration::from_secs(7 * 24 * 60 * 60),
            ..Limits::default()
        };
        let mut config = Config {
            outbound: Outbound::only(self.granted.clone()),
            limits,
            ..stage.config("")
        };
        config.environment.clear();
        for (name, value) in &self.settings {
            config.environment.push((name.clone(), value.clone()));
            config
                .variables
                .insert(name.to_ascii_lowercase(), value.clone());
        }
        Host::new(components().unwrap().path(kind), config).unwrap()
    }
}

/// Pause between two checks of [`settled`]. Shorter pauses make tests slower: while an exchange is in
/// flight, each step of the virtual time takes about 10 ms.
const SETTLING_PAUSE: Duration = Duration::from_millis(500);

/// Waits until every instance of the endpoint has ended.
pub async fn settled(endpoint: &Endpoint) {
    while endpoint.serving.requests() > 0 {
        tokio::time::sleep(SETTLING_PAUSE).await;
    }
}

/// Returns the lines of the log, in order.
pub fn lines(stage: &Stage) -> Vec<Value> {
    let log = stage.stderr.text();
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Returns the lines of the log that have this `event`.
pub fn lines_of(stage: &Stage, event: &str) -> Vec<Value> {
    let mut lines = lines(stage);
    lines.retain(|line| line["event"] == event);
    lines
}

/// Returns the lineage ID of a run of a sync.
pub fn run_id(origin: &str, sync: u64, run: u64) -> String {
    url_id(&format!("{origin}/api/v1/syncs/{sync}/runs/{run}"))
}

/// Returns the lineage ID of a sequence's run.
pub fn sequence_run_id(origin: &str, run: &str) -> String {
    url_id(&format!("{origin}/api/v1/sync-sequences/runs/{run}"))
}

/// Returns a UUID of version 5 in the URL namespace.
pub fn url_id(url: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, url.as_bytes()).to_string()
}

/// Parses a time in RFC 3339 format.
pub fn time_of(value: &Value) -> OffsetDateTime {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    OffsetDateTime::parse(text, &Rfc3339).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns the notifications, in order.
pub fn notifications(consumer: &Consumer) -> Vec<Value> {
    let mut received = consumer.received();
    received.retain(|request| request.target == NOTIFY_PATH);
    received.iter().map(json_of_a_post).collect()
}

/// Returns the lineage events, in order. Panics if one is not valid.
pub fn events(consumer: &Consumer) -> Vec<Value> {
    events_at(consumer, LINEAGE_PATH)
}

/// Returns the lineage events that were sent to this path, in order. Panics if one is not valid.
pub fn events_at(consumer: &Consumer, path: &str) -> Vec<Value> {
    let mut received = consumer.received();
    received.retain(|request| request.target == path);
    let events: Vec<Value> = received.iter().map(json_of_a_post).collect();
    for event in &events {
        check_event(event);
        record(event);
    }
    events
}

fn json_of_a_post(request: &Received) -> Value {
    assert_eq!(
        (request.method.as_str(), request.header("content-type")),
        ("POST", Some("application/json")),
        "{request:?}"
    );
    request.json()
}

/// Returns `eventType` of each event.
pub fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["eventType"].as_str().unwrap())
        .collect()
}

/// The environment variable with the path of the folder to which events are written, so that
/// `.ci/openlineage` can validate them.
const EVENTS: &str = "OPENLINEAGE_EVENTS";

fn record(event: &Value) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    if let Ok(folder) = std::env::var(EVENTS) {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = PathBuf::from(folder).join(format!("{count:04}.json"));
        std::fs::write(file, event.to_string()).unwrap();
    }
}

const PRODUCER: &str = concat!("urn:hightouch-sync:", env!("CARGO_PKG_VERSION"));
const RUN_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The facets, and the names that their schemas have.
const FACETS: &[(&str, &str)] = &[
    (
        "nominalTime",
        "NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet",
    ),
    (
        "processing_engine",
        "ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet",
    ),
    ("parent", "ParentRunFacet.json#/$defs/ParentRunFacet"),
    (
        "errorMessage",
        "ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
    ),
    ("jobType", "JobTypeJobFacet.json#/$defs/JobTypeJobFacet"),
    (
        "outputStatistics",
        "OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet",
    ),
];

/// Panics if an event lacks a field that OpenLineage requires, or has a field of another type or
/// format.
fn check_event(event: &Value) {
    assert_no_null(event, event);
    let text = |value: &Value, name: &str| {
        let text = value.as_str().unwrap_or_default().to_owned();
        assert!(!text.is_empty(), "{name} is not a text: {event}");
        text
    };
    let fields = [
        "eventType",
        "eventTime",
        "producer",
        "schemaURL",
        "run",
        "job",
        "inputs",
        "outputs",
    ];
    for name in event.as_object().unwrap().keys() {
        assert!(fields.contains(&name.as_str()), "`{name}`: {event}");
    }
    let event_type = text(&event["eventType"], "eventType");
    assert!(
        ["START", "COMPLETE", "FAIL", "ABORT"].contains(&event_type.as_str()),
        "{event}"
    );
    time_of(&event["eventTime"]);
    assert_eq!(event["producer"], PRODUCER);
    assert_eq!(event["schemaURL"], RUN_EVENT);
    let id = Uuid::parse_str(&text(&event["run"]["runId"], "runId")).unwrap();
    assert_eq!(id.get_version_num(), 5, "{event}");
    text(&event["job"]["namespace"], "job.namespace");
    text(&event["job"]["name"], "job.name");
    assert!(
        event["inputs"]
            .as_array()
            .is_none_or(|inputs| inputs.is_empty()),
        "{event}"
    );
    let no_outputs = Vec::new();
    let outputs = event["outputs"].as_array().unwrap_or(&no_outputs);
    assert!(outputs.len() <= 1, "{event}");
    let holders = [&event["run"]["facets"], &event["job"]["facets"]];
    let mut holders: Vec<&Value> = holders.into();
    for output in outputs {
        text(&output["namespace"], "outputs.namespace");
        text(&output["name"], "outputs.name");
        holders.push(&output["outputFacets"]);
        assert_eq!(output["facets"], Value::Null, "{event}");
    }
    for (name, facet) in holders
        .iter()
        .filter_map(|facets| facets.as_object())
        .flatten()
    {
        assert_eq!(facet["_producer"], PRODUCER, "{name}: {event}");
        let schema = text(&facet["_schemaURL"], "_schemaURL");
        reqwest::Url::parse(&schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
        match FACETS.iter().find(|(known, _)| known == name) {
            Some((_, file)) => assert!(
                schema.starts_with("https://openlineage.io/spec/facets/") && schema.ends_with(file),
                "{schema}"
            ),
            None => assert!(name.starts_with("hightouch_"), "{name}: {event}"),
        }
        check_facet(name, facet);
    }
}

/// Panics if a facet lacks a field.
fn check_facet(name: &str, facet: &Value) {
    match name {
        "nominalTime" => {
            time_of(&facet["nominalStartTime"]);
        }
        "processing_engine" => {
            assert_eq!(facet["name"], "Hightouch");
            assert!(facet["version"].is_string(), "{facet}");
        }
        "parent" => {
            let id = facet["run"]["runId"].as_str().unwrap();
            Uuid::parse_str(id).unwrap();
            let job = &facet["job"];
            assert!(
                job["namespace"].is_string() && job["name"].is_string(),
                "{facet}"
            );
        }
        "errorMessage" => {
            assert!(facet["message"].is_string(), "{facet}");
            assert_eq!(facet["programmingLanguage"], "unknown");
        }
        "jobType" => {
            assert_eq!(facet["processingType"], "BATCH");
            assert_eq!(facet["integration"], "HIGHTOUCH");
            assert!(facet["jobType"] == "SYNC" || facet["jobType"] == "SEQUENCE");
        }
        "outputStatistics" => assert!(facet["rowCount"].is_u64(), "{facet}"),
        "hightouch_syncRun" => assert!(
            facet["syncId"].is_u64() && facet["runId"].is_u64(),
            "{facet}"
        ),
        "hightouch_sequenceRun" => assert!(facet["sequenceRunId"].is_string(), "{facet}"),
        other => panic!("{other} is not a known facet: {facet}"),
    }
}

fn assert_no_null(value: &Value, event: &Value) {
    match value {
        Value::Null => panic!("a null: {event}"),
        Value::Array(items) => items.iter().for_each(|item| assert_no_null(item, event)),
        Value::Object(fields) => fields
            .values()
            .for_each(|field| assert_no_null(field, event)),
        _ => {}
    }
}

/// The known value comes from Python's `uuid.uuid5(uuid.NAMESPACE_URL, …)`.
#[test]
fn ids_are_those_that_other_tools_derive() {
    assert_eq!(
        run_id("https://api.hightouch.com", 1, 42),
        "d50cc529-2b2f-5ff0-9da0-bd4e6992671c"
    );
}
