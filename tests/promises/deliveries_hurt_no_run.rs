//! Lineage events and notifications change no result and delay no answer, whatever their consumer
//! does. They show no secret, and no request chooses where they are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use xtask::build::Kind;
use xtask::local_hightouch::{LocalHightouch, fixtures::SEQUENCE};
use xtask::local_hightouch::{Options, Status, SyncFixture, Timeline};

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::several_syncs_run_at_once::{MEMORY, with_long_responses};
use super::support::cases::{each, find_leak};
use super::support::consumer::{Consumer, Reaction};
use super::support::raw::Fault;
use super::support::reporting::{
    LINEAGE_PATH, NOTIFY_PATH, Reporting, events, lines_of, notifications, settled,
};
use super::support::stage::{
    ENDPOINTS, Endpoint, Scripted, ScriptedResponse, Stage, respond_with, send_request, stage,
    with_each_endpoint, with_key,
};

/// Maximum time between an answer and the end of its instance, if no run is followed.
const MAX_AFTER_ANSWER: Duration = Duration::from_secs(15);
/// Maximum number of tries of one delivery.
const MAX_TRIES: usize = 3;

/// Starts a mock of Hightouch whose run 42 of sync 1 fails at the third poll, so that the requests do
/// not depend on the time. The run has no times.
async fn hightouch() -> Scripted {
    let mut is_started = false;
    let mut polls = 0;
    Scripted::start(move |what, _| {
        if let Some(details) = details(what) {
            return details;
        }
        if what.starts_with("POST") {
            is_started = true;
            return respond_with(200, r#"{"id":"42"}"#);
        }
        if !is_started {
            return respond_with(200, r#"{"data":[],"hasMore":false}"#);
        }
        polls += 1;
        let has_ended = polls >= 3;
        let run = json!({
            "id": 42,
            "status": if has_ended { "failed" } else { "processing" },
            "error": has_ended.then_some("the destination rejected the credentials"),
        });
        respond_with(200, json!({"data": [run], "hasMore": false}).to_string())
    })
    .await
}

/// Returns the response to a request for details.
fn details(what: &str) -> Option<ScriptedResponse> {
    let body = match what {
        "GET /api/v1/syncs/1" => json!({"id": 1, "slug": "demo", "destinationId": 7}),
        "GET /api/v1/destinations/7" => json!({"id": 7, "slug": "crm", "type": "salesforce"}),
        _ => return None,
    };
    Some(respond_with(200, body.to_string()))
}

/// The visible result of a call.
#[derive(Debug, PartialEq)]
struct Visible {
    status: u16,
    /// The answer without the elapsed time.
    answer: Value,
    /// The requests to Hightouch, except those for details.
    requests: Vec<String>,
}

/// Makes a call that starts a run, and waits until its instance has ended. Returns its visible
/// result, the time until the answer, and the time from then until the instance ended.
async fn observe(
    stage: &Stage,
    kind: Kind,
    reporting: impl FnOnce(Reporting) -> Reporting,
    request: impl FnOnce(&Endpoint) -> RequestBuilder,
) -> (Visible, Duration, Duration) {
    let hightouch = hightouch().await;
    let reporting = reporting(Reporting::new(hightouch.origin()));
    let endpoint = reporting.serve(stage, kind).await;
    let begun = stage.time.elapsed();
    let received = send_request(request(&endpoint)).await;
    let answered = stage.time.elapsed();
    settled(&endpoint).await;
    let mut requests = hightouch.seen();
    requests.retain(|what| details(what).is_none());
    let mut answer = received.json();
    answer.as_object_mut().unwrap().remove("elapsedMs");
    let visible = Visible {
        status: received.status,
        answer,
        requests,
    };
    let after = stage.time.elapsed() - answered;
    (visible, answered - begun, after)
}

fn post(endpoint: &Endpoint) -> RequestBuilder {
    with_key(endpoint.post("/syncs/1/runs"))
}

/// Reports everything to this consumer.
fn reporting_to(consumer: &Consumer) -> impl FnOnce(Reporting) -> Reporting {
    |reporting| reporting.lineage_to(consumer).notify_all(consumer)
}

/// Returns whether a delivery with this reaction succeeds. `None` if either is acceptable.
fn is_delivered(reaction: &Reaction) -> Option<bool> {
    match reaction {
        Reaction::Status(status) | Reaction::Headed(status, _) => Some((200..300).contains(status)),
        Reaction::Late(by) => Some(*by < Duration::from_secs(2)),
        Reaction::Endless => Some(true),
        Reaction::Faulty(fault) => match fault {
            Fault::Refused
            | Fault::Unanswered
            | Fault::NeverAccepted
            | Fault::SilentBeforeTheHead
            | Fault::SilentInTheHead
            | Fault::DripsTheHead
            | Fault::ResetBeforeTheHead
            | Fault::ResetInTheHead
            | Fault::ClosedBeforeTheHead
            | Fault::ClosedInTheHead
            | Fault::ContinuesForever
            | Fault::Garbage
            | Fault::NoHead
            | Fault::BadGatewayPage
            | Fault::RequestTimeout
            | Fault::TooManyRequests
            | Fault::TooManyRequestsUntil
            | Fault::InternalServerError
            | Fault::Unavailable
            | Fault::LongMessage => Some(false),
            Fault::SilentAfterTheHead
            | Fault::SilentInTheBody
            | Fault::DripsTheBody
            | Fault::DripsChunks
            | Fault::RespondsTwice
            | Fault::FiftyHints
            | Fault::NoContent
            | Fault::EmptyBody
            | Fault::Gzip
            | Fault::Page
            | Fault::HugeBody
            | Fault::HugeChunks
            | Fault::HugeUntilClosed => Some(true),
            _ => None,
        },
    }
}

/// Returns whether the fault concerns only the content of a response from Hightouch.
fn concerns_runs(fault: Fault) -> bool {
    fault.makes_false_statements()
        || matches!(
            fault,
            Fault::DeepField
                | Fault::DeepUnknownField
                | Fault::DeepDetails
                | Fault::LongDetails
                | Fault::LongName
                | Fault::LongFields
                | Fault::ManyRuns
                | Fault::ManyJobs
        )
}

fn reactions() -> Vec<Reaction> {
    let statuses = [
        200, 202, 204, 300, 302, 307, 400, 401, 403, 404, 408, 410, 413, 425, 429, 500, 501, 502,
        503, 504, 599,
    ];
    let headed = |status, lines: &str| Reaction::Headed(status, lines.into());
    let mut reactions: Vec<Reaction> = statuses.map(Reaction::Status).into();
    reactions.extend([
        headed(429, "retry-after: 1\r\n"),
        headed(429, "retry-after: 3600\r\n"),
        headed(429, "retry-after: -1\r\n"),
        headed(503, "retry-after: 99999999999999999999\r\n"),
        headed(429, "retry-after: Thu, 01 Jan 2026 00:00:00 GMT\r\n"),
        Reaction::Late(Duration::from_secs(1)),
        Reaction::Late(Duration::from_secs(5)),
        Reaction::Endless,
    ]);
    let faults = Fault::ALL.iter().copied();
    reactions.extend(
        faults
            .filter(|fault| !concerns_runs(*fault))
            .map(Reaction::Faulty),
    );
    reactions
}

#[test]
fn a_consumer_that_misbehaves_changes_nothing() {
    let mut cases = Vec::new();
    for kind in ENDPOINTS {
        for reaction in reactions() {
            cases.push((kind, reaction));
        }
    }
    let baseline: Vec<_> = ENDPOINTS
        .map(|kind| stage(async |stage| observe(&stage, kind, |plain| plain, post).await))
        .into();
    each(&cases, |(kind, reaction)| {
        let index = ENDPOINTS.iter().position(|each| each == kind).unwrap();
        let (expected, baseline_took, _) = &baseline[index];
        assert_eq!(expected.status, 424, "{expected:?}");
        stage(async |stage| {
            let consumer = Consumer::always(reaction.clone());
            let (visible, took, after) =
                observe(&stage, *kind, reporting_to(&consumer), post).await;
            assert_eq!(visible, *expected);
            assert!(
                took < *baseline_took + Duration::from_millis(250),
                "{took:?} instead of {baseline_took:?}"
            );
            assert!(after < MAX_AFTER_ANSWER, "{after:?} after the answer");
            check_lines(&stage, is_delivered(reaction));
            check_tries(&consumer);
            // The connection's buffers take a part of the body before the client disconnects.
            let deliveries = 3;
            assert!(
                consumer.sent() < deliveries * (16 << 20),
                "{}",
                consumer.sent()
            );
        });
    });
}

/// Checks that each of the two events and the notification of a run has at most one log line.
fn check_lines(stage: &Stage, is_delivered: Option<bool>) {
    let lines = lines_of(stage, "undelivered");
    let count = |to: &str| lines.iter().filter(|line| line["to"] == to).count();
    let counts = (count("lineage"), count("notification"));
    assert_eq!(counts.0 + counts.1, lines.len(), "{lines:?}");
    match is_delivered {
        Some(true) => assert_eq!(counts, (0, 0), "{lines:?}"),
        Some(false) => assert_eq!(counts, (2, 1), "{lines:?}"),
        None => assert!(counts.0 <= 2 && counts.1 <= 1, "{lines:?}"),
    }
    for line in &lines {
        assert_eq!((&line["sync"], &line["run"]), (&json!("1"), &json!(42)));
        let host = line["host"].as_str().unwrap();
        assert!(
            host == "127.0.0.1" || host.starts_with("127.0.0.1:"),
            "{line}"
        );
        assert!(
            line["tries"].as_u64().unwrap() <= MAX_TRIES as u64,
            "{line}"
        );
        assert_ne!(line["reason"].as_str().unwrap_or_default(), "", "{line}");
    }
}

/// Checks that each delivery was tried at most three times.
fn check_tries(consumer: &Consumer) {
    let mut tries = BTreeMap::new();
    for request in consumer.received() {
        // A peer that responds early does not read the body.
        *tries
            .entry((request.target, request.body))
            .or_insert(0_usize) += 1;
    }
    for (delivery, tries) in tries {
        let of_one = !delivery.1.is_empty();
        assert!(
            !of_one || tries <= MAX_TRIES,
            "{tries} tries of {delivery:?}"
        );
    }
}

#[test]
fn a_delivery_is_tried_again_if_that_can_help() {
    let headed = |status, lines: &str| Reaction::Headed(status, lines.into());
    let silent = Reaction::Faulty(Fault::SilentBeforeTheHead);
    let closed = Reaction::Faulty(Fault::ClosedBeforeTheHead);
    let never = usize::MAX;
    let mut cases = Vec::new();
    for kind in ENDPOINTS {
        for (reaction, count, tries) in [
            (Reaction::Status(500), never, 3..=3),
            (Reaction::Status(503), never, 3..=3),
            (Reaction::Status(408), never, 3..=3),
            (Reaction::Status(425), never, 3..=3),
            (Reaction::Status(429), never, 3..=3),
            (headed(429, "retry-after: 1\r\n"), never, 3..=3),
            (headed(429, "retry-after: 60\r\n"), never, 1..=1),
            (Reaction::Status(302), never, 1..=1),
            (Reaction::Status(400), never, 1..=1),
            (Reaction::Status(401), never, 1..=1),
            (Reaction::Status(404), never, 1..=1),
            (Reaction::Status(410), never, 1..=1),
            (closed.clone(), never, 3..=3),
            (silent.clone(), never, 2..=3),
            (Reaction::Status(201), 1, 1..=1),
            (Reaction::Status(500), 1, 2..=2),
            (Reaction::Status(500), 2, 3..=3),
            (headed(429, "retry-after: 2\r\n"), 1, 2..=2),
            (closed.clone(), 1, 2..=2),
            (silent.clone(), 1, 2..=2),
        ] {
            cases.push((kind, reaction, count, tries));
        }
    }
    each(&cases, |(kind, reaction, count, tries)| {
        stage(async |stage| {
            let consumer = Consumer::first(*count, reaction.clone());
            let notify = |plain: Reporting| plain.notify(&consumer);
            let (visible, _, _) = observe(&stage, *kind, notify, post).await;
            assert_eq!(visible.status, 424);
            let received = consumer.received();
            assert!(tries.contains(&received.len()), "{} tries", received.len());
            for request in &received {
                assert_eq!(request.body, received[0].body);
            }
            let spent = received.last().unwrap().at - received[0].at;
            assert!(spent <= Duration::from_secs(6), "{spent:?}");
            let lines = lines_of(&stage, "undelivered");
            let is_lost = *count == never;
            assert_eq!(lines.len(), usize::from(is_lost), "{lines:?}");
            if let [line] = lines.as_slice() {
                assert_eq!(line["to"], "notification");
                assert_eq!(line["tries"], received.len());
            }
        });
    });
}

#[test]
fn an_early_retry_is_not_made() {
    with_each_endpoint(async |stage, kind| {
        let reaction = Reaction::Headed(429, "retry-after: 2\r\n".into());
        let consumer = Consumer::first(1, reaction);
        let notify = |plain: Reporting| plain.notify(&consumer);
        observe(&stage, kind, notify, post).await;
        let received = consumer.received();
        let pause = received[1].at - received[0].at;
        assert!(pause >= Duration::from_secs(2), "{pause:?}");
    });
}

#[test]
fn a_redirect_is_not_followed() {
    with_each_endpoint(async |stage, kind| {
        let stranger = Consumer::accepting();
        for status in [301, 302, 303, 307, 308] {
            let location = format!("location: {}/taken\r\n", stranger.origin());
            let consumer = Consumer::always(Reaction::Headed(status, location));
            let reporting = |plain: Reporting| reporting_to(&consumer)(plain.granting(&stranger));
            let (visible, _, _) = observe(&stage, kind, reporting, post).await;
            assert_eq!(visible.status, 424);
            assert_eq!(consumer.received().len(), 3, "each delivery is tried once");
        }
        assert!(stranger.received().is_empty());
    });
}

#[test]
fn the_end_is_sent_after_the_start() {
    with_each_endpoint(async |stage, kind| {
        let late = Duration::from_millis(1_900);
        for reaction in [
            Reaction::Late(late),
            Reaction::Status(500),
            Reaction::Faulty(Fault::SilentBeforeTheHead),
        ] {
            let delays = reaction.clone();
            let consumer = Consumer::reacting(move |request| {
                if request.body.contains(r#""START""#) {
                    delays.clone()
                } else {
                    Reaction::Status(201)
                }
            });
            let lineage = |plain: Reporting| plain.lineage_to(&consumer);
            observe(&stage, kind, lineage, post).await;
            let received = consumer.received();
            let (starts, ends): (Vec<_>, Vec<_>) = received
                .iter()
                .partition(|request| request.body.contains(r#""START""#));
            assert_eq!(ends.len(), 1, "{reaction:?}: the end is sent once");
            let pause = match reaction {
                Reaction::Late(by) => by,
                Reaction::Status(_) => Duration::ZERO,
                _ => Duration::from_secs(1),
            };
            for start in &starts {
                assert!(ends[0].at >= start.at + pause, "{reaction:?}");
            }
        }
    });
}

#[test]
fn one_consumer_does_not_delay_the_other() {
    with_each_endpoint(async |stage, kind| {
        let silent = Consumer::always(Reaction::Faulty(Fault::SilentBeforeTheHead));
        let consumer = Consumer::accepting();
        let reporting = |plain: Reporting| plain.lineage_to(&silent).notify(&consumer);
        let (_, took, _) = observe(&stage, kind, reporting, post).await;
        let received = consumer.received();
        assert_eq!(received.len(), 1);
        // Both clocks began within a few milliseconds.
        let late = received[0].at.saturating_sub(took);
        assert!(late < Duration::from_secs(1), "{late:?} after the answer");
    });
}

#[test]
fn answers_that_do_not_wait_are_not_delayed_either() {
    with_each_endpoint(async |stage, kind| {
        let body = success();
        let asynchronous = |endpoint: &Endpoint| post(endpoint).header("prefer", "respond-async");
        let hook = |endpoint: &Endpoint| {
            endpoint
                .post("/hooks/dbt/1")
                .header("authorization", signature(&body, SECRET))
                .body(body.clone())
        };
        let dbt = |plain: Reporting| plain.with("DBT_WEBHOOK_SECRET", SECRET);
        let stored = |plain: Reporting| dbt(plain).with("HIGHTOUCH_API_KEY", KEY);
        for fault in [
            Fault::SilentBeforeTheHead,
            Fault::NeverAccepted,
            Fault::Unanswered,
            Fault::InternalServerError,
        ] {
            let consumer = Consumer::always(Reaction::Faulty(fault));
            let silent = |plain: Reporting| reporting_to(&consumer)(plain);
            let (plain, plain_took, _) = observe(&stage, kind, |plain| plain, asynchronous).await;
            let (visible, took, after) = observe(&stage, kind, silent, asynchronous).await;
            assert_eq!(visible.status, 202, "{visible:?}");
            assert_eq!(visible, plain);
            assert!(took < plain_took + Duration::from_millis(250), "{took:?}");
            assert!(after < MAX_AFTER_ANSWER, "{after:?}");

            let silent = |plain: Reporting| reporting_to(&consumer)(stored(plain));
            let (plain, plain_took, _) = observe(&stage, kind, stored, hook).await;
            let (visible, took, after) = observe(&stage, kind, silent, hook).await;
            assert_eq!(visible.status, 200, "{visible:?}");
            assert_eq!(visible, plain);
            assert!(took < plain_took + Duration::from_millis(250), "{took:?}");
            assert!(after < MAX_AFTER_ANSWER, "{after:?}");
        }
    });
}

#[test]
fn many_deliveries_to_a_silent_consumer_end_soon() {
    const COUNT: u64 = 60;
    with_each_endpoint(async |stage, kind| {
        let mut options = Options::default();
        options.syncs.clear();
        for id in 1..=COUNT {
            let timeline = Timeline::over(Duration::from_secs(2), Status::Failed);
            options = options.with_sync(SyncFixture::new(id, format!("sync-{id}"), timeline));
        }
        let hightouch = LocalHightouch::start(options).await.unwrap();
        let consumer = Consumer::always(Reaction::Faulty(Fault::SilentBeforeTheHead));
        let endpoint = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .notify(&consumer)
            .serve(&stage, kind)
            .await;
        let body = json!({"syncs": (1..=COUNT).collect::<Vec<_>>()});
        let request = with_key(endpoint.post("/runs")).json(&body);
        let received = send_request(request.header("prefer", "wait=600")).await;
        assert_eq!(received.status, 424);
        let answered = stage.time.elapsed();
        settled(&endpoint).await;
        let after = stage.time.elapsed() - answered;
        assert!(after < MAX_AFTER_ANSWER, "{after:?}");
        assert_eq!(hightouch.triggers() as u64, COUNT);
        let lines = lines_of(&stage, "undelivered");
        let count = |to: &str| lines.iter().filter(|line| line["to"] == to).count() as u64;
        assert_eq!(
            (count("lineage"), count("notification")),
            (2 * COUNT, COUNT)
        );
    });
}

#[test]
fn a_hundred_runs_with_much_to_report_fit_into_one_instance() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = with_long_responses().await;
        // The messages wait for this consumer.
        let consumer = Consumer::always(Reaction::Faulty(Fault::SilentBeforeTheHead));
        let host = Reporting::new(hightouch.origin())
            .lineage_to(&consumer)
            .notify_all(&consumer)
            .following()
            .host(&stage, kind);
        let endpoint = Endpoint::serve(&host).await;
        let body = json!({"syncs": (1..=100).collect::<Vec<_>>()});
        let request = with_key(endpoint.post("/runs")).json(&body);
        let received = send_request(request.header("prefer", "wait=600")).await;
        assert_eq!(received.status, 424);
        settled(&endpoint).await;
        let peak = host.peak_memory();
        assert!(peak <= MEMORY, "{} KiB", peak >> 10);
    });
}

#[test]
fn a_host_that_refuses_is_named_with_the_setting() {
    with_each_endpoint(async |stage, kind| {
        let (expected, _, _) = observe(&stage, kind, |plain| plain, post).await;
        let consumer = Consumer::accepting();
        let denied = |plain: Reporting| reporting_to(&consumer)(plain).granting_hightouch_only();
        let (visible, _, after) = observe(&stage, kind, denied, post).await;
        assert_eq!(visible, expected);
        assert!(after < MAX_AFTER_ANSWER, "{after:?}");
        assert!(consumer.received().is_empty());
        check_lines(&stage, Some(false));
        for line in lines_of(&stage, "undelivered") {
            let setting = if line["to"] == "lineage" {
                "OPENLINEAGE_URL"
            } else {
                "notify_origin"
            };
            assert!(line["reason"].as_str().unwrap().contains(setting), "{line}");
        }
    });
}

const KEY: &str = "ht/9f27c1+aa=41b8d0e6-7c55";
const TOKEN: &str = "tok-5c0a77e2f913-b6d28e41aa";
const SECRET: &str = "whs_71c09e2b5f3a4d86a0c2";
const LINEAGE_KEY: &str = "lin-0d4e8b71c6f2a935";

/// Starts a mock of Hightouch that puts the caller's `Authorization` header into all its texts.
async fn echoing(end: &'static str) -> Scripted {
    let mut polls = 0;
    Scripted::start(move |what, authorization| {
        let key = authorization.trim_start_matches("Bearer ");
        let body = match what {
            "GET /api/v1/syncs/1" => json!({"id": 1, "slug": key, "destinationId": 7}),
            "GET /api/v1/destinations/7" => {
                json!({"id": 7, "slug": format!("to-{key}"), "type": authorization})
            }
            _ if what.starts_with("POST") => json!({"id": "42"}),
            _ => {
                polls += 1;
                let status = if polls == 1 { "processing" } else { end };
                let run = json!({"id": 42, "status": status, "error": authorization});
                json!({"data": [run], "hasMore": false})
            }
        };
        respond_with(200, body.to_string())
    })
    .await
}

#[test]
fn no_secret_shows_anywhere() {
    let mut cases = Vec::new();
    for kind in ENDPOINTS {
        for stores in [false, true] {
            for format in ["json", "text", "teams"] {
                for end in ["failed", "success", "cancelled"] {
                    cases.push((kind, stores, format, end));
                }
            }
        }
    }
    each(&cases, |(kind, stores, format, end)| {
        stage(async |stage| {
            let mut output = String::new();
            let sent = [Reaction::Status(201), Reaction::Status(400)];
            for reaction in sent {
                let hightouch = echoing(end).await;
                let consumer = Consumer::always(reaction);
                let mut reporting = Reporting::new(hightouch.origin())
                    .lineage_to(&consumer)
                    .with("OPENLINEAGE_API_KEY", LINEAGE_KEY)
                    .notify_all(&consumer)
                    .with("NOTIFY_FORMAT", *format)
                    .with("DBT_WEBHOOK_SECRET", SECRET)
                    .following();
                if *stores {
                    reporting = reporting
                        .with("ENDPOINT_TOKEN", TOKEN)
                        .with("HIGHTOUCH_API_KEY", KEY);
                }
                let endpoint = reporting.serve(&stage, *kind).await;
                let shown = if *stores { TOKEN } else { KEY };
                let dbt = success();
                let parent = format!("n/{shown}/0192b7d8-6f3a-7c11-9a55-2f1f0c8f4b21");
                for request in [
                    endpoint.post("/syncs/1/runs").bearer_auth(shown),
                    endpoint
                        .post("/syncs/1/runs")
                        .bearer_auth(shown)
                        .header("prefer", "respond-async"),
                    endpoint.get("/syncs/1/runs/42").bearer_auth(shown),
                    endpoint
                        .post("/runs")
                        .bearer_auth(shown)
                        .json(&json!({"syncs": [1]})),
                    endpoint
                        .post("/hooks/dbt/1")
                        .header("authorization", signature(&dbt, SECRET))
                        .body(dbt.clone()),
                    // A problem whose text could contain what was sent.
                    endpoint
                        .post("/syncs/1/runs")
                        .bearer_auth(shown)
                        .json(&json!({"lineageParent": parent, "no-such-field": 1})),
                ] {
                    output += &format!("{:?}\n", send_request(request).await);
                    settled(&endpoint).await;
                }
                assert!(!consumer.received().is_empty());
                for request in consumer.received() {
                    let authorization = request.header("authorization");
                    if request.target == LINEAGE_PATH {
                        let expected = format!("Bearer {LINEAGE_KEY}");
                        assert_eq!(authorization, Some(expected.as_str()));
                    } else {
                        assert_eq!(request.target, NOTIFY_PATH);
                        assert_eq!(authorization, None);
                    }
                    let mut headers = request.headers.clone();
                    headers.retain(|(name, _)| name != "authorization");
                    output += &format!("{headers:?}\n{}\n", request.body);
                }
            }
            output += &stage.stderr.text();
            let hook = NOTIFY_PATH.rsplit_once('/').unwrap().1;
            let hook = hook.split('?').next().unwrap();
            for secret in [KEY, TOKEN, SECRET, LINEAGE_KEY, hook] {
                let leak = find_leak(secret, &output);
                assert_eq!(leak, None, "{secret}: {output}");
            }
        });
    });
}

#[test]
fn no_request_chooses_where_anything_is_sent() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = LocalHightouch::start(Options::default()).await.unwrap();
        let (consumer, stranger) = (Consumer::accepting(), Consumer::accepting());
        let reporting = Reporting::new(&hightouch.origin())
            .lineage_to(&consumer)
            .notify_all(&consumer)
            .granting(&stranger);
        let endpoint = reporting.serve(&stage, kind).await;
        let to = format!("{}/taken", stranger.origin());
        let names = [
            "openlineageUrl",
            "openlineage_url",
            "OPENLINEAGE_URL",
            "notifyUrl",
            "notify_url",
            "NOTIFY_URL",
            "notifyOn",
            "notifyFormat",
            "followSeconds",
        ];
        for name in names {
            let mut body = json!({});
            body[name] = json!(to);
            for path in [
                "/syncs/5/runs".to_owned(),
                format!("/sync-sequences/{SEQUENCE}/runs"),
            ] {
                let request = with_key(endpoint.post(&path)).json(&body);
                let received = send_request(request).await;
                assert_eq!(received.status, 400, "{name}: {}", received.text);
            }
            let path = format!("/syncs/5/runs?{name}=anything");
            let request = with_key(endpoint.post(&path)).header(name, &to);
            send_request(request.header("x-forwarded-host", stranger.origin())).await;
            settled(&endpoint).await;
        }
        for name in ["openlineage-url", "notify-url", "x-notify-url"] {
            let request = with_key(endpoint.post("/syncs/5/runs")).header(name, &to);
            assert_eq!(send_request(request).await.status, 200);
            settled(&endpoint).await;
        }
        assert!(stranger.received().is_empty());
        let sent = (events(&consumer).len(), notifications(&consumer).len());
        assert_eq!(
            sent.0,
            2 * sent.1,
            "two events and a notification of each run"
        );
        assert_eq!(sent.1, hightouch.runs(5).len());

        // An endpoint without these settings sends nothing to the stranger.
        let endpoint = Reporting::new(&hightouch.origin())
            .granting(&stranger)
            .serve(&stage, kind)
            .await;
        let request = with_key(endpoint.post("/syncs/5/runs")).header("notify-url", &to);
        send_request(request).await;
        settled(&endpoint).await;
        assert!(stranger.received().is_empty());
    });
}

#[test]
fn a_wrong_setting_is_named_and_nothing_is_sent() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = LocalHightouch::start(Options::default()).await.unwrap();
        let consumer = Consumer::accepting();
        let wrong: &[(&str, &[&str])] = &[
            (
                "OPENLINEAGE_URL",
                &[
                    "lineage.example.com",
                    "ftp://marked.example.com",
                    "http://marked.example.com/path",
                    "http://marked.example.com?query",
                    "http://user:marked@example.com",
                    "http://marked example.com",
                    "http://",
                    "marked",
                ],
            ),
            ("OPENLINEAGE_ENDPOINT", &["api marked", "api\nmarked"]),
            ("OPENLINEAGE_API_KEY", &["marked\r\nx: y", "mar\u{7f}ked"]),
            (
                "NOTIFY_URL",
                &[
                    "hooks.marked.com/services",
                    "ftp://marked.example.com/services",
                    "http://user:marked@example.com/services",
                    "http://marked@example.com/services",
                    "http://marked.example.com/services#fragment",
                    "http://marked example.com/services",
                    "http://marked.example.com/ser vices",
                    "http:///marked",
                    "marked",
                ],
            ),
            ("NOTIFY_ON", &["marked", "Failure", "failure,all"]),
            ("NOTIFY_FORMAT", &["marked", "slack", "JSON"]),
            (
                "FOLLOW_SECONDS",
                &[
                    "marked",
                    "-1",
                    "1.5",
                    "86401",
                    "1e3",
                    "+5",
                    "99999999999999999999",
                ],
            ),
        ];
        for (name, values) in wrong {
            for value in *values {
                let mut reporting = Reporting::new(&hightouch.origin())
                    .with("DBT_WEBHOOK_SECRET", SECRET)
                    .with("ENDPOINT_TOKEN", TOKEN)
                    .with("HIGHTOUCH_API_KEY", "local");
                // A setting that depends on another is checked if the other is set.
                if *name != "OPENLINEAGE_URL" {
                    reporting = reporting.lineage_to(&consumer);
                }
                if *name != "NOTIFY_URL" {
                    reporting = reporting.notify_all(&consumer);
                }
                let endpoint = reporting.with(name, *value).serve(&stage, kind).await;
                let body = success();
                for request in [
                    endpoint.post("/syncs/5/runs").bearer_auth(TOKEN),
                    endpoint.get("/syncs/5/runs/1").bearer_auth(TOKEN),
                    endpoint.get("/syncs/5/runs").bearer_auth(TOKEN),
                    endpoint
                        .post("/runs")
                        .bearer_auth(TOKEN)
                        .json(&json!({"syncs": [5]})),
                    endpoint
                        .post(&format!("/sync-sequences/{SEQUENCE}/runs"))
                        .bearer_auth(TOKEN),
                    endpoint
                        .post("/hooks/dbt/5")
                        .header("authorization", signature(&body, SECRET))
                        .body(body.clone()),
                ] {
                    let received = send_request(request).await;
                    let problem = received.json();
                    assert_eq!(
                        (received.status, &problem["kind"]),
                        (500, &json!("not-configured")),
                        "{name}={value:?}: {}",
                        received.text
                    );
                    let detail = problem["detail"].as_str().unwrap();
                    assert!(detail.contains(name), "{name}={value:?}: {detail}");
                    assert!(!received.text.contains("marked"), "{detail}");
                }
                let health = send_request(endpoint.get("/healthz")).await;
                assert_eq!(health.status, 200);
                settled(&endpoint).await;
            }
        }
        assert!(hightouch.requests().is_empty());
        assert!(consumer.received().is_empty());
        assert!(!stage.stderr.text().contains("marked"));
    });
}

#[test]
fn an_empty_setting_counts_as_not_set() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = LocalHightouch::start(Options::default()).await.unwrap();
        let mut reporting = Reporting::new(&hightouch.origin());
        for name in [
            "OPENLINEAGE_URL",
            "OPENLINEAGE_ENDPOINT",
            "OPENLINEAGE_API_KEY",
            "OPENLINEAGE_NAMESPACE",
            "NOTIFY_URL",
            "NOTIFY_ON",
            "NOTIFY_FORMAT",
            "FOLLOW_SECONDS",
        ] {
            reporting = reporting.with(name, "");
        }
        let endpoint = reporting.serve(&stage, kind).await;
        let request = with_key(endpoint.post("/syncs/5/runs"));
        assert_eq!(send_request(request).await.status, 200);
        settled(&endpoint).await;
        assert_eq!(lines_of(&stage, "undelivered").len(), 0);
    });
}
