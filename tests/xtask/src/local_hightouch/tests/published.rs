//! Checks the local Hightouch against Hightouch's published OpenAPI document: each object has
//! exactly the published fields.

use serde_json::{Value, json};

use super::super::{Options, Scenario, fixtures};
use super::caller::Caller;

/// The type of a field.
#[derive(Clone, Copy, Debug)]
enum Holds {
    Number,
    Text,
    Bool,
    /// RFC 3339.
    Time,
    Object,
    Numbers,
    Texts,
    /// Row counts of three kinds.
    Rows,
    /// This type or null. The document allows null for a sync's `schedule` and `lastRunAt` and a
    /// model's `lastRunSize`. It does not allow null for a run, but real responses contain null
    /// until the value is known.
    OrNull(&'static Holds),
}

use Holds::{Bool, Number, Numbers, Object, OrNull, Rows, Text, Texts, Time};

const SYNC: &[(&str, Holds)] = &[
    ("id", Number),
    ("slug", Text),
    ("workspaceId", Number),
    ("createdAt", Time),
    ("updatedAt", Time),
    ("destinationId", Number),
    ("modelId", Number),
    ("configuration", Object),
    ("schedule", OrNull(&Object)),
    ("status", Text),
    ("disabled", Bool),
    ("lastRunAt", OrNull(&Time)),
    ("referencedColumns", Texts),
    ("primaryKey", Text),
    ("externalSegment", Object),
    ("tags", Object),
];

const RUN: &[(&str, Holds)] = &[
    ("id", Number),
    ("createdAt", Time),
    ("startedAt", OrNull(&Time)),
    ("finishedAt", OrNull(&Time)),
    ("querySize", OrNull(&Number)),
    ("status", Text),
    ("completionRatio", Number),
    ("plannedRows", Rows),
    ("successfulRows", Rows),
    ("failedRows", Rows),
    ("error", OrNull(&Text)),
];

const ROWS: &[(&str, Holds)] = &[
    ("addedCount", Number),
    ("changedCount", Number),
    ("removedCount", Number),
];

const DESTINATION: &[(&str, Holds)] = &[
    ("id", Number),
    ("name", Text),
    ("slug", Text),
    ("workspaceId", Number),
    ("createdAt", Time),
    ("updatedAt", Time),
    ("type", Text),
    ("configuration", Object),
    ("syncs", Numbers),
];

const SOURCE: &[(&str, Holds)] = &[
    ("id", Number),
    ("name", Text),
    ("slug", Text),
    ("workspaceId", Number),
    ("createdAt", Time),
    ("updatedAt", Time),
    ("configuration", Object),
    ("type", Text),
];

/// The query is in a field that is named after the query's type.
const MODEL: &[(&str, Holds)] = &[
    ("id", Number),
    ("name", Text),
    ("slug", Text),
    ("description", Text),
    ("workspaceId", Number),
    ("primaryKey", Text),
    ("createdAt", Time),
    ("updatedAt", Time),
    ("sourceId", Number),
    ("queryType", Text),
    ("tags", Object),
    ("isSchema", Bool),
    ("syncs", Numbers),
    ("lastRunSize", OrNull(&Number)),
    ("raw", Object),
];

const RUN_STATUSES: [&str; 9] = [
    "cancelled",
    "failed",
    "queued",
    "success",
    "warning",
    "querying",
    "processing",
    "reporting",
    "interrupted",
];

impl Holds {
    fn accepts(self, value: &Value) -> bool {
        let all =
            |are: fn(&Value) -> bool| value.as_array().is_some_and(|items| items.iter().all(are));
        match self {
            Number => value.is_number(),
            Text => value.is_string(),
            Bool => value.is_boolean(),
            Time => value.as_str().is_some_and(|text| {
                time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
                    .is_ok()
            }),
            Object => value.is_object(),
            Numbers => all(Value::is_number),
            Texts => all(Value::is_string),
            Rows => {
                check(value, ROWS);
                true
            }
            OrNull(holds) => value.is_null() || holds.accepts(value),
        }
    }
}

/// Panics unless the object has exactly these fields.
fn check(object: &Value, fields: &[(&str, Holds)]) {
    let found = object
        .as_object()
        .unwrap_or_else(|| panic!("not an object: {object}"));
    for (name, holds) in fields {
        let value = found
            .get(*name)
            .unwrap_or_else(|| panic!("`{name}` is missing: {object}"));
        assert!(
            holds.accepts(value),
            "`{name}` does not hold {holds:?}: {value}"
        );
    }
    for name in found.keys() {
        assert!(
            fields.iter().any(|(known, _)| known == name),
            "`{name}` is not a field: {object}"
        );
    }
}

/// Returns the items of a page. Panics unless each has exactly these fields.
fn check_page(page: &Value, fields: &[(&str, Holds)]) -> Vec<Value> {
    assert_eq!(page.as_object().unwrap().len(), 2, "{page}");
    assert!(page["hasMore"].is_boolean(), "{page}");
    let items = page["data"].as_array().unwrap().clone();
    items.iter().for_each(|item| check(item, fields));
    items
}

#[test]
fn a_sync_has_every_field_before_during_and_after_a_run() {
    let mut caller = Caller::of(Scenario::Faithful);
    for seconds in [0.0, 1.0, 5.0] {
        caller.pass(seconds);
        let syncs = check_page(&caller.get("/syncs"), SYNC);
        assert_eq!(syncs.len(), 8);
        for sync in &syncs {
            let status = sync["status"].as_str().unwrap();
            assert!(
                RUN_STATUSES.contains(&status) || ["disabled", "pending"].contains(&status),
                "{status}"
            );
            assert_eq!(&caller.get(&format!("/syncs/{}", sync["id"])), sync);
        }
        for id in 1..=8 {
            caller.trigger(id);
        }
    }
}

#[test]
fn a_run_has_every_field_from_the_queue_to_its_end() {
    let mut caller = Caller::of(Scenario::Faithful);
    for id in 1..=8 {
        caller.trigger(id);
    }
    for seconds in [0.0, 0.5, 1.0, 1.0, 3.0] {
        caller.pass(seconds);
        for id in 1..=8 {
            for run in check_page(&caller.get(&format!("/syncs/{id}/runs")), RUN) {
                assert!(
                    RUN_STATUSES.contains(&run["status"].as_str().unwrap()),
                    "{run}"
                );
            }
        }
    }
}

#[test]
fn what_a_sync_names_is_there() {
    let mut caller = Caller::of(Scenario::Faithful);
    for sync in check_page(&caller.get("/syncs"), SYNC) {
        let destination = caller.get(&format!("/destinations/{}", sync["destinationId"]));
        check(&destination, DESTINATION);
        let model = caller.get(&format!("/models/{}", sync["modelId"]));
        check(&model, MODEL);
        check(
            &caller.get(&format!("/sources/{}", model["sourceId"])),
            SOURCE,
        );
        for parent in [destination, model] {
            assert!(
                parent["syncs"].as_array().unwrap().contains(&sync["id"]),
                "{parent}"
            );
        }
    }
    for target in [
        "/syncs/404",
        "/destinations/404",
        "/models/404",
        "/sources/404",
    ] {
        assert_eq!(
            caller.response("GET", target, &Value::Null).status,
            404,
            "{target}"
        );
    }
    for key in [None, Some("wrong")] {
        caller.key = key;
        for target in ["/syncs/1", "/destinations/1", "/destinations/404"] {
            assert_eq!(
                caller.response("GET", target, &Value::Null).status,
                401,
                "{target}"
            );
        }
    }
}

/// Checks the only error format that the document declares: this message and an object.
fn check_validation_error(body: &Value) {
    check(body, &[("message", Text), ("details", Object)]);
    assert_eq!(body["message"], "Validation failed");
    for (name, wrong) in body["details"].as_object().unwrap() {
        assert!(
            wrong["message"].is_string() && wrong.get("value").is_some(),
            "{name}: {wrong}"
        );
    }
}

#[test]
fn a_422_names_each_parameter_with_a_message_and_the_value() {
    let mut caller = Caller::of(Scenario::Faithful);
    for (target, name, value) in [
        ("/syncs/1/runs?runId=abc", "runId", json!("abc")),
        ("/syncs/one/runs", "syncId", json!("one")),
        ("/models/one", "modelId", json!("one")),
        ("/sources/one", "sourceId", json!("one")),
    ] {
        let response = caller.response("GET", target, &Value::Null);
        assert_eq!(response.status, 422, "{target}");
        let body = serde_json::from_str(&response.body).unwrap();
        check_validation_error(&body);
        assert_eq!(
            body["details"],
            json!({name: {"message": "invalid float number", "value": value}}),
            "{target}"
        );
    }
    let response = caller.response("POST", "/syncs/1/trigger", &json!({"fullResync": "maybe"}));
    assert_eq!(response.status, 422);
    check_validation_error(&serde_json::from_str(&response.body).unwrap());
}

#[test]
fn a_trigger_returns_an_id_or_the_validation_error_with_status_200() {
    let mut caller = Caller::of(Scenario::Faithful);
    for body in [json!({"syncSlug": "demo"}), json!({"syncId": "1"})] {
        check(&caller.post("/syncs/trigger", &body), &[("id", Text)]);
    }
    check(
        &caller.post("/syncs/1/trigger", &Value::Null),
        &[("id", Text)],
    );
    for (body, name) in [
        (json!({"syncSlug": "nonsense"}), "syncSlug"),
        (json!({"syncId": "404"}), "syncId"),
    ] {
        let responded = caller.post("/syncs/trigger", &body);
        check_validation_error(&responded);
        assert_eq!(responded["details"][name]["value"], body[name]);
    }
}

#[test]
fn a_sequence_run_has_every_field_from_the_queue_to_its_end() {
    let mut caller = Caller::of(Scenario::Faithful);
    let target = format!("/sync-sequences/{}/trigger", fixtures::SEQUENCE);
    let ids = [(); 2].map(|()| {
        let triggered = caller.post(&target, &Value::Null);
        check(&triggered, &[("id", Text)]);
        triggered["id"].as_str().unwrap().to_owned()
    });
    let mut statuses = Vec::new();
    for _ in 0..8 {
        for id in &ids {
            let run = caller.get(&format!("/sync-sequences/runs/{id}"));
            assert_eq!(run.as_object().unwrap().len(), 3, "{run}");
            statuses.push(run["status"].as_str().unwrap().to_owned());
            for sync_run in run["syncRuns"].as_array().unwrap() {
                check(
                    sync_run,
                    &[
                        ("syncId", Number),
                        ("syncRunId", Number),
                        ("status", Text),
                        ("finishedAt", OrNull(&Time)),
                    ],
                );
            }
        }
        caller.pass(1.0);
    }
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, ["done", "pending", "running"]);
}

#[test]
fn without_run_queueing_a_sequence_trigger_returns_the_run_in_progress() {
    for (queues_sequence_runs, same) in [(true, false), (false, true)] {
        let mut caller = Caller::new(Options {
            queues_sequence_runs,
            ..Options::default()
        });
        let target = format!("/sync-sequences/{}/trigger", fixtures::SEQUENCE);
        let first = caller.post(&target, &Value::Null)["id"].clone();
        caller.pass(1.0);
        assert_eq!(caller.post(&target, &Value::Null)["id"] == first, same);
        caller.pass(10.0);
        assert_ne!(caller.post(&target, &Value::Null)["id"], first);
    }
}
