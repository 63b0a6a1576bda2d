//! Handles one request.
//!
//! The response is sent first. The rest of the work, such as the last messages to other systems, is
//! done before [`handle`] returns.
//!
//! A future is as large as its largest state. The states after the wait for a run are boxed, so that
//! a request that waits does not hold memory for them.

use super::adapter::{BodyStream, IncomingBody, ResponseOutparam, write_log};
use super::courier::Courier;
use super::log::Log;
use super::request::Request;
use super::request::decision::{Call, DbtProblem, Decider, Decision, Format, HeadDecision, Work};
use super::response::batch::{self, BatchResult};
use super::response::presenter::Presenter;
use super::response::problem::Problem;
use super::response::{Head, Response, hook};
use super::session::{Running, Session, still_running};
use super::settings::HostSettings;
use super::stream;
use crate::engine::{
    BatchOptions, Goal, Options, Outcome, Report, RunsGoal, RunsReport, SyncGoal, untyped,
};
use crate::hightouch::SyncRef;
use crate::host::adapter::http_types::Method;
use crate::host::{Clock, Connection, Driver, Redact};

/// Returns the name of a method; empty if no path of this endpoint allows it.
pub(super) fn method_name(method: &Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        _ => "",
    }
}

/// Handles a request.
pub(super) async fn handle(
    request: Request,
    mut body: IncomingBody,
    to: ResponseOutparam,
    clock: Clock,
) {
    let mut log = Log::default();
    match decide(&request, &mut body, &mut log).await {
        Ok(Decision::Respond(response)) => send(response, to, log, clock).await,
        Ok(Decision::Call(call)) => carry_out(*call, to, log, clock).await,
        Ok(Decision::Report(problem)) => report(*problem, to, log, clock).await,
        Err(problem) => send(failed(problem, &mut log), to, log, clock).await,
    }
}

/// Decides what to do with a request. Reads the body if the decision needs it.
async fn decide(
    request: &Request,
    incoming: &mut IncomingBody,
    log: &mut Log,
) -> Result<Decision, Problem> {
    let settings = HostSettings::default();
    let mut body = None;
    loop {
        *log = Log::default();
        let mut decider = Decider {
            request,
            settings: &settings,
            log,
        };
        // A setting that is not loaded makes a decision fail. The decision is repeated when the
        // setting is loaded.
        let decision = decider.by_head();
        if settings.load_missing().await {
            continue;
        }
        let body_use = match decision? {
            HeadDecision::Final(decision) => return Ok(decision),
            HeadDecision::ReadBody(body_use) => body_use,
        };
        let body = match &mut body {
            Some(body) => body,
            None => body.insert(incoming.read().await?),
        };
        let decision = decider.by_body(body_use, body);
        if !settings.load_missing().await {
            return decision;
        }
    }
}

/// Returns the response to a request that ended in a problem.
fn failed(problem: Problem, log: &mut Log) -> Response {
    log.problem(problem.status, problem.kind);
    problem.into()
}

/// Sends the response and writes the line of the request. If the caller has hung up or reads too
/// slowly, the rest of the response is not sent.
async fn send(response: Response, to: ResponseOutparam, mut log: Log, clock: Clock) {
    let Response { mut head, body } = response;
    log.answered(head.status);
    head.push("content-length", body.len().to_string());
    if let Some(mut stream) = BodyStream::open(head, to) {
        stream.push(body);
        stream.finish(clock).await;
    }
    write_line(log, clock);
}

/// Writes the line of an answered request.
fn write_line(log: Log, clock: Clock) {
    write_log(log.line(clock.now().since_start()));
}

/// Responds with the problem that a dbt delivery ended in, and reports the problem.
async fn report(problem: DbtProblem, to: ResponseOutparam, mut log: Log, clock: Clock) {
    let DbtProblem {
        problem,
        sync,
        dbt_run,
        mut reporter,
    } = problem;
    reporter.dbt_problem(&sync, dbt_run.as_deref(), &problem);
    send(failed(problem, &mut log), to, log, clock).await;
    Courier::new(Box::new(reporter), clock).finish(None).await;
}

/// Carries out a call, responds with its outcome, and reports its runs.
async fn carry_out(call: Call, to: ResponseOutparam, log: Log, clock: Clock) {
    let options = call.options(clock.now().since_start());
    let follow = call.follow_options();
    let Call {
        work,
        connection,
        presenter,
        preference_applied,
        reporter,
        ..
    } = call;
    let start = Start {
        options,
        connection,
        clock,
    };
    let reply = Reply {
        presenter: &presenter,
        preference_applied,
        courier: reporter.map(|reporter| Courier::new(reporter, clock)),
        follow,
        to,
        log,
        clock,
    };
    match work {
        Work::Sync(goal, format) => {
            let sync = match &goal {
                SyncGoal::Run(sync) | SyncGoal::Start(sync) => vec![sync.clone()],
                SyncGoal::Await(_) => Vec::new(),
            };
            reply.respond_with_run(start.one(goal), &sync, format).await;
        }
        Work::Sequence(goal, format) => reply.respond_with_run(start.one(goal), &[], format).await,
        Work::Batch(syncs, order) => {
            let goals = syncs.iter().cloned().map(SyncGoal::Run).collect();
            reply
                .respond_with_batch(start.driver(goals, order), &syncs)
                .await;
        }
        Work::List(goal) => reply.respond_with_list(start.one(goal)).await,
        Work::Hook(sync, dbt_run) => {
            let driver = start.one(SyncGoal::Start(sync.clone()));
            reply.respond_to_delivery(driver, sync, dbt_run).await;
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
    fn one<G: Goal<Report: Redact>>(self, goal: G) -> Driver<G> {
        self.driver(vec![goal], BatchOptions::default())
    }

    /// Returns the driver of the operations.
    fn driver<G: Goal<Report: Redact>>(self, goals: Vec<G>, order: BatchOptions) -> Driver<G> {
        Driver::batch(goals, self.options, order, self.connection, self.clock)
    }
}

/// The response that is still to be sent, and the work after it.
struct Reply<'a> {
    presenter: &'a Presenter,
    preference_applied: Option<String>,
    courier: Option<Courier>,
    /// The options of the operations that follow runs after the response.
    follow: Options,
    to: ResponseOutparam,
    log: Log,
    clock: Clock,
}

impl<'a> Reply<'a> {
    /// Carries out one operation. Responds with events if the caller asks for them. Otherwise
    /// responds with the outcome, or with the state of the run if it is still in progress after the
    /// preferred wait.
    async fn respond_with_run<G: Goal<Report: Redact + Into<Report>>>(
        mut self,
        driver: Driver<G>,
        sync: &'a [SyncRef],
        format: Format,
    ) {
        let mut session = self.session(driver, sync);
        let running = match format {
            Format::Events => {
                self.log.answered(200);
                let head = Head::events().with_preference(self.preference_applied);
                let running = stream::stream(
                    &mut session,
                    self.presenter,
                    head,
                    self.to,
                    &mut self.log,
                    self.clock,
                )
                .await;
                write_line(self.log, self.clock);
                running
            }
            Format::Json => {
                let outcome = session.finish_first().await;
                let running = still_running(0, &outcome);
                let outcome = untyped(outcome);
                self.log.outcome(&outcome);
                let response = self.presenter.respond(outcome);
                let response = response.unwrap_or_else(|problem| failed(problem, &mut self.log));
                self.send(response).await;
                running
            }
        };
        Box::pin(session.after_response(running.into_iter().collect())).await;
    }

    /// Runs several syncs. Responds when all runs are over, or after the wait that the caller
    /// prefers.
    async fn respond_with_batch(mut self, driver: Driver<SyncGoal>, syncs: &'a [SyncRef]) {
        let mut session = self.session(driver, syncs);
        let outcomes = session.finish(syncs.len()).await;
        let running = outcomes.iter().enumerate();
        let running = running
            .filter_map(|(index, outcome)| still_running(index, outcome))
            .collect();
        let outcomes: Vec<Outcome> = outcomes.into_iter().map(untyped).collect();
        let requests = self.log.batch(syncs, &outcomes);
        let elapsed = self.clock.now().since_start();
        let response = match batch::respond(syncs, outcomes, self.presenter, requests, elapsed) {
            BatchResult::Rejected(problem) => failed(problem, &mut self.log),
            BatchResult::Response {
                response,
                counts,
                problems,
            } => {
                for (status, kind) in problems {
                    self.log.problem(status, kind);
                }
                self.log.counts(counts);
                response
            }
        };
        self.send(response).await;
        Box::pin(session.after_response(running)).await;
    }

    /// Starts the run that a dbt delivery requires, unless such a run exists already.
    async fn respond_to_delivery(
        mut self,
        driver: Driver<SyncGoal>,
        sync: SyncRef,
        dbt_run: Option<String>,
    ) {
        let syncs = [sync];
        let mut session = self.session(driver, &syncs);
        let outcome = session.finish_first().await;
        self.log.outcome(&untyped(outcome.clone()));
        let started = outcome.as_ref().ok().filter(|report| !report.joined);
        let running = started.and_then(|report| Running::new(0, report));
        let response = match hook::respond(dbt_run.clone(), outcome, self.presenter) {
            Ok((action, response)) => {
                self.log.action = Some(action);
                response
            }
            Err(problem) => {
                session.dbt_problem(dbt_run.as_deref(), &problem);
                failed(problem, &mut self.log)
            }
        };
        self.send(response).await;
        Box::pin(session.after_response(running.into_iter().collect())).await;
    }

    /// Lists the recent runs of a sync.
    async fn respond_with_list(mut self, driver: Driver<RunsGoal>) {
        let outcome: Outcome<RunsReport> = driver.finish_first().await;
        self.log.listed(&outcome);
        let response = self.presenter.runs(outcome);
        let response = response.unwrap_or_else(|problem| failed(problem, &mut self.log));
        self.send(response).await;
    }

    /// Returns the session that carries out the operations.
    fn session<'s, G: Goal<Report: Redact + Into<Report>>>(
        &mut self,
        driver: Driver<G>,
        syncs: &'s [SyncRef],
    ) -> Session<'s, G>
    where
        'a: 's,
    {
        Session {
            driver,
            syncs,
            presenter: self.presenter,
            log: self.log.started(),
            courier: self.courier.take(),
            follow: self.follow.clone(),
            clock: self.clock,
        }
    }

    async fn send(self, response: Response) {
        let Response { head, body } = response;
        let head = head.with_preference(self.preference_applied);
        Box::pin(send(Response { head, body }, self.to, self.log, self.clock)).await;
    }
}
