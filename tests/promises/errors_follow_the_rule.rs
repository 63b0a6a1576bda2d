//! HTTP errors have fixed messages: 401 has Hightouch's own message, and 404 and all others have
//! the standard reason phrase.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use xtask::build::components;
use xtask::embedder::{Config, FailureKind, Host, Outbound, RunOptions, RunRef, SyncRef};
use xtask::local_hightouch::LocalHightouch;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::support::stage::{
    Library, Scripted, ScriptedResponse, connection, options, respond_with, send_request,
    with_each_endpoint, with_each_library, with_key,
};

#[test]
fn a_401_is_told_in_hightouchs_own_words() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let library = Library {
            connection: connection(&hightouch.origin(), "wrong"),
            ..library
        };
        let failure = library.run_sync(1, options()).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.http_status),
            (FailureKind::Unauthorized, Some(401))
        );
        assert_eq!(failure.message, "Authentication error");
        assert_eq!(failure.details.as_deref(), Some("Token is invalid"));
        assert_eq!(hightouch.triggers(), 0);
    });
}

#[test]
fn a_404_is_not_found() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let by_id = library.run_sync(404, options()).await.unwrap_err();
        let slug = SyncRef::Slug("no-such-sync".into());
        let by_slug = library
            .host
            .run_sync(&library.connection, &slug, options())
            .await
            .unwrap()
            .unwrap_err();
        for failure in [by_id, by_slug] {
            assert_eq!(
                (failure.kind, failure.message.as_str()),
                (FailureKind::NotFound, "Not Found")
            );
            assert!(failure.run.is_none());
        }
    });
}

#[test]
fn any_other_error_code_is_its_reason_phrase_whatever_the_body() {
    for (code, reason) in [
        (400, "Bad Request"),
        (403, "Forbidden"),
        (409, "Conflict"),
        (418, "I'm a teapot"),
        (422, "Unprocessable Entity"),
        (301, "Moved Permanently"),
        (500, "Internal Server Error"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
    ] {
        for body in [
            "",
            "<html>oops",
            r#"{"message":"Validation failed","details":{"x":1}}"#,
            r#""Internal Server Error""#,
        ] {
            with_each_library(async |stage| {
                let hightouch = Scripted::start(move |_, _| respond_with(code, body)).await;
                let library = stage.library(hightouch.origin());
                let failure = library.run_sync(1, options()).await.unwrap_err();
                assert_eq!(
                    (failure.message.as_str(), failure.http_status),
                    (reason, Some(code)),
                    "{body}"
                );
                assert_eq!(hightouch.triggers(), 1);
                // If the list of runs fails too, nobody knows what the server did before its error.
                let expected = if code >= 500 {
                    FailureKind::TriggerUnconfirmed
                } else {
                    FailureKind::Api
                };
                assert_eq!(failure.kind, expected, "{code} {body}");
                if code < 500 && body.contains("Validation") {
                    assert_eq!(
                        failure.details.as_deref(),
                        Some(r#"Validation failed: {"x":1}"#)
                    );
                }

                let run = RunRef {
                    sync_id: 1,
                    run_id: 42,
                };
                let once = RunOptions {
                    max_wait_ms: Some(0),
                    ..options()
                };
                let failure = library
                    .host
                    .await_run(&library.connection, run, once)
                    .await
                    .unwrap()
                    .unwrap_err();
                assert_eq!(
                    (failure.kind, failure.message.as_str()),
                    (FailureKind::Api, reason)
                );
                assert_eq!(failure.run.unwrap().run_id, 42);
            });
        }
    }
}

#[test]
fn the_text_of_an_error_is_told_in_whichever_form_it_comes() {
    const PLAIN: &str = "text/plain; charset=utf-8";
    const JSON: &str = "application/json";
    with_each_endpoint(async |stage, kind| {
        for (status, media_type, body, detail, details) in [
            (
                422,
                JSON,
                r#"{"error":"Sync is archived"}"#,
                "Unprocessable Entity",
                Some("Sync is archived"),
            ),
            (
                403,
                JSON,
                r#"{"error":{"code":"plan_limit"}}"#,
                "Forbidden",
                Some(r#"{"code":"plan_limit"}"#),
            ),
            (
                403,
                PLAIN,
                " upstream refused\n",
                "Forbidden",
                Some("upstream refused"),
            ),
            (
                401,
                JSON,
                r#"{"error":"Key was revoked"}"#,
                "Key was revoked",
                None,
            ),
            (401, PLAIN, "Key was revoked", "Key was revoked", None),
            (403, "text/html", "<html><h1>Forbidden", "Forbidden", None),
            (403, "text/html", "upstream refused", "Forbidden", None),
            // An error envelope with a success status means that nothing was started.
            (
                200,
                JSON,
                r#"{"error":"Sync is archived"}"#,
                "Sync is archived",
                None,
            ),
        ] {
            let hightouch = Scripted::start(move |_, _| ScriptedResponse {
                headers: vec![("content-type", media_type.into())],
                ..respond_with(status, body)
            })
            .await;
            let endpoint = stage.endpoint(kind, hightouch.origin()).await;
            let received = send_request(with_key(endpoint.post("/syncs/1/runs")))
                .await
                .json();
            assert_eq!(
                (&received["detail"], received["details"].as_str()),
                (&json!(detail), details),
                "{body}: {received}"
            );
            assert_eq!(
                (&received["hightouchStatus"], hightouch.triggers()),
                (&json!(status), 1),
                "{body}"
            );
        }
    });
}

#[test]
fn a_text_of_an_error_is_bounded_and_shows_no_key() {
    const KEY: &str = "ht-9f27c1aa41b8d0e6";
    with_each_endpoint(async |stage, kind| {
        for (media_type, open, close) in [
            ("text/plain", "", ""),
            ("application/json", r#"{"error":""#, r#""}"#),
        ] {
            let hightouch = Scripted::start(move |_, key| {
                let body = format!("{open}{key} {}{close}", "x".repeat(500_000));
                ScriptedResponse {
                    headers: vec![("content-type", media_type.into())],
                    ..respond_with(403, body)
                }
            })
            .await;
            let endpoint = stage.endpoint(kind, hightouch.origin()).await;
            let received = send_request(endpoint.post("/syncs/1/runs").bearer_auth(KEY)).await;
            let details = received.json()["details"].as_str().unwrap().len();
            assert!((1000..=1024).contains(&details), "{details}");
            assert!(
                !received.text.contains(KEY) && !stage.stderr.text().contains(KEY),
                "{}",
                received.text
            );
        }
    });
}

#[test]
fn a_server_error_after_which_no_run_is_listed_started_none() {
    with_each_library(async |stage| {
        let hightouch = Scripted::start(|what, _| {
            if what.starts_with("POST") {
                respond_with(502, "<html>")
            } else {
                respond_with(200, r#"{"data":[],"hasMore":false}"#)
            }
        })
        .await;
        let failure = stage
            .library(hightouch.origin())
            .run_sync(1, options())
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::Api, "Bad Gateway")
        );
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_hightouch_that_is_not_there_is_unreachable() {
    with_each_library(async |stage| {
        let gone = {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        };
        let failure = stage
            .library(&gone)
            .run_sync(1, options())
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable, "{failure:?}");
        assert!(
            failure.message.contains("refused") && failure.message.contains("No run was started"),
            "{failure:?}"
        );
    });
}

/// Starts a TLS server with an untrusted certificate, and returns its connection count. Dropping it
/// stops it.
async fn untrusted() -> (String, Arc<AtomicUsize>, JoinSet<()>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let connected = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connected);
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            assert!(
                acceptor.accept(stream).await.is_err(),
                "the certificate was trusted"
            );
        }
    });
    (origin, connected, server)
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_at_once() {
    with_each_library(async |stage| {
        let (origin, connected, _server) = untrusted().await;
        let library = stage.library(&origin);
        let failure = library.run_sync(1, options()).await.unwrap_err();
        let run = RunRef {
            sync_id: 1,
            run_id: 42,
        };
        let awaited = library
            .host
            .await_run(&library.connection, run, options())
            .await
            .unwrap()
            .unwrap_err();
        for failure in [&failure, &awaited] {
            assert_eq!(
                (failure.kind, failure.requests),
                (FailureKind::Unreachable, 1),
                "{failure:?}"
            );
            assert!(
                failure.message.contains("TLS certificate is not trusted"),
                "{failure:?}"
            );
            assert!(
                Duration::from_millis(failure.elapsed_ms) < Duration::from_secs(2),
                "{failure:?}"
            );
        }
        assert!(
            failure.message.contains("No run was started"),
            "{failure:?}"
        );
        assert_eq!(connected.load(Ordering::SeqCst), 2);
    });
}

/// Returns a response with a compressed body.
fn compressed(status: u16) -> ScriptedResponse {
    ScriptedResponse {
        headers: vec![("content-encoding", "gzip".into())],
        ..respond_with(status, b"\x1f\x8b\x08\x00")
    }
}

#[test]
fn a_content_coding_that_nobody_asked_for_is_named_at_once() {
    with_each_library(async |stage| {
        let hightouch = Scripted::start(|_, _| compressed(200)).await;
        let library = stage.library(hightouch.origin());
        let failure = library.run_sync(1, options()).await.unwrap_err();
        assert_eq!(
            (failure.kind, hightouch.triggers()),
            (FailureKind::TriggerUnconfirmed, 1),
            "{failure:?}"
        );
        assert!(
            format!("{failure:?}").contains("encoded as `gzip`"),
            "{failure:?}"
        );
        assert!(failure.elapsed_ms < 2_000, "{failure:?}");
    });
    with_each_library(async |stage| {
        let hightouch = Scripted::start(|_, _| compressed(403)).await;
        let failure = stage
            .library(hightouch.origin())
            .run_sync(1, options())
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::Api, "Forbidden"),
            "{failure:?}"
        );
        assert!(
            failure
                .details
                .as_ref()
                .unwrap()
                .contains("encoded as `gzip`"),
            "{failure:?}"
        );
    });
}

#[test]
fn a_call_that_the_host_refuses_names_the_setting() {
    with_each_library(async |stage| {
        let hightouch: LocalHightouch = stage.local().await;
        let config = Config {
            outbound: Outbound::default(),
            ..stage.config(&hightouch.origin())
        };
        let host = Host::new(components().unwrap().path(stage.library), config).unwrap();
        let library = Library {
            host,
            connection: connection(&hightouch.origin(), "local"),
        };
        let failure = library.run_sync(1, options()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotGranted);
        assert!(
            failure.message.contains("allowed_outbound_hosts"),
            "{failure:?}"
        );
        assert!(hightouch.requests().is_empty());
    });
}
