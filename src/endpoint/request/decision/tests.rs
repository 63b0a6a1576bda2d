//! Tests of the decision: every route, with settings from each source.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use hmac_sha256::HMAC;

use super::*;
use crate::endpoint::request::target::Target;
use crate::endpoint::settings::fixed::Fixed;
use crate::engine::{DEFAULT_WAIT, IfRunning, Warnings};

/// A request of a test. Its body is read if the decision needs it.
struct Case<'a> {
    method: &'static str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

/// The decision about a case, and whether its body was read.
struct Decided {
    decision: Result<Decision, Problem>,
    body_was_read: bool,
    log: serde_json::Value,
}

impl Case<'_> {
    fn decide(&self, settings: &dyn Settings) -> Decided {
        let request = Request {
            method: self.method,
            target: Target::new(self.target.into()),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        };
        let mut log = Log::default();
        let mut decider = Decider {
            request: &request,
            settings,
            log: &mut log,
        };
        let by_head = decider.by_head();
        let body_was_read = matches!(by_head, Ok(HeadDecision::ReadBody(_)));
        let decision = by_head.and_then(|by_head| match by_head {
            HeadDecision::Final(decision) => Ok(decision),
            HeadDecision::ReadBody(body_use) => decider.by_body(body_use, self.body.as_bytes()),
        });
        Decided {
            decision,
            body_was_read,
            log: serde_json::to_value(log).unwrap(),
        }
    }
}

impl Decided {
    fn call(self) -> Call {
        match self.decision {
            Ok(Decision::Call(call)) => *call,
            other => panic!("not a call: {other:?}"),
        }
    }

    /// Returns the status and the kind of the problem.
    fn problem(&self) -> (u16, &'static str) {
        match &self.decision {
            Err(problem) => (problem.status, problem.kind),
            Ok(decision) => panic!("not a problem: {decision:?}"),
        }
    }
}

const KEY: (&str, &str) = ("authorization", "Bearer key-of-caller");
const RUN: Case<'_> = Case {
    method: "POST",
    target: "/syncs/1/runs",
    headers: &[KEY],
    body: "",
};

/// Calls the test with settings from each source.
fn with_settings(settings: &[(&str, &str)], test: impl Fn(&dyn Settings)) {
    for settings in &Fixed::of_each_source(settings) {
        test(settings);
    }
}

#[test]
fn a_run_is_started_with_the_callers_key_and_options() {
    with_settings(
        &[("HIGHTOUCH_API_ORIGIN", "http://localhost:1")],
        |settings| {
            let decided = Case {
                target: "/syncs/demo/runs?account=eu",
                headers: &[KEY, ("prefer", "wait=7"), ("traceparent", "00-1-2-01")],
                body: r#"{"fullResync":true,"ifRunning":"join","acceptWarnings":true}"#,
                ..RUN
            }
            .decide(settings);
            assert!(decided.body_was_read);
            assert_eq!(decided.log["request"], "run");
            assert_eq!(decided.log["sync"], "demo");
            assert_eq!(decided.log["account"], "eu");
            let call = decided.call();
            assert!(
                matches!(&call.work, Work::Sync(SyncGoal::Run(sync), Format::Json)
                if sync.to_string() == "demo"),
                "{:?}",
                call.work
            );
            let options = call.options(Duration::from_secs(5));
            assert!(options.resync.full && options.warnings == Warnings::Accept);
            assert_eq!(options.if_running, IfRunning::Join);
            assert_eq!(options.max_wait, Duration::from_secs(7));
            assert_eq!(options.answer_wait, ANSWER_WAIT);
            assert!(call.connection.key.is("key-of-caller"));
            assert_eq!(call.connection.origin.to_string(), "http://localhost:1");
            assert_eq!(
                call.connection.trace,
                [("traceparent", String::from("00-1-2-01"))]
            );
            assert!(call.presenter.warnings == Warnings::Accept && !call.presenter.key_is_stored);
            assert_eq!(call.preference_applied.as_deref(), Some("wait=7"));
        },
    );
}

#[test]
fn each_route_has_its_work_and_only_a_post_reads_its_body() {
    let uuid = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
    let (start, poll) = (
        format!("/sync-sequences/{uuid}/runs"),
        format!("/sync-sequences/runs/{uuid}"),
    );
    let events: &[_] = &[KEY, ("accept", "text/event-stream")];
    with_settings(&[], |settings| {
        for (method, target, headers, body, expected) in [
            (
                "POST",
                "/syncs/1/runs",
                &[KEY][..],
                "",
                "Sync(Run(Id(SyncId(1))), Json)",
            ),
            (
                "POST",
                "/syncs/1/runs",
                events,
                "{}",
                "Sync(Run(Id(SyncId(1))), Events)",
            ),
            ("POST", &start, &[KEY], "", "Sequence(Run("),
            (
                "POST",
                "/runs",
                events,
                r#"{"syncs":[1]}"#,
                "Batch([Id(SyncId(1))], BatchOptions { parallel: 50, stop_on_failure: false })",
            ),
            ("GET", "/syncs/1/runs/2", &[KEY], "", "Sync(Await(RunRef {"),
            ("HEAD", "/syncs/1/runs/2", &[KEY], "", "Sync(Await(RunRef {"),
            ("GET", &poll, &[KEY], "", "Sequence(Await("),
            (
                "GET",
                "/syncs/demo/runs",
                events,
                "",
                r#"List(RunsGoal { sync: Slug(Slug("demo")), limit: 10 })"#,
            ),
            (
                "HEAD",
                "/syncs/1/runs?limit=100",
                &[KEY],
                "",
                "List(RunsGoal { sync: Id(SyncId(1)), limit: 100 })",
            ),
        ] {
            let decided = Case {
                method,
                target,
                headers,
                body,
            }
            .decide(settings);
            assert_eq!(decided.body_was_read, method == "POST", "{method} {target}");
            let work = format!("{:?}", decided.call().work);
            assert!(work.starts_with(expected), "{method} {target}: {work}");
        }
        for target in ["/", "/healthz", "/openapi.json"] {
            let case = Case {
                method: "GET",
                target,
                headers: &[],
                body: "",
            };
            let decided = case.decide(settings);
            assert!(matches!(decided.decision, Ok(Decision::Respond(_))));
            assert!(!decided.body_was_read, "{target}");
        }
    });
}

#[test]
fn a_limit_on_listed_runs_is_from_1_to_100() {
    with_settings(&[], |settings| {
        for limit in ["", "0", "101", "-1", "+1", "1.0", "ten", "1&limit=1"] {
            let case = Case {
                method: "GET",
                target: &format!("/syncs/1/runs?limit={limit}"),
                headers: &[KEY],
                body: "",
            };
            assert_eq!(case.decide(settings).problem().0, 400, "{limit}");
        }
    });
}

#[test]
fn an_order_needs_a_call_that_waits() {
    let not_waiting = ("prefer", "respond-async");
    with_settings(&[], |settings| {
        for (body, is_accepted) in [
            (r#"{"syncs":[1,2]}"#, true),
            (r#"{"syncs":[1,2],"parallel":2}"#, true),
            (r#"{"syncs":[1,2],"parallel":50}"#, true),
            (r#"{"syncs":[1,2],"stopOnFailure":false}"#, true),
            (r#"{"syncs":[1,2],"parallel":1}"#, false),
            (r#"{"syncs":[1,2],"stopOnFailure":true}"#, false),
        ] {
            for (headers, is_accepted) in [(&[KEY][..], true), (&[KEY, not_waiting], is_accepted)] {
                let case = Case {
                    target: "/runs",
                    headers,
                    body,
                    ..RUN
                };
                let decided = case.decide(settings);
                assert_eq!(decided.decision.is_ok(), is_accepted, "{body}");
            }
        }
    });
}

#[test]
fn the_wait_depends_on_the_preference_and_the_format() {
    let events = ("accept", "text/event-stream");
    with_settings(&[], |settings| {
        for (headers, expected) in [
            (&[KEY][..], Duration::from_secs(25)),
            (&[KEY, ("prefer", "respond-async")], Duration::ZERO),
            (&[KEY, events], DEFAULT_WAIT),
            (&[KEY, events, ("prefer", "wait=3")], Duration::from_secs(3)),
        ] {
            let call = Case { headers, ..RUN }.decide(settings).call();
            let options = call.options(Duration::from_secs(1));
            assert_eq!(options.max_wait, expected, "{headers:?}");
        }
    });
}

#[test]
fn a_caller_who_is_not_authorized_is_neither_read_nor_logged() {
    let stored = [
        ("ENDPOINT_TOKEN", "open-sesame"),
        ("HIGHTOUCH_API_KEY_EU", "key-of-eu"),
    ];
    let header = ("authorization", "Bearer open-sesam");
    for (settings, headers) in [(&[][..], &[][..]), (&stored, &[]), (&stored, &[header])] {
        with_settings(settings, |settings| {
            for target in [
                "/syncs/1/runs",
                "/runs",
                "/syncs/1/runs?account=eu",
                "/syncs/1/runs?account=us",
                "/syncs/1/runs?account=a&account=b",
            ] {
                let case = Case {
                    target,
                    headers,
                    ..RUN
                };
                let decided = case.decide(settings);
                assert_eq!(decided.problem(), (401, "unauthenticated"), "{target}");
                assert!(!decided.body_was_read, "{target}");
                assert!(decided.log.get("sync").is_none(), "{}", decided.log);
                assert!(decided.log.get("account").is_none(), "{}", decided.log);
            }
        });
    }
}

#[test]
fn the_token_selects_the_stored_key_of_the_account() {
    let stored = [
        ("ENDPOINT_TOKEN", "open-sesame"),
        ("HIGHTOUCH_API_KEY", "key-of-default"),
        ("HIGHTOUCH_API_KEY_EU", "key-of-eu"),
        ("HIGHTOUCH_WORKSPACE_EU", "acme"),
    ];
    with_settings(&stored, |settings| {
        for (target, key, workspace) in [
            ("/syncs/1/runs", "key-of-default", None),
            ("/syncs/1/runs?account=eu", "key-of-eu", Some("acme")),
        ] {
            let case = Case {
                target,
                headers: &[("Authorization", "bearer open-sesame")],
                ..RUN
            };
            let call = case.decide(settings).call();
            assert!(call.connection.key.is(key), "{target}");
            assert!(call.presenter.key_is_stored);
            assert_eq!(call.presenter.workspace.as_deref(), workspace);
        }
    });
}

#[test]
fn a_request_that_is_invalid_ends_in_its_problem() {
    let json = ("content-type", "application/json; charset=utf-8");
    let text = ("content-type", "text/plain");
    with_settings(&[], |settings| {
        for (method, target, headers, body, status) in [
            ("POST", "/syncs/0/runs", &[KEY][..], "", 400),
            (
                "POST",
                "/syncs/1/runs?acceptWarnings&acceptWarnings",
                &[KEY],
                "",
                400,
            ),
            ("GET", "/syncs/1/runs/2?acceptWarnings=1", &[KEY], "", 400),
            ("POST", "/syncs/1/runs", &[KEY, json], "[]", 400),
            ("POST", "/syncs/1/runs", &[KEY, text], "{}", 415),
            ("POST", "/syncs/key-of-caller/runs", &[KEY], "", 400),
            (
                "POST",
                "/runs",
                &[KEY],
                r#"{"syncs":["key-of-caller"]}"#,
                400,
            ),
            ("POST", "/runs", &[KEY], r#"{"syncs":[1,1]}"#, 400),
            ("PUT", "/runs", &[KEY], "", 405),
            ("GET", "/nowhere", &[KEY], "", 404),
        ] {
            let case = Case {
                method,
                target,
                headers,
                body,
            };
            let problem = case.decide(settings).problem();
            assert_eq!(
                problem,
                (status, "invalid-input"),
                "{method} {target} {body}"
            );
        }
    });
    for (settings, status) in [
        (&[("HIGHTOUCH_API_KEY", "stored")][..], 500),
        (&[("HIGHTOUCH_API_ORIGIN", "nowhere")], 500),
    ] {
        with_settings(settings, |settings| {
            assert_eq!(RUN.decide(settings).problem(), (status, "not-configured"));
        });
    }
}

const SCOPED: &[(&str, &str)] = &[
    ("ENDPOINT_TOKEN", "old-token, new-token,"),
    ("ENDPOINT_TOKEN_EU", "eu-one,eu-two"),
    ("ENDPOINT_TOKEN_US", "us-one"),
    ("ENDPOINT_TOKEN_WRONG", ","),
    ("HIGHTOUCH_API_KEY", "key-of-default"),
    ("HIGHTOUCH_API_KEY_EU", "key-of-eu"),
    ("HIGHTOUCH_API_KEY_US", "key-of-us"),
    ("HIGHTOUCH_API_KEY_WRONG", "key-of-wrong"),
];

/// Decides what to do if a caller with this token requests a run.
fn decide_with_token(token: &str, query: &str, settings: &dyn Settings) -> Decided {
    let bearer = format!("Bearer {token}");
    let case = Case {
        target: &format!("/syncs/1/runs{query}"),
        headers: &[("authorization", &bearer)],
        ..RUN
    };
    case.decide(settings)
}

#[test]
fn each_of_several_tokens_opens_every_account_and_the_token_of_an_account_only_this_one() {
    with_settings(SCOPED, |settings| {
        for (token, query, key) in [
            ("old-token", "", "key-of-default"),
            ("new-token", "", "key-of-default"),
            ("old-token", "?account=eu", "key-of-eu"),
            ("new-token", "?account=us", "key-of-us"),
            ("eu-one", "?account=eu", "key-of-eu"),
            ("eu-two", "?account=eu", "key-of-eu"),
            ("us-one", "?account=us", "key-of-us"),
        ] {
            let call = decide_with_token(token, query, settings).call();
            assert!(call.connection.key.is(key), "{token} {query}");
        }
        for (token, query) in [
            ("eu-one", ""),
            ("eu-one", "?account=us"),
            ("eu-one", "?account=no_such"),
            ("eu-one", "?account=EU"),
            ("eu-one", "?account=eu&account=eu"),
            ("eu-one", "?account=eu&account=us"),
            ("us-one", "?account=eu"),
            ("eu-one,eu-two", "?account=eu"),
            ("old-token, new-token", ""),
            (",", ""),
            (",", "?account=wrong"),
            ("", "?account=eu"),
            ("", "?account=wrong"),
        ] {
            let decided = decide_with_token(token, query, settings);
            assert_eq!(
                decided.problem(),
                (401, "unauthenticated"),
                "{token} {query}"
            );
            assert!(!decided.body_was_read);
        }
        for query in ["?account=EU", "?account=eu&account=eu", "?account=no_such"] {
            let decided = decide_with_token("new-token", query, settings);
            assert_eq!(decided.problem(), (400, "invalid-input"), "{query}");
        }
        let decided = decide_with_token("new-token", "?account=wrong", settings);
        assert_eq!(decided.problem(), (500, "not-configured"));
    });
}

#[test]
fn tokens_that_cannot_open_anything_are_a_configuration_error() {
    let only_separators = [("ENDPOINT_TOKEN", " , ,"), ("HIGHTOUCH_API_KEY", "key")];
    with_settings(&only_separators, |settings| {
        for token in ["", ",", "key", " , ,"] {
            let decided = decide_with_token(token, "", settings);
            assert_eq!(decided.problem(), (500, "not-configured"), "{token}");
        }
    });
    for settings in Fixed::of_each_source(&[("ENDPOINT_TOKEN_EU", "eu-one")]) {
        for (query, status) in [
            ("?account=eu", 500),
            (
                "?account=us",
                if settings.all().is_some() { 500 } else { 200 },
            ),
            ("", if settings.all().is_some() { 500 } else { 200 }),
        ] {
            let decided = decide_with_token("key-of-caller", query, &settings);
            let seen = match &decided.decision {
                Ok(_) => 200,
                Err(problem) => problem.status,
            };
            assert_eq!(seen, status, "{query}");
        }
    }
}

const UUID: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
const OTHER_UUID: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d";

#[test]
fn only_allowed_syncs_and_sequences_reach_the_engine() {
    let list = format!("1, {UUID}");
    let posts = |uuid: &str| format!("/sync-sequences/{uuid}/runs");
    let polls = format!("/sync-sequences/runs/{OTHER_UUID}");
    let polls_of = |uuid: &str| format!("{polls}?sequence={uuid}");
    let is_refused = |method, target: &str, body, settings: &dyn Settings| {
        let case = Case {
            method,
            target,
            headers: &[KEY],
            body,
        };
        match case.decide(settings).decision {
            Ok(Decision::Call(call)) => {
                let allowed = call.options(Duration::ZERO).allowed;
                assert!(allowed.allows(1.try_into().unwrap()));
                assert!(!allowed.allows(2.try_into().unwrap()));
                false
            }
            Err(problem) => {
                assert_eq!(
                    (problem.status, problem.kind),
                    (403, "forbidden"),
                    "{target}"
                );
                true
            }
            other => panic!("{other:?}"),
        }
    };
    with_settings(&[("ALLOWED_SYNCS", &list)], |settings| {
        for (method, target, body, expected) in [
            ("POST", "/syncs/1/runs", "", false),
            ("POST", "/syncs/01/runs", "", false),
            ("POST", "/syncs/demo/runs", "", false),
            ("POST", "/syncs/2/runs", "", true),
            ("POST", "/syncs/2/runs?account=eu", "", true),
            ("GET", "/syncs/1/runs/7", "", false),
            ("GET", "/syncs/2/runs/7", "", true),
            ("HEAD", "/syncs/2/runs/7", "", true),
            ("GET", "/syncs/1/runs", "", false),
            ("GET", "/syncs/demo/runs?limit=1", "", false),
            ("GET", "/syncs/2/runs", "", true),
            ("HEAD", "/syncs/2/runs?limit=0", "", true),
            ("POST", "/runs", r#"{"syncs":[1,"demo"]}"#, false),
            ("POST", "/runs", r#"{"syncs":["demo",1,2]}"#, true),
            ("POST", "/runs", r#"{"syncs":["2"]}"#, true),
            ("POST", &posts(UUID), "", false),
            ("POST", &posts(OTHER_UUID), "", true),
            ("GET", &polls, "", false),
            ("GET", &polls_of(UUID), "", false),
            ("GET", &polls_of(OTHER_UUID), "", true),
        ] {
            let refused = is_refused(method, target, body, settings);
            assert_eq!(refused, expected, "{method} {target} {body}");
        }
    });
    with_settings(&[("ALLOWED_SYNCS", "1")], |settings| {
        assert!(is_refused("POST", &posts(UUID), "", settings));
        assert!(is_refused("GET", &polls, "", settings));
    });
}

#[test]
fn a_secret_is_no_sequence_of_a_run() {
    let target = format!("/sync-sequences/runs/{OTHER_UUID}?sequence={UUID}");
    // The sequence would be the name of the job in lineage events.
    let lineage = [("OPENLINEAGE_URL", "http://127.0.0.1:5000")];
    with_settings(&lineage, |settings| {
        for (key, is_secret) in [
            ("key-of-caller", false),
            (UUID, true),
            (&UUID.to_ascii_uppercase(), true),
        ] {
            let decided = Case {
                method: "GET",
                target: &target,
                headers: &[("authorization", &format!("Bearer {key}"))],
                body: "",
            }
            .decide(settings);
            if is_secret {
                assert_eq!(decided.problem(), (400, "invalid-input"));
            } else {
                decided.call();
            }
        }
    });
}

#[test]
fn a_list_of_an_account_limits_this_account_and_no_caller_can_choose_another() {
    let stored = [
        ("ALLOWED_SYNCS", "1"),
        ("ALLOWED_SYNCS_EU", "2"),
        ("ENDPOINT_TOKEN", "open-sesame"),
        ("HIGHTOUCH_API_KEY", "key"),
        ("HIGHTOUCH_API_KEY_EU", "key-of-eu"),
        ("HIGHTOUCH_API_KEY_US", "key-of-us"),
        ("DBT_WEBHOOK_SECRET", "secret"),
    ];
    for (query, allowed) in [("", 1), ("?account=eu", 2), ("?account=us", 1)] {
        with_settings(&stored, |settings| {
            for sync in [1, 2] {
                let case = Case {
                    target: &format!("/syncs/{sync}/runs{query}"),
                    headers: &[("authorization", "Bearer open-sesame")],
                    ..RUN
                };
                let hook = format!("/hooks/dbt/{sync}{query}");
                for decided in [
                    case.decide(settings),
                    decide_delivery(&hook, SUCCESS, settings),
                ] {
                    if sync == allowed {
                        decided.call();
                    } else {
                        assert_eq!(decided.problem(), (403, "forbidden"), "{sync} {query}");
                    }
                }
            }
        });
    }
    // Callers who send their own keys choose the account freely.
    with_settings(&stored[..2], |settings| {
        let case = Case {
            target: "/syncs/2/runs?account=eu",
            ..RUN
        };
        assert_eq!(case.decide(settings).problem(), (403, "forbidden"));
    });
    with_settings(&[("ALLOWED_SYNCS", "1,demo")], |settings| {
        assert_eq!(RUN.decide(settings).problem(), (500, "not-configured"));
        let anonymous = Case {
            headers: &[],
            ..RUN
        };
        assert_eq!(
            anonymous.decide(settings).problem(),
            (401, "unauthenticated")
        );
    });
}

const SUCCESS: &str = r#"{"eventType":"job.run.completed","data":{"runId":"7",
    "runStatus":"Success","runStatusCode":10,"runFinishedAt":"2026-01-31T19:29:32Z"}}"#;

/// Decides what to do with a delivery that is signed with the secret `secret`.
fn decide_delivery(target: &str, body: &str, settings: &dyn Settings) -> Decided {
    let signature: String = HMAC::mac(body, "secret")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let case = Case {
        method: "POST",
        target,
        headers: &[("authorization", &signature)],
        body,
    };
    case.decide(settings)
}

#[test]
fn a_signed_success_that_ends_in_a_problem_is_reported() {
    let stored = [
        ("DBT_WEBHOOK_SECRET", "secret"),
        ("HIGHTOUCH_API_KEY", "key"),
        ("NOTIFY_URL", "http://127.0.0.1:5000/hook"),
    ];
    let without_end = SUCCESS.replace("2026", "year");
    with_settings(&stored, |settings| {
        for (target, body) in [
            ("/hooks/dbt/1", without_end.as_str()),
            ("/hooks/dbt/1?account=none", SUCCESS),
            ("/hooks/dbt/1?account=N%20O", SUCCESS),
        ] {
            match decide_delivery(target, body, settings).decision {
                Ok(Decision::Report(reported)) => {
                    assert_eq!(reported.dbt_run.as_deref(), Some("7"), "{target}");
                }
                other => panic!("{target}: {other:?}"),
            }
        }
        // A secret is not reported as the name of a sync.
        let decided = decide_delivery("/hooks/dbt/key", SUCCESS, settings);
        assert_eq!(decided.problem(), (400, "invalid-input"));
    });
}

#[test]
fn a_signed_delivery_starts_a_run_within_the_time_of_dbt() {
    let stored = [
        ("DBT_WEBHOOK_SECRET", "other,secret"),
        ("HIGHTOUCH_API_KEY", "key-of-default"),
    ];
    with_settings(&stored, |settings| {
        let decided = decide_delivery("/hooks/dbt/1", SUCCESS, settings);
        assert_eq!(decided.log["request"], "dbt-hook");
        assert_eq!(decided.log["sync"], "1");
        let call = decided.call();
        assert!(
            matches!(&call.work, Work::Hook(sync, Some(run)) if sync.to_string() == "1" && run == "7"),
            "{:?}",
            call.work
        );
        let options = call.options(Duration::from_secs(3));
        assert_eq!(options.max_wait, Duration::from_secs(5));
        assert!(options.unless_since.is_some());
        assert!(call.connection.key.is("key-of-default"));
        assert_eq!(
            call.options(Duration::from_secs(60)).max_wait,
            Duration::ZERO
        );

        let failed = SUCCESS.replace("\"runStatusCode\":10", "\"runStatusCode\":20");
        let decided = decide_delivery("/hooks/dbt/1", &failed, settings);
        assert!(matches!(decided.decision, Ok(Decision::Respond(_))));
        assert_eq!(decided.log["action"], "none");

        let decided = decide_delivery("/hooks/dbt/1", "{", settings);
        assert_eq!(decided.problem(), (400, "invalid-input"));
        let unsigned = Case {
            method: "POST",
            target: "/hooks/dbt/1",
            headers: &[("authorization", "0")],
            body: SUCCESS,
        };
        assert_eq!(
            unsigned.decide(settings).problem(),
            (401, "unauthenticated")
        );
    });
    with_settings(&[], |settings| {
        let decided = decide_delivery("/hooks/dbt/1", SUCCESS, settings);
        assert_eq!(decided.problem(), (500, "not-configured"));
        assert!(!decided.body_was_read);
    });
}
