//! Tests of the API over a real socket.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::{KEY, LocalHightouch, Mishap, Mishaps, Options, Scenario, Status};

/// Returns a client that does not reuse connections, because their timers would move a paused
/// clock.
fn client() -> Client {
    Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

async fn start(scenario: Scenario) -> LocalHightouch {
    let options = Options::default().with_scenario(scenario);
    LocalHightouch::start(options).await.unwrap()
}

async fn trigger(hightouch: &LocalHightouch, sync_id: u64) -> reqwest::Result<Response> {
    let url = format!("{}/api/v1/syncs/{sync_id}/trigger", hightouch.origin());
    client().post(url).bearer_auth(KEY).send().await
}

async fn poll(hightouch: &LocalHightouch, sync_id: u64) -> reqwest::Result<Response> {
    let url = format!("{}/api/v1/syncs/{sync_id}/runs?limit=1", hightouch.origin());
    client().get(url).bearer_auth(KEY).send().await
}

#[tokio::test(start_paused = true)]
async fn a_run_of_an_hour_passes_in_virtual_time() {
    let began = Instant::now();
    let hightouch = start(Scenario::Faithful).await;
    trigger(&hightouch, 6).await.unwrap();
    let mut polls = 0;
    let run = loop {
        let response = poll(&hightouch, 6).await.unwrap();
        let run: Value = response.json::<Value>().await.unwrap()["data"][0].clone();
        polls += 1;
        if run["status"] == "success" {
            break run;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    let time = |name: &str| OffsetDateTime::parse(run[name].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(time("finishedAt") - time("createdAt"), time::Duration::HOUR);
    assert_eq!(run["successfulRows"]["addedCount"], 1_250_000);
    assert_eq!(polls, 61);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

/// This test uses a raw socket, because an HTTP client does not distinguish a reset from a normal
/// close.
#[tokio::test]
async fn each_mishap_has_its_effect_and_is_recorded() {
    for (mishap, says, ended) in [
        (Mishap::ResetResponse, "", Some(ErrorKind::ConnectionReset)),
        (Mishap::ResetRequest, "", Some(ErrorKind::ConnectionReset)),
        (Mishap::LostResponse, "", None),
        (Mishap::TruncatedResponse, "HTTP/1.1 200", None),
        (Mishap::EmptyResponse, "HTTP/1.1 200", None),
        (Mishap::TooMany, "HTTP/1.1 429", None),
        (Mishap::BadGateway, "HTTP/1.1 502", None),
    ] {
        let mishaps = Mishaps {
            seed: 1,
            percent: 100,
            kinds: vec![mishap],
        };
        let hightouch = LocalHightouch::start(Options {
            mishaps: Some(mishaps),
            ..Options::default()
        })
        .await
        .unwrap();
        let mut stream = TcpStream::connect(hightouch.addr()).await.unwrap();
        let head = format!(
            "host: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        stream
            .write_all(format!("POST /api/v1/syncs/5/trigger HTTP/1.1\r\n{head}").as_bytes())
            .await
            .unwrap();
        let mut response = Vec::new();
        let end = stream
            .read_to_end(&mut response)
            .await
            .err()
            .map(|error| error.kind());
        assert_eq!(end, ended, "{mishap:?}");
        assert!(
            String::from_utf8_lossy(&response).starts_with(says),
            "{mishap:?}: {response:?}"
        );
        assert_eq!(
            hightouch.triggers(),
            usize::from(mishap.carried_out()),
            "{mishap:?}"
        );
        assert_eq!(hightouch.requests()[0].mishap, Some(mishap));
    }
}

#[tokio::test]
async fn requests_are_recorded_without_their_key() {
    let hightouch = start(Scenario::Faithful).await;
    let url = format!("{}/api/v1/syncs/5/trigger?a=b", hightouch.origin());
    let request = client()
        .post(url)
        .bearer_auth(KEY)
        .header("traceparent", "00-1-2-00")
        .json(&json!({"fullResync": true}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let response = reqwest::get(format!("{}/api/v1/syncs", hightouch.origin()));
    assert_eq!(response.await.unwrap().status(), 401);

    let requests = hightouch.requests();
    assert_eq!(requests.len(), 2);
    let first = &requests[0];
    assert_eq!(
        (first.method.as_str(), first.path.as_str()),
        ("POST", "/api/v1/syncs/5/trigger")
    );
    assert_eq!(
        (first.query.as_deref(), first.account),
        (Some("a=b"), Some(1))
    );
    assert_eq!(first.body, r#"{"fullResync":true}"#);
    assert_eq!(first.header("Traceparent"), Some("00-1-2-00"));
    assert!(!format!("{first:?}").contains("Bearer"));
    assert_eq!(requests[1].account, None);

    assert_eq!(hightouch.triggers(), 1);
    let runs = hightouch.runs(5);
    assert!(runs[0].flags.full_resync);
    assert_eq!(runs[0].status, Status::Queued);
}

#[tokio::test]
async fn a_lost_response_closes_the_connection_and_a_run_exists() {
    let hightouch = start(Scenario::LostTriggerResponse).await;
    let error = trigger(&hightouch, 1).await.unwrap_err();
    assert!(
        error.is_request() && !error.is_connect() && !error.is_timeout(),
        "{error:?}"
    );
    assert_eq!(hightouch.triggers(), 1);

    let hightouch = start(Scenario::DroppedTrigger).await;
    trigger(&hightouch, 1).await.unwrap_err();
    assert_eq!(hightouch.triggers(), 0);
    assert_eq!(hightouch.requests().len(), 1);
}

#[tokio::test]
async fn flaky_polls_show_every_kind_of_trouble() {
    let hightouch = start(Scenario::Flaky).await;
    trigger(&hightouch, 1).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..14 {
        seen.push(match poll(&hightouch, 1).await {
            Err(_) => "closed".to_owned(),
            Ok(response) => {
                let status = response.status().as_u16();
                match response.text().await {
                    Err(_) => format!("{status} cut off"),
                    Ok(body) if body.is_empty() => format!("{status} empty"),
                    Ok(body) if body.starts_with('<') => format!("{status} page"),
                    Ok(body) if body.starts_with('"') => format!("{status} {body}"),
                    Ok(_) => status.to_string(),
                }
            }
        });
    }
    assert!(seen.iter().step_by(2).all(|seen| seen == "200"), "{seen:?}");
    let troubles: Vec<_> = seen.iter().skip(1).step_by(2).collect();
    assert_eq!(
        troubles,
        [
            "500 \"Internal Server Error\"",
            "503 empty",
            "200 cut off",
            "502 page",
            "closed",
            "504 page",
            "200 empty"
        ]
    );
}

#[tokio::test]
async fn a_silent_server_has_the_request_and_stops_all_the_same() {
    let hightouch = start(Scenario::Silent).await;
    let addr = hightouch.addr();
    let waiting = tokio::time::timeout(Duration::from_millis(100), trigger(&hightouch, 1)).await;
    assert!(waiting.is_err());
    assert_eq!(hightouch.requests().len(), 1);
    assert_eq!(hightouch.triggers(), 0);

    drop(hightouch);
    let mut refused = false;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        refused |= tokio::net::TcpStream::connect(addr).await.is_err();
        if refused {
            break;
        }
    }
    assert!(refused, "it still listens");
}

#[tokio::test]
async fn a_refusal_contains_the_time_of_the_next_retry() {
    let hightouch = start(Scenario::RateLimited).await;
    let response = trigger(&hightouch, 1).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["date"].len(), 29);
}

#[tokio::test(start_paused = true)]
async fn answers_take_as_long_as_they_should() {
    let options = Options {
        latency: Duration::from_secs(90),
        ..Options::default()
    };
    let hightouch = LocalHightouch::start(options).await.unwrap();
    let began = tokio::time::Instant::now();
    trigger(&hightouch, 1).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(90));
}
