//! Handles one request: the export `wasi:http/incoming-handler`.

use waki::bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};

use super::incoming::Incoming;
use super::log::Log;
use super::request::access::Access;
use super::request::body::{self, BatchBody, SequenceBody, SyncBody};
use super::request::prefer::Prefer;
use super::request::route::Route;
use super::request::target::ACCEPT_WARNINGS;
use super::response::Response;
use super::response::batch::{self, BatchResult};
use super::response::presenter::Presenter;
use super::response::problem::Problem;
use super::settings::{HostSettings, Settings as _};
use super::{hook, outgoing, stderr, stream};
use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::engine::{ANSWER_WAIT, Goal, Options, Outcome, SequenceGoal, SyncGoal, untyped};
use crate::exports::Component;
use crate::hightouch::SyncRef;
use crate::host::{Clock, Connection, Driver, Redact};

impl Guest for Component {
    fn handle(request: IncomingRequest, to: ResponseOutparam) {
        stderr::report_panics();
        let clock = Clock::start();
        let incoming = Incoming::new(request, clock);
        let mut log = Log::default();
        match prepare(&incoming, &mut log, clock) {
            Ok(Prepared::Response(response)) => send(response, to, &mut log, clock),
            Ok(Prepared::Call(call)) => call.carry_out(to, &mut log, clock),
            Err(problem) => {
                problem.log(&mut log);
                send(problem.into(), to, &mut log, clock);
            }
        }
        log.write(clock.now().since_start());
    }
}

fn send(response: Response, to: ResponseOutparam, log: &mut Log, clock: Clock) {
    log.answered(response.head.status);
    outgoing::send(response, to, clock);
}

/// What is left to do for a request.
enum Prepared {
    /// Send this response.
    Response(Response),
    /// Carry out this call.
    Call(Box<Call>),
}

/// A call to the engine.
struct Call {
    work: Work,
    context: Context,
}

/// How a call is carried out, and how its outcome is presented.
struct Context {
    options: Options,
    connection: Connection,
    presenter: Presenter,
    prefer: Prefer,
    /// Whether the caller asks to follow the run by events.
    wants_events: bool,
}

/// The operations of a call.
enum Work {
    Sync(SyncGoal),
    Sequence(SequenceGoal),
    /// One operation for each sync.
    Batch(Vec<SyncRef>),
}

/// Validates a request, up to the first request to Hightouch.
fn prepare(incoming: &Incoming, log: &mut Log, clock: Clock) -> Result<Prepared, Problem> {
    let request = &incoming.request;
    log.request = "unknown";
    let (work, options, access) = match Route::of(request.method, request.target.path())? {
        Route::Health => {
            log.request = "health";
            return Ok(Prepared::Response(Response::health()));
        }
        Route::OpenApi => {
            log.request = "openapi";
            return Ok(Prepared::Response(Response::openapi()));
        }
        Route::Run(sync) => {
            log.request = "run";
            let access = authorize(incoming, log, &[sync.to_string()])?;
            log.sync = Some(sync.to_string());
            let body: SyncBody = body::read(&incoming.json_body()?)?;
            (Work::Sync(SyncGoal::Run(sync)), body.options(), access)
        }
        Route::RunBatch => {
            log.request = "run-several";
            let access = authorize(incoming, log, &[])?;
            let body: BatchBody = body::read(&incoming.json_body()?)?;
            access.refuse_secrets(&body.names(), request, &HostSettings)?;
            (Work::Batch(body.syncs()?), body.options(), access)
        }
        Route::DbtHook(sync) => {
            log.request = "dbt-hook";
            return hook::respond(incoming, sync, log, clock).map(Prepared::Response);
        }
        Route::Await(run) => {
            log.request = "await";
            let names = [run.sync.to_string(), run.run.to_string()];
            let access = authorize(incoming, log, &names)?;
            log.sync = Some(run.sync.to_string());
            log.run = Some(run.run.get());
            (
                Work::Sync(SyncGoal::Await(run)),
                query_options(incoming)?,
                access,
            )
        }
        Route::RunSequence(sequence) => {
            log.request = "run-sequence";
            let access = authorize(incoming, log, &[sequence.to_string()])?;
            log.sequence = Some(sequence.as_str().into());
            let body: SequenceBody = body::read(&incoming.json_body()?)?;
            (
                Work::Sequence(SequenceGoal::Run(sequence)),
                body.options(),
                access,
            )
        }
        Route::AwaitSequence(run) => {
            log.request = "await-sequence";
            let access = authorize(incoming, log, &[run.to_string()])?;
            log.sequence_run = Some(run.as_str().into());
            (
                Work::Sequence(SequenceGoal::Await(run)),
                query_options(incoming)?,
                access,
            )
        }
    };
    let origin = HostSettings.origin()?;
    let prefer = request.prefer();
    // Events follow one run. A batch is answered when all its runs are over.
    let wants_events = !matches!(work, Work::Batch(_)) && request.wants_events();
    let max_wait = if wants_events {
        prefer.wait_of_stream()
    } else {
        prefer.wait()
    };
    let context = Context {
        options: Options {
            max_wait,
            answer_wait: ANSWER_WAIT,
            ..options
        },
        connection: Connection {
            origin,
            key: access.key,
            trace: request.trace(),
        },
        presenter: Presenter {
            key_is_stored: access.is_stored,
            workspace: access.workspace,
            account: access.account,
            accept_warnings: options.accept_warnings,
            prefix: request.prefix().into(),
        },
        prefer,
        wants_events,
    };
    Ok(Prepared::Call(Box::new(Call { work, context })))
}

/// Authorizes a request that names these syncs, sequences and runs. The log gets no part of the
/// request before that.
fn authorize(incoming: &Incoming, log: &mut Log, names: &[String]) -> Result<Access, Problem> {
    let request = &incoming.request;
    let access = Access::authorize(request, &HostSettings)?;
    access.refuse_secrets(names, request, &HostSettings)?;
    log.account = access
        .account
        .as_ref()
        .map(|account| account.as_str().into());
    Ok(access)
}

/// Reads the options of a request without a body.
fn query_options(incoming: &Incoming) -> Result<Options, Problem> {
    Ok(Options {
        accept_warnings: incoming.request.target.flag(ACCEPT_WARNINGS)?,
        ..Options::default()
    })
}

impl Call {
    fn carry_out(self, to: ResponseOutparam, log: &mut Log, clock: Clock) {
        match self.work {
            Work::Sync(goal) => self.context.run_one(goal, to, log, clock),
            Work::Sequence(goal) => self.context.run_one(goal, to, log, clock),
            Work::Batch(syncs) => self.context.run_batch(&syncs, to, log, clock),
        }
    }
}

impl Context {
    /// Carries out one operation. Responds with its outcome, with the state of the run after the
    /// wait that the caller prefers, or with events.
    fn run_one<G: Goal<Report: Redact>>(
        self,
        goal: G,
        to: ResponseOutparam,
        log: &mut Log,
        clock: Clock,
    ) {
        let driver = Driver::new(vec![goal], self.options, self.connection, clock)
            .with_observer(log.observer());
        if self.wants_events {
            log.answered(200);
            return stream::stream(
                driver,
                &self.presenter,
                self.prefer.applied(),
                to,
                log,
                clock,
            );
        }
        let outcome = untyped(driver.finish_first());
        log.outcome(&outcome);
        let response = self.presenter.respond(outcome).unwrap_or_else(|problem| {
            problem.log(log);
            problem.into()
        });
        send(applied(self.prefer, response), to, log, clock);
    }

    /// Runs several syncs. Responds when all runs are over, or after the wait that the caller
    /// prefers.
    fn run_batch(self, syncs: &[SyncRef], to: ResponseOutparam, log: &mut Log, clock: Clock) {
        let goals = syncs.iter().cloned().map(SyncGoal::Run).collect();
        let driver =
            Driver::new(goals, self.options, self.connection, clock).with_observer(log.observer());
        let outcomes: Vec<Outcome> = driver.finish().into_iter().map(untyped).collect();
        let requests = log.batch(syncs, &outcomes);
        let elapsed = clock.now().since_start();
        let response = match batch::respond(syncs, outcomes, &self.presenter, requests, elapsed) {
            BatchResult::Rejected(problem) => {
                problem.log(log);
                problem.into()
            }
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
        send(applied(self.prefer, response), to, log, clock);
    }
}

/// Adds the preference that was applied.
fn applied(prefer: Prefer, response: Response) -> Response {
    match prefer.applied() {
        Some(applied) => response.with("preference-applied", applied),
        None => response,
    }
}
