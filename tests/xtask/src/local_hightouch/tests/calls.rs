//! Tests of the response of each call.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{
    Flags, KEY, KEY_OF_ANOTHER_WORKSPACE, Options, RateLimit, RetryAfter, Scenario, Status,
    SyncFixture, Timeline, fixtures,
};
use super::caller::{Caller, START};

#[test]
fn each_fixture_ends_as_its_name_indicates() {
    let ends = [
        (1, 5.0, "success"),
        (2, 2.0, "warning"),
        (3, 2.0, "failed"),
        (4, 60.0, "success"),
        (5, 1.0, "success"),
        (6, 3600.0, "success"),
        (7, 2.0, "cancelled"),
        (8, 2.0, "interrupted"),
    ];
    for (sync_id, seconds, end) in ends {
        let mut caller = Caller::of(Scenario::Faithful);
        let run_id = caller.trigger(sync_id);
        caller.pass(seconds - 0.001);
        let run = caller.poll(sync_id, &run_id)["data"][0].clone();
        assert_eq!(
            (&run["status"], &run["finishedAt"]),
            (&json!("reporting"), &Value::Null)
        );
        caller.pass(0.001);
        let run = caller.poll(sync_id, &run_id)["data"][0].clone();
        assert_eq!(run["status"], end);
        assert!(run["finishedAt"].is_string());
        assert_eq!(
            run["error"].is_string(),
            !["success", "warning"].contains(&end)
        );
    }
}

#[test]
fn a_run_is_written_as_the_api_writes_it() {
    let mut caller = Caller::of(Scenario::Faithful);
    let run_id = caller.trigger(2);
    caller.pass(60.0);
    assert_eq!(
        caller.poll(2, &run_id),
        json!({"hasMore": false, "data": [{
            "id": run_id.as_str().unwrap().parse::<u64>().unwrap(),
            "createdAt": "2026-01-01T00:00:00.000Z",
            "startedAt": "2026-01-01T00:00:00.166Z",
            "finishedAt": "2026-01-01T00:00:02.000Z",
            "querySize": 50,
            "status": "warning",
            "completionRatio": 1.0,
            "plannedRows": {"addedCount": 48, "changedCount": 0, "removedCount": 2},
            "successfulRows": {"addedCount": 45, "changedCount": 0, "removedCount": 2},
            "failedRows": {"addedCount": 3, "changedCount": 0, "removedCount": 0},
            "error": null,
        }]})
    );
}

#[test]
fn the_key_is_checked_before_the_sync_is_looked_up() {
    let mut caller = Caller::of(Scenario::Faithful);
    for (key, details) in [
        (None, "No authorization header found"),
        (Some("wrong"), "Token is invalid"),
        (Some(""), "Token is invalid"),
    ] {
        caller.key = key;
        let response = caller.response("POST", "/syncs/404/trigger", &Value::Null);
        assert_eq!(response.status, 401);
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(
            body,
            json!({"message": "Authentication error", "details": details})
        );
    }
}

#[test]
fn unknown_syncs_are_404_without_a_body_and_by_slug_an_error_with_status_200() {
    let mut caller = Caller::of(Scenario::Faithful);
    for (method, target) in [
        ("GET", "/syncs/404"),
        ("GET", "/syncs/404/runs"),
        ("POST", "/syncs/404/trigger"),
        ("GET", "/nowhere"),
    ] {
        let response = caller.response(method, target, &Value::Null);
        assert_eq!(
            (response.status.as_u16(), response.body.as_str()),
            (404, "")
        );
    }
    let response = caller.post("/syncs/trigger", &json!({"syncSlug": "nonsense"}));
    assert!(response["id"].is_null() && response["message"].is_string());
    assert_eq!(caller.api.started(START), 0);
}

#[test]
fn a_sync_is_triggered_by_slug_or_id_with_its_flags() {
    let mut caller = Caller::of(Scenario::Faithful);
    caller.post(
        "/syncs/trigger",
        &json!({"syncSlug": "demo", "fullResync": true}),
    );
    caller.post("/syncs/trigger", &json!({"syncId": "1", "resetCDC": true}));
    let runs = caller.api.snapshots(1, START);
    let full = Flags {
        full_resync: true,
        ..Flags::default()
    };
    assert_eq!(runs[0].flags, full);
    assert!(runs[1].flags.reset_cdc);
    let response = caller.response("POST", "/syncs/trigger", &json!({"syncId": 1}));
    assert_eq!(response.status, 422);
    let response = caller.response("POST", "/syncs/trigger", &json!({}));
    assert_eq!(response.status, 422);
}

#[test]
fn workspaces_see_nothing_of_each_other() {
    let mut caller = Caller::of(Scenario::Faithful);
    let run_id = caller.trigger(1);
    caller.key = Some(KEY_OF_ANOTHER_WORKSPACE);
    assert_eq!(caller.poll(1, &run_id)["data"], json!([]));
    assert_ne!(caller.trigger(1), run_id);
    assert_eq!(caller.get("/syncs/1")["workspaceId"], 2);
    let accounts: Vec<_> = caller
        .api
        .snapshots(1, START)
        .iter()
        .map(|run| run.account)
        .collect();
    assert_eq!(accounts, [1, 2]);
}

#[test]
fn over_the_rate_limit_a_workspace_is_refused_alone() {
    let mut caller = Caller::new(Options {
        rate_limit: RateLimit {
            retry_after: RetryAfter::Seconds,
            ..RateLimit::default()
        },
        ..Options::default()
    });
    for _ in 0..200 {
        caller.get("/syncs/1");
    }
    caller.pass(2.5);
    let response = caller.response("GET", "/syncs/1", &Value::Null);
    assert_eq!(
        (response.status.as_u16(), response.retry_after.as_deref()),
        (429, Some("8"))
    );
    caller.key = Some(KEY_OF_ANOTHER_WORKSPACE);
    caller.get("/syncs/1");
    caller.key = Some(KEY);
    caller.pass(7.5);
    caller.get("/syncs/1");
}

#[test]
fn a_test_brings_its_own_sync() {
    let timeline = Timeline::new([
        (Duration::ZERO, Status::Processing),
        (Duration::from_secs(1), Status::Other("paused")),
    ]);
    let mut caller =
        Caller::new(Options::default().with_sync(SyncFixture::new(1, "never-ends", timeline)));
    let first = caller.trigger(1);
    caller.pass(1e9);
    let run = caller.poll(1, &first)["data"][0].clone();
    assert_eq!(
        (&run["status"], &run["finishedAt"]),
        (&json!("paused"), &Value::Null)
    );
    let second = caller.trigger(1);
    caller.pass(1e9);
    assert_eq!(caller.poll(1, &second)["data"][0]["status"], "queued");
}

#[test]
fn a_sequence_run_is_written_as_the_api_writes_it() {
    let mut caller = Caller::of(Scenario::Faithful);
    let sequence = format!("/sync-sequences/{}/trigger", fixtures::SEQUENCE);
    let id = caller.post(&sequence, &Value::Null)["id"].clone();
    let target = format!("/sync-sequences/runs/{}", id.as_str().unwrap());
    caller.pass(1.5);
    let run = caller.get(&target);
    assert_eq!((&run["id"], &run["status"]), (&id, &json!("running")));
    assert_eq!(
        run["syncRuns"][0]["finishedAt"],
        "2026-01-01T00:00:01.000+00:00"
    );
    assert_eq!(run["syncRuns"][1]["finishedAt"], Value::Null);
    caller.pass(60.0);
    let run = caller.get(&target);
    assert_eq!(run["status"], "done");
    assert_eq!(run["syncRuns"][1]["status"], "warning");
    let sync_run = run["syncRuns"][1]["syncRunId"].clone();
    assert_eq!(caller.poll(2, &sync_run)["data"][0]["id"], sync_run);
    assert_eq!(caller.api.started(caller.now), 2);
}
