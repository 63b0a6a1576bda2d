//! Holds what a caller was told against the truth.

use std::fmt;

use super::caller::Caller;
use super::jobs::{expected, told, verdict};
use super::story::{Answer, Story};
use super::truth::Truth;
use crate::local_hightouch::{Mishap, RunSnapshot, Status};

/// How a story ended that is true.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// With a report of a success, or of a warning that was accepted.
    Succeeded(&'static str),
    /// With the run's own failure.
    Failed(&'static str),
    /// Without a run, and the caller was told so.
    NotStarted,
    /// With a run that the caller was told of, or of which it was told that it may be there.
    Unconfirmed {
        /// Whether there is one.
        run: bool,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded(status) => write!(out, "report: {status}"),
            Self::Failed(status) => write!(out, "sync-failed: {status}"),
            Self::NotStarted => out.write_str("not started, and told so"),
            Self::Unconfirmed { run: true } => out.write_str("trigger-unconfirmed, with a run"),
            Self::Unconfirmed { run: false } => out.write_str("trigger-unconfirmed, without a run"),
        }
    }
}

/// Holds a caller's story against the truth.
///
/// # Errors
/// Everything that is not true in it, a sentence each.
pub fn check(caller: &Caller, story: &Story, truth: &Truth) -> Result<Ending, Vec<String>> {
    let mut wrong = Vec::new();
    every_request_is_the_callers(caller, truth, &mut wrong);
    every_answer_names_the_run(caller, story, truth, &mut wrong);
    if truth.runs.len() > 1 {
        wrong.push(format!(
            "{} runs were started for one caller",
            truth.runs.len()
        ));
    }
    let ending = ending(caller, story, truth, &mut wrong);
    match ending {
        Some(ending) if wrong.is_empty() => Ok(ending),
        _ => Err(wrong),
    }
}

fn every_request_is_the_callers(caller: &Caller, truth: &Truth, wrong: &mut Vec<String>) {
    let trace = caller.trace();
    for request in &truth.requests {
        if let Some(other) = request
            .header("traceparent")
            .filter(|other| *other != trace)
        {
            wrong.push(format!(
                "a request for its sync came with another trace: {other}"
            ));
        }
    }
    for request in &truth.strays {
        wrong.push(format!(
            "a request with its trace went elsewhere: {} {}",
            request.method, request.path
        ));
    }
}

fn every_answer_names_the_run(
    caller: &Caller,
    story: &Story,
    truth: &Truth,
    wrong: &mut Vec<String>,
) {
    let mut sent = 0;
    for exchange in &story.exchanges {
        let request = &exchange.request;
        let answer = match &exchange.answer {
            Ok(answer) => answer,
            Err(error) => {
                wrong.push(format!("{request} got no answer: {error}"));
                continue;
            }
        };
        sent += answer.number("requests").unwrap_or_default();
        if answer
            .number("syncId")
            .is_some_and(|sync| sync != caller.sync.id)
        {
            wrong.push(format!("{request} was told of another sync"));
        }
        if let Some(run) = answer.number("runId")
            && truth.runs.iter().all(|real| real.id != run)
        {
            wrong.push(format!(
                "{request} was told of run {run}, which is none of its sync's"
            ));
        }
    }
    let arrived = u64::try_from(truth.requests.len()).unwrap_or(u64::MAX);
    // The last request before the end of a wait may be given up before it arrives. Who was told how the run ended had none such.
    let waited_in_vain = |answer: &&Answer| !matches!(answer.status, 200 | 424);
    let given_up = story
        .exchanges
        .iter()
        .filter_map(|one| one.answer.as_ref().ok())
        .filter(waited_in_vain)
        .count();
    if sent < arrived || sent > arrived.saturating_add(u64::try_from(given_up).unwrap_or(u64::MAX))
    {
        wrong.push(format!(
            "{sent} requests to Hightouch were reported, {arrived} arrived"
        ));
    }
}

fn ending(
    caller: &Caller,
    story: &Story,
    truth: &Truth,
    wrong: &mut Vec<String>,
) -> Option<Ending> {
    let Some(answer) = story.last() else {
        wrong.push("it was told nothing".into());
        return None;
    };
    match (answer.status, answer.text("kind"), truth.runs.first()) {
        (200, None, Some(run)) => {
            end_of_run(caller, answer, run, true, wrong).map(Ending::Succeeded)
        }
        (424, Some("sync-failed"), Some(run)) => {
            end_of_run(caller, answer, run, false, wrong).map(Ending::Failed)
        }
        (502, Some("trigger-unconfirmed"), run) => unconfirmed(answer, run, truth, wrong),
        (502 | 503, Some("api" | "unreachable" | "malformed-answer"), None) => {
            not_started(truth, wrong)
        }
        (status, kind, run) => {
            let kind = kind.map(|kind| format!(" {kind}")).unwrap_or_default();
            let run = run.map_or_else(
                || "there is no run".into(),
                |run| format!("there is run {}", run.id),
            );
            wrong.push(format!("its last answer is {status}{kind}, and {run}"));
            None
        }
    }
}

/// It was told that the run ended, well or not.
fn end_of_run(
    caller: &Caller,
    answer: &Answer,
    run: &RunSnapshot,
    well: bool,
    wrong: &mut Vec<String>,
) -> Option<&'static str> {
    let mut hold = |held: bool, sentence: &dyn Fn() -> String| {
        if !held {
            wrong.push(sentence());
        }
    };
    hold(answer.number("runId") == Some(run.id), &|| {
        format!("its last answer does not name run {}", run.id)
    });
    hold(answer.number("syncId") == Some(caller.sync.id), &|| {
        "its last answer does not name its sync".into()
    });
    hold(run.jobs.iter().all(|job| job.has_ended()), &|| {
        "its run has not ended".into()
    });
    let (worst, good) = verdict(caller);
    let worst = worst.map(Status::as_str)?;
    hold(good == well, &|| {
        format!(
            "its run ended as {worst}, and it was told {}",
            answer.status
        )
    });
    if well {
        hold(answer.text("status") == Some(worst), &|| {
            format!("its run ended as {worst}, and the report says otherwise")
        });
    }
    let (expected, told) = (expected(caller, run), told(&answer.body));
    hold(told == expected, &|| {
        format!("its jobs are {expected:?}, it was told {told:?}")
    });
    let finished = answer
        .body
        .get("jobs")
        .and_then(|jobs| jobs.as_array())
        .map(|jobs| {
            jobs.iter().any(|job| {
                job.get("finishedAt").and_then(|at| at.as_str()) == run.finished_at.as_deref()
            })
        });
    hold(finished == Some(true), &|| {
        format!(
            "its first job ended at {:?}, and it was not told so",
            run.finished_at
        )
    });
    Some(worst)
}

/// It was told that its run may have been started or not.
fn unconfirmed(
    answer: &Answer,
    run: Option<&RunSnapshot>,
    truth: &Truth,
    wrong: &mut Vec<String>,
) -> Option<Ending> {
    if !truth.mishaps_of_triggers().any(Mishap::hides_a_run) {
        wrong.push("nothing happened to its trigger that would hide a run".into());
    }
    if let Some(run) = run {
        let id = run.id.to_string();
        let details = answer.text("details").unwrap_or_default();
        let named = answer.number("runId") == Some(run.id)
            || details
                .split(|c: char| !c.is_ascii_digit())
                .any(|number| number == id);
        // Who never got to see the list cannot name what is in it.
        if !named && truth.list_was_shown() {
            wrong.push(format!("run {id} was started and is not named"));
        }
    }
    Some(Ending::Unconfirmed { run: run.is_some() })
}

/// It was told that no run was started, and there is none.
fn not_started(truth: &Truth, wrong: &mut Vec<String>) -> Option<Ending> {
    if truth.mishaps_of_triggers().next().is_none() {
        wrong.push("nothing happened to its trigger, and yet it has no run".into());
    }
    Some(Ending::NotStarted)
}
