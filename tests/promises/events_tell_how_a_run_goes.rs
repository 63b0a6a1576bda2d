//! With `Accept: text/event-stream`, the endpoint streams the progress of a run: `progress` events,
//! comments if nothing changes, then `report` or `problem`.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use xtask::local_hightouch::{KEY, LocalHightouch, Options, Status, SyncFixture, Timeline};

use super::support::stage::{
    ENDPOINTS, Endpoint, lists, send_request, stage, with_each_endpoint, with_key,
};

/// An event or a comment, and the time at which it arrived.
#[derive(Debug)]
struct ReceivedEvent {
    at: Duration,
    event: String,
    data: Value,
}

/// Requests an event stream and reads it to its end.
async fn follow(
    stage: &super::support::stage::Stage,
    endpoint: &Endpoint,
    path: &str,
    prefer: Option<&str>,
) -> Vec<ReceivedEvent> {
    let method = if path.ends_with("/runs") {
        "POST"
    } else {
        "GET"
    };
    let mut request =
        with_key(endpoint.request(method, path)).header("accept", "text/event-stream");
    if let Some(prefer) = prefer {
        request = request.header("prefer", prefer);
    }
    let begun = stage.time.elapsed();
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    // Proxies must not buffer or compress the events.
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("x-accel-buffering", "no"),
        ("cache-control", "no-store, no-transform"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    let (mut text, mut events) = (String::new(), Vec::new());
    while let Some(chunk) = response.chunk().await.unwrap() {
        text += std::str::from_utf8(&chunk).unwrap();
        while let Some((block, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap_or_default()
                    .to_owned()
            };
            let (event, data) = (field("event: "), field("data: "));
            let data = if data.is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&data).unwrap()
            };
            let event = if block.starts_with(':') {
                "comment".into()
            } else {
                event
            };
            events.push(ReceivedEvent {
                at: stage.time.elapsed() - begun,
                event,
                data,
            });
            text = rest.into();
        }
    }
    assert!(text.is_empty(), "an event that breaks off: {text:?}");
    events
}

#[test]
fn progress_comes_while_the_run_goes_and_its_report_at_the_end() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            // Each status lasts longer than the pause between two polls, even if timers fire late.
            let steps = [
                (0, Status::Queued),
                (4, Status::Querying),
                (8, Status::Processing),
                (12, Status::Reporting),
            ];
            let steps = steps.into_iter().chain([(16, Status::Success)]);
            let timeline =
                Timeline::new(steps.map(|(after, status)| (Duration::from_secs(after), status)));
            let options = Options::default().with_sync(SyncFixture::new(1, "demo", timeline));
            let hightouch = LocalHightouch::start(options).await.unwrap();
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let events = follow(&stage, &endpoint, "/syncs/1/runs", None).await;
            let (last, progress) = events.split_last().unwrap();
            assert_eq!(
                (last.event.as_str(), last.data["status"].as_str()),
                ("report", Some("success"))
            );
            assert!(
                progress.iter().all(|event| event.event == "progress"),
                "{progress:?}"
            );
            assert!(
                progress[0].at < Duration::from_secs(1),
                "the first event leaves before the run has ended"
            );
            let mut statuses: Vec<&str> = progress
                .iter()
                .map(|event| event.data["status"].as_str().unwrap())
                .collect();
            statuses.dedup();
            assert_eq!(statuses, ["queued", "querying", "processing", "reporting"]);
            for pair in progress.windows(2) {
                assert!(
                    pair[0].data["jobs"] != pair[1].data["jobs"]
                        || pair[0].data["status"] != pair[1].data["status"],
                    "an event without news: {pair:?}"
                );
            }
            assert!(
                events
                    .iter()
                    .all(|event| event.data["runId"] == last.data["runId"])
            );
        });
    }
}

#[test]
fn silence_is_broken_by_comments_and_a_run_may_take_longer_than_a_request() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = lists(|look| {
            let status = if look < 100 { "processing" } else { "success" };
            format!(r#"{{"data":[{{"id":42,"status":"{status}"}}],"hasMore":false}}"#)
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let events = follow(&stage, &endpoint, "/syncs/1/runs", None).await;
        assert!(
            events
                .iter()
                .filter(|event| event.event == "comment")
                .count()
                > 3,
            "{events:?}"
        );
        for pair in events.windows(2) {
            assert!(
                pair[1].at - pair[0].at <= Duration::from_millis(15_100),
                "{pair:?}"
            );
        }
        assert_eq!(events.last().unwrap().event, "report");
        assert!(events.last().unwrap().at > Duration::from_secs(60));
    });
}

#[test]
fn what_goes_wrong_is_a_problem_event() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (path, kind, status) in [
            ("/syncs/3/runs", "sync-failed", 424),
            ("/syncs/404/runs", "not-found", 404),
            ("/syncs/2/runs", "sync-failed", 424),
        ] {
            let events = follow(&stage, &endpoint, path, None).await;
            let last = events.last().unwrap();
            assert_eq!(
                (
                    last.event.as_str(),
                    &last.data["kind"],
                    &last.data["status"]
                ),
                ("problem", &kind.into(), &status.into())
            );
        }
        let events = follow(&stage, &endpoint, "/syncs/4/runs", Some("wait=10")).await;
        let last = events.last().unwrap();
        assert_eq!(
            (last.event.as_str(), &last.data["kind"]),
            ("problem", &"still-running".into())
        );
        let again = follow(
            &stage,
            &endpoint,
            &format!("/syncs/4/runs/{}", last.data["runId"]),
            None,
        )
        .await;
        assert_eq!(again.last().unwrap().event, "report");
        assert_eq!(again.last().unwrap().data["runId"], last.data["runId"]);
    });
}

#[test]
fn bad_input_is_refused_before_any_event() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let received = send_request(
            with_key(endpoint.post("/syncs/0/runs")).header("accept", "text/event-stream"),
        )
        .await;
        assert_eq!(
            (received.status, received.header("content-type")),
            (400, Some("application/problem+json"))
        );
    });
}

#[test]
fn events_are_for_those_who_ask_for_them() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (accept, media_type) in [
            ("*/*", "application/json"),
            ("application/json", "application/json"),
            ("text/event-stream;q=0, */*", "application/json"),
            (
                "application/json;q=0.5, Text/Event-Stream",
                "text/event-stream",
            ),
        ] {
            let received =
                send_request(with_key(endpoint.post("/syncs/5/runs")).header("accept", accept))
                    .await;
            assert_eq!(
                received.header("content-type"),
                Some(media_type),
                "{accept}"
            );
        }
    });
}

#[test]
fn a_caller_who_hangs_up_ends_the_invocation_quietly() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let mut caller = TcpStream::connect(endpoint.serving.addr()).await.unwrap();
            let request = format!(
                "POST /syncs/6/runs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\naccept: text/event-stream\r\ncontent-length: 0\r\n\r\n"
            );
            caller.write_all(request.as_bytes()).await.unwrap();
            let mut head = [0; 12];
            caller.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"HTTP/1.1 200");
            assert_eq!(endpoint.serving.instances(), 1);
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(caller);
            // The run takes an hour. The invocation must end with the next event or comment.
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(
                (endpoint.serving.instances(), endpoint.serving.requests()),
                (0, 0)
            );
            assert!(
                !stage.stderr.text().contains("failed"),
                "{}",
                stage.stderr.text()
            );
            assert_eq!(hightouch.triggers(), 1);
            let log = stage.stderr.text();
            let lines: Vec<Value> = log
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            assert_eq!(lines.len(), 2, "{log}");
            for line in lines {
                assert_eq!(
                    line["run"],
                    hightouch.runs(6)[0].id,
                    "the log names the run although its caller has hung up: {line}"
                );
            }
        });
    }
}

#[test]
fn nothing_is_told_of_a_run_before_hightouch_has_told_it() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = super::support::stage::Scripted::start(|_, _| {
            super::support::stage::respond_with(403, "")
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let events = follow(&stage, &endpoint, "/syncs/1/runs/42", None).await;
        assert_eq!(
            events
                .iter()
                .map(|event| event.event.as_str())
                .collect::<Vec<_>>(),
            ["problem"]
        );
        let head = with_key(endpoint.request("HEAD", "/syncs/1/runs/42"))
            .header("accept", "text/event-stream");
        assert_eq!(
            send_request(head).await.status,
            502,
            "a caller who wants no body gets no events"
        );
    });
}
