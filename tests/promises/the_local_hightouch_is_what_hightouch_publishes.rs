//! The responses of the local Hightouch match Hightouch's published OpenAPI document.
//!
//! The document is not part of this project. `.ci/hightouch-document` runs this test if a copy is
//! available. The local Hightouch's own tests check the same facts field by field.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::local_hightouch::fixtures::{SEQUENCE, SEQUENCE_DONE_WITH_FAILURE, SEQUENCE_FAILED};
use xtask::local_hightouch::{KEY, LocalHightouch, Options};

use super::support::stage::stage;

/// The environment variable with the path of the document.
const DOCUMENT: &str = "HIGHTOUCH_DOCUMENT";

/// Validates responses and counts them by path.
struct Published {
    document: Value,
    checked: Vec<String>,
}

impl Published {
    fn read() -> Self {
        let path = std::env::var(DOCUMENT)
            .unwrap_or_else(|_| panic!("{DOCUMENT} has to name the document's file"));
        let mut document = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        to_json_schema(&mut document);
        Self {
            document,
            checked: Vec::new(),
        }
    }

    /// Validates a response to this method and path of the document.
    fn check(&mut self, method: &str, path: &str, status: u16, body: &Value) {
        let pointer = |status: &str| {
            let path = path.replace('/', "~1");
            format!("/paths/{path}/{method}/responses/{status}/content/application~1json/schema")
        };
        let declared = self
            .document
            .pointer(&pointer(&status.to_string()))
            .cloned();
        let mut schema = match (declared, status) {
            (Some(schema), _) => schema,
            // The document does not declare this status for every path, but its format is always
            // the same.
            (None, 422) => json!({"$ref": "#/components/schemas/ValidateErrorJSON"}),
            (None, _) => panic!("{method} {path} declares no body for status {status}"),
        };
        schema["components"] = self.document["components"].clone();
        let errors: Vec<_> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(&without_unknowns(path, body))
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{method} {path}: {errors:?} in {body}");
        self.checked.push(format!("{method} {path}"));
    }
}

/// OpenAPI 3.0 has `nullable` instead of JSON Schema's null type. Its booleans may have a text as
/// default, which is irrelevant here.
fn to_json_schema(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(to_json_schema);
            if fields.remove("nullable") == Some(true.into())
                && let Some(kind) = fields.remove("type")
            {
                fields.insert("type".into(), json!([kind, "null"]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(to_json_schema),
        _ => {}
    }
}

/// Replaces early nulls with zeros or times. A run has nulls until its values are known, and a
/// sequence run until each sync run has ended. The document does not declare them, but real
/// responses contain them.
fn without_unknowns(path: &str, body: &Value) -> Value {
    let mut body = body.clone();
    let list = match path {
        "/syncs/{syncId}/runs" => body.get_mut("data"),
        "/sync-sequences/runs/{syncSequenceRunId}" => body.get_mut("syncRuns"),
        _ => None,
    };
    for entry in list.and_then(Value::as_array_mut).into_iter().flatten() {
        let has_ended = entry["finishedAt"].is_string();
        let fields = entry.as_object_mut().unwrap();
        // The document's own example has null here.
        if fields.get("error") == Some(&Value::Null) {
            fields.remove("error");
        }
        for (name, value) in fields
            .iter_mut()
            .filter(|(_, value)| value.is_null() && !has_ended)
        {
            *value = if name == "querySize" {
                json!(0)
            } else {
                json!("2026-01-01T00:00:00.000Z")
            };
        }
    }
    body
}

#[test]
#[ignore = "needs the document that Hightouch publishes: see .ci/hightouch-document"]
fn each_response_validates() {
    stage(async |_| {
        let mut published = Published::read();
        let hightouch = LocalHightouch::start(Options::default()).await.unwrap();
        let client = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let ask = async |method: &str, target: String, body: Option<Value>| {
            let url = format!("{}/api/v1{target}", hightouch.origin());
            let request = client
                .request(method.to_uppercase().parse().unwrap(), url)
                .bearer_auth(KEY);
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            let response = request.send().await.unwrap();
            (
                response.status().as_u16(),
                response.json::<Value>().await.unwrap(),
            )
        };
        let mut sequence_runs = Vec::new();
        for sync in 1..=8 {
            let (status, body) = ask("post", format!("/syncs/{sync}/trigger"), None).await;
            published.check("post", "/syncs/{syncId}/trigger", status, &body);
        }
        for sequence in [SEQUENCE, SEQUENCE_DONE_WITH_FAILURE, SEQUENCE_FAILED] {
            let (status, body) =
                ask("post", format!("/sync-sequences/{sequence}/trigger"), None).await;
            published.check(
                "post",
                "/sync-sequences/{syncSequenceId}/trigger",
                status,
                &body,
            );
            sequence_runs.push(body["id"].as_str().unwrap().to_owned());
        }
        for body in [
            json!({"syncSlug": "demo"}),
            json!({"syncSlug": "nowhere"}),
            json!({"syncId": "404"}),
            json!({}),
        ] {
            let (status, body) = ask("post", "/syncs/trigger".into(), Some(body)).await;
            published.check("post", "/syncs/trigger", status, &body);
        }
        for pause in [0, 1, 4, 3600] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            let (status, syncs) = ask("get", "/syncs".into(), None).await;
            published.check("get", "/syncs", status, &syncs);
            for sync in syncs["data"].as_array().unwrap() {
                for (path, template, id) in [
                    ("/syncs", "/syncs/{syncId}", &sync["id"]),
                    ("/models", "/models/{modelId}", &sync["modelId"]),
                    (
                        "/destinations",
                        "/destinations/{destinationId}",
                        &sync["destinationId"],
                    ),
                    ("/sources", "/sources/{sourceId}", &json!(1)),
                ] {
                    let (status, body) = ask("get", format!("{path}/{id}"), None).await;
                    published.check("get", template, status, &body);
                }
                let (status, body) = ask("get", format!("/syncs/{}/runs", sync["id"]), None).await;
                published.check("get", "/syncs/{syncId}/runs", status, &body);
            }
            for run in &sequence_runs {
                let (status, body) = ask("get", format!("/sync-sequences/runs/{run}"), None).await;
                published.check(
                    "get",
                    "/sync-sequences/runs/{syncSequenceRunId}",
                    status,
                    &body,
                );
            }
            // The rate-limit window is 10 s.
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let (status, body) = ask("get", "/syncs/1/runs?runId=abc&limit=0".into(), None).await;
        assert_eq!(status, 422);
        published.check("get", "/syncs/{syncId}/runs", status, &body);

        let checked = std::mem::take(&mut published.checked);
        for (path, methods) in published.document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                assert!(
                    checked.contains(&format!("{method} {path}")),
                    "{method} {path} was not requested"
                );
            }
        }
        println!("{} responses validate", checked.len());
    });
}
