//! From a request to its answer.

use core::time::Duration;

use waki::bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};

use super::answer::Answer;
use super::caller::Caller;
use super::prefer::Prefer;
use super::problem::Problem;
use super::route::Route;
use super::{call, panic, report, settings};
use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::engine::{ANSWER_WAIT, FailureKind, Goal, Options, Outcome};
use crate::hightouch::{ApiKey, ApiOrigin};
use crate::host::{Clock, Connection};
use crate::runs::Component;

impl Guest for Component {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        panic::report_to_stderr();
        let clock = Clock::start();
        let caller = Caller::new(request, clock);
        let answer = respond(&caller, clock).unwrap_or_else(Answer::from);
        answer.send(response, clock);
    }
}

/// Answers a request.
fn respond(caller: &Caller, clock: Clock) -> Result<Answer, Problem> {
    match Route::of(&caller.method(), &caller.path())? {
        Route::Health => Ok(Answer::health()),
        Route::Run(sync) => {
            let key = caller.key()?;
            let options = call::Body::read(&caller.body()?)?.into_options();
            carry_out(caller, key, Goal::Run(sync), options, clock)
        }
        Route::Await(run) => {
            let key = caller.key()?;
            let options = Options { accept_warnings: caller.flag("acceptWarnings")?, ..Options::default() };
            carry_out(caller, key, Goal::Await(run), options, clock)
        }
    }
}

/// Runs one operation for as long as the caller prefers, and tells how it stands or ended.
fn carry_out(caller: &Caller, key: ApiKey, goal: Goal, options: Options, clock: Clock) -> Result<Answer, Problem> {
    let prefer = Prefer::read(&caller.header("prefer"));
    let origin = match settings::get("HIGHTOUCH_API_ORIGIN")? {
        Some(origin) => origin
            .parse()
            .map_err(|error| Problem::not_configured(format!("The setting HIGHTOUCH_API_ORIGIN is wrong: {error}.")))?,
        None => ApiOrigin::default(),
    };
    let options = Options { max_wait: prefer.wait(), answer_wait: ANSWER_WAIT, ..options };
    let outcome = crate::runs::run(goal, options, Connection { origin, key }, clock);
    told(outcome).map(|answer| match prefer.applied() {
        Some(applied) => answer.with("preference-applied", applied),
        None => answer,
    })
}

/// The answer to an operation that ended so.
fn told(outcome: Outcome) -> Result<Answer, Problem> {
    let failure = match outcome {
        Ok(report) => return Ok(Answer::json(200, &report::View::of(&report))),
        Err(failure) => failure,
    };
    match (failure.kind, &failure.report) {
        (FailureKind::StillRunning, Some(report)) => {
            let location = format!("/syncs/{}/runs/{}", report.run.sync, report.run.run);
            Ok(Answer::json(202, &report::View::of(report))
                .with("location", location)
                .with("retry-after", come_back(failure.elapsed)))
        }
        _ => Err(failure.into()),
    }
}

/// In how many seconds it is worth to ask again: soon for a run that is young, later for one that takes its time.
fn come_back(waited: Duration) -> String {
    (waited.as_secs() / 20).clamp(1, 60).to_string()
}
