//! From a request to its answer.

use wasi::http::types::{IncomingRequest, ResponseOutparam};

use super::access::Access;
use super::account::Account;
use super::caller::Caller;
use super::events;
use super::log::Log;
use super::prefer::Prefer;
use super::presenter::Presenter;
use super::problem::Problem;
use super::response::Response;
use super::route::Route;
use super::target::ACCEPT_WARNINGS;
use super::{call, hook, settings, several, stderr};
use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::engine::{ANSWER_WAIT, Goal, Options};
use crate::hightouch::SyncRef;
use crate::host::{Clock, Connection, Drive, Task};
use crate::runs::Component;

impl Guest for Component {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        stderr::report_panics();
        let clock = Clock::start();
        let caller = Caller::new(request, clock);
        let mut log = Log::default();
        let answer = match take_up(&caller, &mut log, clock) {
            Ok(Taken::Response(answer)) => Ok(answer),
            Ok(Taken::Call(call)) if call.streams => {
                log.answered(200);
                call.stream(response, &mut log, clock);
                return log.write(clock.now().since_start());
            }
            Ok(Taken::Call(call)) => call.finish(&mut log, clock),
            Err(problem) => Err(problem),
        };
        let answer = answer
            .inspect_err(|problem| log.problem(problem))
            .unwrap_or_else(Response::from);
        log.answered(answer.status());
        answer.send(response, clock);
        log.write(clock.now().since_start());
    }
}

/// What a request comes to.
enum Taken {
    /// An answer that is there.
    Response(Response),
    /// An operation to carry out.
    Call(Call),
}

/// Takes up a request as far as it goes without waiting for a run.
fn take_up(caller: &Caller, log: &mut Log, clock: Clock) -> Result<Taken, Problem> {
    log.request = "unknown";
    let mut syncs = Vec::new();
    let (goals, options, (access, account)) =
        match Route::of(&caller.method(), caller.target.path())? {
            Route::Health => {
                log.request = "health";
                return Ok(Taken::Response(Response::health()));
            }
            Route::OpenApi => {
                log.request = "openapi";
                return Ok(Taken::Response(Response::openapi()));
            }
            Route::Run(sync) => {
                log.request = "run";
                let authorize = authorize(caller, log, &[sync.to_string()])?;
                log.sync = Some(sync.to_string());
                (
                    vec![Goal::Run(sync)],
                    call::read(&caller.body()?, call::OF_SYNC)?,
                    authorize,
                )
            }
            Route::RunSeveral => {
                log.request = "run-several";
                let authorize = authorize(caller, log, &[])?;
                let body = caller.body()?;
                let options = call::read(&body, call::OF_SEVERAL)?;
                let (access, account) = &authorize;
                access.refuse_secrets(&call::names(&body), caller, account.as_ref())?;
                syncs = call::syncs(&body)?;
                (
                    syncs.iter().cloned().map(Goal::Run).collect(),
                    options,
                    authorize,
                )
            }
            Route::DbtHook(sync) => {
                log.request = "dbt-hook";
                return hook::answer(caller, sync, log, clock).map(Taken::Response);
            }
            Route::Await(run) => {
                log.request = "await";
                let authorize =
                    authorize(caller, log, &[run.sync.to_string(), run.run.to_string()])?;
                log.sync = Some(run.sync.to_string());
                log.run = Some(run.run.get());
                let accept_warnings = caller.target.flag(ACCEPT_WARNINGS)?;
                (
                    vec![Goal::Await(run)],
                    Options {
                        accept_warnings,
                        ..Options::default()
                    },
                    authorize,
                )
            }
            Route::RunSequence(sequence) => {
                log.request = "run-sequence";
                let authorize = authorize(caller, log, &[sequence.to_string()])?;
                log.sequence = Some(sequence.as_str().into());
                (
                    vec![Goal::RunSequence(sequence)],
                    call::read(&caller.body()?, call::OF_SEQUENCE)?,
                    authorize,
                )
            }
            Route::AwaitSequence(run) => {
                log.request = "await-sequence";
                let authorize = authorize(caller, log, &[run.to_string()])?;
                log.sequence_run = Some(run.as_str().into());
                let accept_warnings = caller.target.flag(ACCEPT_WARNINGS)?;
                (
                    vec![Goal::AwaitSequence(run)],
                    Options {
                        accept_warnings,
                        ..Options::default()
                    },
                    authorize,
                )
            }
        };
    let origin = settings::origin()?;
    let prefer = Prefer::read(&caller.header("prefer"));
    // Events tell how one run goes.
    let streams = syncs.is_empty() && caller.wants_events();
    let max_wait = if streams {
        prefer.wait_of_stream()
    } else {
        prefer.wait()
    };
    let options = Options {
        max_wait,
        answer_wait: ANSWER_WAIT,
        ..options
    };
    let accept_warnings = options.accept_warnings;
    let Access {
        key,
        stored,
        workspace,
    } = access;
    let connection = Connection {
        origin,
        key,
        trace: caller.trace(),
    };
    Ok(Taken::Call(Call {
        drive: Drive::new(Task::several(goals, options, &connection, clock), clock)
            .observed(log.observer()),
        syncs,
        streams,
        teller: Presenter {
            stored,
            workspace,
            account,
            accept_warnings,
            prefix: caller.prefix(),
        },
        prefer,
    }))
}

/// Lets a caller in who names these syncs, sequences and runs. Nothing of the request is logged before.
fn authorize(
    caller: &Caller,
    log: &mut Log,
    names: &[String],
) -> Result<(Access, Option<Account>), Problem> {
    let (access, account) = Access::of(caller, Account::of(&caller.target))?;
    access.refuse_secrets(names, caller, account.as_ref())?;
    log.account = account.as_ref().map(|account| account.as_str().into());
    caller.target.each_once()?;
    Ok((access, account))
}

/// An operation to carry out.
struct Call {
    drive: Drive,
    /// Where it is several operations in one: the syncs as they were named.
    syncs: Vec<SyncRef>,
    /// Whether the caller follows it by events.
    streams: bool,
    teller: Presenter,
    prefer: Prefer,
}

impl Call {
    /// Carries it out and tells how it ended, or how far it came in the time that the caller prefers.
    fn finish(self, log: &mut Log, clock: Clock) -> Result<Response, Problem> {
        let mut outcomes = self.drive.finish();
        let answer = if self.syncs.is_empty() {
            let Some(outcome) = outcomes.pop() else {
                return Err(Problem::invalid("there is nothing to do"));
            };
            log.outcome(&outcome);
            self.teller.answer(outcome).unwrap_or_else(|problem| {
                log.problem(&problem);
                Response::from(problem)
            })
        } else {
            several::answer(
                self.syncs,
                outcomes,
                &self.teller,
                clock.now().since_start(),
                log,
            )
        };
        Ok(match self.prefer.applied() {
            Some(applied) => answer.with("preference-applied", applied),
            None => answer,
        })
    }

    /// Carries it out and tells by events how it goes.
    fn stream(self, to: ResponseOutparam, log: &mut Log, clock: Clock) {
        events::stream(
            self.drive,
            &self.teller,
            self.prefer.applied(),
            to,
            log,
            clock,
        );
    }
}
