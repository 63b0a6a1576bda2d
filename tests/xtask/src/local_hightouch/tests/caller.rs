//! Calls the API without a transport, with the time as an argument.

use serde_json::Value;
use time::OffsetDateTime;
use time::ext::NumericalDuration;
use time::macros::datetime;

use super::super::api::Api;
use super::super::request::Request;
use super::super::responses::{ApiResponse, Outcome};
use super::super::{KEY, Options, Scenario};

pub(super) const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

/// An API and a time that the test advances.
pub(super) struct Caller {
    pub(super) api: Api,
    pub(super) key: Option<&'static str>,
    pub(super) now: OffsetDateTime,
}

impl Caller {
    pub(super) fn new(options: Options) -> Self {
        Self {
            api: Api::new(&options, START),
            key: Some(KEY),
            now: START,
        }
    }

    pub(super) fn of(scenario: Scenario) -> Self {
        Self::new(Options::default().with_scenario(scenario))
    }

    pub(super) fn pass(&mut self, seconds: f64) {
        self.now += seconds.seconds();
    }

    pub(super) fn call(&mut self, method: &str, target: &str, body: &Value) -> Outcome {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request {
            method: method.to_owned(),
            path: format!("/api/v1{path}"),
            query: query.to_owned(),
            authorization: self.key.map(|key| format!("Bearer {key}")),
            content_type: Some("application/json".to_owned()),
            body: if body.is_null() {
                String::new()
            } else {
                body.to_string()
            },
        };
        self.api.response(&request, self.now).0
    }

    pub(super) fn response(&mut self, method: &str, target: &str, body: &Value) -> ApiResponse {
        match self.call(method, target, body) {
            Outcome::Responded(response) => response,
            other => panic!("{method} {target}: {other:?}"),
        }
    }

    pub(super) fn get(&mut self, target: &str) -> Value {
        let response = self.response("GET", target, &Value::Null);
        assert_eq!(response.status, 200, "{target}: {}", response.body);
        serde_json::from_str(&response.body).unwrap()
    }

    pub(super) fn post(&mut self, target: &str, body: &Value) -> Value {
        let response = self.response("POST", target, body);
        assert_eq!(response.status, 200, "{target}: {}", response.body);
        serde_json::from_str(&response.body).unwrap()
    }

    /// Triggers a sync and returns the run's ID as it is in the response.
    pub(super) fn trigger(&mut self, sync_id: u64) -> Value {
        self.post(&format!("/syncs/{sync_id}/trigger"), &Value::Null)["id"].clone()
    }

    pub(super) fn poll(&mut self, sync_id: u64, run_id: &Value) -> Value {
        let run_id = run_id
            .as_str()
            .map_or_else(|| run_id.to_string(), str::to_owned);
        self.get(&format!("/syncs/{sync_id}/runs?runId={run_id}"))
    }

    pub(super) fn ids(&mut self, target: &str) -> Vec<u64> {
        let data = self.get(target)["data"].as_array().unwrap().clone();
        data.iter().map(|run| run["id"].as_u64().unwrap()).collect()
    }
}
