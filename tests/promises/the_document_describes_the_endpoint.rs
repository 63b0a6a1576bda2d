//! The endpoint serves its own OpenAPI document, and the tests cover every path and status in it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xtask::build::components;
use xtask::embedder::Host;
use xtask::local_hightouch::{LocalHightouch, Options, SequenceFixture, fixtures};

use super::a_dbt_job_gates_the_sync::{signature, success};
use super::stored_keys_are_for_those_who_show_the_token::configured;
use super::support::openapi::declared;
use super::support::stage::{
    ENDPOINTS, Endpoint, EndpointResponse, Scripted, respond_with, send_request, stage,
    with_each_endpoint, with_key,
};

const SEQUENCE_OF_A_MINUTE: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b50";
const UNKNOWN: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

#[test]
fn the_document_is_served_and_has_the_crates_version() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let endpoint = stage.endpoint(kind, "http://127.0.0.1:9").await;
            let received = send_request(endpoint.get("/openapi.json")).await;
            let file = xtask::build::workspace().join("src/endpoint/openapi.json");
            let written: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            assert_eq!((received.status, received.json()), (200, written));
            assert_eq!(
                received.json()["info"]["version"],
                env!("CARGO_PKG_VERSION")
            );
        });
    }
}

#[test]
fn every_location_has_the_form_in_it() {
    let document: Value =
        serde_json::from_str(include_str!("../../src/endpoint/openapi.json")).unwrap();
    let form = |response: &str| {
        let pointer = format!("/components/responses/{response}/headers/Location/schema");
        jsonschema::validator_for(document.pointer(&pointer).unwrap()).unwrap()
    };
    with_each_endpoint(async |stage, kind| {
        let mut options = Options::default();
        options.sequences.push(SequenceFixture {
            id: SEQUENCE_OF_A_MINUTE.to_owned(),
            sync_ids: vec![4],
            stops_on_failure: true,
        });
        let hightouch = LocalHightouch::start(options).await.unwrap();
        let settings = [
            ("ENDPOINT_TOKEN", "local"),
            ("HIGHTOUCH_API_KEY_E_2", "local"),
            // Nobody listens there. The setting adds the sequence to `Location`.
            ("OPENLINEAGE_URL", "http://127.0.0.1:9"),
        ];
        let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
        for warnings in [
            json!(true),
            json!({"maxRejected": u64::MAX}),
            json!({"maxRejectedPercent": 1.5}),
            json!({"maxRejectedPercent": 2.225073858507203e-309}),
            json!({"maxRejected": 0, "maxRejectedPercent": 100}),
        ] {
            for (path, response) in [
                ("/syncs/4/runs".to_owned(), "Running"),
                (
                    format!("/sync-sequences/{SEQUENCE_OF_A_MINUTE}/runs"),
                    "SequenceRunning",
                ),
            ] {
                let request = with_key(endpoint.post(&format!("{path}?account=e_2")));
                let request = request.header("prefer", "respond-async");
                let request = request.header("x-forwarded-prefix", "/a.b/~c-d");
                let body = json!({ "acceptWarnings": warnings });
                let received = send_request(request.json(&body)).await;
                let location = received.header("location").unwrap().to_owned();
                assert!(
                    form(response).is_valid(&json!(location)),
                    "{warnings}: {location}"
                );
                let polled = with_key(endpoint.get(location.strip_prefix("/a.b/~c-d").unwrap()));
                let polled = send_request(polled.header("prefer", "respond-async")).await;
                assert_eq!(polled.status, 202, "{location}: {polled:?}");
            }
        }
    });
}

#[test]
fn every_path_and_status_in_it_can_be_provoked() {
    with_each_endpoint(async |stage, kind| {
        let mut options = Options::default();
        let id = SEQUENCE_OF_A_MINUTE.to_owned();
        options.sequences.push(SequenceFixture {
            id,
            sync_ids: vec![4],
            stops_on_failure: true,
        });
        let hightouch = LocalHightouch::start(options).await.unwrap();
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let mut provoked = BTreeSet::new();
        let mut note = |operation: &str, received: &EndpointResponse| {
            provoked.insert((operation.to_owned(), received.status))
        };

        const RUN: &str = "POST /syncs/{sync}/runs";
        let start = |sync: &str| with_key(endpoint.post(&format!("/syncs/{sync}/runs")));
        let large = start("1")
            .header("content-type", "application/json")
            .body(" ".repeat(65 * 1024));
        let going = send_request(start("4").header("prefer", "respond-async")).await;
        note(RUN, &going);
        let failed = send_request(start("3")).await;
        note(RUN, &failed);
        let ended = send_request(start("5")).await;
        note(RUN, &ended);
        for request in [
            start("0"),
            endpoint.post("/syncs/1/runs"),
            start("404"),
            start("4").json(&json!({"ifRunning": "refuse"})),
            large,
            start("1").header("content-type", "text/plain").body("x"),
        ] {
            note(RUN, &send_request(request).await);
        }

        let run_of = |received: &EndpointResponse| {
            format!(
                "/syncs/{}/runs/{}",
                received.json()["syncId"],
                received.json()["runId"]
            )
        };
        let paths = [
            run_of(&ended),
            run_of(&going),
            run_of(&failed),
            "/syncs/1/runs/0".into(),
        ];
        for method in ["GET", "HEAD"] {
            let operation = format!("{method} /syncs/{{syncId}}/runs/{{runId}}");
            for path in &paths {
                let request =
                    with_key(endpoint.request(method, path)).header("prefer", "respond-async");
                note(&operation, &send_request(request).await);
            }
            note(
                &operation,
                &send_request(endpoint.request(method, "/syncs/1/runs/1")).await,
            );
            for request in [
                with_key(endpoint.request(method, "/syncs/1/runs")),
                with_key(endpoint.request(method, "/syncs/0/runs")),
                endpoint.request(method, "/syncs/1/runs"),
            ] {
                let operation = format!("{method} /syncs/{{sync}}/runs");
                note(&operation, &send_request(request).await);
            }
            for path in ["/", "/healthz", "/openapi.json"] {
                note(
                    &format!("{method} {path}"),
                    &send_request(endpoint.request(method, path)).await,
                );
            }
        }

        const SEVERAL: &str = "POST /runs";
        let open = configured(
            &stage,
            kind,
            &hightouch.origin(),
            &[("HIGHTOUCH_API_KEY", "local")],
        )
        .await;
        let stale = [("ENDPOINT_TOKEN", "t"), ("HIGHTOUCH_API_KEY", "stale")];
        let stale = configured(&stage, kind, &hightouch.origin(), &stale).await;
        let list = |syncs: &[u64]| with_key(endpoint.post("/runs")).json(&json!({"syncs": syncs}));
        let large = with_key(endpoint.post("/runs"))
            .header("content-type", "application/json")
            .body(" ".repeat(65 * 1024));
        for request in [
            list(&[1]),
            list(&[1]).header("prefer", "respond-async"),
            list(&[1, 3]),
            list(&[1, 1]),
            endpoint.post("/runs"),
            large,
            with_key(endpoint.post("/runs"))
                .header("content-type", "text/plain")
                .body("x"),
            with_key(open.post("/runs")).json(&json!({"syncs": [1]})),
            stale
                .post("/runs")
                .bearer_auth("t")
                .json(&json!({"syncs": [1, 2]})),
        ] {
            note(SEVERAL, &send_request(request).await);
        }

        const SEQUENCE: &str = "POST /sync-sequences/{sequenceId}/runs";
        let start = |id: &str| with_key(endpoint.post(&format!("/sync-sequences/{id}/runs")));
        let large = start(fixtures::SEQUENCE)
            .header("content-type", "application/json")
            .body(" ".repeat(65 * 1024));
        let ended =
            send_request(start(fixtures::SEQUENCE).json(&json!({"acceptWarnings": true}))).await;
        note(SEQUENCE, &ended);
        let failed = send_request(start(fixtures::SEQUENCE_DONE_WITH_FAILURE)).await;
        note(SEQUENCE, &failed);
        let going =
            send_request(start(SEQUENCE_OF_A_MINUTE).header("prefer", "respond-async")).await;
        note(SEQUENCE, &going);
        for request in [
            start("0"),
            endpoint.post(&format!("/sync-sequences/{UNKNOWN}/runs")),
            start(UNKNOWN),
            large,
            start(UNKNOWN)
                .header("content-type", "text/plain")
                .body("x"),
        ] {
            note(SEQUENCE, &send_request(request).await);
        }
        let run_of = |received: &EndpointResponse| {
            received.json()["sequenceRunId"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        for method in ["GET", "HEAD"] {
            let operation = format!("{method} /sync-sequences/runs/{{runId}}");
            let look = |id: &str, query: &str| {
                endpoint.request(method, &format!("/sync-sequences/runs/{id}{query}"))
            };
            for (id, query) in [
                (run_of(&ended), "?acceptWarnings=true"),
                (run_of(&failed), ""),
                (run_of(&going), ""),
                ("0".into(), ""),
                (UNKNOWN.into(), ""),
            ] {
                let request = with_key(look(&id, query)).header("prefer", "respond-async");
                note(&operation, &send_request(request).await);
            }
            note(&operation, &send_request(look(UNKNOWN, "")).await);
        }

        let mut refusing = vec![
            Endpoint::serve(
                &Host::new(
                    components().unwrap().path(kind),
                    stage.config(&hightouch.origin()),
                )
                .unwrap(),
            )
            .await,
        ];
        let mut scripts = Vec::new();
        for status in [404, 403, 429] {
            let script = Scripted::start(move |_, _| respond_with(status, "")).await;
            refusing.push(stage.endpoint(kind, script.origin()).await);
            scripts.push(script);
        }
        for endpoint in &refusing {
            note(
                RUN,
                &send_request(
                    with_key(endpoint.post("/syncs/1/runs")).header("prefer", "respond-async"),
                )
                .await,
            );
            for method in ["GET", "HEAD"] {
                let request = with_key(endpoint.request(method, "/syncs/1/runs"));
                note(
                    &format!("{method} /syncs/{{sync}}/runs"),
                    &send_request(request.header("prefer", "respond-async")).await,
                );
                let request = with_key(endpoint.request(method, "/syncs/1/runs/1"))
                    .header("prefer", "respond-async");
                note(
                    &format!("{method} /syncs/{{syncId}}/runs/{{runId}}"),
                    &send_request(request).await,
                );
                let request =
                    with_key(endpoint.request(method, &format!("/sync-sequences/runs/{UNKNOWN}")));
                let request = request.header("prefer", "respond-async");
                note(
                    &format!("{method} /sync-sequences/runs/{{runId}}"),
                    &send_request(request).await,
                );
            }
            let request = with_key(endpoint.post(&format!("/sync-sequences/{UNKNOWN}/runs")));
            note(
                SEQUENCE,
                &send_request(request.header("prefer", "respond-async")).await,
            );
        }

        const HOOK: &str = "POST /hooks/dbt/{sync}";
        let secret = [("DBT_WEBHOOK_SECRET", "s"), ("HIGHTOUCH_API_KEY", "local")];
        let gate = configured(&stage, kind, &hightouch.origin(), &secret).await;
        let unset = stage.endpoint(kind, &hightouch.origin()).await;
        let signed = |endpoint: &Endpoint, sync: &str, media_type: &str, body: &str| {
            let request = endpoint
                .post(&format!("/hooks/dbt/{sync}"))
                .header("content-type", media_type);
            request
                .header("authorization", signature(body, "s"))
                .body(body.to_owned())
        };
        let (json, body) = ("application/json", success());
        for request in [
            signed(&gate, "1", json, &body),
            signed(&gate, "0", json, &body),
            signed(&gate, "404", json, &body),
            signed(&gate, "1", json, &" ".repeat(65 * 1024)),
            signed(&unset, "1", json, &body),
            gate.post("/hooks/dbt/1"),
        ] {
            note(HOOK, &send_request(request).await);
        }
        for script in &scripts {
            let gate = configured(&stage, kind, script.origin(), &secret).await;
            note(HOOK, &send_request(signed(&gate, "1", json, &body)).await);
        }

        let settings = [
            ("ALLOWED_SYNCS", "5"),
            ("DBT_WEBHOOK_SECRET", "s"),
            ("ENDPOINT_TOKEN", "local"),
            ("HIGHTOUCH_API_KEY", "local"),
        ];
        let limited = configured(&stage, kind, &hightouch.origin(), &settings).await;
        let (run, sequence_run) = ("/syncs/1/runs/1", format!("/sync-sequences/runs/{UNKNOWN}"));
        for (operation, request) in [
            (RUN, limited.post("/syncs/1/runs")),
            (SEVERAL, limited.post("/runs").json(&json!({"syncs": [1]}))),
            (
                SEQUENCE,
                limited.post(&format!("/sync-sequences/{UNKNOWN}/runs")),
            ),
            ("GET /syncs/{sync}/runs", limited.get("/syncs/1/runs")),
            (
                "HEAD /syncs/{sync}/runs",
                limited.request("HEAD", "/syncs/1/runs"),
            ),
            ("GET /syncs/{syncId}/runs/{runId}", limited.get(run)),
            (
                "HEAD /syncs/{syncId}/runs/{runId}",
                limited.request("HEAD", run),
            ),
            (
                "GET /sync-sequences/runs/{runId}",
                limited.get(&sequence_run),
            ),
            (
                "HEAD /sync-sequences/runs/{runId}",
                limited.request("HEAD", &sequence_run),
            ),
        ] {
            note(operation, &send_request(with_key(request)).await);
        }
        note(
            HOOK,
            &send_request(signed(&limited, "1", json, &body)).await,
        );

        let declared: BTreeSet<(String, u16)> = declared().into_iter().collect();
        assert_eq!(provoked, declared);
    });
}
