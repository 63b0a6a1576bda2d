//! Checks a caller's record against the runs in the local Hightouch.

use std::fmt;

use super::actual::Actual;
use super::caller::{Caller, KEY_MARK};
use super::jobs::{expected, reported, verdict};
use super::record::{Record, Response};
use crate::local_hightouch::{Mishap, RunSnapshot, Status};

/// The correct ending of a caller's conversation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// A report of a success, or of an accepted warning.
    Succeeded(&'static str),
    /// The failure of its run.
    Failed(&'static str),
    /// A failure that says that no run was started.
    NotStarted,
    /// A failure that says that a run may have been started, or one that names a run whose result
    /// is unknown.
    Unconfirmed {
        /// Whether there is a run.
        run: bool,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded(status) => write!(out, "report: {status}"),
            Self::Failed(status) => write!(out, "sync-failed: {status}"),
            Self::NotStarted => out.write_str("not started, and reported as such"),
            Self::Unconfirmed { run: true } => out.write_str("trigger-unconfirmed, with a run"),
            Self::Unconfirmed { run: false } => out.write_str("trigger-unconfirmed, without a run"),
        }
    }
}

/// Checks a caller's record.
///
/// # Errors
/// Returns a sentence for each wrong statement that the caller received.
pub fn check(caller: &Caller, record: &Record, actual: &Actual) -> Result<Ending, Vec<String>> {
    let mut wrong = Vec::new();
    every_request_is_the_callers(caller, actual, &mut wrong);
    every_response_names_the_run(caller, record, actual, &mut wrong);
    if actual.runs.len() > 1 {
        wrong.push(format!(
            "{} runs were started for one caller",
            actual.runs.len()
        ));
    }
    let ending = ending(caller, record, actual, &mut wrong);
    match ending {
        Some(ending) if wrong.is_empty() => Ok(ending),
        _ => Err(wrong),
    }
}

fn every_request_is_the_callers(caller: &Caller, actual: &Actual, wrong: &mut Vec<String>) {
    let trace = caller.trace();
    for request in &actual.requests {
        if let Some(other) = request
            .header("traceparent")
            .filter(|other| *other != trace)
        {
            wrong.push(format!("a request for its sync has another trace: {other}"));
        }
        if request.further_key != Some(caller.index) {
            wrong.push("a request for its sync has another caller's key".into());
        }
    }
    for request in &actual.strays {
        wrong.push(format!(
            "a request with its trace is for another object: {} {}",
            request.method, request.path
        ));
    }
}

fn every_response_names_the_run(
    caller: &Caller,
    record: &Record,
    actual: &Actual,
    wrong: &mut Vec<String>,
) {
    let mut sent = 0;
    for exchange in &record.exchanges {
        let request = &exchange.request;
        let response = match &exchange.response {
            Ok(response) => response,
            Err(error) => {
                wrong.push(format!("{request} received no response: {error}"));
                continue;
            }
        };
        if response.body.to_string().contains(KEY_MARK) {
            wrong.push(format!("{request} received an API key"));
        }
        let own = format!("/syncs/{}/runs/", caller.sync.id);
        if let Some(location) = &response.location
            && !location.starts_with(&own)
        {
            wrong.push(format!("{request} received the location {location}"));
        }
        sent += response.number("requests").unwrap_or_default();
        if response
            .number("syncId")
            .is_some_and(|sync| sync != caller.sync.id)
        {
            wrong.push(format!("{request} received a response about another sync"));
        }
        if let Some(run) = response.number("runId")
            && actual.runs.iter().all(|real| real.id != run)
        {
            wrong.push(format!(
                "{request} received run {run}, which is not a run of its sync"
            ));
        }
    }
    let arrived = u64::try_from(actual.requests.len()).unwrap_or(u64::MAX);
    // A timeout can cancel the last request before it arrives. This cannot happen to a caller that
    // received the run's result.
    let may_have_timed_out = |response: &&Response| !matches!(response.status, 200 | 424);
    let timed_out = record
        .exchanges
        .iter()
        .filter_map(|one| one.response.as_ref().ok())
        .filter(may_have_timed_out)
        .count();
    if sent < arrived || sent > arrived.saturating_add(u64::try_from(timed_out).unwrap_or(u64::MAX))
    {
        wrong.push(format!(
            "{sent} requests to Hightouch were reported, {arrived} arrived"
        ));
    }
}

fn ending(
    caller: &Caller,
    record: &Record,
    actual: &Actual,
    wrong: &mut Vec<String>,
) -> Option<Ending> {
    let Some(response) = record.last() else {
        wrong.push("it received no response".into());
        return None;
    };
    match (response.status, response.text("kind"), actual.runs.first()) {
        (200, None, Some(run)) => {
            end_of_run(caller, response, run, true, wrong).map(Ending::Succeeded)
        }
        (424, Some("sync-failed"), Some(run)) => {
            end_of_run(caller, response, run, false, wrong).map(Ending::Failed)
        }
        (502, Some("trigger-unconfirmed"), run) => unconfirmed(response, run, actual, wrong),
        (502 | 503, Some("api" | "unreachable" | "malformed-answer"), None) => {
            not_started(actual, wrong)
        }
        (status, kind, run) => {
            let kind = kind.map(|kind| format!(" {kind}")).unwrap_or_default();
            let run = run.map_or_else(
                || "there is no run".into(),
                |run| format!("there is run {}", run.id),
            );
            wrong.push(format!("its last response is {status}{kind}, but {run}"));
            None
        }
    }
}

/// Checks a response that says that the run ended.
fn end_of_run(
    caller: &Caller,
    response: &Response,
    run: &RunSnapshot,
    well: bool,
    wrong: &mut Vec<String>,
) -> Option<&'static str> {
    let mut expect = |is_correct: bool, sentence: &dyn Fn() -> String| {
        if !is_correct {
            wrong.push(sentence());
        }
    };
    expect(response.number("runId") == Some(run.id), &|| {
        format!("its last response does not name run {}", run.id)
    });
    expect(response.number("syncId") == Some(caller.sync.id), &|| {
        "its last response does not name its sync".into()
    });
    expect(run.jobs.iter().all(|job| job.has_ended()), &|| {
        "its run has not ended".into()
    });
    let (worst, good) = verdict(caller);
    let worst = worst.map(Status::as_str)?;
    expect(good == well, &|| {
        format!(
            "its run ended as {worst}, but the status is {}",
            response.status
        )
    });
    if well {
        expect(response.text("status") == Some(worst), &|| {
            format!("its run ended as {worst}, but the report has another status")
        });
    }
    let (expected, reported) = (expected(caller, run), reported(&response.body));
    expect(reported == expected, &|| {
        format!("its jobs are {expected:?}, but the report has {reported:?}")
    });
    let finished = response
        .body
        .get("jobs")
        .and_then(|jobs| jobs.as_array())
        .map(|jobs| {
            jobs.iter().any(|job| {
                job.get("finishedAt").and_then(|at| at.as_str()) == run.finished_at.as_deref()
            })
        });
    expect(finished == Some(true), &|| {
        format!(
            "its first job ended at {:?}, but the report does not contain this time",
            run.finished_at
        )
    });
    Some(worst)
}

/// Checks a response that says that a run may or may not have been started.
fn unconfirmed(
    response: &Response,
    run: Option<&RunSnapshot>,
    actual: &Actual,
    wrong: &mut Vec<String>,
) -> Option<Ending> {
    if !actual.mishaps_of_triggers().any(Mishap::hides_a_run) {
        wrong.push("no failure of its trigger explains why the run is unknown".into());
    }
    if let Some(run) = run {
        let id = run.id.to_string();
        let details = response.text("details").unwrap_or_default();
        let named = response.number("runId") == Some(run.id)
            || details
                .split(|c: char| !c.is_ascii_digit())
                .any(|number| number == id);
        // A caller that never received the list cannot name a run in it.
        if !named && actual.list_was_shown() {
            wrong.push(format!(
                "run {id} was started, but the response does not name it"
            ));
        }
    }
    Some(Ending::Unconfirmed { run: run.is_some() })
}

/// Checks a response that says that no run was started.
fn not_started(actual: &Actual, wrong: &mut Vec<String>) -> Option<Ending> {
    if actual.mishaps_of_triggers().next().is_none() {
        wrong.push("its trigger did not fail, but it has no run".into());
    }
    Some(Ending::NotStarted)
}
