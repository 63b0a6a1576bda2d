//! Handles one request: the export `wasi:http/incoming-handler`.

use waki::bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};

use super::incoming::Incoming;
use super::log::Log;
use super::request::decision::{Call, Decider, Decision, Format, HeadDecision, Work};
use super::response::batch::{self, BatchResult};
use super::response::presenter::Presenter;
use super::response::problem::Problem;
use super::response::{Head, Response, hook};
use super::settings::HostSettings;
use super::{outgoing, stderr, stream};
use crate::bindings::Component;
use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::engine::{
    BatchOptions, Goal, Options, Outcome, Report, RunsGoal, RunsReport, SyncGoal, SyncReport,
    untyped,
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
    let start = Start {
        options,
        connection,
        clock,
    };
    let reply = Reply {
        presenter,
        preference_applied,
        to,
        clock,
    };
    match work {
        Work::Sync(goal, format) => reply.respond_with_run(start.one(goal, log), format, log),
        Work::Sequence(goal, format) => reply.respond_with_run(start.one(goal, log), format, log),
        Work::Batch(syncs, order) => {
            let goals = syncs.iter().cloned().map(SyncGoal::Run).collect();
            let driver = start.driver(goals, order).with_observer(observer(log));
            reply.respond_with_batch(driver, &syncs, log);
        }
        Work::List(goal) => {
            // No run is started, so there is nothing to observe.
            let driver = start.driver(vec![goal], BatchOptions::default());
            reply.respond_with_list(driver, log);
        }
        Work::Hook(sync, dbt_run) => {
            let driver = start.one(SyncGoal::Start(sync), log);
            reply.respond_to_delivery(driver, dbt_run, log);
        }
    }
}

/// The parts that all drivers of a call need.
struct Start {
    options: Options,
    connection: Connection,
    clock: Clock,
}

impl Start {
    /// Returns the driver of one operation.
    fn one<G: Goal<Report: Redact + Into<Report>>>(self, goal: G, log: &Log) -> Driver<G> {
        self.driver(vec![goal], BatchOptions::default())
            .with_observer(observer(log))
    }

    /// Returns the driver of the operations.
    fn driver<G: Goal<Report: Redact>>(self, goals: Vec<G>, order: BatchOptions) -> Driver<G> {
        Driver::batch(goals, self.options, order, self.connection, self.clock)
    }
}

/// The response that is still to be sent.
struct Reply {
    presenter: Presenter,
    preference_applied: Option<String>,
    to: ResponseOutparam,
    clock: Clock,
}

impl Reply {
    /// Carries out one operation. Responds with events if the caller asks for them. Otherwise
    /// responds with the outcome, or with the state of the run if it is still in progress after the
    /// preferred wait.
    fn respond_with_run<G: Goal<Report: Redact + Into<Report>>>(
        self,
        driver: Driver<G>,
        format: Format,
        log: &mut Log,
    ) {
        match format {
            Format::Events => {
                log.answered(200);
                let head = Head::events().with_preference(self.preference_applied);
                stream::stream(driver, &self.presenter, head, self.to, log, self.clock);
            }
            Format::Json => {
                let outcome = untyped(driver.finish_first());
                log.outcome(&outcome);
                let response = self.presenter.respond(outcome);
                let response = response.unwrap_or_else(|problem| failed(problem, log));
                self.send(response, log);
            }
        }
    }

    /// Runs several syncs. Responds when all runs are over, or after the wait that the caller
    /// prefers.
    fn respond_with_batch(self, driver: Driver<SyncGoal>, syncs: &[SyncRef], log: &mut Log) {
        let outcomes: Vec<Outcome> = driver.finish().into_iter().map(untyped).collect();
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
        self.send(response, log);
    }

    /// Starts the run that a delivery of dbt requires, unless such a run exists already.
    fn respond_to_delivery(self, driver: Driver<SyncGoal>, dbt_run: Option<String>, log: &mut Log) {
        let outcome: Outcome<SyncReport> = driver.finish_first();
        log.outcome(&untyped(outcome.clone()));
        let response = match hook::respond(dbt_run, outcome, &self.presenter) {
            Ok((action, response)) => {
                log.action = Some(action);
                response
            }
            Err(problem) => failed(problem, log),
        };
        self.send(response, log);
    }

    /// Lists the recent runs of a sync.
    fn respond_with_list(self, driver: Driver<RunsGoal>, log: &mut Log) {
        let outcome: Outcome<RunsReport> = driver.finish_first();
        log.listed(&outcome);
        let response = self.presenter.runs(outcome);
        let response = response.unwrap_or_else(|problem| failed(problem, log));
        self.send(response, log);
    }

    fn send(self, response: Response, log: &mut Log) {
        let Response { head, body } = response;
        let head = head.with_preference(self.preference_applied);
        send(Response { head, body }, self.to, log, self.clock);
    }
}

/// Returns a function that writes a line for each run that the request starts or joins.
fn observer<R: Into<Report>>(log: &Log) -> Observer<R> {
    let started = log.started();
    Box::new(move |report| stderr::write(started.line(&report.into())))
}
