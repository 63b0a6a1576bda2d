//! The dbt webhook: a sync runs once for each successful dbt run, if the delivery has a valid
//! signature.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask::build::Kind;
use xtask::local_hightouch::{LocalHightouch, Options, Scenario};

use super::stored_keys_are_for_those_who_show_the_token::configured;
use super::support::cases::find_leak;
use super::support::stage::{
    ENDPOINTS, Endpoint, EndpointResponse, Scripted, Stage, respond_with, send_request, stage,
    with_each_endpoint,
};

const SECRET: &str = "whs_71c09e2b5f3a4d86a0c2";

const SETTINGS: &[(&str, &str)] = &[
    ("DBT_WEBHOOK_SECRET", SECRET),
    ("HIGHTOUCH_API_KEY", "local"),
    ("HIGHTOUCH_API_KEY_TWO", "local-two"),
    ("HIGHTOUCH_WORKSPACE", "acme"),
];

/// Returns the body of a delivery, in dbt's format, for a dbt run that ended four seconds ago.
fn news(status: &str, code: u64) -> Value {
    let finished = OffsetDateTime::now_utc() - Duration::from_secs(4);
    let finished = finished
        .replace_nanosecond(0)
        .unwrap()
        .format(&Rfc3339)
        .unwrap();
    json!({
        "accountId": 1,
        "webhookId": "wsu_12345abcde",
        "eventId": "wev_2L6ZDoilyiWzKkSA59Gmc2d7FDD",
        "timestamp": "2023-01-31T19:29:35.789265936Z",
        "eventType": "job.run.completed",
        "webhookName": "test",
        "data": {
            "jobId": "123",
            "jobName": "Daily Job (dbt build)",
            "runId": "12345",
            "environmentId": "1234",
            "environmentName": "Production",
            "dbtVersion": "1.0.0",
            "projectName": "Snowflake Github Demo",
            "projectId": "167194",
            "runStatus": status,
            "runStatusCode": code,
            "runStatusMessage": "None",
            "runReason": "Kicked off from UI by test@test.com",
            "runStartedAt": "2023-01-31T19:28:07Z",
            "runFinishedAt": finished
        }
    })
}

pub fn success() -> String {
    news("Success", 10).to_string()
}

pub fn signature(body: &str, secret: &str) -> String {
    hmac_sha256::HMAC::mac(body, secret)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Sends a signed delivery and returns the endpoint's response.
async fn deliver(endpoint: &Endpoint, path: &str, body: &str) -> EndpointResponse {
    let request = endpoint
        .post(path)
        .header("authorization", signature(body, SECRET));
    send_request(
        request
            .header("content-type", "application/json")
            .body(body.to_owned()),
    )
    .await
}

async fn gate(stage: &Stage, kind: Kind, hightouch: &LocalHightouch) -> Endpoint {
    configured(stage, kind, &hightouch.origin(), SETTINGS).await
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[test]
fn a_dbt_run_that_succeeded_starts_the_sync() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        // Other paths may require a token. dbt does not send it.
        for (settings, path, account, sync) in [
            (SETTINGS.to_vec(), "/hooks/dbt/1", 1, 1),
            (
                [SETTINGS, &[("ENDPOINT_TOKEN", "open-sesame")]].concat(),
                "/hooks/dbt/demo-failed?account=two",
                2,
                3,
            ),
        ] {
            let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
            let received = deliver(&endpoint, path, &success()).await;
            let runs = hightouch.runs(sync);
            assert_eq!(
                (received.status, runs.len(), runs[0].account),
                (200, 1, account),
                "{}",
                received.text
            );
            let url = format!("https://app.hightouch.com/acme/syncs/1/runs/{}", runs[0].id);
            assert_eq!(
                received.json(),
                json!({
                    "action": "started",
                    "reason": "The dbt run succeeded. No run of the sync has begun since, and none is queued.",
                    "dbtRunId": "12345",
                    "syncId": sync,
                    "runId": runs[0].id,
                    "url": if account == 1 { json!(url) } else { Value::Null }
                })
            );
        }
        assert_eq!(hightouch.triggers(), 2);
        let log = stage.stderr.text();
        let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        let fields =
            ["request", "sync", "account", "action", "http"].map(|field| line[field].clone());
        assert_eq!(
            fields,
            [
                json!("dbt-hook"),
                json!("3"),
                json!("two"),
                json!("started"),
                json!(200)
            ]
        );
    });
}

#[test]
fn any_other_news_starts_nothing() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = gate(&stage, kind, &hightouch).await;
        let event = |name: &str| {
            let mut news = news("Success", 10);
            news["eventType"] = name.into();
            news
        };
        for (news, why) in [
            (
                news("Errored", 20),
                "did not succeed: it ended as `Errored`",
            ),
            (
                news("Cancelled", 30),
                "did not succeed: it ended as `Cancelled`",
            ),
            (news("Success", 20), "did not succeed"),
            (event("job.run.started"), "`job.run.started`"),
            (event("job.run.errored"), "`job.run.errored`"),
            (json!({"eventType": "test"}), "`test`"),
            (json!({"data": {}}), "no `eventType`"),
            (json!({"hello": "world"}), "no `eventType`"),
            (
                json!({"eventType": null, "data": {"runStatus": "Success", "runStatusCode": 10}}),
                "no `eventType`",
            ),
        ] {
            let received = deliver(&endpoint, "/hooks/dbt/1", &news.to_string()).await;
            let decision = received.json();
            assert_eq!(
                (received.status, &decision["action"], &decision["runId"]),
                (200, &json!("none"), &Value::Null)
            );
            assert!(
                decision["reason"].as_str().unwrap().contains(why),
                "{why}: {decision}"
            );
        }
        for body in ["", "{", "[]"] {
            let received = deliver(&endpoint, "/hooks/dbt/1", body).await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (400, &json!("invalid-input")),
                "{body}"
            );
        }
        assert!(hightouch.requests().is_empty());
    });
}

#[test]
fn who_does_not_prove_to_be_dbt_is_refused_alike_and_nothing_is_sent() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let settings = [SETTINGS, &[("ENDPOINT_TOKEN", "open-sesame")]].concat();
        let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
        let body = success();
        let good = signature(&body, SECRET);
        let mut responses = Vec::new();
        for shown in [
            None,
            Some(String::new()),
            Some("Bearer open-sesame".into()),
            Some("Bearer local".into()),
            Some(SECRET.into()),
            Some(format!("Bearer {good}")),
            Some(good.to_uppercase()),
            Some(good.chars().skip(1).collect()),
            Some(signature(&body, "")),
            Some(signature(&body, "open-sesame")),
            Some(signature(&news("Success", 20).to_string(), SECRET)),
            Some(signature(&format!("{body} "), SECRET)),
        ] {
            for query in ["", "?account=two", "?account=no_such", "?account=NO!"] {
                let request = endpoint
                    .post(&format!("/hooks/dbt/1{query}"))
                    .body(body.clone());
                let request = request.header("content-type", "application/json");
                responses.push(match &shown {
                    Some(shown) => send_request(request.header("authorization", shown)).await,
                    None => send_request(request).await,
                });
            }
        }
        let twice = endpoint
            .post("/hooks/dbt/1")
            .header("authorization", &good)
            .header("authorization", &good);
        responses.push(
            send_request(
                twice
                    .header("content-type", "application/json")
                    .body(body.clone()),
            )
            .await,
        );
        for received in &responses {
            assert_eq!(
                (received.status, received.header("www-authenticate")),
                (401, Some("HMAC-SHA256")),
                "{}",
                received.text
            );
            assert_eq!(
                received.text, responses[0].text,
                "a different answer would reveal something"
            );
        }
        assert_eq!(responses[0].json()["kind"], "unauthenticated");
        // The signature does not give access to other paths.
        let other = send_request(
            endpoint
                .post("/syncs/1/runs")
                .header("authorization", format!("Bearer {good}")),
        )
        .await;
        assert_eq!(other.status, 401);
        assert!(hightouch.requests().is_empty());
        assert_eq!(deliver(&endpoint, "/hooks/dbt/1", &body).await.status, 200);
    });
}

#[test]
fn a_delivery_that_comes_again_starts_nothing_again() {
    with_each_endpoint(async |stage, kind| {
        for newest_first in [true, false] {
            let body = success();
            let hightouch = LocalHightouch::start(Options {
                newest_first,
                ..Options::default()
            })
            .await
            .unwrap();
            let endpoint = gate(&stage, kind, &hightouch).await;
            let first = deliver(&endpoint, "/hooks/dbt/1", &body).await.json();
            assert_eq!(first["action"], "started");
            // While the run is queued or in progress, just after it, and a day later.
            for (later, expected_text) in [
                (0, ""),
                (2, ""),
                (5, "(`success`) began after"),
                (86_400, "(`success`) began after"),
            ] {
                sleep(later).await;
                let received = deliver(&endpoint, "/hooks/dbt/demo", &body).await;
                let again = received.json();
                assert_eq!(
                    (received.status, &again["action"], &again["runId"]),
                    (200, &json!("none"), &first["runId"])
                );
                assert!(
                    again["reason"].as_str().unwrap().contains(expected_text),
                    "{again}"
                );
            }
            assert_eq!(hightouch.triggers(), 1);
        }
    });
}

#[test]
fn a_run_that_has_yet_to_begin_is_enough_and_one_that_goes_is_not() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = gate(&stage, kind, &hightouch).await;
        let start = || async {
            let client = reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap();
            let request = client
                .post(format!("{}/api/v1/syncs/4/trigger", hightouch.origin()))
                .bearer_auth("local");
            request.send().await.unwrap().error_for_status().unwrap();
        };
        // Another caller starts a run, which takes a minute. dbt's run ends while it is in
        // progress.
        start().await;
        sleep(20).await;
        let mut news = news("Success", 10);
        let finished = OffsetDateTime::now_utc() + Duration::from_secs(10);
        news["data"]["runFinishedAt"] = finished
            .replace_nanosecond(0)
            .unwrap()
            .format(&Rfc3339)
            .unwrap()
            .into();
        let received = deliver(&endpoint, "/hooks/dbt/4", &news.to_string())
            .await
            .json();
        assert_eq!(
            (&received["action"], &received["runId"]),
            (&json!("started"), &json!(hightouch.runs(4)[1].id))
        );
        let received = deliver(&endpoint, "/hooks/dbt/4", &news.to_string())
            .await
            .json();
        assert_eq!(
            (&received["action"], &received["runId"]),
            (&json!("none"), &json!(hightouch.runs(4)[1].id))
        );
        assert!(
            received["reason"].as_str().unwrap().contains("is queued"),
            "{received}"
        );
        assert_eq!(hightouch.triggers(), 2);
    });
}

#[test]
fn a_run_that_was_cancelled_before_it_began_is_not_started_again_and_not_said_to_have_begun() {
    with_each_endpoint(async |stage, kind| {
        let made = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
        let hightouch = Scripted::start(move |what, _| {
            assert!(what.starts_with("GET"), "{what}");
            let run = json!({"id": 42, "status": "cancelled", "createdAt": made, "startedAt": null, "finishedAt": made});
            respond_with(200, json!({"data": [run], "hasMore": false}).to_string())
        });
        let hightouch = hightouch.await;
        let endpoint = configured(&stage, kind, hightouch.origin(), SETTINGS).await;
        let received = deliver(&endpoint, "/hooks/dbt/1", &success()).await.json();
        assert_eq!(
            (&received["action"], &received["runId"]),
            (&json!("none"), &json!(42))
        );
        assert!(
            received["reason"]
                .as_str()
                .unwrap()
                .contains("was cancelled before it began"),
            "{received}"
        );
    });
}

#[test]
fn nor_where_the_first_answer_was_lost() {
    with_each_endpoint(async |stage, kind| {
        for scenario in [
            Scenario::LostTriggerResponse,
            Scenario::TriggerTimeout,
            Scenario::TruncatedTrigger,
        ] {
            let body = success();
            let hightouch = LocalHightouch::start(Options::default().with_scenario(scenario))
                .await
                .unwrap();
            let endpoint = gate(&stage, kind, &hightouch).await;
            let begun = stage.time.elapsed();
            let first = deliver(&endpoint, "/hooks/dbt/1", &body).await;
            let took = stage.time.elapsed() - begun;
            assert_eq!(
                (first.status, &first.json()["kind"]),
                (502, &json!("trigger-unconfirmed")),
                "{scenario}"
            );
            assert!(
                took < Duration::from_secs(9),
                "{scenario}: dbt waits for 10 s: {took:?}"
            );
            let again = deliver(&endpoint, "/hooks/dbt/1", &body).await;
            let run = hightouch.runs(1)[0].id;
            assert_eq!(
                (again.status, &again.json()["action"]),
                (200, &json!("none")),
                "{scenario}: {}",
                again.text
            );
            assert_eq!(
                (&again.json()["runId"], hightouch.triggers()),
                (&json!(run), 1),
                "{scenario}"
            );
        }
    });
}

#[test]
fn what_dbt_signed_counts_whatever_type_it_is_sent_as() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = gate(&stage, kind, &hightouch).await;
        // The first time contains a space instead of a `T`.
        let body = |day: u64| {
            let mut news = news("Success", 10);
            let finished = OffsetDateTime::now_utc() + Duration::from_secs(day * 86_400)
                - Duration::from_secs(4);
            let finished = finished
                .replace_nanosecond(0)
                .unwrap()
                .format(&Rfc3339)
                .unwrap();
            let finished = if day == 0 {
                finished.replace('T', " ").replace('Z', "+00:00")
            } else {
                finished
            };
            news["data"]["runFinishedAt"] = finished.into();
            news.to_string()
        };
        let types = [
            Some("application/json"),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            None,
        ];
        for (day, media_type) in (0..).zip(types) {
            let send = |body: &str, authorization: &str| {
                let request = endpoint
                    .post("/hooks/dbt/1")
                    .header("authorization", authorization)
                    .body(body.to_owned());
                send_request(if let Some(media_type) = media_type {
                    request.header("content-type", media_type)
                } else {
                    request
                })
            };
            let body = body(day);
            let unsigned = send(&body, &signature(&body, "another")).await;
            assert_eq!(
                (unsigned.status, hightouch.triggers() as u64),
                (401, day),
                "{media_type:?}"
            );
            let received = send(&body, &signature(&body, SECRET)).await;
            assert_eq!(
                (received.status, &received.json()["action"]),
                (200, &json!("started")),
                "{media_type:?} {}",
                received.text
            );
            sleep(86_400).await;
        }
    });
}

#[test]
fn each_dbt_run_that_succeeded_starts_a_run_of_its_own() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = gate(&stage, kind, &hightouch).await;
        for day in 0..3 {
            let mut news = news("Success", 10);
            let finished = OffsetDateTime::now_utc() + Duration::from_secs(day * 86_400)
                - Duration::from_secs(4);
            news["data"]["runFinishedAt"] = finished
                .replace_nanosecond(0)
                .unwrap()
                .format(&Rfc3339)
                .unwrap()
                .into();
            for action in ["started", "none"] {
                assert_eq!(
                    deliver(&endpoint, "/hooks/dbt/1", &news.to_string())
                        .await
                        .json()["action"],
                    action
                );
            }
            sleep(86_400).await;
        }
        assert_eq!(hightouch.triggers(), 3);
    });
}

#[test]
fn dbt_is_answered_before_it_gives_up_and_told_the_truth() {
    with_each_endpoint(async |stage, kind| {
        for (scenario, kind_of_problem) in [
            (Scenario::Silent, "unreachable"),
            (Scenario::Forbidden, "api"),
        ] {
            let hightouch = LocalHightouch::start(Options::default().with_scenario(scenario))
                .await
                .unwrap();
            let endpoint = gate(&stage, kind, &hightouch).await;
            let begun = stage.time.elapsed();
            let received = deliver(&endpoint, "/hooks/dbt/demo", &success()).await;
            let took = stage.time.elapsed() - begun;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (502, &json!(kind_of_problem)),
                "{scenario}"
            );
            assert!(took < Duration::from_secs(9), "{scenario}: {took:?}");
            assert_eq!(hightouch.triggers(), 0);
        }
    });
}

#[test]
fn what_is_not_configured_is_said_and_opens_nothing() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        for (settings, path, status, expected_text) in [
            (
                &SETTINGS[1..],
                "/hooks/dbt/1",
                500,
                "DBT_WEBHOOK_SECRET is not set",
            ),
            (
                &[("DBT_WEBHOOK_SECRET", " "), SETTINGS[1]][..],
                "/hooks/dbt/1",
                500,
                "DBT_WEBHOOK_SECRET is not set",
            ),
            (
                &SETTINGS[..1],
                "/hooks/dbt/1",
                500,
                "HIGHTOUCH_API_KEY is not set",
            ),
            (
                SETTINGS,
                "/hooks/dbt/1?account=three",
                400,
                "there is no such account",
            ),
            (
                SETTINGS,
                "/hooks/dbt/1?account=NO!",
                400,
                "the name of an account",
            ),
            (
                SETTINGS,
                "/hooks/dbt/1?account=two&account=two",
                400,
                "`account` twice",
            ),
        ] {
            let endpoint = configured(&stage, kind, &hightouch.origin(), settings).await;
            let received = deliver(&endpoint, path, &success()).await;
            assert_eq!(received.status, status, "{}", received.text);
            assert!(
                received.json()["detail"]
                    .as_str()
                    .unwrap()
                    .contains(expected_text),
                "{expected_text}: {}",
                received.text
            );
        }
        // The secret does not give access to stored keys on other paths.
        let endpoint = gate(&stage, kind, &hightouch).await;
        for token in ["local", SECRET] {
            let received = send_request(endpoint.post("/syncs/1/runs").bearer_auth(token)).await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (500, &json!("not-configured"))
            );
        }
        assert!(hightouch.requests().is_empty());
    });
}

#[test]
fn of_several_secrets_any_will_do() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let several = format!("whs_another, {SECRET} ,whs_third");
        let settings = [("DBT_WEBHOOK_SECRET", several.as_str()), SETTINGS[1]];
        let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
        let body = success();
        assert_eq!(
            deliver(&endpoint, "/hooks/dbt/1", &body).await.json()["action"],
            "started"
        );
        for wrong in [several.as_str(), "whs_anothe", ""] {
            let request = endpoint
                .post("/hooks/dbt/1")
                .header("authorization", signature(&body, wrong));
            let received = send_request(
                request
                    .header("content-type", "application/json")
                    .body(body.clone()),
            )
            .await;
            assert_eq!(received.status, 401);
        }
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn neither_the_secret_nor_the_key_shows_anywhere() {
    const KEY: &str = "ht/9f27c1+aa=41b8d0e6-7c55";
    for kind in ENDPOINTS {
        stage(async |stage| {
            let mut output = String::new();
            for status in [200, 401, 422, 500] {
                let hightouch = Scripted::start(move |_, authorization| {
                    assert_eq!(
                        authorization,
                        format!("Bearer {KEY}"),
                        "the secret is for the endpoint alone"
                    );
                    respond_with(
                        status,
                        format!(r#"{{"message":"{authorization}","data":"{authorization}"}}"#),
                    )
                })
                .await;
                let settings = [("DBT_WEBHOOK_SECRET", SECRET), ("HIGHTOUCH_API_KEY", KEY)];
                let endpoint = configured(&stage, kind, hightouch.origin(), &settings).await;
                let received = deliver(&endpoint, "/hooks/dbt/1", &success()).await;
                assert!(
                    received.status >= 500 && !hightouch.seen().is_empty(),
                    "{}",
                    received.text
                );
                output += &format!("{received:?}");
                let request = endpoint
                    .post("/hooks/dbt/1")
                    .header("authorization", signature("", SECRET));
                output += &format!("{:?}", send_request(request.body("{}")).await);
            }
            sleep(1).await;
            output += &stage.stderr.text();
            for secret in [KEY, SECRET, &signature("", SECRET)] {
                assert_eq!(find_leak(secret, &output), None, "{output}");
            }
        });
    }
}
