//! `POST /runs`: several syncs at once.

use core::time::Duration;

use super::again;
use super::json::{Object, View};
use super::log::Log;
use super::presenter::Presenter;
use super::problem::Problem;
use super::response::Response;
use crate::calls::millis;
use crate::engine::{Failure, FailureKind, Outcome, Report};
use crate::hightouch::{RunRef, SyncRef};

/// What came of all of them.
struct Several<'a> {
    runs: Vec<One<'a>>,
    succeeded: u64,
    running: u64,
    failed: u64,
    requests: u64,
    elapsed: Duration,
}

/// What came of one.
struct One<'a> {
    sync: SyncRef,
    end: End,
    teller: &'a Presenter,
}

enum End {
    Succeeded(Report),
    /// The wait is over and the run is not.
    Running(Report),
    Failed(Problem),
}

/// The answer: 200 where all have succeeded, 424 as soon as one has failed, and 202 where none has and some are still going. Where the key was
/// refused for all of them it is what any other request gets.
pub(super) fn answer(
    syncs: Vec<SyncRef>,
    mut outcomes: Vec<Outcome>,
    teller: &Presenter,
    elapsed: Duration,
    log: &mut Log,
) -> Response {
    let mut several = Several {
        runs: Vec::new(),
        succeeded: 0,
        running: 0,
        failed: 0,
        requests: 0,
        elapsed,
    };
    let (mut names, mut ids) = (String::new(), String::new());
    for (sync, outcome) in syncs.iter().zip(&outcomes) {
        add(&mut names, sync);
        match run_of(outcome) {
            Some(run) => add(&mut ids, &run.run),
            None => add(&mut ids, &"-"),
        }
        several.requests += u64::from(match outcome {
            Ok(Report::Sync(report)) => report.requests,
            Ok(Report::Sequence(report)) => report.requests,
            Err(failure) => failure.requests,
        });
    }
    log.requests = several.requests;
    (log.sync, log.runs) = (Some(names), Some(ids));
    let refused = |outcome: &Outcome| matches!(outcome, Err(failure) if failure.kind == FailureKind::Unauthorized && failure.report.is_none());
    if outcomes.iter().all(refused)
        && let Some(Err(mut failure)) = outcomes.pop()
    {
        failure.requests = u32::try_from(several.requests).unwrap_or(u32::MAX);
        let problem = teller.problem(failure);
        log.problem(&problem);
        return problem.into();
    }
    // How long Hightouch asked to be left alone, of those that still run the longest.
    let mut asked = None;
    for (sync, outcome) in syncs.into_iter().zip(outcomes) {
        let end = match outcome {
            Ok(standing) => End::Succeeded(standing),
            Err(failure) => {
                let retry_after = failure.retry_after;
                match still_running(failure) {
                    Ok(standing) => {
                        asked = asked.max(retry_after);
                        End::Running(standing)
                    }
                    Err(failure) => End::Failed(teller.problem(failure)),
                }
            }
        };
        let count = match end {
            End::Succeeded(_) => &mut several.succeeded,
            End::Running(_) => &mut several.running,
            End::Failed(_) => &mut several.failed,
        };
        *count += 1;
        if let End::Failed(problem) = &end {
            log.problem(problem);
        }
        several.runs.push(One { sync, end, teller });
    }
    log.ends = Some((several.succeeded, several.running, several.failed));
    match (several.failed, several.running) {
        (0, 0) => Response::json(200, &several),
        (0, _) => Response::json(202, &several).with(
            "retry-after",
            again::seconds(again::come_back(elapsed, asked)),
        ),
        _ => Response::json(424, &several),
    }
}

/// Adds to a list for the log.
fn add(list: &mut String, what: &dyn core::fmt::Display) {
    *list += if list.is_empty() { "" } else { "," };
    *list += &what.to_string();
}

/// The run, where it is known.
fn run_of(outcome: &Outcome) -> Option<RunRef> {
    match outcome {
        Ok(Report::Sync(report)) => Some(report.run),
        Ok(Report::Sequence(_)) => None,
        Err(failure) => failure.report.as_ref().map(|report| report.run),
    }
}

/// The run of a failure that only says that the wait was over before it.
fn still_running(mut failure: Failure) -> Result<Report, Failure> {
    if failure.kind == FailureKind::StillRunning
        && let Some(standing) = failure.take_standing()
    {
        return Ok(standing);
    }
    Err(failure)
}

impl View for Several<'_> {
    fn fields(&self, object: &mut Object<'_>) {
        object.whole("succeeded", self.succeeded);
        object.whole("running", self.running);
        object.whole("failed", self.failed);
        object.list("runs", &mut self.runs.iter().map(|run| run as &dyn View));
        object.whole("requests", self.requests);
        object.whole("elapsedMs", millis(self.elapsed));
    }
}

impl View for One<'_> {
    fn fields(&self, object: &mut Object<'_>) {
        match &self.sync {
            SyncRef::Id(id) => object.whole("sync", id.get()),
            SyncRef::Slug(slug) => object.text("sync", slug.as_str()),
        }
        match &self.end {
            End::Succeeded(standing) => object.object("report", &self.teller.view(standing)),
            End::Running(standing) => {
                object.object("report", &self.teller.view(standing));
                object.text("location", &self.teller.location(standing));
            }
            End::Failed(problem) => object.object("problem", problem),
        }
    }
}
