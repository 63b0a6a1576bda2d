//! Properties of every request, whatever its caller sends.

#![allow(clippy::expect_used, clippy::panic)]

use core::time::Duration;

use serde_json::{Map, Value};

use super::log::Log;
use super::request::Request as HttpRequest;
use super::request::account::Account;
use super::request::body::{self, SyncBody};
use super::request::decision::{Decider, HeadDecision};
use super::request::prefer::Prefer;
use super::request::route::Route;
use super::request::target::Target;
use super::request::warnings;
use super::response::problem::Problem;
use super::settings::fixed::Fixed;
use crate::engine::{
    Action, Event, Failure, Goal, IfRunning, Instant, Operation, Options, RejectedLimit, RunsGoal,
    SequenceGoal, SyncGoal, Warnings,
};
use crate::hightouch::properties::cuts;
use crate::hightouch::{BASE_PATH, Method, Request, Resync, SequenceId, SyncRef, Timestamp};

/// The first line of a request, without its version: `POST /syncs/demo/runs?account=eu`.
pub fn request(bytes: &[u8]) {
    let Ok(line) = core::str::from_utf8(bytes) else {
        return;
    };
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let target = Target::new(target.into());
    route(method, target.path());
    account(&target);
    match warnings::from_query(&target) {
        Ok(read) => {
            let written = Target::new(format!("/?{}", warnings::to_query(read).join("&")));
            let again = warnings::from_query(&written).ok();
            assert_eq!(again, Some(read), "`Location` repeats the options");
        }
        Err(problem) => check_problem(&problem, &[400]),
    }
}

/// The operation of a path, and its requests to Hightouch.
fn route(method: &str, path: &str) {
    let route = match Route::of(method, path) {
        Ok(route) => route,
        Err(problem) => return check_problem(&problem, &[400, 404, 405]),
    };
    match &route {
        Route::Page | Route::Health | Route::OpenApi => {
            assert!(
                matches!(
                    path.trim_start_matches('/'),
                    "" | "healthz" | "openapi.json"
                ),
                "{path:?}"
            );
            assert!(matches!(method, "GET" | "HEAD"), "{method}");
        }
        Route::RunBatch => assert_eq!(method, "POST", "only POST starts a run"),
        Route::Run(sync) => {
            assert_eq!(method, "POST", "only POST starts a run");
            assert_eq!(
                Route::of("POST", &format!("/syncs/{sync}/runs")).ok(),
                Some(Route::Run(sync.clone()))
            );
            check_sync_requests(&SyncGoal::Run(sync.clone()));
        }
        Route::ListRuns(sync) => {
            assert!(matches!(method, "GET" | "HEAD"), "{method}");
            assert_eq!(
                Route::of("GET", &format!("/syncs/{sync}/runs")).ok(),
                Some(Route::ListRuns(sync.clone()))
            );
            let goal = RunsGoal::new(sync.clone(), None).expect("a default limit");
            let request = first_request(goal, Options::default());
            assert_eq!(request.method, Method::Get, "listing runs only reads");
        }
        Route::DbtHook(sync) => {
            assert_eq!(method, "POST", "only POST starts a run");
            assert_eq!(
                Route::of("POST", &format!("/hooks/dbt/{sync}")).ok(),
                Some(Route::DbtHook(sync.clone()))
            );
            check_sync_requests(&SyncGoal::Run(sync.clone()));
        }
        Route::Await(run) => {
            assert!(matches!(method, "GET" | "HEAD"), "{method}");
            let again = format!("/syncs/{}/runs/{}", run.sync, run.run);
            assert_eq!(
                Route::of("GET", &again).ok(),
                Some(Route::Await(*run)),
                "`Location` leads to the same run"
            );
            check_sync_requests(&SyncGoal::Await(*run));
        }
        Route::RunSequence(sequence) => {
            assert_eq!(method, "POST", "only POST starts a run");
            let again = format!("/sync-sequences/{sequence}/runs");
            assert_eq!(
                Route::of("POST", &again).ok(),
                Some(Route::RunSequence(sequence.clone()))
            );
            let goal = SequenceGoal::Run(sequence.clone());
            check_sequence_request(&first_request(goal, Options::default()), sequence.as_str());
        }
        Route::AwaitSequence(run) => {
            assert!(matches!(method, "GET" | "HEAD"), "{method}");
            let again = format!("/sync-sequences/runs/{run}");
            let found = Route::of("GET", &again).ok();
            assert_eq!(
                found,
                Some(Route::AwaitSequence(run.clone())),
                "`Location` leads to the same run"
            );
            let goal = SequenceGoal::Await(run.clone());
            check_sequence_request(&first_request(goal, Options::default()), run.as_str());
        }
    }
}

/// Returns the first request of an operation.
fn first_request<G: Goal>(goal: G, options: Options) -> Request {
    let start = Instant::default();
    match Operation::new(goal, options, start, 1).step(start, Event::Woke) {
        Action::Send { request, .. } => request,
        other => panic!("the operation sends nothing: {other:?}"),
    }
}

/// Checks the requests that an operation on a sync sends.
fn check_sync_requests(goal: &SyncGoal) {
    for if_running in [IfRunning::Queue, IfRunning::Join, IfRunning::Refuse] {
        let options = Options {
            if_running,
            ..Options::default()
        };
        check_sync_request(&first_request(goal.clone(), options), goal);
    }
    let request = match goal {
        SyncGoal::Run(SyncRef::Id(sync)) | SyncGoal::Start(SyncRef::Id(sync)) => {
            let resync = Resync {
                full: true,
                ..Resync::default()
            };
            check_sync_request(&Request::trigger(*sync, resync), goal);
            Request::runs(*sync, usize::MAX, usize::MAX)
        }
        SyncGoal::Run(SyncRef::Slug(slug)) | SyncGoal::Start(SyncRef::Slug(slug)) => {
            Request::syncs_with_slug(slug, usize::MAX, usize::MAX)
        }
        SyncGoal::Await(run) => Request::run(run.sync, run.run, usize::MAX, usize::MAX),
    };
    check_sync_request(&request, goal);
}

/// A target that was parsed.
struct Parsed {
    segments: Vec<String>,
    query: Vec<(String, String)>,
}

/// Parses a target with another library, and checks that it needs no escaping.
fn parse(target: &str) -> Parsed {
    let is_plain_text = |byte: u8| byte.is_ascii_alphanumeric() || b"/?&=-_.".contains(&byte);
    assert!(target.bytes().all(is_plain_text), "{target:?}");
    let read: http::uri::PathAndQuery = target.parse().expect("a path and a query");
    assert_eq!(read.as_str(), target);
    let path = read
        .path()
        .strip_prefix(BASE_PATH)
        .expect("a path of the API");
    let pairs = read.query().into_iter().flat_map(|query| query.split('&'));
    let query: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').expect("a name and a value"))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let parameters = ["limit", "offset", "orderBy", "runId", "slug"];
    assert!(
        query
            .iter()
            .all(|(name, _)| parameters.contains(&name.as_str())),
        "{target}"
    );
    Parsed {
        segments: path.split('/').skip(1).map(Into::into).collect(),
        query,
    }
}

/// Checks that a request to Hightouch contains exactly the IDs, or the slug, of its goal.
fn check_sync_request(request: &Request, goal: &SyncGoal) {
    let Parsed { segments, query } = parse(&request.target);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let values = |name: &str| -> Vec<String> {
        let values = query.iter().filter(|(key, _)| key == name);
        values.map(|(_, value)| value.clone()).collect()
    };
    match (request.method, segments.as_slice(), goal) {
        (Method::Post, ["syncs", id, "trigger"], SyncGoal::Run(SyncRef::Id(sync))) => {
            assert_eq!(*id, sync.to_string());
            assert!(query.is_empty());
        }
        (Method::Get, ["syncs", id, "runs"], SyncGoal::Run(SyncRef::Id(sync))) => {
            assert_eq!(*id, sync.to_string());
        }
        (Method::Get, ["syncs"], SyncGoal::Run(SyncRef::Slug(slug))) => {
            assert_eq!(values("slug"), [slug.as_str()]);
        }
        (Method::Get, ["syncs", id, "runs"], SyncGoal::Await(run)) => {
            assert_eq!(*id, run.sync.to_string());
            assert_eq!(values("runId"), [run.run.to_string()]);
        }
        other => panic!("{other:?}"),
    }
}

/// Checks that a request names exactly this sequence, or this run of a sequence.
fn check_sequence_request(request: &Request, uuid: &str) {
    let Parsed { segments, query } = parse(&request.target);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let expected = match request.method {
        Method::Post => ["sync-sequences", uuid, "trigger"],
        Method::Get => ["sync-sequences", "runs", uuid],
    };
    assert_eq!(segments, expected);
    assert!(query.is_empty());
}

/// The account that the query names.
fn account(target: &Target) {
    let account = match Account::of(target) {
        Ok(Some(account)) => account,
        Ok(None) => return,
        Err(problem) => return check_problem(&problem, &[400]),
    };
    let name = target
        .query("account")
        .ok()
        .flatten()
        .expect("the query names an account");
    assert!(!name.contains('&'));
    assert_eq!(account.as_str(), name);
    let setting = account.setting("HIGHTOUCH_API_KEY");
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
        "each account has a setting of its own"
    );
}

/// The body of a request that starts a run.
pub fn body(bytes: &[u8]) {
    let options = |bytes: &[u8]| match body::read::<SyncBody>(bytes) {
        Ok(body) => Some(body.options()),
        Err(problem) => {
            check_problem(&problem, &[400]);
            None
        }
    };
    let seen = options(bytes);
    assert_eq!(seen, options(bytes), "the result is always the same");
    for spaced in [[bytes, b" \r\n\t"].concat(), [b" \r\n\t", bytes].concat()] {
        assert_eq!(
            seen,
            options(&spaced),
            "blanks around the body do not matter"
        );
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        // After the body is serialized again, it has each field once.
        assert_eq!(
            options(value.to_string().as_bytes()),
            value.as_object().and_then(expected),
            "{value}"
        );
    }
    let Some(seen) = seen else { return };
    if bytes.trim_ascii().is_empty() {
        return assert_eq!(seen, Options::default(), "an empty body has no fields");
    }
    let value: Value = serde_json::from_slice(bytes).expect("an accepted body is JSON");
    assert_eq!(
        Some(seen.clone()),
        value.as_object().and_then(expected),
        "an accepted body is an object of the known fields"
    );
    for cut in cuts(bytes).filter(|cut| !cut.trim_ascii().is_empty()) {
        assert_eq!(
            options(cut),
            None,
            "a truncated body is rejected: {}",
            cut.escape_ascii()
        );
    }
    check_trigger(seen.resync);
}

/// Returns the options of a body whose fields are all known and of the right type.
fn expected(fields: &Map<String, Value>) -> Option<Options> {
    let mut options = Options::default();
    for (name, value) in fields {
        match name.as_str() {
            "fullResync" | "resetCDC" | "clearAndFill" | "acceptWarnings" | "ifRunning"
            | "unlessRunSince"
                if value.is_null() => {}
            "fullResync" => options.resync.full = value.as_bool()?,
            "resetCDC" => options.resync.reset_cdc = value.as_bool()?,
            "clearAndFill" => options.resync.clear_and_fill = value.as_bool()?,
            "acceptWarnings" => options.warnings = expected_warnings(value)?,
            "unlessRunSince" => {
                let time = Timestamp::rfc3339(value.as_str()?)?;
                options.unless_since = Some(time).filter(|time| time.millis() > 0);
                options.unless_since?;
            }
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

/// Returns the meaning of a valid `acceptWarnings`.
fn expected_warnings(value: &Value) -> Option<Warnings> {
    let Some(limit) = value.as_object() else {
        return value.as_bool().map(Warnings::accepted);
    };
    let (mut number, mut percent) = (None, None);
    for (name, value) in limit.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "maxRejected" => number = Some(value.as_u64()?),
            "maxRejectedPercent" => percent = Some(value.as_f64()?),
            _ => return None,
        }
    }
    RejectedLimit::new(number, percent)
        .ok()
        .map(Warnings::Tolerate)
}

/// Checks that the trigger contains the requested flags, and no others.
fn check_trigger(resync: Resync) {
    let sync = 1.try_into().expect("an ID");
    let Some(body) = Request::trigger(sync, resync).body else {
        return assert!(!resync.any());
    };
    let value: Value = serde_json::from_str(&body).expect("JSON");
    let fields = value.as_object().expect("an object");
    assert_eq!(expected(fields).map(|options| options.resync), Some(resync));
    assert!(fields.values().all(|value| *value == true), "{body}");
}

/// The values of `Prefer`, one per line.
pub fn prefer(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let values: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let read = |values: &[String]| Prefer::read(values.iter().map(String::as_str));
    let prefer = read(&values);
    match prefer {
        Prefer::Unspecified => assert_eq!(prefer.applied(), None),
        Prefer::Async => assert_eq!(prefer.wait(), Duration::ZERO),
        Prefer::Wait(seconds) => assert_eq!(prefer.wait(), Duration::from_secs(seconds)),
    }
    assert!(prefer.wait_of_stream() >= prefer.wait());
    if let Some(applied) = prefer.applied() {
        assert!(
            applied.bytes().all(|byte| byte.is_ascii_graphic()),
            "the value is valid in a header: {applied:?}"
        );
        assert_eq!(
            read(&[applied]),
            prefer,
            "the applied preference reads the same"
        );
    }
    let and = |more: &str| read(&[values.as_slice(), &[more.to_owned()]].concat());
    assert_eq!(
        and("return=minimal; wait=7, handling=lenient"),
        prefer,
        "unknown preferences do not matter"
    );
    let first = if matches!(prefer, Prefer::Wait(_)) {
        prefer
    } else {
        Prefer::Wait(7)
    };
    assert_eq!(and("wait=7"), first, "the first of each preference counts");
    if !text.contains('"') {
        assert_eq!(
            read(&[values.join(",")]),
            prefer,
            "two headers read like one"
        );
        if !text.contains('\\') {
            let quoted = format!("handling=\"{text}\", foo; bar=\"{text}\"");
            assert_eq!(
                read(&[quoted]),
                Prefer::Unspecified,
                "a quoted text contains no preferences"
            );
        }
    }
}

/// The settings that limit callers, and a caller: the bearer token, `ENDPOINT_TOKEN`,
/// `ENDPOINT_TOKEN_EU`, `ALLOWED_SYNCS_EU` and the ID of the sync, one per line.
pub fn access(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (token, tokens, account_tokens, list, sync) = (line(), line(), line(), line(), line());
    let sync = sync.parse::<u64>().unwrap_or(1).max(1);
    let settings = [
        ("ENDPOINT_TOKEN", tokens),
        ("ENDPOINT_TOKEN_EU", account_tokens),
        ("ALLOWED_SYNCS_EU", list),
        ("HIGHTOUCH_API_KEY", "key-of-default"),
        ("HIGHTOUCH_API_KEY_EU", "key-of-eu"),
    ];
    for (query, is_account) in [("", false), ("?account=eu", true)] {
        let request = HttpRequest {
            method: "POST",
            target: Target::new(format!("/syncs/{sync}/runs{query}")),
            headers: vec![("authorization".into(), format!("Bearer {token}"))],
        };
        let contains = |values: &str| {
            let mut values = values.split(',').map(str::trim_ascii);
            values.any(|value| !value.is_empty() && value == token.trim_ascii())
        };
        let is_only_separators = |text: &str| !is_blank(text) && text.split(',').all(is_blank);
        let expected = if tokens.split(',').all(is_blank) {
            Some(500)
        } else if !(contains(tokens) || is_account && contains(account_tokens)) {
            Some(401)
        } else if is_account && is_only_separators(account_tokens) {
            Some(500)
        } else if is_account {
            allowed(list, sync)
        } else {
            None
        };
        for settings in &Fixed::of_each_source(&settings) {
            let mut log = Log::default();
            let mut decider = Decider {
                request: &request,
                settings,
                log: &mut log,
            };
            match (decider.by_head(), expected) {
                (Ok(HeadDecision::ReadBody(_)), None) => {}
                (Err(problem), Some(status)) => check_problem(&problem, &[status]),
                (decision, expected) => panic!("{query}: {expected:?}, not {decision:?}"),
            }
        }
    }
}

/// Returns the status of the problem for this sync; `None` if the list allows the sync.
fn allowed(list: &str, sync: u64) -> Option<u16> {
    if is_blank(list) {
        return None;
    }
    let mut has_sync = false;
    let entries = || {
        list.split(',')
            .map(str::trim_ascii)
            .filter(|entry| !entry.is_empty())
    };
    for entry in entries() {
        let is_number = entry.bytes().all(|byte| byte.is_ascii_digit());
        match entry.parse::<u64>() {
            Ok(id) if is_number && id > 0 => has_sync |= id == sync,
            _ if entry.parse::<SequenceId>().is_ok() => {}
            _ => return Some(500),
        }
    }
    match entries().next() {
        None => Some(500),
        Some(_) if has_sync => None,
        Some(_) => Some(403),
    }
}

fn is_blank(text: &str) -> bool {
    text.trim_ascii().is_empty()
}

/// Checks the status of a problem, the length of its message, and that the message is complete.
fn check_problem(problem: &Problem, statuses: &[u16]) {
    assert!(statuses.contains(&problem.status), "{problem:?}");
    let view = serde_json::to_value(problem).expect("JSON");
    let detail = view
        .get("detail")
        .and_then(Value::as_str)
        .unwrap_or_default();
    assert!(
        !detail.is_empty() && detail.len() <= Failure::MAX_TEXT,
        "{} bytes: {detail}",
        detail.len()
    );
    assert!(
        detail.ends_with("Nothing was sent to Hightouch."),
        "{detail}"
    );
}
