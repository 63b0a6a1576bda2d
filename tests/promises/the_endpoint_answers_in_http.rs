//! The HTTP endpoint: reports, problems, and runs that take longer than the caller waits.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::local_hightouch::{LocalHightouch, Options, Scenario};

use super::support::stage::{
    ENDPOINTS, respond_with, send_request, stage, with_each_endpoint, with_key,
};

#[test]
fn a_run_that_ends_in_time_is_a_report() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let received = send_request(with_key(endpoint.post("/syncs/1/runs"))).await;
            assert_eq!(
                (received.status, received.header("content-type")),
                (200, Some("application/json")),
                "{}",
                received.text
            );
            let report = received.json();
            let job = &report["jobs"][0];
            let run = &hightouch.runs(1)[0];
            assert_eq!(
                (
                    &report["syncId"],
                    &report["runId"],
                    &report["status"],
                    &report["joined"],
                    &report["url"]
                ),
                (
                    &json!(1),
                    &json!(run.id),
                    &json!("success"),
                    &json!(false),
                    &Value::Null
                )
            );
            assert_eq!(report["requests"], hightouch.requests().len());
            assert!(report["elapsedMs"].as_u64().unwrap() >= 5_000);
            let mut fields: Vec<&String> = job.as_object().unwrap().keys().collect();
            fields.sort();
            assert_eq!(
                fields,
                [
                    "completionRatio",
                    "createdAt",
                    "error",
                    "failedRows",
                    "finishedAt",
                    "id",
                    "plannedRows",
                    "querySize",
                    "startedAt",
                    "status",
                    "successfulRows"
                ]
            );
            assert_eq!(
                (&job["createdAt"], &job["error"]),
                (&json!(run.created_at), &Value::Null)
            );
            assert_eq!(
                job["failedRows"],
                json!({"addedCount": 0, "changedCount": 0, "removedCount": 0})
            );
        });
    }
}

#[test]
fn a_run_that_takes_longer_than_the_wait_is_taken_up_where_location_says() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let before = stage.time.elapsed();
            let mut received = send_request(with_key(endpoint.post("/syncs/4/runs"))).await;
            let waited = stage.time.elapsed() - before;
            assert!(
                waited > Duration::from_secs(23) && waited < Duration::from_secs(26),
                "{waited:?}"
            );
            let mut chain = 0;
            while received.status == 202 {
                chain += 1;
                let report = received.json();
                assert_eq!(report["syncId"], 4);
                assert_eq!(report["jobs"][0]["id"], report["runId"]);
                assert!(!["success", "failed"].contains(&report["status"].as_str().unwrap()));
                assert!(
                    received
                        .header("retry-after")
                        .unwrap()
                        .parse::<u64>()
                        .unwrap()
                        >= 1
                );
                let location = received.header("location").unwrap().to_owned();
                assert_eq!(location, format!("/syncs/4/runs/{}", report["runId"]));
                received = send_request(with_key(endpoint.get(&location))).await;
            }
            assert_eq!(
                (received.status, &received.json()["status"], chain),
                (200, &json!("success"), 2),
                "{}",
                received.text
            );
            assert_eq!(hightouch.triggers(), 1);
        });
    }
}

#[test]
fn a_run_is_taken_up_under_the_terms_on_which_it_was_started() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let request = endpoint
            .post("/syncs/2/runs?account=emea")
            .json(&json!({"acceptWarnings": true}));
        let received = send_request(with_key(request).header("prefer", "respond-async")).await;
        let location = received.header("location").unwrap().to_owned();
        assert_eq!(
            location,
            format!(
                "/syncs/2/runs/{}?account=emea&acceptWarnings=true",
                received.json()["runId"]
            )
        );
        let ended = send_request(with_key(endpoint.get(&location))).await;
        assert_eq!(
            (ended.status, &ended.json()["status"]),
            (200, &json!("warning"))
        );
    });
}

#[test]
fn behind_a_proxy_a_location_begins_with_the_prefix_that_it_names() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let ask = async |path: &str, body: Value, prefixes: &[&str]| {
            let mut request = with_key(endpoint.post(path))
                .header("prefer", "respond-async")
                .json(&body);
            for prefix in prefixes {
                request = request.header("x-forwarded-prefix", *prefix);
            }
            send_request(request).await
        };
        for (prefixes, expected) in [
            (&[][..], ""),
            (&["/hightouch"], "/hightouch"),
            (&["/a_b/v1.0/~c-d"], "/a_b/v1.0/~c-d"),
            (&["//evil.example"], ""),
            (&["https://evil.example/a"], ""),
            (&["/a/"], ""),
            (&["/a/../b"], ""),
            (&["/./a"], ""),
            (&["/a?b"], ""),
            (&["/a", "/b"], ""),
            (&["/a, /b"], ""),
            (&[&"/abcdefg".repeat(4000)], ""),
        ] {
            let received = ask("/syncs/6/runs", json!({}), prefixes).await;
            let location = format!("{expected}/syncs/6/runs/{}", received.json()["runId"]);
            assert_eq!(
                (received.status, received.header("location")),
                (202, Some(location.as_str())),
                "{prefixes:?}"
            );
            let received = ask("/runs", json!({"syncs": [6]}), prefixes).await;
            let run = &received.json()["runs"][0];
            let location = format!("{expected}/syncs/6/runs/{}", run["report"]["runId"]);
            assert_eq!(
                (received.status, &run["location"]),
                (202, &json!(location)),
                "{prefixes:?}"
            );
        }
    });
}

#[test]
fn the_caller_says_how_long_to_wait() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let now = send_request(
            with_key(endpoint.post("/syncs/4/runs")).header("prefer", "respond-async"),
        )
        .await;
        assert_eq!(
            (now.status, now.header("preference-applied")),
            (202, Some("respond-async"))
        );
        assert_eq!(now.json()["status"], "queued");
        let before = stage.time.elapsed();
        let location = now.header("location").unwrap().to_owned();
        let later =
            send_request(with_key(endpoint.get(&location)).header("prefer", "wait=90")).await;
        assert_eq!(
            (later.status, later.header("preference-applied")),
            (200, Some("wait=90"))
        );
        let failed =
            send_request(with_key(endpoint.post("/syncs/3/runs")).header("prefer", "wait=90"))
                .await;
        assert_eq!(
            (failed.status, failed.header("preference-applied")),
            (424, Some("wait=90"))
        );
        assert!(stage.time.elapsed() - before < Duration::from_secs(70));
    });
}

#[test]
fn a_sync_that_did_not_succeed_is_a_problem_with_its_jobs() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let received = send_request(with_key(endpoint.post("/syncs/3/runs"))).await;
            let problem = received.json();
            assert_eq!(
                (received.status, received.header("content-type")),
                (424, Some("application/problem+json"))
            );
            assert_eq!(problem["type"], "urn:hightouch-sync:problem:sync-failed");
            assert_eq!(
                (&problem["kind"], &problem["syncId"]),
                (&json!("sync-failed"), &json!(3))
            );
            assert_eq!(
                (&problem["runId"], &problem["jobs"][0]["id"]),
                (&json!(hightouch.runs(3)[0].id), &problem["runId"])
            );
            assert_eq!(problem["detail"], problem["jobs"][0]["error"]);
            assert!(
                problem["elapsedMs"].as_u64().unwrap() > 0
                    && problem["requests"].as_u64().unwrap() > 1
            );
        });
    }
}

#[test]
fn what_hightouch_refuses_is_a_problem_of_its_kind() {
    for (script, status, kind, detail) in [
        (
            (
                401,
                r#"{"message":"Authentication error","details":"Token is invalid"}"#,
            ),
            401,
            "unauthorized",
            "Authentication error",
        ),
        ((404, ""), 404, "not-found", "Not Found"),
        ((403, "<html>"), 502, "api", "Forbidden"),
        ((429, ""), 503, "api", "Too Many Requests"),
        (
            (500, r#""Internal Server Error""#),
            502,
            "trigger-unconfirmed",
            "Internal Server Error",
        ),
    ] {
        stage(async |stage| {
            let hightouch = super::support::stage::Scripted::start(move |_, _| {
                respond_with(script.0, script.1)
            })
            .await;
            for endpoint in ENDPOINTS {
                let endpoint = stage.endpoint(endpoint, hightouch.origin()).await;
                let received = send_request(with_key(endpoint.post("/syncs/1/runs"))).await;
                let problem = received.json();
                assert_eq!(
                    (received.status, &problem["kind"], &problem["detail"]),
                    (status, &json!(kind), &json!(detail))
                );
                assert_eq!(problem["hightouchStatus"], script.0);
                assert_eq!(received.header("retry-after").is_some(), status == 503);
                assert_eq!(received.header("www-authenticate").is_some(), status == 401);
            }
        });
    }
}

#[test]
fn a_page_of_a_proxy_that_forbids_is_not_taken_for_an_answer() {
    with_each_endpoint(async |stage, kind| {
        let hightouch =
            LocalHightouch::start(Options::default().with_scenario(Scenario::Forbidden))
                .await
                .unwrap();
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let received = send_request(with_key(endpoint.post("/syncs/1/runs"))).await;
        assert_eq!(
            (received.status, &received.json()["detail"]),
            (502, &json!("Forbidden"))
        );
    });
}

#[test]
fn health_needs_no_key_and_no_hightouch() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let received = send_request(endpoint.get("/healthz")).await;
            assert_eq!(
                (received.status, received.json()),
                (
                    200,
                    json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})
                )
            );
            let head = send_request(endpoint.request("HEAD", "/healthz")).await;
            assert_eq!((head.status, head.text.as_str()), (200, ""));
            assert!(hightouch.requests().is_empty());
        });
    }
}

#[test]
fn a_run_that_is_going_is_joined_or_refused_as_the_body_says() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
            let post =
                |body: Value| send_request(with_key(endpoint.post("/syncs/1/runs")).json(&body));
            let first = send_request(
                with_key(endpoint.post("/syncs/1/runs")).header("prefer", "respond-async"),
            )
            .await
            .json();
            let refused = post(json!({"ifRunning": "refuse"})).await;
            assert_eq!(
                (refused.status, &refused.json()["kind"]),
                (409, &json!("busy")),
                "{}",
                refused.text
            );
            assert_eq!(refused.json()["runId"], first["runId"]);
            let full = post(json!({"ifRunning": "join", "fullResync": true})).await;
            assert_eq!(
                (full.status, &full.json()["kind"]),
                (409, &json!("busy")),
                "{}",
                full.text
            );
            let joined = post(json!({"ifRunning": "join"})).await;
            assert_eq!(
                (joined.status, &joined.json()["joined"]),
                (200, &json!(true)),
                "{}",
                joined.text
            );
            assert_eq!(joined.json()["runId"], first["runId"]);
            assert_eq!(hightouch.triggers(), 1);
        });
    }
}

#[test]
fn problems_of_the_way_to_hightouch_have_their_kinds() {
    use xtask::build::components;
    use xtask::embedder::Host;
    for kind in ENDPOINTS {
        stage(async |stage| {
            let gone = {
                let listener =
                    std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
                format!("http://{}", listener.local_addr().unwrap())
            };
            let unreachable = stage.endpoint(kind, &gone).await;
            let ungranted =
                Host::new(components().unwrap().path(kind), stage.config(&gone)).unwrap();
            let ungranted = super::support::stage::Endpoint::serve(&ungranted).await;
            for (endpoint, path, status, kind) in [
                (&unreachable, "/syncs/1/runs", 502, "unreachable"),
                (&ungranted, "/syncs/1/runs", 500, "not-granted"),
            ] {
                let received = send_request(with_key(endpoint.post(path))).await;
                assert_eq!(
                    (received.status, &received.json()["kind"]),
                    (status, &json!(kind)),
                    "{}",
                    received.text
                );
            }
        });
        stage(async |stage| {
            let malformed =
                super::support::stage::Scripted::start(|_, _| respond_with(200, "<html>")).await;
            let endpoint = stage.endpoint(kind, malformed.origin()).await;
            let received = send_request(with_key(endpoint.post("/syncs/demo/runs"))).await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (502, &json!("malformed-answer")),
                "{}",
                received.text
            );
        });
    }
}

/// Method, path, headers and body.
type CurlLine = (String, String, Vec<(String, String)>, Option<String>);

/// Returns the first curl commands of the endpoint's README as requests.
fn curl_lines() -> Vec<CurlLine> {
    let path = xtask::build::workspace().join("src/endpoint/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let section = readme.split("\n## ").next().unwrap();
    let lines = section
        .lines()
        .filter_map(|line| line.strip_prefix("curl "));
    lines
        .map(|line| {
            // Quoted text is one word.
            let mut words = line.split('\'').enumerate().flat_map(|(at, part)| {
                if at % 2 == 1 {
                    vec![part.to_owned()]
                } else {
                    part.split_whitespace().map(Into::into).collect()
                }
            });
            let (mut method, mut url, mut headers, mut body) =
                (None, String::new(), Vec::new(), None);
            while let Some(word) = words.next() {
                match word.as_str() {
                    "-X" => method = words.next(),
                    "-N" => {}
                    "-H" => {
                        let header = words.next().unwrap();
                        let (name, value) = header.split_once(": ").unwrap();
                        headers.push((name.into(), value.into()));
                    }
                    "--json" => {
                        body = words.next();
                        headers.push(("content-type".into(), "application/json".into()));
                    }
                    _ => url = word,
                }
            }
            let path = url
                .strip_prefix("http://127.0.0.1:3000")
                .unwrap_or_else(|| panic!("{line}"))
                .to_owned();
            (method.unwrap_or_else(|| "GET".into()), path, headers, body)
        })
        .collect()
}

#[test]
fn every_curl_line_of_the_readme_works() {
    let lines = curl_lines();
    assert!(lines.len() >= 4, "{lines:?}");
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        for (method, path, headers, body) in &lines {
            let mut request = endpoint.request(method, path);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if let Some(body) = body {
                request = request.body(body.clone());
            }
            let received = send_request(request).await;
            assert!(
                [200, 202].contains(&received.status),
                "{method} {path}: {} {}",
                received.status,
                received.text
            );
        }
    });
}
