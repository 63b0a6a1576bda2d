//! Checks that a response matches the endpoint's own OpenAPI document, and records which parts of
//! the document were seen.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let path = xtask::build::workspace().join("src/endpoint/openapi.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
});

static SEEN: Mutex<BTreeSet<(String, u16)>> = Mutex::new(BTreeSet::new());

/// Returns the operations and statuses that [`check`] has accepted in this process, such as `("GET
/// /healthz", 200)`.
pub fn seen() -> Vec<(String, u16)> {
    SEEN.lock().unwrap().iter().cloned().collect()
}

/// Returns the operations and statuses that the document declares.
pub fn declared() -> Vec<(String, u16)> {
    let mut all = Vec::new();
    for (template, item) in object(&DOCUMENT["paths"]) {
        for (method, operation) in operations(item) {
            for status in object(&operation["responses"]).keys() {
                all.push((
                    format!("{method} {template}"),
                    status.parse().expect("a status is a number"),
                ));
            }
        }
    }
    all
}

/// Panics if the document does not describe this response to a request with this method and path.
/// The path may have a query.
pub fn check(method: &str, path: &str, status: u16, content_type: Option<&str>, body: &str) {
    let what = format!("{method} {path} answered {status}");
    match find(method, path) {
        Found::Nothing => refused(&what, 404, status, content_type, body),
        Found::OtherMethods if method == "HEAD" => {
            refused_without_body(&what, status, content_type, body)
        }
        Found::OtherMethods => refused(&what, 405, status, content_type, body),
        Found::Operation { name, operation } => {
            let responses = object(&operation["responses"]);
            let Some(response) = responses.get(&status.to_string()) else {
                let known: Vec<&String> = responses.keys().collect();
                panic!("{what}, and the document knows only {known:?} for {name}: {body}");
            };
            check_content(&what, method, status, resolve(response), content_type, body);
            SEEN.lock().unwrap().insert((name, status));
        }
    }
}

/// The document's entry for a method and path.
enum Found {
    Nothing,
    OtherMethods,
    Operation {
        name: String,
        operation: &'static Value,
    },
}

fn find(method: &str, path: &str) -> Found {
    let path = path.split('?').next().unwrap_or_default();
    let Some((template, item)) = object(&DOCUMENT["paths"])
        .iter()
        .find(|(template, _)| matches(template, path))
    else {
        return Found::Nothing;
    };
    match operations(item).find(|(known, _)| known == method) {
        Some((_, operation)) => Found::Operation {
            name: format!("{method} {template}"),
            operation,
        },
        None => Found::OtherMethods,
    }
}

/// Returns whether a path matches a template, in which `{name}` stands for any segment.
fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// Returns the methods of a path in upper case, and their operations.
fn operations(item: &Value) -> impl Iterator<Item = (String, &Value)> {
    let methods = [
        "get", "head", "post", "put", "patch", "delete", "options", "trace",
    ];
    methods
        .into_iter()
        .filter_map(|method| Some((method.to_ascii_uppercase(), item.get(method)?)))
}

/// Checks a request that the document does not describe: the endpoint must respond with a problem
/// of this status.
fn refused(what: &str, expected: u16, status: u16, content_type: Option<&str>, body: &str) {
    assert_eq!(
        status, expected,
        "{what}, and the document has no such operation: {body}"
    );
    assert_eq!(
        content_type,
        Some("application/problem+json"),
        "{what}: {body}"
    );
    check_problem(what, status, &json_of(what, body));
}

fn refused_without_body(what: &str, status: u16, content_type: Option<&str>, body: &str) {
    assert_eq!(
        status, 405,
        "{what}, and the document has no such operation"
    );
    assert_eq!(
        (content_type, body),
        (Some("application/problem+json"), ""),
        "{what}"
    );
}

fn check_content(
    what: &str,
    method: &str,
    status: u16,
    response: &Value,
    content_type: Option<&str>,
    body: &str,
) {
    if method == "HEAD" {
        assert_eq!(body, "", "{what}, with a body");
        return;
    }
    let content = object(&response["content"]);
    // Parameters such as `charset` do not change the type.
    let media_type = content_type
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    let Some(media_type) = media_type.and_then(|media_type| content.get_key_value(media_type))
    else {
        let known: Vec<&String> = content.keys().collect();
        panic!("{what} as {content_type:?}, and the document knows only {known:?}: {body}");
    };
    match media_type {
        (name, _) if name == "text/event-stream" => check_events(what, body),
        (name, _) if name == "text/html" => assert!(body.starts_with("<!doctype html>"), "{what}"),
        (name, media_type) => {
            let value = json_of(what, body);
            validate(what, &media_type["schema"], &value);
            if name == "application/problem+json" {
                check_problem(what, status, &value);
            }
        }
    }
}

/// A problem contains its status and kind twice. They must agree.
fn check_problem(what: &str, status: u16, problem: &Value) {
    validate(what, &component("Problem"), problem);
    assert_eq!(
        problem["status"], status,
        "{what}, and its problem says otherwise: {problem}"
    );
    check_kind(what, problem);
}

fn check_kind(what: &str, problem: &Value) {
    let kind = problem["kind"].as_str().unwrap();
    assert_eq!(
        problem["type"],
        format!("urn:hightouch-sync:problem:{kind}"),
        "{what}: {problem}"
    );
}

/// Checks server-sent events: any number of `progress`, then one `report` or `problem`.
fn check_events(what: &str, body: &str) {
    let mut events = Vec::new();
    let blocks = body
        .strip_suffix("\n\n")
        .unwrap_or_else(|| panic!("{what}, and the last event breaks off: {body}"));
    for block in blocks.split("\n\n") {
        let (mut event, mut data) = (None, Vec::new());
        for line in block.lines().filter(|line| !line.starts_with(':')) {
            match line.split_once(": ") {
                Some(("event", name)) => event = Some(name),
                Some(("data", text)) => data.push(text),
                _ => panic!("{what}, and a line is no field of an event: {line:?}"),
            }
        }
        match (event, data.is_empty()) {
            (Some(event), false) => events.push((event, data.join("\n"))),
            (None, true) => {}
            _ => panic!("{what}, and an event has no name or no data: {block:?}"),
        }
    }
    let report = if what.contains(" /sync-sequences/") {
        "SequenceReport"
    } else {
        "Report"
    };
    let last = events
        .len()
        .checked_sub(1)
        .unwrap_or_else(|| panic!("{what}, without any event: {body}"));
    for (at, (event, data)) in events.iter().enumerate() {
        let what = format!("{what}, event {at}, `{event}`");
        let value = json_of(&what, data);
        match (*event, at == last) {
            ("progress", false) | ("report", true) => validate(&what, &component(report), &value),
            ("problem", true) => {
                validate(&what, &component("Problem"), &value);
                check_kind(&what, &value);
            }
            _ => {
                panic!("{what}: there is to be `progress`, then one `report` or `problem`: {body}")
            }
        }
    }
}

fn json_of(what: &str, text: &str) -> Value {
    serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("{what}, which is no JSON ({error}): {text}"))
}

/// Returns a reference to one of the document's schemas.
fn component(name: &str) -> Value {
    assert!(
        DOCUMENT["components"]["schemas"][name].is_object(),
        "the document has no schema {name}"
    );
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Validates a value against a schema of the document. References point to the document's
/// components.
fn validate(what: &str, schema: &Value, value: &Value) {
    let wrong: Vec<String> = validator(schema)
        .iter_errors(value)
        .map(|error| format!("  {}: {error}", error.instance_path()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{what}, and the document describes it otherwise:\n{}\n{value}",
        wrong.join("\n")
    );
}

fn validator(schema: &Value) -> Validator {
    let mut root = object(schema).clone();
    root.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    root.insert("components".into(), DOCUMENT["components"].clone());
    let options = jsonschema::options().should_validate_formats(true);
    options
        .build(&Value::Object(root))
        .unwrap_or_else(|error| panic!("the document's schema is none: {error}\n{schema}"))
}

/// Follows a reference in the document.
fn resolve(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(to) => {
            let found = to
                .strip_prefix('#')
                .and_then(|pointer| DOCUMENT.pointer(pointer));
            found.unwrap_or_else(|| panic!("the document has nothing at {to}"))
        }
        None => value,
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE)
}

mod tests {
    use std::panic::catch_unwind;

    use hightouch_sync::engine::FailureKind;
    use hightouch_sync::hightouch::{RunStatus, SequenceStatus};

    use super::*;

    const JSON: Option<&str> = Some("application/json");
    const PROBLEM: Option<&str> = Some("application/problem+json");
    const EVENTS: Option<&str> = Some("text/event-stream");

    fn report() -> Value {
        let rows = json!({"addedCount": 1, "changedCount": 0, "removedCount": 0});
        let job = json!({
            "id": 42, "status": "success", "error": null, "createdAt": "2023-10-17T11:06:01.713Z", "startedAt": null,
            "finishedAt": null, "querySize": 7, "completionRatio": 0.54, "plannedRows": rows, "successfulRows": null,
            "failedRows": null
        });
        json!({
            "syncId": u64::MAX, "runId": 42, "status": "success", "jobs": [job], "joined": false, "requests": 5,
            "elapsedMs": 1234, "url": null
        })
    }

    fn problem(kind: &str, status: u16) -> Value {
        let r#type = format!("urn:hightouch-sync:problem:{kind}");
        json!({"type": r#type, "title": "No", "status": status, "detail": "Because.", "kind": kind})
    }

    /// Returns the value with one member changed or removed.
    fn with(mut value: Value, pointer: &str, to: Option<Value>) -> Value {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let members = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match to {
            Some(to) => drop(members.insert(name.into(), to)),
            None => drop(members.remove(name).unwrap()),
        }
        value
    }

    /// Returns the check's message for a response that it must reject.
    #[track_caller]
    fn complaint(
        method: &str,
        path: &str,
        status: u16,
        content_type: Option<&str>,
        body: &str,
    ) -> String {
        let panic = catch_unwind(|| check(method, path, status, content_type, body));
        let panic = panic.expect_err(&format!(
            "{method} {path} {status} {content_type:?} was accepted: {body}"
        ));
        *panic.downcast::<String>().unwrap()
    }

    #[test]
    fn answers_that_the_document_describes_are_accepted() {
        check(
            "POST",
            "/syncs/demo/runs?account=one",
            200,
            JSON,
            &report().to_string(),
        );
        check(
            "GET",
            "/syncs/1/runs/42",
            202,
            JSON,
            &with(report(), "/status", Some("verifying".into())).to_string(),
        );
        check(
            "POST",
            "/syncs/1/runs",
            409,
            PROBLEM,
            &problem("busy", 409).to_string(),
        );
        check(
            "GET",
            "/syncs//runs/",
            400,
            PROBLEM,
            &problem("invalid-input", 400).to_string(),
        );
        check("HEAD", "/healthz", 200, JSON, "");
        check(
            "GET",
            "/healthz",
            200,
            Some("application/json; charset=utf-8"),
            r#"{"status":"ok","version":"0"}"#,
        );
        check("GET", "/openapi.json", 200, JSON, &DOCUMENT.to_string());
        check(
            "GET",
            "/nothing",
            404,
            PROBLEM,
            &problem("invalid-input", 404).to_string(),
        );
        check(
            "PUT",
            "/syncs/1/runs",
            405,
            PROBLEM,
            &problem("invalid-input", 405).to_string(),
        );
        check("HEAD", "/hooks/dbt/1", 405, PROBLEM, "");
        let seen = seen();
        for (operation, status) in [("POST /syncs/{sync}/runs", 409), ("HEAD /healthz", 200)] {
            assert!(seen.contains(&(operation.into(), status)), "{seen:?}");
        }
        assert!(seen.iter().all(|one| declared().contains(one)), "{seen:?}");
    }

    #[test]
    fn a_wrong_body_is_not_accepted() {
        for (pointer, to) in [
            ("/url", None),
            ("/surplus", Some(json!(1))),
            ("/syncId", Some(json!(0))),
            ("/syncId", Some(json!("1"))),
            ("/status", Some(json!("failed"))),
            ("/url", Some(json!("no address"))),
            ("/jobs", Some(Value::Null)),
            ("/jobs/0/error", None),
            ("/jobs/0/surplus", Some(json!(1))),
            ("/jobs/0/completionRatio", Some(json!("1"))),
            ("/jobs/0/plannedRows/addedCount", Some(json!(-1))),
            ("/jobs/0/plannedRows/addedCount", None),
        ] {
            // An element of an array can be read by its index, but not added or removed.
            let wrong = match pointer.strip_prefix("/jobs/0") {
                Some(rest) => json!([with(report()["jobs"][0].clone(), rest, to.clone())]),
                None => Value::Null,
            };
            let wrong = if wrong.is_null() {
                with(report(), pointer, to)
            } else {
                with(report(), "/jobs", Some(wrong))
            };
            let panic_message = complaint("POST", "/syncs/1/runs", 200, JSON, &wrong.to_string());
            assert!(
                panic_message.contains("describes it otherwise"),
                "{panic_message}"
            );
        }
        for wrong in [
            problem("busy", 400),
            problem("unheard-of", 409),
            with(problem("busy", 409), "/kind", Some("other".into())),
            with(problem("busy", 409), "/detail", None),
            with(problem("busy", 409), "/runId", Some(Value::Null)),
            report(),
        ] {
            complaint("POST", "/syncs/1/runs", 409, PROBLEM, &wrong.to_string());
        }
        complaint("POST", "/syncs/1/runs", 200, JSON, "");
        complaint(
            "HEAD",
            "/healthz",
            200,
            JSON,
            r#"{"status":"ok","version":"0"}"#,
        );
    }

    #[test]
    fn an_undeclared_status_or_media_type_is_not_accepted() {
        let panic_message = complaint(
            "POST",
            "/syncs/1/runs",
            418,
            PROBLEM,
            &problem("busy", 418).to_string(),
        );
        assert!(
            panic_message.contains("418") && panic_message.contains("\"409\""),
            "{panic_message}"
        );
        complaint(
            "GET",
            "/syncs/1/runs/42",
            409,
            PROBLEM,
            &problem("busy", 409).to_string(),
        );
        complaint(
            "POST",
            "/syncs/1/runs",
            409,
            JSON,
            &problem("busy", 409).to_string(),
        );
        complaint("POST", "/syncs/1/runs", 200, None, &report().to_string());
        assert!(seen().iter().all(|(_, status)| *status != 418));
    }

    #[test]
    fn an_undeclared_path_or_method_is_a_problem_or_not_accepted() {
        for path in ["/nowhere", "/healthz/", "/syncs/1/runs/42/jobs", "/syncs/1"] {
            let panic_message =
                complaint("GET", path, 200, JSON, r#"{"status":"ok","version":"0"}"#);
            assert!(
                panic_message.contains("no such operation"),
                "{panic_message}"
            );
        }
        complaint("GET", "/nothing", 404, JSON, "{}");
        complaint("GET", "/nothing", 404, PROBLEM, "{}");
        complaint(
            "DELETE",
            "/syncs/1/runs/42",
            404,
            PROBLEM,
            &problem("invalid-input", 404).to_string(),
        );
        complaint(
            "get",
            "/healthz",
            200,
            JSON,
            r#"{"status":"ok","version":"0"}"#,
        );
    }

    #[test]
    fn events_are_checked_one_by_one() {
        let progress = format!(
            "event: progress\ndata: {}\n\n",
            with(report(), "/status", Some("queued".into()))
        );
        let last = format!("event: report\ndata: {}\n\n", report());
        let failed = format!(
            "event: problem\ndata: {}\n\n",
            problem("still-running", 202)
        );
        let accepted = |body: &str| check("POST", "/syncs/1/runs", 200, EVENTS, body);
        accepted(&format!("{progress}: still here\n\n{progress}{last}"));
        accepted(&failed);
        for wrong in [
            String::new(),
            ": still here\n\n".into(),
            progress.clone(),
            last.trim_end().into(),
            format!("{last}{last}"),
            format!("{failed}{progress}"),
            progress.replace("progress", "news") + &last,
            progress.replace("\"joined\"", "\"merged\"") + &last,
            failed.replace("\"kind\"", "\"sort\""),
            failed.replace("event: problem", "event: report"),
            format!("event: progress\n\n{last}"),
            format!("retry\n\n{last}"),
        ] {
            complaint("POST", "/syncs/1/runs", 200, EVENTS, &wrong);
        }
        complaint("GET", "/healthz", 200, EVENTS, &last);
    }

    #[test]
    fn the_document_has_every_kind_and_every_status() {
        let words = |value: &Value| -> BTreeSet<String> {
            value
                .as_array()
                .unwrap()
                .iter()
                .map(|kind_name| kind_name.as_str().unwrap().into())
                .collect()
        };
        let schemas = &DOCUMENT["components"]["schemas"];
        let mut kinds: BTreeSet<String> = FailureKind::ALL
            .iter()
            .map(|kind| kind.as_str().into())
            .collect();
        kinds.insert("unauthenticated".into());
        assert_eq!(
            words(&schemas["Problem"]["properties"]["kind"]["enum"]),
            kinds
        );
        let statuses = RunStatus::KNOWN
            .iter()
            .map(|status| status.as_str().into())
            .collect();
        assert_eq!(words(&schemas["Status"]["examples"]), statuses);
        let statuses = SequenceStatus::KNOWN
            .iter()
            .map(|status| status.as_str().into())
            .collect();
        assert_eq!(
            words(&schemas["SequenceReport"]["properties"]["status"]["examples"]),
            statuses
        );
    }
}
