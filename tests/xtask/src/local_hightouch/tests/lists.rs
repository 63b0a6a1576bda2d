//! Tests of the entries in lists.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Options, Scenario, Status, SyncFixture, Timeline};
use super::caller::Caller;

#[test]
fn bad_parameters_are_422() {
    let mut caller = Caller::of(Scenario::Faithful);
    for target in [
        "/syncs/one",
        "/syncs/1/runs?runId=x",
        "/syncs/1/runs?limit=0",
        "/syncs/1/runs?orderBy=colour",
        "/syncs/1/runs?runID=1",
        "/syncs?after=yesterday",
    ] {
        let response = caller.response("GET", target, &Value::Null);
        assert_eq!(response.status, 422, "{target}");
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body["message"], "Validation failed");
        assert!(body["details"].is_object());
    }
}

#[test]
fn runs_are_listed_by_page_order_and_time() {
    let mut caller = Caller::of(Scenario::Faithful);
    let earlier = caller.ids("/syncs/1/runs");
    assert_eq!(earlier.len(), 2);
    caller.trigger(1);
    caller.pass(1.0);
    caller.trigger(1);

    let all = caller.ids("/syncs/1/runs");
    assert_eq!(all[2..], earlier);
    assert!(all.is_sorted_by(|one, next| one > next), "{all:?}");
    let page = caller.get("/syncs/1/runs?limit=1&offset=1");
    assert_eq!(
        (&page["data"][0]["id"], &page["hasMore"]),
        (&json!(all[1]), &json!(true))
    );
    assert_eq!(caller.get("/syncs/1/runs?offset=3")["hasMore"], false);

    // The second run has not started, so no period contains it.
    assert_eq!(caller.ids("/syncs/1/runs?within=5"), all[1..2]);
    assert_eq!(
        caller.ids("/syncs/1/runs?after=2026-01-01T00:00:00Z"),
        all[1..2]
    );
    assert_eq!(
        caller.ids("/syncs/1/runs?before=2026-01-01T00:00:00%2B00:00"),
        earlier
    );
    assert_eq!(caller.ids("/syncs/1/runs?orderBy=finishedAt"), all);
    assert_eq!(
        caller.get("/syncs/1/runs?runId=999"),
        json!({"data": [], "hasMore": false})
    );
    // A list does not contain other syncs' runs.
    assert!(
        caller
            .ids(&format!("/syncs/2/runs?runId={}", all[0]))
            .is_empty()
    );
}

#[test]
fn each_job_of_a_run_is_listed_under_its_id() {
    let over = |seconds, end| Timeline::over(Duration::from_secs(seconds), end);
    let sync = SyncFixture::new(9, "jobs", over(2, Status::Success))
        .with_further_job(over(6, Status::Failed));
    let mut caller = Caller::new(Options::default().with_sync(sync));
    let run: u64 = caller.trigger(9).as_str().unwrap().parse().unwrap();
    caller.pass(2.0);
    let jobs = caller.get(&format!("/syncs/9/runs?runId={run}"))["data"].clone();
    let of = |index: usize| {
        (
            jobs[index]["id"].clone(),
            jobs[index]["status"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(jobs.as_array().unwrap().len(), 2);
    assert_eq!(
        [of(0), of(1)],
        [
            (json!(run), "processing".into()),
            (json!(run), "success".into())
        ]
    );

    // The next run waits for the last job of the run before it. The list has the entry of its
    // second job first, then that of its first job.
    caller.trigger(9);
    caller.pass(3.9);
    assert_eq!(caller.get("/syncs/9/runs")["data"][1]["status"], "queued");
    caller.pass(0.1);
    assert_eq!(caller.get("/syncs/9/runs")["data"][1]["status"], "querying");
}

#[test]
fn syncs_are_listed_by_slug_model_and_last_run() {
    let mut caller = Caller::of(Scenario::Faithful);
    assert_eq!(caller.ids("/syncs").len(), 8);
    assert_eq!(caller.ids("/syncs?slug=demo"), [1]);
    assert_eq!(caller.ids("/syncs?modelId=2"), [4, 6]);
    assert_eq!(caller.get("/syncs?limit=2")["hasMore"], true);
    caller.trigger(6);
    caller.pass(2.0);
    assert_eq!(caller.ids("/syncs?after=2026-01-01T00:00:00Z"), [6]);
    assert_eq!(caller.get("/syncs/6")["status"], "querying");
    assert_eq!(caller.get("/syncs/5")["status"], "pending");
    assert_eq!(caller.get("/destinations/1")["id"], 1);
}

#[test]
fn a_page_of_a_hundred_thousand_runs_is_cheap_in_either_order() {
    const COUNT: u32 = 100_000;
    let sync = || {
        let timeline = Timeline::over(Duration::from_secs(2), Status::Success);
        SyncFixture::new(9, "old", timeline.clone()).with_earlier_runs(
            COUNT,
            Duration::from_secs(60),
            timeline,
        )
    };
    for newest_first in [true, false] {
        let mut caller = Caller::new(
            Options {
                newest_first,
                ..Options::default()
            }
            .with_sync(sync()),
        );
        let newest = caller.trigger(9).as_str().unwrap().parse::<u64>().unwrap();
        let began = std::time::Instant::now();
        for offset in (0..COUNT).step_by(4_000) {
            let page = caller.get(&format!("/syncs/9/runs?limit=100&offset={offset}"));
            assert_eq!(
                (page["data"].as_array().unwrap().len(), &page["hasMore"]),
                (100, &json!(true))
            );
        }
        // The limit is loose, because the machine may be busy. Computing the figures of every run
        // for each page takes far longer.
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
        let last = caller.get(&format!("/syncs/9/runs?limit=100&offset={}", COUNT - 50));
        assert_eq!(
            (last["data"].as_array().unwrap().len(), &last["hasMore"]),
            (51, &json!(false))
        );
        let ids = [
            caller.ids("/syncs/9/runs?limit=1"),
            caller.ids(&format!("/syncs/9/runs?offset={COUNT}")),
        ];
        let newest_at = usize::from(!newest_first);
        assert_eq!(ids[newest_at], [newest]);
        assert!(ids[1 - newest_at][0] < newest);
        assert_eq!(
            caller.ids(&format!("/syncs/9/runs?runId={newest}")),
            [newest]
        );
        assert_eq!(
            caller.ids("/syncs/9/runs?orderBy=createdAt&limit=1"),
            ids[0]
        );
    }
}

#[test]
fn a_run_that_is_never_listed_is_in_no_list() {
    let mut caller = Caller::of(Scenario::NeverListed);
    let earlier = caller.ids("/syncs/1/runs");
    let run = caller.trigger(1);
    caller.pass(3600.0);
    assert_eq!(caller.poll(1, &run)["data"], json!([]));
    assert_eq!(caller.ids("/syncs/1/runs"), earlier);
}

#[test]
fn a_status_of_another_name_can_be_an_end() {
    let timeline = Timeline::new([
        (Duration::ZERO, Status::Processing),
        (Duration::from_secs(1), Status::OtherEnd("archived")),
    ]);
    let mut caller =
        Caller::new(Options::default().with_sync(SyncFixture::new(9, "archived", timeline)));
    let run = caller.trigger(9);
    caller.pass(1.0);
    let run = caller.poll(9, &run)["data"][0].clone();
    assert_eq!(run["status"], "archived");
    assert!(run["finishedAt"].is_string());
}
