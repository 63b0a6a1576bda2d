//! Only the syncs and the sequences that the settings allow can be run, on every route and for every
//! caller. For a sync that is not allowed, Hightouch receives at most the look-up of its slug.

use serde_json::{Value, json};
use xtask::build::Kind;
use xtask::local_hightouch::{LocalHightouch, fixtures};

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::stored_keys_are_for_those_who_show_the_token::configured;
use super::support::stage::{
    Endpoint, EndpointResponse, Stage, send_request, with_each_endpoint, with_key,
};

const ALLOWED: &str = fixtures::SEQUENCE;
const FORBIDDEN: &str = fixtures::SEQUENCE_DONE_WITH_FAILURE;
const SECRET: &str = "whs_71c09e2b5f3a4d86a0c2";

/// Settings with stored keys: all accounts may run sync 5 and one sequence, and one account has a
/// list of its own.
fn stored() -> [(&'static str, &'static str); 9] {
    [
        ("ALLOWED_SYNCS", "5, 5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d"),
        ("ALLOWED_SYNCS_OWN", "1"),
        ("ENDPOINT_TOKEN", "open-sesame"),
        ("ENDPOINT_TOKEN_OWN", "own-token"),
        ("HIGHTOUCH_API_KEY", "local"),
        ("HIGHTOUCH_API_KEY_OWN", "local"),
        ("HIGHTOUCH_API_KEY_OTHER", "local-two"),
        ("DBT_WEBHOOK_SECRET", SECRET),
        ("HIGHTOUCH_WORKSPACE", "acme"),
    ]
}

/// Returns the requests that Hightouch has received, as `GET /api/v1/syncs?slug=demo`.
fn sent(hightouch: &LocalHightouch) -> Vec<String> {
    hightouch
        .requests()
        .iter()
        .map(|request| {
            let query = request.query.as_deref().unwrap_or_default();
            format!("{} {}?{query}", request.method, request.path)
        })
        .collect()
}

fn check_forbidden(received: &EndpointResponse) {
    let problem = received.json();
    assert_eq!(
        (received.status, &problem["kind"], &problem["status"]),
        (403, &json!("forbidden"), &json!(403)),
        "{}",
        received.text
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("No run was started."), "{detail}");
    assert_eq!(problem["runId"], Value::Null);
}

/// Returns requests that name, by an ID, what `ALLOWED_SYNCS` does not allow.
fn requests_by_id(endpoint: &Endpoint) -> Vec<reqwest::RequestBuilder> {
    let post = |path: &str| endpoint.post(path);
    vec![
        post("/syncs/1/runs"),
        post("/syncs/01/runs"),
        post("/syncs/1/runs").header("prefer", "respond-async"),
        post("/syncs/1/runs").header("accept", "text/event-stream"),
        post("/syncs/1/runs").json(&json!({"ifRunning": "join"})),
        endpoint.get("/syncs/1/runs/7"),
        endpoint.get("/syncs/1/runs"),
        endpoint.get("/syncs/01/runs?limit=1"),
        post("/runs").json(&json!({"syncs": [1]})),
        post("/runs").json(&json!({"syncs": [5, "1"]})),
        post("/runs").json(&json!({"syncs": ["demo-empty", 5, 1, 2]})),
        post(&format!("/sync-sequences/{FORBIDDEN}/runs")),
        post(&format!("/sync-sequences/{FORBIDDEN}/runs")).header("accept", "text/event-stream"),
    ]
}

#[test]
fn for_an_id_that_is_not_allowed_nothing_is_sent() {
    with_each_endpoint(async |stage: Stage, kind: Kind| {
        let hightouch = stage.local().await;
        let origin = hightouch.origin();
        let own_keys = configured(&stage, kind, &origin, &stored()[..2]).await;
        for request in requests_by_id(&own_keys) {
            check_forbidden(&send_request(with_key(request)).await);
        }
        let stored_keys = configured(&stage, kind, &origin, &stored()).await;
        for query in [&[][..], &[("account", "other")]] {
            for request in requests_by_id(&stored_keys) {
                let request = request.query(query).bearer_auth("open-sesame");
                check_forbidden(&send_request(request).await);
            }
        }
        // The account's own list replaces the list for all, whichever token the caller sends.
        for token in ["open-sesame", "own-token"] {
            for path in [
                "/syncs/5/runs".into(),
                format!("/sync-sequences/{ALLOWED}/runs"),
            ] {
                let request = stored_keys.post(&format!("{path}?account=own"));
                check_forbidden(&send_request(request.bearer_auth(token)).await);
            }
            let poll = format!("/sync-sequences/runs/{ALLOWED}?account=own");
            let received = send_request(stored_keys.get(&poll).bearer_auth(token)).await;
            check_forbidden(&received);
        }
        // A caller with its own key cannot choose the list of an account.
        let request = own_keys.post("/syncs/1/runs?account=own");
        check_forbidden(&send_request(with_key(request)).await);
        assert_eq!(sent(&hightouch), [""; 0]);
    });
}

#[test]
fn each_forbidden_id_of_a_list_is_named() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let settings = [("ALLOWED_SYNCS", "5")];
        let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
        let body = json!({"syncs": [5, 1, "demo", 404]});
        let received = send_request(with_key(endpoint.post("/runs")).json(&body)).await;
        check_forbidden(&received);
        let detail = received.json()["detail"].clone();
        assert!(
            detail.as_str().unwrap().contains("syncs 1, 404."),
            "{detail}"
        );
        assert_eq!(sent(&hightouch), [""; 0]);
    });
}

#[test]
fn for_a_slug_that_is_not_allowed_only_the_look_up_is_sent() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let origin = hightouch.origin();
        let own_keys = configured(&stage, kind, &origin, &stored()[..1]).await;
        let stored_keys = configured(&stage, kind, &origin, &stored()).await;
        let body = success();
        let hook = stored_keys
            .post("/hooks/dbt/demo")
            .header("authorization", signature(&body, SECRET))
            .header("content-type", "application/json")
            .body(body);
        let run = |endpoint: &Endpoint| endpoint.post("/syncs/demo/runs");
        let requests = [
            with_key(run(&own_keys)),
            with_key(run(&own_keys)).header("prefer", "respond-async"),
            with_key(run(&own_keys)).json(&json!({"ifRunning": "join"})),
            with_key(own_keys.get("/syncs/demo/runs")),
            run(&stored_keys).bearer_auth("open-sesame"),
            run(&stored_keys)
                .query(&[("account", "other")])
                .bearer_auth("open-sesame"),
            hook,
        ];
        let expected = requests.len();
        for request in requests {
            check_forbidden(&send_request(request).await);
        }
        let events = with_key(run(&own_keys)).header("accept", "text/event-stream");
        let received = send_request(events).await;
        assert!(
            received.text.starts_with("event: problem\n") && received.text.contains("forbidden"),
            "{}",
            received.text
        );
        let sent = sent(&hightouch);
        assert_eq!(sent.len(), expected + 1, "{sent:#?}");
        for request in sent {
            assert!(
                request.starts_with("GET /api/v1/syncs?slug=demo"),
                "{request}"
            );
        }
        assert_eq!(hightouch.triggers(), 0);
    });
}

#[test]
fn a_slug_of_a_list_that_is_not_allowed_fails_alone() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let settings = [("ALLOWED_SYNCS", "5")];
        let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
        let body = json!({"syncs": ["demo", "demo-empty"]});
        let received = send_request(with_key(endpoint.post("/runs")).json(&body)).await;
        let batch = received.json();
        assert_eq!(
            (received.status, &batch["succeeded"], &batch["failed"]),
            (424, &json!(1), &json!(1)),
            "{batch:#}"
        );
        let problem = &batch["runs"][0]["problem"];
        assert_eq!(
            (&problem["kind"], &problem["status"]),
            (&json!("forbidden"), &json!(403))
        );
        assert_eq!(batch["runs"][1]["report"]["status"], "success");
        assert_eq!(hightouch.runs(1).len(), 0);
    });
}

#[test]
fn a_delivery_of_dbt_starts_no_other_sync() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = configured(&stage, kind, &hightouch.origin(), &stored()).await;
        let deliver = async |path: &str| {
            let body = success();
            let request = endpoint
                .post(path)
                .header("authorization", signature(&body, SECRET))
                .header("content-type", "application/json");
            send_request(request.body(body)).await
        };
        for path in [
            "/hooks/dbt/1",
            "/hooks/dbt/1?account=other",
            "/hooks/dbt/5?account=own",
        ] {
            check_forbidden(&deliver(path).await);
        }
        assert_eq!(sent(&hightouch), [""; 0]);
        for path in ["/hooks/dbt/5", "/hooks/dbt/1?account=own"] {
            let received = deliver(path).await;
            assert_eq!(received.status, 200, "{}", received.text);
            assert_eq!(received.json()["action"], "started");
        }
    });
}

#[test]
fn what_is_allowed_runs() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let origin = hightouch.origin();
        let own_keys = configured(&stage, kind, &origin, &stored()[..1]).await;
        let stored_keys = configured(&stage, kind, &origin, &stored()).await;
        let sequence = format!("/sync-sequences/{ALLOWED}/runs");
        let warnings = json!({"acceptWarnings": true});
        let mut responses = Vec::new();
        for request in [
            with_key(own_keys.post("/syncs/5/runs")),
            with_key(own_keys.post("/syncs/demo-empty/runs")),
            with_key(own_keys.post("/runs")).json(&json!({"syncs": [5]})),
            with_key(own_keys.post(&sequence)).json(&warnings),
            stored_keys.post("/syncs/5/runs").bearer_auth("open-sesame"),
            stored_keys
                .post("/syncs/demo/runs?account=own")
                .bearer_auth("own-token"),
            stored_keys
                .post("/syncs/5/runs?account=other")
                .bearer_auth("open-sesame"),
        ] {
            let received = send_request(request).await;
            assert_eq!(received.status, 200, "{}", received.text);
            responses.push(received.json());
        }
        let run = format!("/syncs/5/runs/{}", responses[0]["runId"]);
        let sequence_run = responses[3]["sequenceRunId"].as_str().unwrap();
        let sequence_run = format!("/sync-sequences/runs/{sequence_run}?acceptWarnings=true");
        for path in [run, sequence_run, "/syncs/demo-empty/runs".into()] {
            let received = send_request(with_key(own_keys.get(&path))).await;
            assert_eq!(received.status, 200, "{}", received.text);
        }
    });
}

#[test]
fn a_wrong_list_is_named_at_the_first_request_and_not_quoted() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let origin = hightouch.origin();
        for list in ["demo-marked", "5,demo-marked", "5;6", "0", "*", ",", " , "] {
            let endpoint = configured(&stage, kind, &origin, &[("ALLOWED_SYNCS", list)]).await;
            let received = send_request(with_key(endpoint.post("/syncs/5/runs"))).await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (500, &json!("not-configured")),
                "{list}"
            );
            assert!(
                received.text.contains("ALLOWED_SYNCS") && !received.text.contains("marked"),
                "{}",
                received.text
            );
        }
        let mut settings = stored();
        settings[1].1 = "demo-marked";
        let endpoint = configured(&stage, kind, &origin, &settings).await;
        let request = endpoint.post("/syncs/5/runs?account=own");
        let received = send_request(request.bearer_auth("own-token")).await;
        assert_eq!(received.status, 500, "{}", received.text);
        assert!(
            received.text.contains("ALLOWED_SYNCS_OWN") && !received.text.contains("marked"),
            "{}",
            received.text
        );
        assert_eq!(sent(&hightouch), [""; 0]);
        // An empty list counts as unset.
        let endpoint = configured(&stage, kind, &origin, &[("ALLOWED_SYNCS", " ")]).await;
        let received = send_request(with_key(endpoint.post("/syncs/5/runs"))).await;
        assert_eq!(received.status, 200, "{}", received.text);
    });
}
