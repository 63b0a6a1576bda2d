//! Tests of the effect of each scenario.

use serde_json::{Value, json};

use super::super::responses::{ApiResponse, Outcome};
use super::super::{DetailsFault, DetailsFaults, Options, Scenario};
use super::caller::{Caller, START};

#[test]
fn scenarios_change_the_format_of_responses() {
    let polled = |scenario, seconds| {
        let mut caller = Caller::of(scenario);
        let run_id = caller.trigger(1);
        caller.pass(seconds);
        (run_id.clone(), caller.poll(1, &run_id))
    };
    let (run_id, runs) = polled(Scenario::StringIds, 60.0);
    assert!(run_id.is_u64() && runs["data"][0]["id"].is_string());
    let (_, runs) = polled(Scenario::UpperCase, 60.0);
    assert_eq!(runs["data"][0]["status"], "SUCCESS");
    let (_, runs) = polled(Scenario::UnknownStatus, 4.0);
    assert_eq!(runs["data"][0]["status"], "verifying");
    let (_, runs) = polled(Scenario::MissingFields, 0.0);
    assert!(runs.get("hasMore").is_none() && runs["data"][0].get("startedAt").is_none());
    let (_, runs) = polled(Scenario::LowRatio, 60.0);
    let run = &runs["data"][0];
    assert_eq!(
        (&run["status"], &run["completionRatio"]),
        (&json!("success"), &json!(0.54))
    );
    assert_ne!(run["plannedRows"], run["successfulRows"]);
}

#[test]
fn polls_fail_and_triggers_do_not() {
    let mut caller = Caller::of(Scenario::PollsFail);
    caller.trigger(1);
    for _ in 0..3 {
        let response = caller.response("GET", "/syncs/1/runs", &Value::Null);
        assert_eq!(
            (response.status.as_u16(), response.body.as_str()),
            (503, "")
        );
    }
    let mut caller = Caller::of(Scenario::HtmlErrors);
    let run_id = caller.trigger(1);
    caller.poll(1, &run_id);
    let response = caller.response("GET", "/syncs/1/runs", &Value::Null);
    assert_eq!(response.status, 502);
    assert!(response.body.starts_with("<html>"), "{}", response.body);
    caller.poll(1, &run_id);
}

#[test]
fn scenarios_change_what_is_listed() {
    for (scenario, at_once, later) in [
        (Scenario::Faithful, 1, 1),
        (Scenario::LateListing, 0, 1),
        (Scenario::OtherRunsFirst, 2, 1),
        (Scenario::IgnoresRunId, 3, 3),
    ] {
        let mut caller = Caller::of(scenario);
        let run_id = caller.trigger(1);
        let listed = |response: Value| response["data"].as_array().unwrap().len();
        caller.pass(1.9);
        assert_eq!(listed(caller.poll(1, &run_id)), at_once, "{scenario}");
        caller.pass(0.1);
        assert_eq!(listed(caller.poll(1, &run_id)), later, "{scenario}");
    }
}

#[test]
fn scenarios_lose_triggers_before_and_after_they_start_a_run() {
    for (scenario, outcome, started) in [
        (Scenario::LostTriggerResponse, Some(Outcome::Closed), 1),
        (Scenario::TriggerTimeout, None, 1),
        (
            Scenario::TruncatedTrigger,
            Some(Outcome::Truncated(ApiResponse::ok(&json!({"id": "15"})))),
            1,
        ),
        (Scenario::DroppedTrigger, Some(Outcome::Closed), 0),
        (Scenario::Silent, Some(Outcome::Silence), 0),
        (Scenario::Forbidden, None, 0),
        (Scenario::RateLimited, None, 0),
    ] {
        let mut caller = Caller::of(scenario);
        let seen = caller.call("POST", "/syncs/1/trigger", &Value::Null);
        match outcome {
            Some(outcome) => assert_eq!(seen, outcome, "{scenario}"),
            None => assert!(
                matches!(&seen, Outcome::Responded(response) if response.status.as_u16() > 400),
                "{scenario}: {seen:?}"
            ),
        }
        assert_eq!(caller.api.started(START), started, "{scenario}");
    }
}

#[test]
fn details_fail_and_other_calls_do_not() {
    for fault in DetailsFault::ALL.iter().copied() {
        for (details, target, other) in [
            (
                DetailsFaults {
                    sync: Some(fault),
                    destination: None,
                },
                "/syncs/1",
                "/destinations/1",
            ),
            (
                DetailsFaults {
                    sync: None,
                    destination: Some(fault),
                },
                "/destinations/1",
                "/syncs/1",
            ),
        ] {
            let mut caller = Caller::new(Options::default().with_details(details));
            let seen = caller.call("GET", target, &Value::Null);
            match (fault, &seen) {
                (DetailsFault::NotFound, Outcome::Responded(response)) => {
                    assert_eq!(response.status, 404);
                }
                (DetailsFault::WrongTypes, Outcome::Responded(response)) => {
                    assert!(response.body.contains(r#""slug":7"#), "{}", response.body);
                }
                (DetailsFault::Page, Outcome::Responded(response)) => {
                    assert!(response.body.starts_with("<html>"), "{}", response.body);
                }
                (DetailsFault::Late, Outcome::Late(response, _)) => {
                    assert!(response.body.contains(r#""id":1"#), "{}", response.body);
                }
                (
                    DetailsFault::ServerError | DetailsFault::TooMany,
                    Outcome::Responded(response),
                ) => {
                    assert!(response.status.as_u16() > 400);
                }
                (DetailsFault::Empty, Outcome::Responded(response)) => {
                    assert_eq!(
                        (response.status.as_u16(), response.body.as_str()),
                        (200, "")
                    );
                }
                (DetailsFault::Silent, Outcome::Silence)
                | (DetailsFault::Closed, Outcome::Closed)
                | (DetailsFault::Reset, Outcome::Reset)
                | (DetailsFault::Truncated, Outcome::Truncated(_)) => {}
                _ => panic!("{fault:?}: {seen:?}"),
            }
            assert_eq!(caller.get(other)["id"], 1, "{fault:?}");
            caller.trigger(1);
        }
    }
}
