//! A run that ended without success is posted once to `NOTIFY_URL`, by a call that started it or
//! saw it in progress. A problem of the dbt hook after a successful dbt run is posted too.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use xtask::build::Kind;
use xtask::local_hightouch::fixtures::{SEQUENCE, SEQUENCE_DONE_WITH_FAILURE, SEQUENCE_FAILED};
use xtask::local_hightouch::{LocalHightouch, Options, Scenario};

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::support::consumer::Consumer;
use super::support::reporting::{
    NOTIFY_PATH, Reporting, events, notifications, run_id, sequence_run_id, settled, url_id,
};
use super::support::stage::{
    Endpoint, EndpointResponse, Scripted, Stage, respond_with, send_request, with_each_endpoint,
    with_key,
};

const NOTHING: [Value; 0] = [];

/// Sends a request with the local Hightouch's key, and waits until its instance has ended.
async fn call(endpoint: &Endpoint, request: RequestBuilder) -> EndpointResponse {
    let response = send_request(with_key(request)).await;
    settled(endpoint).await;
    response
}

/// Returns the names of an object's fields, in alphabetical order.
fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

/// Returns the texts of the notifications, in order.
fn texts(consumer: &Consumer) -> Vec<String> {
    notifications(consumer)
        .iter()
        .map(|notification| notification["text"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_run_that_did_not_succeed_is_posted_once() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        for (sync, body, status, ended) in [
            (1, json!({}), 200, None),
            (2, json!({}), 424, Some("ended as warning: ")),
            (2, json!({"acceptWarnings": true}), 200, None),
            (2, json!({"acceptWarnings": {"maxRejected": 3}}), 200, None),
            (
                2,
                json!({"acceptWarnings": {"maxRejected": 2}}),
                424,
                Some("ended as warning: "),
            ),
            (3, json!({}), 424, Some("ended as failed: ")),
            (7, json!({}), 424, Some("ended as cancelled: ")),
            (8, json!({}), 424, Some("ended as interrupted: ")),
        ] {
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .notify(&consumer)
                .with("HIGHTOUCH_WORKSPACE", "acme")
                .serve(&stage, kind)
                .await;
            let request = endpoint.post(&format!("/syncs/{sync}/runs")).json(&body);
            let received = call(&endpoint, request).await;
            assert_eq!(received.status, status, "{}", received.text);
            let run = hightouch.runs(sync).last().unwrap().id;
            let sent = notifications(&consumer);
            assert_eq!(consumer.received().len(), sent.len());
            let Some(ended) = ended else {
                assert_eq!(sent, NOTHING, "sync {sync}: {body}");
                continue;
            };
            let [notification] = sent.as_slice() else {
                panic!("sync {sync}: {sent:?}")
            };
            let text = notification["text"].as_str().unwrap();
            let begin = format!("Hightouch sync {sync}, run {run}, {ended}");
            let url = format!("https://app.hightouch.com/acme/syncs/{sync}/runs/{run}");
            assert!(text.starts_with(&begin), "{text}");
            assert!(text.ends_with(&format!(" {url}")), "{text}");
            if sync == 3 {
                assert!(text.contains("INVALID_SESSION_ID"), "{text}");
            }
            assert_eq!(
                notification["id"],
                run_id(&hightouch.origin(), sync, run),
                "{notification}"
            );
            // The caller received the same problem.
            let (problem, answer) = (&notification["problem"], received.json());
            for field in ["kind", "detail", "syncId", "runId", "jobs", "url"] {
                assert_eq!(problem[field], answer[field], "{field}");
            }
            let fields = fields(notification);
            assert_eq!(fields, ["id", "problem", "text"]);
        }
    });
}

#[test]
fn on_request_every_end_is_posted() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .notify_all(&consumer)
            .with("HIGHTOUCH_WORKSPACE", "acme")
            .serve(&stage, kind)
            .await;
        let accepted = json!({"acceptWarnings": true});
        for (sync, body, end) in [
            (
                1,
                json!({}),
                "succeeded (success): 773 rows accepted, 0 rejected.",
            ),
            (
                2,
                accepted,
                "succeeded (warning): 47 rows accepted, 3 rejected.",
            ),
            (3, json!({}), "ended as failed: "),
        ] {
            let before = consumer.received().len();
            let request = endpoint.post(&format!("/syncs/{sync}/runs")).json(&body);
            let answer = call(&endpoint, request).await.json();
            let sent = notifications(&consumer)[before..].to_vec();
            let [notification] = sent.as_slice() else {
                panic!("{sent:?}")
            };
            let run = hightouch.runs(sync).last().unwrap().id;
            let text = notification["text"].as_str().unwrap();
            let begin = format!("Hightouch sync {sync}, run {run}, {end}");
            if sync == 3 {
                assert!(text.starts_with(&begin), "{text}");
                continue;
            }
            let url = format!("https://app.hightouch.com/acme/syncs/{sync}/runs/{run}");
            assert_eq!(text, format!("{begin} {url}"));
            for field in ["syncId", "runId", "status", "jobs", "joined", "url"] {
                assert_eq!(notification["report"][field], answer[field], "{field}");
            }
            let fields = fields(notification);
            assert_eq!(fields, ["id", "report", "text"]);
        }
        // The text contains no link if the workspace is not set.
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .notify_all(&consumer)
            .serve(&stage, kind)
            .await;
        call(&endpoint, endpoint.post("/syncs/1/runs")).await;
        let run = hightouch.runs(1).last().unwrap().id;
        assert_eq!(
            texts(&consumer),
            [format!(
                "Hightouch sync 1, run {run}, succeeded (success): 773 rows accepted, 0 rejected."
            )]
        );
    });
}

#[test]
fn the_id_is_the_one_of_lineage() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .notify(&consumer)
            .serve(&stage, kind)
            .await;
        call(&endpoint, endpoint.post("/syncs/3/runs")).await;
        let events = events(&consumer);
        assert_eq!(events.len(), 2);
        assert_eq!(notifications(&consumer)[0]["id"], events[1]["run"]["runId"]);
    });
}

#[test]
fn only_a_call_that_saw_the_run_in_progress_posts_its_end() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .notify_all(&consumer)
            .serve(&stage, kind)
            .await;
        let start = |sync: u64, body: Value| {
            let request = endpoint.post(&format!("/syncs/{sync}/runs")).json(&body);
            call(&endpoint, request.header("prefer", "respond-async"))
        };
        let count = || consumer.received().len();

        // A call that does not see the end.
        let location = start(3, json!({})).await;
        let location = location.header("location").unwrap().to_owned();
        assert_eq!(count(), 0);
        // A call that sees the run in progress, and then its end.
        assert_eq!(call(&endpoint, endpoint.get(&location)).await.status, 424);
        assert_eq!(count(), 1);
        // Calls that find it ended, even if they are repeated.
        for _ in 0..3 {
            assert_eq!(call(&endpoint, endpoint.get(&location)).await.status, 424);
        }
        let ended = hightouch.runs(3)[0].clone();
        let body = json!({"unlessRunSince": ended.created_at});
        let request = endpoint.post("/syncs/3/runs").json(&body);
        let adopted = call(&endpoint, request).await;
        assert_eq!(
            (adopted.status, &adopted.json()["joined"]),
            (424, &json!(true))
        );
        assert_eq!(count(), 1);

        // A call that joins a run in progress.
        start(4, json!({})).await;
        let body = json!({"ifRunning": "join"});
        let request = endpoint.post("/syncs/4/runs").json(&body);
        let joined = call(&endpoint, request.header("prefer", "wait=120")).await;
        assert_eq!(
            (joined.status, &joined.json()["joined"]),
            (200, &json!(true))
        );
        assert_eq!(count(), 2);
        assert_eq!(hightouch.triggers(), 2);
    });
}

#[test]
fn a_call_without_an_end_posts_nothing() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .notify_all(&consumer)
            .with("ALLOWED_SYNCS", "1,4,404")
            .serve(&stage, kind)
            .await;
        let refuse = json!({"ifRunning": "refuse"});
        for (request, status) in [
            (endpoint.post("/syncs/404/runs"), 404),
            (endpoint.post("/syncs/no-such/runs"), 404),
            (endpoint.post("/syncs/3/runs"), 403),
            (
                endpoint.post("/syncs/4/runs").header("prefer", "wait=2"),
                202,
            ),
            (endpoint.post("/syncs/4/runs").json(&refuse), 409),
            (endpoint.get("/syncs/4/runs"), 200),
            // A run that Hightouch does not list.
            (
                endpoint
                    .get("/syncs/1/runs/999999")
                    .header("prefer", "wait=1"),
                202,
            ),
        ] {
            let received = call(&endpoint, request).await;
            assert_eq!(received.status, status, "{}", received.text);
        }
        let unanswered = Options::default().with_scenario(Scenario::PollsFail);
        let unanswered = LocalHightouch::start(unanswered).await.unwrap();
        let endpoint = Reporting::new(&unanswered.origin())
            .notify_all(&consumer)
            .serve(&stage, kind)
            .await;
        assert_ne!(
            call(&endpoint, endpoint.post("/syncs/1/runs")).await.status,
            200
        );
        assert!(consumer.received().is_empty());
    });
}

#[test]
fn each_of_several_runs_is_posted() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .notify(&consumer)
            .with("ALLOWED_SYNCS", "1,2,3,7,404")
            .serve(&stage, kind)
            .await;
        let body = json!({"syncs": [1, 2, 3, "demo-cancelled", "demo-empty", 404]});
        let received = call(&endpoint, endpoint.post("/runs").json(&body)).await;
        assert_eq!(received.status, 424);
        let mut posted: Vec<Value> = notifications(&consumer)
            .iter()
            .map(|notification| notification["id"].clone())
            .collect();
        let mut expected: Vec<Value> = [2, 3, 7]
            .map(|sync| run_id(&hightouch.origin(), sync, hightouch.runs(sync)[0].id).into())
            .into();
        posted.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(posted, expected);
    });
}

#[test]
fn a_sequence_is_posted_as_one_run() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        for (sequence, begin, cause) in [
            (SEQUENCE, None, ""),
            (SEQUENCE_FAILED, Some("ended as failed: "), "3"),
            (SEQUENCE_DONE_WITH_FAILURE, Some("ended as done: "), "3"),
        ] {
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .notify(&consumer)
                .serve(&stage, kind)
                .await;
            let request = endpoint.post(&format!("/sync-sequences/{sequence}/runs"));
            let body = json!({"acceptWarnings": true});
            let answer = call(&endpoint, request.json(&body)).await.json();
            let sent = notifications(&consumer);
            let Some(begin) = begin else {
                assert_eq!(sent, NOTHING);
                continue;
            };
            let [notification] = sent.as_slice() else {
                panic!("{sent:?}")
            };
            let run = answer["sequenceRunId"].as_str().unwrap();
            let text = notification["text"].as_str().unwrap();
            let begin = format!("Hightouch sequence run {run} {begin}");
            assert!(text.starts_with(&begin), "{text}");
            assert!(text.contains(cause), "{text}");
            assert_eq!(
                notification["id"],
                sequence_run_id(&hightouch.origin(), run)
            );
            assert_eq!(notification["problem"]["detail"], answer["detail"]);
        }
    });
}

#[test]
fn the_format_fits_the_receiver() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        for format in ["json", "text", "teams"] {
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(&hightouch.origin())
                .notify_all(&consumer)
                .with("NOTIFY_FORMAT", format)
                .with("HIGHTOUCH_WORKSPACE", "acme")
                .serve(&stage, kind)
                .await;
            for sync in [3, 5] {
                let before = consumer.received().len();
                call(&endpoint, endpoint.post(&format!("/syncs/{sync}/runs"))).await;
                let sent = notifications(&consumer)[before..].to_vec();
                let [notification] = sent.as_slice() else {
                    panic!("{sent:?}")
                };
                let fields = fields(notification);
                let begin = format!("Hightouch sync {sync}, run ");
                match format {
                    "teams" => {
                        assert_eq!(fields, ["attachments", "type"]);
                        assert_eq!(notification["type"], "message");
                        check_card(&notification["attachments"], &begin);
                    }
                    "text" => {
                        assert_eq!(fields, ["text"]);
                        assert!(notification["text"].as_str().unwrap().starts_with(&begin));
                    }
                    _ => {
                        let last = if sync == 3 { "problem" } else { "report" };
                        let mut expected = ["id", last, "text"];
                        expected.sort_unstable();
                        assert_eq!(fields, expected);
                        assert!(notification["text"].as_str().unwrap().starts_with(&begin));
                    }
                }
            }
        }
    });
}

/// Checks the facts that Microsoft documents about a message with one Adaptive Card.
fn check_card(attachments: &Value, begin: &str) {
    let [attachment] = attachments.as_array().unwrap().as_slice() else {
        panic!("{attachments}")
    };
    let media_type = "application/vnd.microsoft.card.adaptive";
    assert_eq!(attachment["contentType"], media_type);
    let card = &attachment["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    assert!(
        card["version"]
            .as_str()
            .is_some_and(|version| version.starts_with("1.")),
        "{card}"
    );
    let text = card_text(card);
    let [action] = card["actions"].as_array().unwrap().as_slice() else {
        panic!("{card}")
    };
    assert_eq!(action["type"], "Action.OpenUrl");
    let url = action["url"].as_str().unwrap();
    let rest = text.strip_prefix(begin).unwrap();
    let run = rest.split(',').next().unwrap();
    assert!(
        url.starts_with("https://app.hightouch.com/acme/syncs/"),
        "{card}"
    );
    assert!(url.ends_with(&format!("/runs/{run}")), "{card}");
}

/// Returns the text of an Adaptive Card. Panics if the text may contain Markdown, as in a
/// `TextBlock`.
fn card_text(card: &Value) -> &str {
    let [block] = card["body"].as_array().unwrap().as_slice() else {
        panic!("{card}")
    };
    let [run] = block["inlines"].as_array().unwrap().as_slice() else {
        panic!("{card}")
    };
    assert_eq!(block["type"], "RichTextBlock");
    assert_eq!(run["type"], "TextRun");
    run["text"].as_str().unwrap()
}

/// Starts a mock of Hightouch whose run fails with this error text.
async fn failing_with(error: impl Into<String>) -> Scripted {
    let error = error.into();
    let mut polls = 0;
    Scripted::start(move |what, _| {
        if what.starts_with("POST") {
            return respond_with(200, r#"{"id":"42"}"#);
        }
        polls += 1;
        let status = if polls == 1 { "processing" } else { "failed" };
        let run = json!({"id": 42, "status": status, "error": error});
        respond_with(200, json!({"data": [run], "hasMore": false}).to_string())
    })
    .await
}

#[test]
fn a_text_of_hightouch_mentions_nobody() {
    with_each_endpoint(async |stage, kind| {
        let error = "<!channel> <!here> @here (@channel) <users/all> <@U012> R&D \
                     <https://evil.example.com|log in> [log in](https://evil.example.com) \
                     me@example.com\r\nsecond\u{2028}third\u{85}\tlast";
        for format in ["json", "text", "teams"] {
            let hightouch = failing_with(error).await;
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(hightouch.origin())
                .notify(&consumer)
                .with("NOTIFY_FORMAT", format)
                .serve(&stage, kind)
                .await;
            call(&endpoint, endpoint.post("/syncs/1/runs")).await;
            let sent = notifications(&consumer);
            let [notification] = sent.as_slice() else {
                panic!("{sent:?}")
            };
            let text = if format == "teams" {
                card_text(&notification["attachments"][0]["content"])
            } else {
                notification["text"].as_str().unwrap()
            };
            for kept in ["me@example.com", "second third last"] {
                assert!(text.contains(kept), "{kept:?}: {text:?}");
            }
            for raw in ['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}'] {
                assert!(!text.contains(raw), "{raw:?}: {text:?}");
            }
            // An Adaptive Card shows the text as it is.
            if format == "teams" {
                continue;
            }
            for escaped in [
                "&lt;!channel&gt;",
                "&lt;!here&gt;",
                "&lt;users/all&gt;",
                "@\u{200b}here",
                "(@\u{200b}channel)",
                "R&amp;D",
                "[log in]\u{200b}(",
            ] {
                assert!(text.contains(escaped), "{escaped:?}: {text:?}");
            }
            for raw in ["<", ">", "@here", "@channel", "@U012"] {
                assert!(!text.contains(raw), "{raw:?}: {text:?}");
            }
        }
    });
}

#[test]
fn a_text_of_nearly_a_mebibyte_is_posted() {
    with_each_endpoint(async |stage, kind| {
        for text in ["e".repeat(1_000_000), "&<@x\n".repeat(100_000)] {
            let hightouch = failing_with(text).await;
            let consumer = Consumer::accepting();
            let endpoint = Reporting::new(hightouch.origin())
                .lineage_to(&consumer)
                .notify(&consumer)
                .serve(&stage, kind)
                .await;
            let received = call(&endpoint, endpoint.post("/syncs/1/runs")).await;
            assert_eq!(received.status, 424);
            let sent = texts(&consumer);
            let [text] = sent.as_slice() else {
                panic!("{} notifications", sent.len())
            };
            assert!(text.starts_with("Hightouch sync 1, run 42, ended as failed: "));
            assert_eq!(events(&consumer).len(), 2);
            let longest = consumer.received().iter().map(|one| one.body.len()).max();
            assert!(longest < Some(1 << 20), "{longest:?}");
        }
    });
}

const SECRET: &str = "whs_71c09e2b5f3a4d86a0c2";

/// Starts an endpoint with the dbt hook that posts all notifications.
async fn hook(stage: &Stage, kind: Kind, hightouch: &str, consumer: &Consumer) -> Endpoint {
    with_hook(Reporting::new(hightouch).notify_all(consumer))
        .serve(stage, kind)
        .await
}

fn with_hook(reporting: Reporting) -> Reporting {
    reporting
        .with("DBT_WEBHOOK_SECRET", SECRET)
        .with("HIGHTOUCH_API_KEY", "local")
        .with("ALLOWED_SYNCS", "1,3,404")
}

/// Sends a dbt delivery, and waits until its instance has ended.
async fn deliver(endpoint: &Endpoint, path: &str, body: &str, signature: &str) -> EndpointResponse {
    let request = endpoint
        .post(path)
        .header("authorization", signature)
        .body(body.to_owned());
    let response = send_request(request).await;
    settled(endpoint).await;
    response
}

#[test]
fn a_dbt_run_that_succeeded_and_started_nothing_is_posted() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = hook(&stage, kind, &hightouch.origin(), &consumer).await;
        let body = success();
        let signed = signature(&body, SECRET);
        for (sync, status, problem) in [
            ("404", 404, "not-found"),
            ("no-such", 404, "not-found"),
            ("5", 403, "forbidden"),
            ("demo-empty", 403, "forbidden"),
        ] {
            let before = consumer.received().len();
            let path = format!("/hooks/dbt/{sync}");
            let received = deliver(&endpoint, &path, &body, &signed).await;
            assert_eq!(received.status, status, "{}", received.text);
            let sent = notifications(&consumer)[before..].to_vec();
            let [notification] = sent.as_slice() else {
                panic!("{sync}: {sent:?}")
            };
            let text = notification["text"].as_str().unwrap();
            let begin =
                format!("The dbt hook of Hightouch sync {sync} ended in a problem ({problem}): ");
            assert!(text.starts_with(&begin), "{text}");
            let url = format!("{}/api/v1/syncs/{sync}/dbt-runs/12345", hightouch.origin());
            assert_eq!(notification["id"], url_id(&url));
            assert_eq!(notification["problem"]["kind"], problem);
            assert_eq!(notification["problem"]["detail"], received.json()["detail"]);
            let fields = fields(notification);
            assert_eq!(fields, ["id", "problem", "text"]);
        }
        assert_eq!(hightouch.triggers(), 0);

        // Without the ID of the dbt run, the notification has none.
        let before = consumer.received().len();
        let mut news: Value = serde_json::from_str(&body).unwrap();
        news["data"].as_object_mut().unwrap().remove("runId");
        let body = news.to_string();
        deliver(
            &endpoint,
            "/hooks/dbt/404",
            &body,
            &signature(&body, SECRET),
        )
        .await;
        let sent = notifications(&consumer)[before..].to_vec();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0]["id"], Value::Null);
    });
}

#[test]
fn a_trigger_without_an_answer_is_posted() {
    with_each_endpoint(async |stage, kind| {
        for (scenario, problem) in [
            (Scenario::LostTriggerResponse, "trigger-unconfirmed"),
            (Scenario::Silent, "unreachable"),
            (Scenario::Forbidden, "api"),
        ] {
            let options = Options::default().with_scenario(scenario);
            let hightouch = LocalHightouch::start(options).await.unwrap();
            let consumer = Consumer::accepting();
            // This notification is sent whatever `NOTIFY_ON` is.
            let endpoint = with_hook(Reporting::new(&hightouch.origin()).notify(&consumer))
                .serve(&stage, kind)
                .await;
            let body = success();
            let signed = signature(&body, SECRET);
            let begun = stage.time.elapsed();
            deliver(&endpoint, "/hooks/dbt/1", &body, &signed).await;
            let took = stage.time.elapsed() - begun;
            assert!(took < Duration::from_secs(20), "{took:?}");
            let sent = notifications(&consumer);
            assert_eq!(sent.len(), 1, "{scenario}: {sent:?}");
            assert_eq!(sent[0]["problem"]["kind"], problem);
        }
    });
}

#[test]
fn other_deliveries_of_dbt_are_not_posted() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = hook(&stage, kind, &hightouch.origin(), &consumer).await;
        let news = |change: fn(&mut Value)| {
            let mut news: Value = serde_json::from_str(&success()).unwrap();
            change(&mut news);
            news.to_string()
        };
        let started = success();
        for (body, path, secret, status) in [
            // Not signed.
            (success(), "/hooks/dbt/404", "another", 401),
            (success(), "/hooks/dbt/5", "another", 401),
            // Not a success.
            (
                news(|news| news["data"]["runStatusCode"] = json!(20)),
                "/hooks/dbt/404",
                SECRET,
                200,
            ),
            (
                news(|news| news["eventType"] = json!("job.run.errored")),
                "/hooks/dbt/5",
                SECRET,
                403,
            ),
            // Not a problem. Neither delivery sees the end of the run.
            (started.clone(), "/hooks/dbt/3", SECRET, 200),
            (started, "/hooks/dbt/3", SECRET, 200),
        ] {
            let received = deliver(&endpoint, path, &body, &signature(&body, secret)).await;
            // This test does not promise that another event for a forbidden sync is refused.
            if status != 403 {
                assert_eq!(received.status, status, "{}", received.text);
            }
        }
        assert_eq!(hightouch.triggers(), 1);
        let posted = texts(&consumer);
        assert_eq!(posted, [""; 0]);
    });
}

#[test]
fn the_url_is_used_as_it_is() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let consumer = Consumer::accepting();
        let endpoint = Reporting::new(&hightouch.origin())
            .notify(&consumer)
            .with("OPENLINEAGE_API_KEY", "lineage-key")
            .serve(&stage, kind)
            .await;
        let request = endpoint.post("/syncs/3/runs").header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );
        call(&endpoint, request).await;
        let received = consumer.received();
        let [request] = received.as_slice() else {
            panic!("{received:?}")
        };
        assert_eq!(request.target, NOTIFY_PATH);
        assert_eq!(request.header("authorization"), None);
        let host = consumer.origin().strip_prefix("http://");
        assert_eq!(request.header("host"), host);
        assert_eq!(
            request.header("content-length"),
            Some(request.body.len().to_string().as_str())
        );
    });
}
