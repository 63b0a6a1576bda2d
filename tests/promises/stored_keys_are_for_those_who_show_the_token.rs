//! A stored key is used only for a caller that sends a token of the endpoint, or of the key's
//! account. If no token is configured, every caller sends its own key.

use serde_json::{Value, json};
use xtask::build::{Kind, components};
use xtask::embedder::{Config, Host, Outbound};

use super::support::stage::{
    ENDPOINTS, Endpoint, EndpointResponse, Scripted, Stage, respond_with, send_request, stage,
    with_each_endpoint,
};

/// Starts an endpoint with these settings, in environment variables or in Spin's variables.
pub async fn configured(
    stage: &Stage,
    kind: Kind,
    origin: &str,
    settings: &[(&str, &str)],
) -> Endpoint {
    let mut config = Config {
        outbound: Outbound::only([origin]),
        ..stage.config(origin)
    };
    for (name, value) in settings {
        config.environment.push(((*name).into(), (*value).into()));
        config
            .variables
            .insert(name.to_ascii_lowercase(), (*value).into());
    }
    Endpoint::serve(&Host::new(components().unwrap().path(kind), config).unwrap()).await
}

/// Starts a mock of Hightouch that fails every call with a message that contains the key, so that
/// tests see which key was used.
async fn naming_keys() -> Scripted {
    Scripted::start(|_, key| {
        let name = match key {
            "Bearer key-of-default" => "default",
            "Bearer key-of-second" => "second",
            _ => "a stranger",
        };
        respond_with(403, format!(r#"{{"message":"this is {name}"}}"#))
    })
    .await
}

const SETTINGS: &[(&str, &str)] = &[
    ("ENDPOINT_TOKEN", "open-sesame"),
    ("HIGHTOUCH_API_KEY", "key-of-default"),
    ("HIGHTOUCH_API_KEY_SECOND", "key-of-second"),
];

async fn post(endpoint: &Endpoint, query: &str, token: &str) -> EndpointResponse {
    send_request(
        endpoint
            .post(&format!("/syncs/1/runs{query}"))
            .bearer_auth(token),
    )
    .await
}

#[test]
fn the_token_opens_the_account_that_is_asked_for() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = naming_keys().await;
            let endpoint = configured(&stage, kind, hightouch.origin(), SETTINGS).await;
            for (query, name) in [("", "default"), ("?account=second", "second")] {
                let received = post(&endpoint, query, "open-sesame").await;
                assert_eq!(
                    (received.status, &received.json()["details"]),
                    (502, &json!(format!("this is {name}")))
                );
            }
        });
    }
}

#[test]
fn who_does_not_show_it_is_refused_alike_and_nothing_is_sent() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = naming_keys().await;
            let endpoint = configured(&stage, kind, hightouch.origin(), SETTINGS).await;
            let mut responses = vec![send_request(endpoint.post("/syncs/1/runs")).await];
            for token in [
                "open-sesam",
                "open-sesame1",
                "Open-sesame",
                "key-of-default",
                "key-of-second",
            ] {
                for query in ["", "?account=second", "?account=no_such", "?account=NO!"] {
                    responses.push(post(&endpoint, query, token).await);
                }
            }
            for received in &responses {
                assert_eq!(
                    (received.status, received.header("www-authenticate")),
                    (401, Some("Bearer"))
                );
                assert_eq!(
                    received.text, responses[0].text,
                    "a different answer would reveal something"
                );
            }
            assert_eq!(responses[0].json()["kind"], "unauthenticated");
            assert!(hightouch.seen().is_empty());
        });
    }
}

/// Several tokens at once, and tokens that are valid for one account only.
const SCOPED: &[(&str, &str)] = &[
    ("ENDPOINT_TOKEN", "old-token, new-token"),
    ("ENDPOINT_TOKEN_SECOND", "second-one,second-two"),
    ("ENDPOINT_TOKEN_THIRD", "third-one"),
    ("HIGHTOUCH_API_KEY", "key-of-default"),
    ("HIGHTOUCH_API_KEY_SECOND", "key-of-second"),
    ("HIGHTOUCH_API_KEY_THIRD", "key-of-third"),
];

#[test]
fn a_token_can_be_replaced_while_both_are_valid() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = naming_keys().await;
        let endpoint = configured(&stage, kind, hightouch.origin(), SCOPED).await;
        for (token, query, name) in [
            ("old-token", "", "default"),
            ("new-token", "", "default"),
            ("old-token", "?account=second", "second"),
            ("new-token", "?account=second", "second"),
            ("second-one", "?account=second", "second"),
            ("second-two", "?account=second", "second"),
        ] {
            let received = post(&endpoint, query, token).await;
            assert_eq!(
                (received.status, &received.json()["details"]),
                (502, &json!(format!("this is {name}"))),
                "{token} {query}"
            );
        }
    });
}

#[test]
fn the_token_of_an_account_opens_no_other_and_does_not_reveal_which_exist() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = naming_keys().await;
        let endpoint = configured(&stage, kind, hightouch.origin(), SCOPED).await;
        let wrong = post(&endpoint, "", "wrong").await;
        for (token, query) in [
            ("second-one", ""),
            ("second-one", "?account=third"),
            ("second-one", "?account=fourth"),
            ("second-one", "?account=SECOND"),
            ("second-one", "?account=second&account=second"),
            ("second-one", "?account=second&account=third"),
            ("third-one", "?account=second"),
            ("second-one,second-two", "?account=second"),
            ("old-token, new-token", ""),
            (",", "?account=second"),
            ("wrong", "?account=second"),
            ("wrong", "?account=fourth"),
        ] {
            let received = post(&endpoint, query, token).await;
            assert_eq!(
                (received.status, &received.text),
                (401, &wrong.text),
                "{token} {query}"
            );
            assert_eq!(received.header("www-authenticate"), Some("Bearer"));
        }
        assert!(hightouch.seen().is_empty());
    });
}

#[test]
fn tokens_that_open_nothing_are_a_configuration_error() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = naming_keys().await;
        let origin = hightouch.origin();
        let key = ("HIGHTOUCH_API_KEY_SECOND", "key-of-second");
        let cannot_list = kind.is_for_spin();
        for (settings, query, named) in [
            (
                &[("ENDPOINT_TOKEN", ", ,"), key][..],
                "?account=second",
                "ENDPOINT_TOKEN is",
            ),
            (
                &[("ENDPOINT_TOKEN_SECOND", "second-one")],
                "?account=second",
                "ENDPOINT_TOKEN is",
            ),
            (
                &[("ENDPOINT_TOKEN_SECOND", "second-one")],
                "",
                if cannot_list { "" } else { "ENDPOINT_TOKEN is" },
            ),
            (
                &[
                    ("ENDPOINT_TOKEN", "second-one"),
                    ("ENDPOINT_TOKEN_SECOND", ","),
                    key,
                ],
                "?account=second",
                "ENDPOINT_TOKEN_SECOND is",
            ),
        ] {
            let before = hightouch.seen().len();
            let endpoint = configured(&stage, kind, origin, settings).await;
            let received = post(&endpoint, query, "second-one").await;
            if named.is_empty() {
                // Spin's variables cannot be listed, so the token is taken as the caller's key.
                assert_eq!(received.json()["kind"], "api", "{}", received.text);
                continue;
            }
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (500, &json!("not-configured")),
                "{settings:?}"
            );
            assert!(
                received.text.contains(named) && !received.text.contains("second-one"),
                "{}",
                received.text
            );
            assert_eq!(hightouch.seen().len(), before);
        }
    });
}

#[test]
fn an_account_that_is_unknown_or_no_name_is_invalid_input() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = naming_keys().await;
            let endpoint = configured(&stage, kind, hightouch.origin(), &SETTINGS[..1]).await;
            assert_eq!(
                post(&endpoint, "?account=NO!", "open-sesame").await.status,
                400,
                "although no key is set"
            );
            let endpoint = configured(&stage, kind, hightouch.origin(), SETTINGS).await;
            for account in [
                "third",
                "a__b",
                "_",
                "SECOND",
                "se-cond",
                "",
                "a/b",
                &"a".repeat(65),
            ] {
                let received = post(&endpoint, &format!("?account={account}"), "open-sesame").await;
                assert_eq!(
                    (received.status, &received.json()["kind"]),
                    (400, &json!("invalid-input")),
                    "{account}"
                );
                assert!(
                    !received.text.contains("second"),
                    "the response must not reveal the accounts: {}",
                    received.text
                );
            }
            assert!(hightouch.seen().is_empty());
        });
    }
}

#[test]
fn a_stored_key_without_a_token_is_a_configuration_error() {
    for kind in ENDPOINTS {
        for token in [None, Some(""), Some("  ")] {
            stage(async |stage| {
                let hightouch = naming_keys().await;
                let mut settings = vec![("HIGHTOUCH_API_KEY", "key-of-default")];
                settings.extend(token.map(|token| ("ENDPOINT_TOKEN", token)));
                let endpoint = configured(&stage, kind, hightouch.origin(), &settings).await;
                for caller in ["key-of-caller", "key-of-default"] {
                    let received = post(&endpoint, "", caller).await;
                    assert_eq!(
                        (received.status, &received.json()["kind"]),
                        (500, &json!("not-configured"))
                    );
                    assert!(
                        received.text.contains("ENDPOINT_TOKEN")
                            && !received.text.contains("key-of"),
                        "{}",
                        received.text
                    );
                }
                assert!(hightouch.seen().is_empty());
            });
        }
    }
}

#[test]
fn which_accounts_have_a_key_is_not_told_where_there_is_no_token() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = naming_keys().await;
            let settings = [
                ("HIGHTOUCH_API_KEY_SECOND", "key-of-second"),
                ("DBT_WEBHOOK_SECRET", "secret"),
            ];
            let endpoint = configured(&stage, kind, hightouch.origin(), &settings).await;
            let mut responses = Vec::new();
            for query in ["", "?account=second", "?account=third"] {
                responses.push(send_request(endpoint.post(&format!("/syncs/1/runs{query}"))).await);
            }
            for received in &responses {
                assert_eq!(
                    (received.status, &received.text),
                    (responses[0].status, &responses[0].text)
                );
                assert!(
                    !received.text.to_ascii_lowercase().contains("second"),
                    "{}",
                    received.text
                );
            }
            assert!(hightouch.seen().is_empty());
        });
    }
}

#[test]
fn a_token_without_a_key_is_a_configuration_error_and_a_key_that_is_none_too() {
    for kind in ENDPOINTS {
        for key in ["", "two words"] {
            stage(async |stage| {
                let hightouch = naming_keys().await;
                let settings = [
                    ("ENDPOINT_TOKEN", "open-sesame"),
                    ("HIGHTOUCH_API_KEY", key),
                ];
                let endpoint = configured(&stage, kind, hightouch.origin(), &settings).await;
                let received = post(&endpoint, "", "open-sesame").await;
                assert_eq!(
                    (received.status, &received.json()["kind"]),
                    (500, &json!("not-configured"))
                );
                assert!(
                    received.text.contains("HIGHTOUCH_API_KEY")
                        && !received.text.contains("two words"),
                    "{}",
                    received.text
                );
                assert!(hightouch.seen().is_empty());
            });
        }
    }
}

#[test]
fn that_hightouch_refuses_a_stored_key_is_not_the_callers_fault() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = configured(&stage, kind, &hightouch.origin(), SETTINGS).await;
        let received = post(&endpoint, "", "open-sesame").await;
        assert_eq!(
            (received.status, received.header("www-authenticate")),
            (502, None)
        );
        assert_eq!(
            (&received.json()["kind"], &received.json()["detail"]),
            (&json!("unauthorized"), &json!("Authentication error"))
        );
    });
}

#[test]
fn a_report_links_to_the_run_where_the_workspace_is_configured() {
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch = stage.local().await;
            let settings = [
                ("ENDPOINT_TOKEN", "open-sesame"),
                ("HIGHTOUCH_API_KEY_ONE", "local"),
                ("HIGHTOUCH_API_KEY_TWO", "local-two"),
                ("HIGHTOUCH_WORKSPACE_ONE", "acme"),
                ("HIGHTOUCH_WORKSPACE_TWO", ""),
            ];
            let endpoint = configured(&stage, kind, &hightouch.origin(), &settings).await;
            let one = send_request(
                endpoint
                    .post("/syncs/5/runs?account=one")
                    .bearer_auth("open-sesame"),
            )
            .await
            .json();
            let url = format!(
                "https://app.hightouch.com/acme/syncs/5/runs/{}",
                one["runId"]
            );
            assert_eq!(one["url"], url);
            let two = send_request(
                endpoint
                    .post("/syncs/5/runs?account=two")
                    .bearer_auth("open-sesame"),
            )
            .await
            .json();
            assert_eq!(
                (&two["status"], &two["url"]),
                (&json!("success"), &Value::Null)
            );
        });
    }
}
