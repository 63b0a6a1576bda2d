//! Handles one request: the export `wasi:http/incoming-handler`.

use waki::bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};

use super::incoming::Incoming;
use super::log::Log;
use super::request::decision::{Call, Decider, Decision, Format, HeadDecision, Work};
use super::response::batch::{self, BatchResult};
use super::response::presenter::Presenter;
use super::response::{Head, Response, hook};
use super::settings::HostSettings;
use super::{outgoing, stderr, stream};
use crate::bindings::Component;
use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::endpoint::response::problem::Problem;
use crate::engine::{
    BatchOptions, Goal, Options, Outcome, Report, RunsGoal, SyncGoal, SyncReport, untyped,
};
use crate::hightouch::SyncRef;
use crate::host::p2::Observer;
use crate::host::{Clock, Connection, Driver, Redact};

impl Guest for Component {
    fn handle(request: IncomingRequest, to: ResponseOutparam) {
        stderr::report_panics();
        let clock = Clock::start();
        let incoming = Incoming::new(request, clock);
        let mut log = Log::default();
        match decide(&incoming, &mut log) {
            Ok(Decision::Respond(response)) => send(response, to, &mut log, clock),
            Ok(Decision::Call(call)) => carry_out(*call, to, &mut log, clock),
            Err(problem) => send(failed(problem, &mut log), to, &mut log, clock),
        }
        stderr::write(log.line(clock.now().since_start()));
    }
}

/// Decides about a request. Reads the body if the decision needs it.
fn decide(incoming: &Incoming, log: &mut Log) -> Result<Decision, Problem> {
    let mut decider = Decider {
        request: &incoming.request,
        settings: &HostSettings,
        log,
    };
    match decider.by_head()? {
        HeadDecision::Final(decision) => Ok(decision),
        HeadDecision::ReadBody(body_use) => decider.by_body(body_use, &incoming.body()?),
    }
}

/// Returns the response to a request that ended in a problem.
fn failed(problem: Problem, log: &mut Log) -> Response {
    log.problem(problem.status, problem.kind);
    problem.into()
}

fn send(response: Response, to: ResponseOutparam, log: &mut Log, clock: Clock) {
    log.answered(response.head.status);
    outgoing::send(response, to, clock);
}

/// Carries out a call and responds with its outcome.
fn carry_out(call: Call, to: ResponseOutparam, log: &mut Log, clock: Clock) {
    let options = call.options(clock.now().since_start());
    let Call {
        work,
        connection,
        presenter,
        preference_applied,
        ..
    } = call;
    let context = Context {
        options,
        connection,
        presenter,
        preference_applied,
        clock,
    };
    match work {
        Work::Sync(goal, format) => context.run_one(goal, format, to, log),
        Work::Sequence(goal, format) => context.run_one(goal, format, to, log),
        Work::Batch(syncs, order) => context.run_batch(&syncs, order, to, log),
        Work::List(goal) => context.list(goal, to, log),
        Work::Hook(sync, dbt_run) => context.run_hook(sync, dbt_run, to, log),
    }
}

/// How a call is carried out, and how its outcome is presented.
struct Context {
    options: Options,
    connection: Connection,
    presenter: Presenter,
    preference_applied: Option<String>,
    clock: Clock,
}

impl Context {
    /// Returns the driver of the operations.
    fn driver<G: Goal<Report: Redact + Into<Report>>>(
        &self,
        goals: Vec<G>,
        order: BatchOptions,
        log: &Log,
    ) -> Driver<G> {
        let (options, connection) = (self.options.clone(), self.connection.clone());
        Driver::batch(goals, options, order, connection, self.clock).with_observer(observer(log))
    }

    /// Carries out one operation. Responds with its outcome, with the state of the run after the
    /// wait that the caller prefers, or with events.
    fn run_one<G: Goal<Report: Redact + Into<Report>>>(
        self,
        goal: G,
        format: Format,
        to: ResponseOutparam,
        log: &mut Log,
    ) {
        let driver = self.driver(vec![goal], BatchOptions::default(), log);
        match format {
            Format::Events => {
                log.answered(200);
                let head = Head::events().with_preference(self.preference_applied);
                stream::stream(driver, &self.presenter, head, to, log, self.clock);
            }
            Format::Json => {
                let outcome = untyped(driver.finish_first());
                log.outcome(&outcome);
                let response = self.presenter.respond(outcome);
                let response = response.unwrap_or_else(|problem| failed(problem, log));
                self.send(response, to, log);
            }
        }
    }

    /// Runs several syncs. Responds when all runs are over, or after the wait that the caller
    /// prefers.
    fn run_batch(
        self,
        syncs: &[SyncRef],
        order: BatchOptions,
        to: ResponseOutparam,
        log: &mut Log,
    ) {
        let goals = syncs.iter().cloned().map(SyncGoal::Run).collect();
        let outcomes = self.driver(goals, order, log).finish();
        let outcomes: Vec<Outcome> = outcomes.into_iter().map(untyped).collect();
        let requests = log.batch(syncs, &outcomes);
        let elapsed = self.clock.now().since_start();
        let response = match batch::respond(syncs, outcomes, &self.presenter, requests, elapsed) {
            BatchResult::Rejected(problem) => failed(problem, log),
            BatchResult::Response {
                response,
                counts,
                problems,
            } => {
                for (status, kind) in problems {
                    log.problem(status, kind);
                }
                log.counts(counts);
                response
            }
        };
        self.send(response, to, log);
    }

    /// Starts the run that a delivery of dbt requires, unless there is such a run.
    fn run_hook(self, sync: SyncRef, dbt_run: Option<String>, to: ResponseOutparam, log: &mut Log) {
        let driver = self.driver(vec![SyncGoal::Start(sync)], BatchOptions::default(), log);
        let outcome: Outcome<SyncReport> = driver.finish_first();
        log.outcome(&untyped(outcome.clone()));
        let response = match hook::respond(dbt_run, outcome, &self.presenter) {
            Ok((action, response)) => {
                log.action = Some(action);
                response
            }
            Err(problem) => failed(problem, log),
        };
        self.send(response, to, log);
    }

    /// Lists the recent runs of a sync.
    fn list(self, goal: RunsGoal, to: ResponseOutparam, log: &mut Log) {
        let (options, connection) = (self.options.clone(), self.connection.clone());
        let outcome = Driver::new(vec![goal], options, connection, self.clock).finish_first();
        log.listed(&outcome);
        let response = self.presenter.runs(outcome);
        let response = response.unwrap_or_else(|problem| failed(problem, log));
        self.send(response, to, log);
    }

    fn send(self, response: Response, to: ResponseOutparam, log: &mut Log) {
        let Response { head, body } = response;
        let head = head.with_preference(self.preference_applied);
        send(Response { head, body }, to, log, self.clock);
    }
}

/// Returns a function that writes a line for each run that the request starts or joins.
fn observer<R: Into<Report>>(log: &Log) -> Observer<R> {
    let started = log.started();
    Box::new(move |report| stderr::write(started.line(&report.into())))
}
