//! A key is sent to Hightouch and appears nowhere else, even if a server echoes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use xtask::build::components;
use xtask::embedder::{Config, Host, Outbound, RunOptions};

use super::support::cases::{each, find_leak};
use super::support::stage::{
    ENDPOINTS, Endpoint, Library, Scripted, connection, options, respond_with, send_request, stage,
    with_each_endpoint, with_each_library,
};

const MARKED: &str = "marked-key-7f3a";

/// Starts a mock of Hightouch that puts the caller's `Authorization` header into all its texts.
async fn echoing(status: u16) -> Scripted {
    Scripted::start(move |what, authorization| {
        let run = |status: &str| {
            format!(
                r#"{{"data":[{{"id":42,"status":"{status}","error":"{authorization}","createdAt":"{authorization}"}}],"hasMore":false}}"#
            )
        };
        match (status, what.starts_with("POST")) {
            (200, true) => respond_with(200, r#"{"id":"42"}"#),
            (200, false) => respond_with(200, run("failed")),
            (201, true) => respond_with(200, r#"{"id":"42"}"#),
            (201, false) => respond_with(200, run(authorization)),
            _ => respond_with(status, format!(r#"{{"message":"{authorization}","details":{{"sent":"{authorization}"}}}}"#)),
        }
    })
    .await
}

#[test]
fn no_answer_no_failure_and_no_log_shows_it() {
    for status in [200, 201, 401, 404, 422, 500] {
        with_each_library(async |stage| {
            let hightouch = echoing(status).await;
            let short = RunOptions {
                max_wait_ms: Some(5_000),
                ..options()
            };
            let library = stage.library(hightouch.origin());
            let library = Library {
                connection: connection(hightouch.origin(), MARKED),
                ..library
            };
            let failure = library.run_sync(1, short).await.unwrap_err();
            assert!(!format!("{failure:?}").contains(MARKED), "{failure:?}");
            for kind in stage.endpoints() {
                let endpoint = stage.endpoint(kind, hightouch.origin()).await;
                let request = endpoint
                    .post("/syncs/1/runs")
                    .bearer_auth(MARKED)
                    .header("prefer", "wait=5");
                let received = send_request(request).await;
                assert!(!received.text.contains(MARKED), "{}", received.text);
                assert!(!format!("{:?}", received.headers).contains(MARKED));
            }
            assert!(
                !stage.stderr.text().contains(MARKED),
                "{}",
                stage.stderr.text()
            );
        });
    }
}

#[test]
fn a_text_that_is_cut_in_the_middle_of_the_key_shows_none_of_it() {
    with_each_library(async |stage| {
        for before in 980..1_030 {
            let hightouch = Scripted::start(move |_, authorization| {
                let key = authorization.trim_start_matches("Bearer ");
                respond_with(
                    401,
                    format!(r#"{{"message":"{}{key}"}}"#, "x".repeat(before)),
                )
            })
            .await;
            let library = stage.library(hightouch.origin());
            let library = Library {
                connection: connection(hightouch.origin(), MARKED),
                ..library
            };
            let failure = library.run_sync(1, options()).await.unwrap_err();
            assert!(
                !failure.message.contains("mark") && failure.message.len() <= 1024,
                "{before}: {}",
                failure.message
            );
        }
    });
}

#[test]
fn it_is_sent_as_a_bearer_token() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = Scripted::start(|_, authorization| {
            respond_with(
                if authorization == format!("Bearer {MARKED}") {
                    403
                } else {
                    401
                },
                "",
            )
        })
        .await;
        let endpoint = stage.endpoint(kind, hightouch.origin()).await;
        let received = send_request(endpoint.post("/syncs/1/runs").bearer_auth(MARKED)).await;
        assert_eq!(received.json()["hightouchStatus"], 403);
    });
}

/// A key with all characters that may be escaped, and a token that is not an API key.
const KEY: &str = "k3y/7f3a+\"9b&c1=<d5>%e8'2a";
const TOKEN: &str = "t0k-5c0a77e2f913";
/// The other tokens of the endpoint: one that is being replaced, and one of the account.
const OTHER_TOKENS: [&str; 2] = ["0ld-91d2c47b55e0", "acc-e07f1b3a6d48"];

/// The encoding of an echoed secret.
#[derive(Clone, Copy, Debug)]
enum Form {
    AsItIs,
    InAUrl,
    InAUrlTwice,
    InJson,
    InAsciiJson,
    InJsonInJson,
    InHtml,
    InHtmlNumbers,
    TheFirstHalf,
    TheSecondHalf,
    InUpperCase,
    InBase64,
    InBase64Behind,
    InHex,
}

impl Form {
    const ALL: [Self; 14] = [
        Self::AsItIs,
        Self::InAUrl,
        Self::InAUrlTwice,
        Self::InJson,
        Self::InAsciiJson,
        Self::InJsonInJson,
        Self::InHtml,
        Self::InHtmlNumbers,
        Self::TheFirstHalf,
        Self::TheSecondHalf,
        Self::InUpperCase,
        Self::InBase64,
        Self::InBase64Behind,
        Self::InHex,
    ];

    fn of(self, secret: &str) -> String {
        let each = |form: &dyn Fn(char) -> String| secret.chars().map(form).collect::<String>();
        let json = |text: &str| {
            serde_json::to_string(text)
                .unwrap()
                .trim_matches('"')
                .to_owned()
        };
        let url = |byte: char| {
            if byte.is_ascii_alphanumeric() {
                byte.into()
            } else {
                format!("%{:02X}", byte as u32)
            }
        };
        match self {
            Self::AsItIs => secret.into(),
            Self::InAUrl => each(&url),
            Self::InAUrlTwice => each(&url).replace('%', "%25"),
            Self::InJson => json(secret),
            Self::InAsciiJson => each(&|byte| format!("\\u{:04x}", byte as u32)),
            Self::InJsonInJson => json(&each(&|byte| format!("\\u{:04x}", byte as u32))),
            Self::InHtml => secret
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;"),
            Self::InHtmlNumbers => each(&|byte| format!("&#{};", byte as u32)),
            Self::TheFirstHalf => secret.split_at(secret.len() / 2).0.into(),
            Self::TheSecondHalf => secret.split_at(secret.len() / 2).1.into(),
            Self::InUpperCase => secret.to_uppercase(),
            Self::InBase64 => BASE64.encode(secret),
            Self::InBase64Behind => BASE64.encode(format!("Bearer {secret}")),
            Self::InHex => each(&|byte| format!("{:02x}", byte as u32)),
        }
    }
}

/// The place of an echoed secret.
#[derive(Clone, Copy, Debug)]
enum Echo {
    Message,
    Details,
    /// JSON text inside the details, so that its escapes remain.
    RawDetails,
    Headers,
    Body,
    Error,
    RawError,
    Status,
    Times,
    /// At the end of a text that will be truncated.
    Cut,
}

impl Echo {
    const ALL: [Self; 10] = [
        Self::Message,
        Self::Details,
        Self::RawDetails,
        Self::Headers,
        Self::Body,
        Self::Error,
        Self::RawError,
        Self::Status,
        Self::Times,
        Self::Cut,
    ];

    /// Returns the response to a request that triggers or reads.
    fn response(self, triggers: bool, echoed: &str) -> super::support::stage::ScriptedResponse {
        let json = |text: &str| serde_json::to_string(text).unwrap();
        // Valid JSON is used directly, other text as a string.
        let raw = format!("\"{echoed}\"");
        let raw = if serde_json::from_str::<String>(&raw).is_ok() {
            raw
        } else {
            json(echoed)
        };
        let text = json(&format!("it says {echoed}, it does"));
        let list = |fields: String| {
            respond_with(
                200,
                format!(r#"{{"data":[{{"id":42,{fields}}}],"hasMore":false}}"#),
            )
        };
        match self {
            Self::Message => respond_with(401, format!(r#"{{"message":{text}}}"#)),
            Self::Details => respond_with(422, format!(r#"{{"message":"m","details":{text}}}"#)),
            Self::RawDetails => respond_with(
                422,
                format!(r#"{{"message":"m","details":{{"sent":[{raw}],"again":{raw}}}}}"#),
            ),
            Self::Body => respond_with(500, echoed),
            Self::Headers => {
                let names = [
                    "x-echo",
                    "retry-after",
                    "www-authenticate",
                    "location",
                    "date",
                ];
                let headers = names.map(|name| (name, echoed.to_owned())).to_vec();
                super::support::stage::ScriptedResponse {
                    headers,
                    ..respond_with(503, "")
                }
            }
            _ if triggers => respond_with(200, r#"{"id":"42"}"#),
            Self::Error => list(format!(r#""status":"failed","error":{text}"#)),
            Self::RawError => list(format!(r#""status":"failed","error":{{"sent":{raw}}}"#)),
            Self::Status => list(format!(r#""status":{}"#, json(echoed))),
            Self::Times => list(format!(
                r#""status":"failed","createdAt":{text},"startedAt":{raw},"finishedAt":{text}"#
            )),
            Self::Cut => {
                let long = json(&format!("{}{echoed}", "x".repeat(16 * 1024 - 12)));
                list(format!(
                    r#""status":"failed","error":{long},"createdAt":{}"#,
                    json(&format!("{}{echoed}", "x".repeat(116)))
                ))
            }
        }
    }
}

#[test]
fn it_shows_in_no_form_and_at_no_place() {
    let all: Vec<(Form, Echo)> = Form::ALL
        .iter()
        .flat_map(|form| Echo::ALL.map(|echo| (*form, echo)))
        .collect();
    each(&all, |&(form, echo)| {
        with_each_library(async |stage| {
            let hightouch = Scripted::start(move |what, authorization| {
                let key = authorization.trim_start_matches("Bearer ");
                assert_eq!(key, KEY, "the token is for the endpoint alone");
                echo.response(what.starts_with("POST"), &form.of(key))
            })
            .await;
            let origin = hightouch.origin();
            let mut output = String::new();
            let short = RunOptions {
                max_wait_ms: Some(5_000),
                ..options()
            };
            let library = Library {
                connection: connection(origin, KEY),
                ..stage.library(origin)
            };
            output += &format!("{:?}", library.run_sync(1, short).await.unwrap_err());
            for kind in stage.endpoints() {
                let mut config = Config {
                    outbound: Outbound::only([origin]),
                    ..stage.config(origin)
                };
                let [old_token, account_token] = OTHER_TOKENS;
                for (name, value) in [
                    ("ENDPOINT_TOKEN", &*format!("{old_token}, {TOKEN}")),
                    ("ENDPOINT_TOKEN_ONE", account_token),
                    ("HIGHTOUCH_API_KEY_ONE", KEY),
                ] {
                    config.environment.push((name.into(), value.into()));
                    config
                        .variables
                        .insert(name.to_ascii_lowercase(), value.into());
                }
                let endpoint =
                    Endpoint::serve(&Host::new(components().unwrap().path(kind), config).unwrap())
                        .await;
                for (accept, token) in [("*/*", TOKEN), ("text/event-stream", account_token)] {
                    let request = endpoint
                        .post("/syncs/1/runs?account=one")
                        .bearer_auth(token)
                        .header("prefer", "wait=2");
                    output +=
                        &format!("{:?}", send_request(request.header("accept", accept)).await);
                }
            }
            assert!(hightouch.triggers() >= 5, "{}", hightouch.triggers());
            output += &stage.stderr.text();
            for secret in [KEY, TOKEN].into_iter().chain(OTHER_TOKENS) {
                assert_eq!(find_leak(secret, &output), None, "{output}");
                assert_eq!(
                    find_leak(&secret.to_uppercase(), &output.to_uppercase()),
                    None,
                    "{output}"
                );
                // Neither the whole form nor half of it may appear. The first and last characters
                // are ignored, because they depend on the neighbouring text.
                let form = form.of(secret);
                let half = form.get(form.len() / 4..form.len() * 3 / 4).unwrap();
                assert!(!output.contains(half), "{half} in {output}");
            }
        });
    });
}

#[test]
fn a_key_that_comes_back_as_an_id_is_told_as_none() {
    const KEY: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
    for kind in ENDPOINTS {
        stage(async |stage| {
            let hightouch =
                Scripted::start(|_, _| respond_with(200, format!(r#"{{"id":"{KEY}"}}"#))).await;
            let endpoint = stage.endpoint(kind, hightouch.origin()).await;
            let request = endpoint
                .post("/sync-sequences/5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d/runs")
                .bearer_auth(KEY);
            let received = send_request(request).await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (502, &serde_json::json!("trigger-unconfirmed"))
            );
            let headers = format!("{:?}", received.headers);
            for text in [received.text, headers, stage.stderr.text()] {
                assert!(!text.contains(KEY), "the key shows");
            }
            assert_eq!(hightouch.seen().len(), 1, "no further request is sent");
        });
    }
}

/// Secrets that are valid slugs, so that a user can confuse one with the name of a sync.
const SLUG_KEY: &str = "hightouch-key-4b1d9c";
const SLUG_TOKEN: &str = "endpoint-token-77e2f9";
const SLUG_SECRET: &str = "whs_5b0f1d7c93a4";
const SLUG_KEY_ONE: &str = "hightouch-key-one-8e";
const SLUG_ACCOUNT_TOKEN: &str = "account-token-5d03aa";
const ALL_SLUGS: [&str; 7] = [
    SLUG_KEY,
    SLUG_TOKEN,
    SLUG_SECRET,
    SLUG_KEY_ONE,
    SLUG_ACCOUNT_TOKEN,
    "endpoint-token-old-31",
    "account-token-old-6b",
];

#[test]
fn a_secret_that_is_given_as_a_name_is_refused_and_neither_logged_nor_quoted_nor_sent() {
    const SETTINGS: &[(&str, &str)] = &[
        ("HIGHTOUCH_API_KEY", SLUG_KEY),
        ("HIGHTOUCH_API_KEY_ONE", SLUG_KEY_ONE),
        (
            "ENDPOINT_TOKEN",
            "endpoint-token-old-31, endpoint-token-77e2f9",
        ),
        (
            "ENDPOINT_TOKEN_ONE",
            "account-token-old-6b,account-token-5d03aa",
        ),
        ("DBT_WEBHOOK_SECRET", "another-secret, whs_5b0f1d7c93a4"),
    ];
    with_each_endpoint(async |stage, kind| {
        let hightouch =
            Scripted::start(|_, _| respond_with(200, r#"{"data":[],"hasMore":false}"#)).await;
        let endpoint = super::stored_keys_are_for_those_who_show_the_token::configured(
            &stage,
            kind,
            hightouch.origin(),
            SETTINGS,
        )
        .await;
        let mut output = String::new();
        for secret in ALL_SLUGS {
            let body = super::a_dbt_job_gates_the_sync::success();
            let signature = super::a_dbt_job_gates_the_sync::signature(&body, SLUG_SECRET);
            let syncs = serde_json::json!({"syncs": [1, secret, secret]});
            for (token, status) in [
                (SLUG_TOKEN, 400),
                ("endpoint-token-old-31", 400),
                (SLUG_ACCOUNT_TOKEN, 400),
                ("wrong", 401),
            ] {
                let requests = [
                    endpoint
                        .post(&format!("/syncs/{secret}/runs?account=one"))
                        .bearer_auth(token),
                    endpoint
                        .post(&format!(
                            "/syncs/{}/runs?account=one",
                            secret.to_uppercase()
                        ))
                        .bearer_auth(token),
                    endpoint
                        .post("/runs?account=one")
                        .bearer_auth(token)
                        .json(&syncs),
                ];
                for request in requests {
                    let received = send_request(request).await;
                    assert_eq!(received.status, status, "{}", received.text.len());
                    output += &format!("{received:?}");
                }
            }
            let hook = endpoint
                .post(&format!("/hooks/dbt/{secret}?account=one"))
                .header("authorization", signature)
                .body(body);
            let received = send_request(hook.header("content-type", "application/json")).await;
            assert_eq!(received.status, 400, "{}", received.text.len());
            output += &format!("{received:?}");
        }
        // Without the account in the query, Spin does not reveal the account's secrets.
        for secret in [SLUG_KEY, SLUG_TOKEN, SLUG_SECRET] {
            let request = endpoint.post(&format!("/syncs/{secret}/runs"));
            let received = send_request(request.bearer_auth(SLUG_TOKEN)).await;
            assert_eq!(received.status, 400, "{}", received.text.len());
            output += &format!("{received:?}");
        }
        output += &stage.stderr.text();
        for secret in ALL_SLUGS {
            assert!(!output.to_lowercase().contains(secret), "a secret shows");
        }
        assert_eq!(hightouch.seen(), [""; 0], "nothing is sent");
    });
}

#[test]
fn a_caller_who_gives_the_own_key_as_a_name_is_told_so_without_it() {
    with_each_library(async |stage| {
        let hightouch =
            Scripted::start(|_, _| respond_with(200, r#"{"data":[],"hasMore":false}"#)).await;
        for kind in stage.endpoints() {
            let endpoint = stage.endpoint(kind, hightouch.origin()).await;
            let received = send_request(
                endpoint
                    .post(&format!("/syncs/{SLUG_KEY}/runs"))
                    .bearer_auth(SLUG_KEY),
            )
            .await;
            assert_eq!(
                (received.status, &received.json()["kind"]),
                (400, &"invalid-input".into())
            );
            assert!(!received.text.contains(SLUG_KEY));
        }
        let library = Library {
            connection: connection(hightouch.origin(), SLUG_KEY),
            ..stage.library(hightouch.origin())
        };
        let named = xtask::embedder::SyncRef::Slug(SLUG_KEY.into());
        let failure = library
            .host
            .run_sync(&library.connection, &named, options())
            .await
            .unwrap()
            .unwrap_err();
        assert!(!format!("{failure:?}").contains(SLUG_KEY));
        assert!(!stage.stderr.text().contains(SLUG_KEY));
        assert_eq!(hightouch.seen(), [""; 0], "nothing is sent");
    });
}
