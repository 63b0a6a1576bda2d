//! What holds of every request, whatever its caller sends.

#![allow(clippy::expect_used, clippy::panic)]

use core::time::Duration;

use serde_json::{Map, Value};

use super::account::Account;
use super::call;
use super::prefer::Prefer;
use super::problem::Problem;
use super::route::Route;
use super::target::Target;
use crate::engine::{Action, Event, Failure, Goal, IfRunning, Instant, Operation, Options};
use crate::hightouch::{BASE_PATH, Method, Request, Resync, SyncRef};
use crate::properties::cuts;

/// The first line of a request, less its version: `POST /syncs/demo/runs?account=eu`.
pub fn request(bytes: &[u8]) {
    let Ok(line) = core::str::from_utf8(bytes) else {
        return;
    };
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let target = Target::new(target.into());
    route(method, target.path());
    account(&target);
    if let Err(problem) = target.flag("acceptWarnings") {
        refused(&problem, &[400]);
    }
}

/// What a path leads to, and what goes out to Hightouch for it.
fn route(method: &str, path: &str) {
    let route = match Route::of(method, path) {
        Ok(route) => route,
        Err(problem) => return refused(&problem, &[400, 404, 405]),
    };
    let goal = match &route {
        Route::Health | Route::OpenApi => {
            assert!(
                matches!(path.trim_start_matches('/'), "healthz" | "openapi.json"),
                "{path:?}"
            );
            return assert!(matches!(method, "GET" | "HEAD"), "{method}");
        }
        Route::RunSeveral => return assert_eq!(method, "POST", "only a POST starts anything"),
        Route::Run(sync) => {
            assert_eq!(method, "POST", "only a POST starts anything");
            assert_eq!(
                Route::of("POST", &format!("/syncs/{sync}/runs")).ok(),
                Some(Route::Run(sync.clone()))
            );
            Goal::Run(sync.clone())
        }
        Route::DbtHook(sync) => {
            assert_eq!(method, "POST", "only a POST starts anything");
            assert_eq!(
                Route::of("POST", &format!("/hooks/dbt/{sync}")).ok(),
                Some(Route::DbtHook(sync.clone()))
            );
            Goal::Run(sync.clone())
        }
        Route::Await(run) => {
            assert!(matches!(method, "GET" | "HEAD"), "{method}");
            let again = format!("/syncs/{}/runs/{}", run.sync, run.run);
            assert_eq!(
                Route::of("GET", &again).ok(),
                Some(Route::Await(*run)),
                "where Location leads is the same run"
            );
            Goal::Await(*run)
        }
        Route::RunSequence(sequence) => {
            assert_eq!(method, "POST", "only a POST starts anything");
            let again = format!("/sync-sequences/{sequence}/runs");
            assert_eq!(
                Route::of("POST", &again).ok(),
                Some(Route::RunSequence(sequence.clone()))
            );
            Goal::RunSequence(sequence.clone())
        }
        Route::AwaitSequence(run) => {
            assert!(matches!(method, "GET" | "HEAD"), "{method}");
            let again = format!("/sync-sequences/runs/{run}");
            let found = Route::of("GET", &again).ok();
            assert_eq!(
                found,
                Some(Route::AwaitSequence(run.clone())),
                "where Location leads is the same run"
            );
            Goal::AwaitSequence(run.clone())
        }
    };
    for if_running in [IfRunning::Queue, IfRunning::Join, IfRunning::Refuse] {
        let options = Options {
            if_running,
            ..Options::default()
        };
        let start = Instant::default();
        let Action::Send { request, .. } =
            Operation::new(goal.clone(), options, start, 1).step(start, Event::Woke)
        else {
            panic!("what may be asked for is asked for: {goal:?}");
        };
        sent(&request, &goal);
    }
    match goal {
        Goal::Run(SyncRef::Id(sync)) | Goal::Start(SyncRef::Id(sync)) => {
            sent(&Request::runs(sync, usize::MAX, usize::MAX), &goal);
            sent(
                &Request::trigger(
                    sync,
                    Resync {
                        full: true,
                        ..Resync::default()
                    },
                ),
                &goal,
            );
        }
        Goal::Run(SyncRef::Slug(ref slug)) | Goal::Start(SyncRef::Slug(ref slug)) => {
            sent(
                &Request::syncs_with_slug(slug, usize::MAX, usize::MAX),
                &goal,
            );
        }
        Goal::Await(run) => sent(
            &Request::run(run.sync, run.run, usize::MAX, usize::MAX),
            &goal,
        ),
        // The first request is the only one of its kind.
        Goal::RunSequence(_) | Goal::StartSequence(_) | Goal::AwaitSequence(_) => {}
    }
}

/// A request goes to the one place that its goal names: nothing in it leads elsewhere, or ends it early.
fn sent(request: &Request, goal: &Goal) {
    let target = request.target.as_str();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?&=-_.".contains(&byte);
    assert!(target.bytes().all(plain), "{target:?}");
    let read: http::uri::PathAndQuery = target.parse().expect("a path and a query");
    assert_eq!(read.as_str(), target);
    let path = read
        .path()
        .strip_prefix(BASE_PATH)
        .expect("a path of the API");
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let query = read.query().map(|query| {
        query
            .split('&')
            .map(|pair| pair.split_once('='))
            .collect::<Vec<_>>()
    });
    let named = |name| {
        let values = query
            .iter()
            .flatten()
            .flatten()
            .filter(|(key, _)| *key == name);
        values
            .map(|(_, value)| (*value).to_owned())
            .collect::<Vec<_>>()
    };
    match (request.method, segments.as_slice(), goal) {
        (Method::Post, ["syncs", id, "trigger"], Goal::Run(SyncRef::Id(sync))) => {
            assert_eq!(*id, sync.to_string());
            assert_eq!(query, None);
        }
        (Method::Get, ["syncs", id, "runs"], Goal::Run(SyncRef::Id(sync))) => {
            assert_eq!(*id, sync.to_string())
        }
        (Method::Get, ["syncs"], Goal::Run(SyncRef::Slug(slug))) => {
            assert_eq!(named("slug"), [slug.as_str()])
        }
        (Method::Get, ["syncs", id, "runs"], Goal::Await(run)) => {
            assert_eq!(*id, run.sync.to_string());
            assert_eq!(named("runId"), [run.run.to_string()]);
        }
        (Method::Post, ["sync-sequences", id, "trigger"], Goal::RunSequence(sequence)) => {
            assert_eq!((*id, query.as_ref()), (sequence.as_str(), None));
        }
        (Method::Get, ["sync-sequences", "runs", id], Goal::AwaitSequence(run)) => {
            assert_eq!((*id, query.as_ref()), (run.as_str(), None));
        }
        other => panic!("{other:?}"),
    }
    let parameters = ["limit", "offset", "orderBy", "runId", "slug"];
    for pair in query.into_iter().flatten() {
        assert!(
            pair.is_some_and(|(name, _)| parameters.contains(&name)),
            "{target}"
        );
    }
}

/// The account that is asked for.
fn account(target: &Target) {
    let account = match Account::of(target) {
        Ok(Some(account)) => account,
        Ok(None) => return,
        Err(problem) => return refused(&problem, &[400]),
    };
    let name = target
        .query("account")
        .ok()
        .flatten()
        .expect("an account that is named");
    assert!(!name.contains('&'));
    assert_eq!(account.as_str(), name);
    let setting = account.named("HIGHTOUCH_API_KEY");
    assert!(
        setting
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'),
        "{setting}"
    );
    let back = setting
        .strip_prefix("HIGHTOUCH_API_KEY_")
        .map(str::to_ascii_lowercase);
    assert_eq!(
        back.as_deref(),
        Some(name),
        "no two accounts have one setting"
    );
}

/// The body of a request that starts a run.
pub fn body(bytes: &[u8]) {
    let options = |bytes: &[u8]| match call::read(bytes, call::OF_SYNC) {
        Ok(options) => Some(options),
        Err(problem) => {
            refused(&problem, &[400]);
            None
        }
    };
    let seen = options(bytes);
    assert_eq!(seen, options(bytes), "what is read twice is equal");
    for spaced in [[bytes, b" \r\n\t"].concat(), [b" \r\n\t", bytes].concat()] {
        assert_eq!(seen, options(&spaced), "blanks around it mean nothing");
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        // Written anew, it has no field twice.
        assert_eq!(
            options(value.to_string().as_bytes()),
            value.as_object().and_then(asked),
            "{value}"
        );
    }
    let Some(seen) = seen else { return };
    if bytes.trim_ascii().is_empty() {
        return assert_eq!(
            seen,
            Options::default(),
            "who says nothing asks for nothing"
        );
    }
    let value: Value = serde_json::from_slice(bytes).expect("what is taken is JSON");
    assert_eq!(
        Some(seen),
        value.as_object().and_then(asked),
        "what is taken is an object of the known fields"
    );
    for cut in cuts(bytes).filter(|cut| !cut.trim_ascii().is_empty()) {
        assert_eq!(
            options(cut),
            None,
            "what was cut is refused: {}",
            cut.escape_ascii()
        );
    }
    sent_along(seen.resync);
}

/// What a body asks for, if all of its fields are known and of the right type.
fn asked(fields: &Map<String, Value>) -> Option<Options> {
    let mut options = Options::default();
    for (name, value) in fields {
        match name.as_str() {
            "fullResync" => options.resync.full = value.as_bool()?,
            "resetCDC" => options.resync.reset_cdc = value.as_bool()?,
            "clearAndFill" => options.resync.clear_and_fill = value.as_bool()?,
            "acceptWarnings" => options.accept_warnings = value.as_bool()?,
            "ifRunning" => {
                options.if_running = match value.as_str()? {
                    "queue" => IfRunning::Queue,
                    "join" => IfRunning::Join,
                    "refuse" => IfRunning::Refuse,
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    Some(options)
}

/// What goes out for it says the same, and nothing that was not asked for.
fn sent_along(resync: Resync) {
    let sync = 1.try_into().expect("an ID");
    let Some(body) = Request::trigger(sync, resync).body else {
        return assert!(!resync.any());
    };
    let value: Value = serde_json::from_str(&body).expect("JSON");
    let fields = value.as_object().expect("an object");
    assert_eq!(asked(fields).map(|options| options.resync), Some(resync));
    assert!(fields.values().all(|value| *value == true), "{body}");
}

/// The values of `Prefer`, one a line.
pub fn prefer(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let values: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let prefer = Prefer::read(&values);
    match prefer {
        Prefer::Unsaid => assert_eq!(prefer.applied(), None),
        Prefer::Async => assert_eq!(prefer.wait(), Duration::ZERO),
        Prefer::Wait(seconds) => assert_eq!(prefer.wait(), Duration::from_secs(seconds)),
    }
    assert!(prefer.wait_of_stream() >= prefer.wait());
    if let Some(applied) = prefer.applied() {
        assert!(
            applied.bytes().all(|byte| byte.is_ascii_graphic()),
            "it can stand in a header: {applied:?}"
        );
        assert_eq!(
            Prefer::read(&[applied]),
            prefer,
            "what is said to be applied reads as that"
        );
    }
    let and = |more: &str| Prefer::read(&[values.as_slice(), &[more.to_owned()]].concat());
    assert_eq!(
        and("return=minimal; wait=7, handling=lenient"),
        prefer,
        "what is unknown here changes nothing"
    );
    let first = if matches!(prefer, Prefer::Wait(_)) {
        prefer
    } else {
        Prefer::Wait(7)
    };
    assert_eq!(and("wait=7"), first, "the first of each counts");
    if !text.contains('"') {
        assert_eq!(
            Prefer::read(&[values.join(",")]),
            prefer,
            "a header in two lines is the same as in one"
        );
        if !text.contains('\\') {
            let quoted = format!("handling=\"{text}\", foo; bar=\"{text}\"");
            assert_eq!(
                Prefer::read(&[quoted]),
                Prefer::Unsaid,
                "what is quoted is nobody's preference"
            );
        }
    }
}

/// A problem says no more than it may, whatever the caller sent.
fn refused(problem: &Problem, statuses: &[u16]) {
    assert!(statuses.contains(&problem.status), "{problem:?}");
    let view = problem.json();
    let detail = view
        .get("detail")
        .and_then(Value::as_str)
        .unwrap_or_default();
    assert!(
        !detail.is_empty() && detail.len() <= Failure::DETAILS,
        "{} bytes: {detail}",
        detail.len()
    );
}
