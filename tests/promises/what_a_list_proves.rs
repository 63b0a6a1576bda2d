//! Conclusions from Hightouch's list of runs: how a run ended, that a run does not exist, and what
//! is in progress, whatever the length of the list.

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::stored_keys_are_for_those_who_show_the_token::configured;
use super::support::stage::{
    Scripted, ScriptedResponse, lists, respond_with, send_request, with_each_endpoint, with_key,
};

/// Number of runs in the long lists. The newest run is still in progress.
const RUNS: u64 = 100_000;
/// Maximum number of requests for such a list, including the requests after it.
const MAX_REQUESTS: usize = 25;

/// Returns the value of a query parameter.
fn param(target: &str, name: &str) -> Option<u64> {
    target
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// Returns the requested page of a list that begins with the oldest run.
fn oldest_first(target: &str) -> ScriptedResponse {
    let (offset, limit) = (
        param(target, "offset").unwrap_or(0),
        param(target, "limit").unwrap_or(100).min(100),
    );
    let last = offset.saturating_add(limit).min(RUNS);
    let entry = |id: u64| {
        let status = if id == RUNS { "processing" } else { "success" };
        format!(
            r#"{{"id":{id},"status":"{status}","createdAt":"2020-02-08T16:11:04Z","startedAt":"2020-02-08T16:11:05Z"}}"#
        )
    };
    let entries: Vec<String> = (offset + 1..=last).map(entry).collect();
    respond_with(
        200,
        format!(
            r#"{{"data":[{}],"hasMore":{}}}"#,
            entries.join(","),
            last < RUNS
        ),
    )
}

async fn long_list() -> Scripted {
    Scripted::start(|what, _| match what.starts_with("POST") {
        true => respond_with(200, r#"{"id":"100001"}"#),
        false if what.contains("runId=100000") => respond_with(
            200,
            r#"{"data":[{"id":100000,"status":"success"}],"hasMore":false}"#,
        ),
        false => oldest_first(what),
    })
    .await
}

#[test]
fn the_run_in_progress_is_found_at_the_end_of_a_list_of_100_000_runs() {
    with_each_endpoint(async |stage, kind| {
        for (if_running, status) in [("join", 200), ("refuse", 409)] {
            let hightouch = long_list().await;
            let endpoint = stage.endpoint(kind, hightouch.origin()).await;
            let body = serde_json::json!({"ifRunning": if_running});
            let received = send_request(with_key(endpoint.post("/syncs/7/runs")).json(&body)).await;
            assert_eq!(
                (received.status, &received.json()["runId"]),
                (status, &RUNS.into()),
                "{}",
                received.text
            );
            assert_eq!(hightouch.triggers(), 0);
            assert!(
                hightouch.seen().len() <= MAX_REQUESTS,
                "{} requests",
                hightouch.seen().len()
            );
        }
    });
}

#[test]
fn the_dbt_gate_reads_a_list_of_100_000_runs_and_starts_one_run() {
    const SECRET: &str = "whs_5b0f1d7c93";
    const SETTINGS: &[(&str, &str)] = &[
        ("DBT_WEBHOOK_SECRET", SECRET),
        ("HIGHTOUCH_API_KEY", "stored"),
        ("ENDPOINT_TOKEN", "token"),
    ];
    with_each_endpoint(async |stage, kind| {
        let hightouch = long_list().await;
        let endpoint = configured(&stage, kind, hightouch.origin(), SETTINGS).await;
        let body = success();
        let request = endpoint
            .post("/hooks/dbt/7")
            .header("authorization", signature(&body, SECRET));
        let received = send_request(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await;
        assert_eq!(
            (received.status, &received.json()["runId"]),
            (200, &100_001.into()),
            "{}",
            received.text
        );
        assert_eq!(hightouch.triggers(), 1);
        assert!(
            hightouch.seen().len() <= MAX_REQUESTS,
            "{} requests",
            hightouch.seen().len()
        );
    });
}

#[test]
fn a_page_over_1_mib_is_asked_for_in_smaller_pages() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = Scripted::start(|what, _| {
            if what.starts_with("POST") {
                return respond_with(200, r#"{"id":"42"}"#);
            }
            let (offset, limit) = (
                param(what, "offset").unwrap_or(0),
                param(what, "limit").unwrap_or(100),
            );
            let error = "e".repeat(100_000);
            let entry = |_| format!(r#"{{"id":42,"status":"success","error":"{error}"}}"#);
            let entries: Vec<String> = (offset..offset.saturating_add(limit).min(30))
                .map(entry)
                .collect();
            respond_with(
                200,
                format!(
                    r#"{{"data":[{}],"hasMore":{}}}"#,
                    entries.join(","),
                    offset + limit < 30
                ),
            )
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let received = send_request(with_key(endpoint.post("/syncs/7/runs"))).await;
        assert_eq!(
            (
                received.status,
                received.json()["jobs"].as_array().map(Vec::len)
            ),
            (200, Some(30)),
            "{}",
            received.text.len()
        );
    });
}

#[test]
fn an_unknown_status_with_the_time_of_the_end_ends_the_run_without_success() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = lists(|_| {
            let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap();
            format!(r#"{{"data":[{{"id":42,"status":"Completed with care","finishedAt":"{now}"}}],"hasMore":false}}"#)
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let received = send_request(with_key(endpoint.post("/syncs/7/runs"))).await;
        assert_eq!(
            (received.status, &received.json()["kind"]),
            (424, &"sync-failed".into()),
            "{}",
            received.text
        );
        assert_eq!(received.json()["jobs"][0]["status"], "Completed with care");
    });
}

#[test]
fn a_redirect_of_a_poll_is_transient() {
    with_each_endpoint(async |stage, kind| {
        let mut polls = 0;
        let hightouch = Scripted::start(move |what, _| {
            if what.starts_with("POST") {
                return respond_with(200, r#"{"id":"42"}"#);
            }
            polls += 1;
            match polls {
                1 => respond_with(302, "Sign in"),
                2 => respond_with(307, ""),
                _ => respond_with(
                    200,
                    r#"{"data":[{"id":42,"status":"success"}],"hasMore":false}"#,
                ),
            }
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let received = send_request(with_key(endpoint.post("/syncs/7/runs"))).await;
        assert_eq!(
            (received.status, hightouch.triggers()),
            (200, 1),
            "{}",
            received.text
        );
    });
}

/// Starts a mock of Hightouch that lists these runs of sync 7, and an empty list for any other
/// sync.
async fn only(runs: &'static [u64]) -> Scripted {
    Scripted::start(|what, _| {
        let shown = runs
            .iter()
            .filter(|id| param(what, "runId").is_none_or(|wanted| wanted == **id));
        let entry = |id: &u64| {
            format!(r#"{{"id":{id},"status":"success","createdAt":"2022-02-08T16:11:04Z"}}"#)
        };
        let entries: Vec<String> = shown.map(entry).collect();
        let mut scripted = respond_with(
            200,
            format!(r#"{{"data":[{}],"hasMore":false}}"#, entries.join(",")),
        );
        scripted
            .headers
            .push(("date", "Tue, 08 Feb 2022 16:21:04 GMT".into()));
        scripted
    })
    .await
}

#[test]
fn a_run_that_is_missing_among_newer_ones_is_a_404_and_one_that_may_be_listed_later_is_not() {
    with_each_endpoint(async |stage, kind| {
        for prefer in ["wait=25", "respond-async"] {
            for (runs, status) in [
                (&[41, 40][..], 202),
                (&[44, 43, 41], 404),
                (&[43], 404),
                (&[], 202),
            ] {
                let hightouch = only(runs).await;
                let endpoint = stage.endpoint(kind, hightouch.origin()).await;
                let received = send_request(
                    with_key(endpoint.get("/syncs/7/runs/42")).header("prefer", prefer),
                )
                .await;
                assert_eq!(received.status, status, "{runs:?}: {}", received.text);
                let json = received.json();
                match status {
                    404 => assert_eq!(
                        (&json["kind"], &json["detail"]),
                        (&"not-found".into(), &"Not Found".into())
                    ),
                    _ => assert_eq!(
                        json["note"], "Hightouch has not listed this run.",
                        "{runs:?}"
                    ),
                }
            }
        }
    });
}

#[test]
fn a_run_that_this_call_started_is_never_said_not_to_exist() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = Scripted::start(|what, _| {
            if what.starts_with("POST") {
                return respond_with(200, r#"{"id":"42"}"#);
            }
            let newer = if what.contains("runId=") {
                ""
            } else {
                r#"{"id":43,"status":"success","createdAt":"2022-02-08T16:11:04Z"}"#
            };
            respond_with(200, format!(r#"{{"data":[{newer}],"hasMore":false}}"#))
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let received = send_request(with_key(endpoint.post("/syncs/7/runs"))).await;
        assert_eq!(
            (received.status, &received.json()["runId"]),
            (202, &42.into()),
            "{}",
            received.text
        );
        assert_eq!(
            received.json()["note"],
            "Hightouch has not listed this run."
        );
    });
}

#[test]
fn a_202_after_a_rate_limit_says_how_long_hightouch_asks_to_be_left_alone() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = Scripted::start(|what, _| {
            if what.starts_with("POST") {
                return respond_with(200, r#"{"id":"42"}"#);
            }
            let mut limited = respond_with(429, "");
            limited.headers.push(("retry-after", "40".into()));
            limited
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        for (path, body) in [
            ("/syncs/7/runs", serde_json::json!({})),
            ("/runs", serde_json::json!({"syncs": [7]})),
        ] {
            let received = send_request(with_key(endpoint.post(path)).json(&body)).await;
            assert_eq!(
                (received.status, received.header("retry-after")),
                (202, Some("40")),
                "{path}: {}",
                received.text
            );
        }
    });
}
