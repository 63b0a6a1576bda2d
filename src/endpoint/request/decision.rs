//! The decision about a request: what to run, and how to respond.
//!
//! The decision is a pure function of the request and the settings. An adapter for a version of
//! WASI reads the head, calls [`Decider::by_head`], reads the body only if the decision needs it,
//! and carries out the [`Decision`].

use core::time::Duration;

use super::Request;
use super::access::{Access, separated};
use super::account::Account;
use super::body::{self, BatchBody, Body, SequenceBody, SyncBody};
use super::dbt::{Delivery, is_signed};
use super::route::Route;
use super::target::{LIMIT, SEQUENCE};
use super::warnings;
use crate::endpoint::log::Log;
use crate::endpoint::reporting::targets::Targets;
use crate::endpoint::reporting::{LineageParent, Reporter, Scope};
use crate::endpoint::response::Response;
use crate::endpoint::response::hook;
use crate::endpoint::response::presenter::Presenter;
use crate::endpoint::response::problem::Problem;
use crate::endpoint::settings::{DBT_WEBHOOK_SECRET, Settings};
use crate::engine::{
    ANSWER_WAIT, BatchOptions, InvalidRunsLimit, Options, RunsGoal, SequenceGoal, SyncGoal,
};
use crate::hightouch::{ApiKey, SequenceId, SyncRef, whole_number};
use crate::host::Connection;

/// Maximum time until a dbt delivery is answered.
///
/// dbt sends a delivery again if the response does not arrive within 10 s. The first delivery must
/// be finished by then, because two concurrent deliveries do not see each other's runs.
const HOOK_TIMEOUT: Duration = Duration::from_secs(8);

/// The decision about a request.
#[derive(Debug)]
pub(in crate::endpoint) enum Decision {
    /// Send this response.
    Respond(Response),
    /// A dbt delivery that reports a success ended in this problem: respond with the problem,
    /// and report it.
    Report(Box<DbtProblem>),
    /// Carry out this call and respond with its outcome.
    Call(Box<Call>),
}

/// The decision about a request whose body has not been read.
#[derive(Debug)]
pub(in crate::endpoint) enum HeadDecision {
    /// The body is not needed.
    Final(Decision),
    /// Read the body, then call [`Decider::by_body`].
    ReadBody(BodyUse),
}

/// The use of a body that has not been read.
#[derive(Debug)]
pub(in crate::endpoint) enum BodyUse {
    /// The options of a run. The caller is authorized.
    Run(SyncRef, Access),
    /// The syncs and the options of a batch. The caller is authorized.
    RunBatch(Access),
    /// The options of a run of a sequence. The caller is authorized.
    RunSequence(SequenceId, Access),
    /// A dbt delivery. Its signature has to be checked.
    Delivery(Unverified),
}

/// A dbt delivery whose signature has not been checked.
#[derive(Debug)]
pub(in crate::endpoint) struct Unverified {
    sync: SyncRef,
    signature: String,
}

/// The problem in which a dbt delivery that reports a success ended.
#[derive(Debug)]
pub(in crate::endpoint) struct DbtProblem {
    pub(in crate::endpoint) problem: Problem,
    pub(in crate::endpoint) sync: SyncRef,
    /// The ID of the dbt run.
    pub(in crate::endpoint) dbt_run: Option<String>,
    pub(in crate::endpoint) reporter: Reporter,
}

/// A call of the engine.
#[derive(Debug)]
pub(in crate::endpoint) struct Call {
    pub(in crate::endpoint) work: Work,
    pub(in crate::endpoint) connection: Connection,
    pub(in crate::endpoint) presenter: Presenter,
    /// The value of `Preference-Applied`.
    pub(in crate::endpoint) preference_applied: Option<String>,
    /// Reports the runs of the call; `None` if nothing is reported.
    pub(in crate::endpoint) reporter: Option<Box<Reporter>>,
    /// How long runs that are still in progress are followed after the response.
    pub(in crate::endpoint) follow: Duration,
    options: Options,
}

/// The operations of a call.
#[derive(Debug)]
pub(in crate::endpoint) enum Work {
    Sync(SyncGoal, Format),
    Sequence(SequenceGoal, Format),
    /// One run for each sync. The response is JSON, after all runs are over.
    Batch(Vec<SyncRef>, BatchOptions),
    /// A list of recent runs.
    List(RunsGoal),
    /// The run that a dbt delivery starts, and the ID of the dbt run.
    Hook(SyncRef, Option<String>),
}

/// The format of the response to one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::endpoint) enum Format {
    /// One response at the end.
    Json,
    /// Server-sent events while the run is in progress.
    Events,
}

impl Call {
    /// Returns the options of the operations that follow runs after the response.
    pub(in crate::endpoint) fn follow_options(&self) -> Options {
        Options {
            max_wait: self.follow,
            answer_wait: Duration::ZERO,
            ..self.options.clone()
        }
    }

    /// Returns the options of the operations. `elapsed` is the time since the request arrived.
    pub(in crate::endpoint) fn options(&self, elapsed: Duration) -> Options {
        let max_wait = match self.work {
            Work::Hook(..) => self.options.max_wait.saturating_sub(elapsed),
            _ => self.options.max_wait,
        };
        Options {
            max_wait,
            ..self.options.clone()
        }
    }
}

/// Decides what to do with one request.
pub(in crate::endpoint) struct Decider<'a> {
    pub(in crate::endpoint) request: &'a Request,
    pub(in crate::endpoint) settings: &'a dyn Settings,
    /// Receives the parts of the request that may be logged. Nothing is added before the caller is
    /// authorized.
    pub(in crate::endpoint) log: &'a mut Log,
}

impl Decider<'_> {
    /// Decides from the method, the target, the headers and the settings.
    ///
    /// # Errors
    ///
    /// Returns a problem if the request is invalid or not authorized, or if a setting is missing
    /// or invalid.
    pub(in crate::endpoint) fn by_head(&mut self) -> Result<HeadDecision, Problem> {
        self.log.request = "unknown";
        let route = Route::of(self.request.method, self.request.target.path())?;
        self.log.request = route.name();
        Ok(match route {
            Route::Page => HeadDecision::Final(Decision::Respond(Response::page())),
            Route::Health => HeadDecision::Final(Decision::Respond(Response::health())),
            Route::OpenApi => HeadDecision::Final(Decision::Respond(Response::openapi())),
            Route::Run(sync) => {
                let access = self.authorize(&[sync.to_string()])?;
                self.log.sync = Some(sync.to_string());
                access.allowed.check_sync(&sync)?;
                HeadDecision::ReadBody(BodyUse::Run(sync, access))
            }
            Route::RunBatch => HeadDecision::ReadBody(BodyUse::RunBatch(self.authorize(&[])?)),
            Route::RunSequence(sequence) => {
                let access = self.authorize(&[sequence.to_string()])?;
                self.log.sequence = Some(sequence.as_str().into());
                access.allowed.check_sequence(&sequence)?;
                HeadDecision::ReadBody(BodyUse::RunSequence(sequence, access))
            }
            Route::DbtHook(sync) => {
                self.webhook_secrets()?;
                let signature = self.request.authorization().ok_or_else(Problem::unsigned)?;
                HeadDecision::ReadBody(BodyUse::Delivery(Unverified {
                    sync,
                    signature: signature.into(),
                }))
            }
            Route::ListRuns(sync) => {
                let access = self.authorize(&[sync.to_string()])?;
                self.log.sync = Some(sync.to_string());
                access.allowed.check_sync(&sync)?;
                let work = Work::List(self.runs_goal(sync)?);
                let options = Options::default();
                HeadDecision::Final(self.call_by_preference(work, options, access, None)?)
            }
            Route::Await(run) => {
                let access = self.authorize(&[run.sync.to_string(), run.run.to_string()])?;
                self.log.sync = Some(run.sync.to_string());
                self.log.run = Some(run.run.get());
                access.allowed.check_sync(&SyncRef::Id(run.sync))?;
                let work = Work::Sync(SyncGoal::Await(run), self.format());
                let options = self.query_options()?;
                HeadDecision::Final(self.call_by_preference(work, options, access, None)?)
            }
            Route::AwaitSequence(run) => {
                let access = self.authorize(&[run.to_string()])?;
                self.log.sequence_run = Some(run.as_str().into());
                access.allowed.check_sequence_run(&run)?;
                let work = Work::Sequence(SequenceGoal::Await(run), self.format());
                let options = self.query_options()?;
                HeadDecision::Final(self.call_by_preference(work, options, access, None)?)
            }
        })
    }

    /// Decides from the body, if [`by_head`](Self::by_head) required it.
    ///
    /// # Errors
    ///
    /// Returns a problem if the body is invalid or not signed, or if a setting is missing or
    /// invalid.
    pub(in crate::endpoint) fn by_body(
        &mut self,
        body_use: BodyUse,
        body: &[u8],
    ) -> Result<Decision, Problem> {
        match body_use {
            BodyUse::Run(sync, access) => {
                let body: SyncBody = self.read_json(body)?;
                let work = Work::Sync(SyncGoal::Run(sync), self.format());
                self.call_by_preference(work, body.options(), access, body.parent())
            }
            BodyUse::RunBatch(access) => {
                let body: BatchBody = self.read_json(body)?;
                access.refuse_secrets(&body.names(), self.request, self.settings)?;
                let syncs = body.syncs()?;
                access.allowed.check_syncs(&syncs)?;
                let order = body.order(self.request.prefer().wait())?;
                let work = Work::Batch(syncs, order);
                self.call_by_preference(work, body.options(), access, body.parent())
            }
            BodyUse::RunSequence(sequence, access) => {
                let body: SequenceBody = self.read_json(body)?;
                let work = Work::Sequence(SequenceGoal::Run(sequence), self.format());
                self.call_by_preference(work, body.options(), access, body.parent())
            }
            BodyUse::Delivery(unverified) => self.by_delivery(unverified, body),
        }
    }

    /// Decides what to do with a dbt delivery. A run is started, unless a run already covers this
    /// success of the dbt job.
    ///
    /// The endpoint stores nothing, so only Hightouch's list of runs shows earlier deliveries.
    fn by_delivery(&mut self, unverified: Unverified, body: &[u8]) -> Result<Decision, Problem> {
        let Unverified { sync, signature } = unverified;
        // The signature is checked for a body of any content type.
        if !is_signed(body, &signature, &self.webhook_secrets()?) {
            return Err(Problem::unsigned());
        }
        let delivery = Delivery::read(body);
        let dbt_run = match &delivery {
            Ok(Delivery {
                tested: Ok(_), run, ..
            }) => Some(run.clone()),
            _ => None,
        };
        let decision = self.by_signed_delivery(sync.clone(), delivery);
        // dbt shows the response to nobody. So a problem after a success is reported.
        match (decision, dbt_run) {
            (Err(problem), Some(dbt_run)) => match self.dbt_reporter(&sync) {
                Some(reporter) => Ok(Decision::Report(Box::new(DbtProblem {
                    problem,
                    sync,
                    dbt_run,
                    reporter,
                }))),
                None => Err(problem),
            },
            (decision, _) => decision,
        }
    }

    fn by_signed_delivery(
        &mut self,
        sync: SyncRef,
        delivery: Result<Delivery, Problem>,
    ) -> Result<Decision, Problem> {
        let account = Account::of(&self.request.target)?;
        self.request.target.check_unique()?;
        let access = Access::with_stored_key(account, self.settings)?;
        access.refuse_secrets(&[sync.to_string()], self.request, self.settings)?;
        self.log_account(&access);
        self.log.sync = Some(sync.to_string());
        access.allowed.check_sync(&sync)?;
        let Delivery { run, tested } = delivery?;
        let finished = match tested {
            Ok(finished) => finished.ok_or_else(Delivery::without_end)?,
            Err(reason) => {
                self.log.action = Some(hook::NONE);
                // The reason in the response quotes the body.
                self.log.reason =
                    Some("The delivery does not report the success of a dbt run.".into());
                return Ok(Decision::Respond(hook::no_run_needed(run, reason)));
            }
        };
        let options = Options {
            unless_since: Some(finished),
            max_wait: HOOK_TIMEOUT,
            ..Options::default()
        };
        self.call(Work::Hook(sync, run), options, access, None)
    }

    /// Returns the reporter of a problem that a signed delivery ended in; `None` if nothing is
    /// reported, or if the settings are invalid.
    fn dbt_reporter(&self, sync: &SyncRef) -> Option<Reporter> {
        let account = Account::of(&self.request.target).unwrap_or_default();
        // If the path has a secret in place of the sync, the report would contain that secret.
        let secrets = self.secrets(account.as_ref(), None).ok()?;
        if secrets.iter().any(|secret| secret.is(&sync.to_string())) {
            return None;
        }
        let scope = Scope {
            origin: self.settings.origin().ok()?,
            workspace: None,
            secrets,
            parent: None,
            sequence: None,
        };
        Reporter::new(Targets::read(self.settings).ok()?, scope)
    }

    /// Returns the call for an authorized caller, with the wait that the caller prefers.
    fn call_by_preference(
        &self,
        work: Work,
        options: Options,
        access: Access,
        parent: Option<LineageParent>,
    ) -> Result<Decision, Problem> {
        let prefer = self.request.prefer();
        let max_wait = match work {
            Work::Sync(_, Format::Events) | Work::Sequence(_, Format::Events) => {
                prefer.wait_of_stream()
            }
            _ => prefer.wait(),
        };
        let options = Options {
            max_wait,
            answer_wait: ANSWER_WAIT,
            ..options
        };
        self.call(work, options, access, parent)
    }

    /// Returns the call for an authorized caller. `parent` is the run that caused the runs of this
    /// request.
    fn call(
        &self,
        work: Work,
        options: Options,
        access: Access,
        parent: Option<LineageParent>,
    ) -> Result<Decision, Problem> {
        let origin = self.settings.origin()?;
        let targets = Targets::read(self.settings)?;
        if let Some(parent) = &parent {
            access.refuse_secrets(&parent.names(), self.request, self.settings)?;
        }
        let sequence = self.sequence(&work, &access)?;
        let secrets = if targets.is_empty() {
            Vec::new()
        } else {
            self.secrets(access.account.as_ref(), Some(&access.key))?
        };
        let Access {
            key,
            is_stored,
            allowed,
            workspace,
            account,
        } = access;
        let follow = match &work {
            Work::Sync(SyncGoal::Await(_), _)
            | Work::Sequence(SequenceGoal::Await(_), _)
            | Work::List(_) => Duration::ZERO,
            _ => targets.follow,
        };
        let presenter = Presenter {
            key_is_stored: is_stored,
            workspace: workspace.clone(),
            account,
            warnings: options.warnings,
            sequence: sequence.clone().filter(|_| targets.has_lineage()),
            prefix: self.request.prefix().into(),
        };
        let scope = Scope {
            origin: origin.clone(),
            workspace,
            secrets,
            parent,
            sequence,
        };
        Ok(Decision::Call(Box::new(Call {
            preference_applied: match work {
                Work::Hook(..) => None,
                _ => self.request.prefer().applied(),
            },
            work,
            connection: Connection {
                origin,
                key,
                trace: self.request.trace(),
            },
            presenter,
            reporter: Reporter::new(targets, scope).map(Box::new),
            follow,
            options: Options {
                allowed: allowed.syncs(),
                ..options
            },
        })))
    }

    /// Returns the sequence of the run. Hightouch does not report to which sequence a run belongs,
    /// so `Location` repeats it.
    fn sequence(&self, work: &Work, access: &Access) -> Result<Option<SequenceId>, Problem> {
        match work {
            Work::Sequence(SequenceGoal::Run(sequence) | SequenceGoal::Start(sequence), _) => {
                Ok(Some(sequence.clone()))
            }
            Work::Sequence(SequenceGoal::Await(_), _) => {
                let target = &self.request.target;
                let expected = "the UUID of a sequence";
                let sequence =
                    target.parameter(SEQUENCE, expected, |uuid| uuid.parse::<SequenceId>().ok())?;
                if let Some(sequence) = &sequence {
                    access.refuse_secrets(&[sequence.to_string()], self.request, self.settings)?;
                    access.allowed.check_sequence(sequence)?;
                }
                Ok(sequence)
            }
            _ => Ok(None),
        }
    }

    /// Returns the secrets that no message to another system may contain.
    fn secrets(
        &self,
        account: Option<&Account>,
        key: Option<&ApiKey>,
    ) -> Result<Vec<ApiKey>, Problem> {
        let configured = self.settings.tokens(account)?;
        let configured = configured.iter().flat_map(|values| separated(values));
        let bearer = self.request.bearer();
        let secrets = configured
            .chain(bearer)
            .filter_map(|text| ApiKey::new(text).ok());
        Ok(secrets.chain(key.cloned()).collect())
    }

    /// Returns the format that the caller asks for. Events follow one run, so a batch has none.
    fn format(&self) -> Format {
        if self.request.wants_events() {
            Format::Events
        } else {
            Format::Json
        }
    }

    /// Authorizes a request that names these syncs, sequences and runs.
    fn authorize(&mut self, names: &[String]) -> Result<Access, Problem> {
        let access = Access::authorize(self.request, self.settings)?;
        access.refuse_secrets(names, self.request, self.settings)?;
        self.log_account(&access);
        Ok(access)
    }

    fn log_account(&mut self, access: &Access) {
        self.log.account = access
            .account
            .as_ref()
            .map(|account| account.as_str().into());
    }

    fn webhook_secrets(&self) -> Result<String, Problem> {
        self.settings.get(DBT_WEBHOOK_SECRET)?.ok_or_else(|| {
            Problem::not_configured(format!(
                "{DBT_WEBHOOK_SECRET} is not set. Set it to the secret that dbt shows for the \
                 webhook. Nothing was sent to Hightouch."
            ))
        })
    }

    /// Reads a body that has to be JSON.
    fn read_json<B: Body>(&self, bytes: &[u8]) -> Result<B, Problem> {
        if bytes.is_empty() || self.request.has_json_body() {
            body::read(bytes)
        } else {
            Err(Problem::not_json())
        }
    }

    /// Reads which runs to list.
    fn runs_goal(&self, sync: SyncRef) -> Result<RunsGoal, Problem> {
        let limit = self.request.target.query(LIMIT)?;
        let limit = limit.map(|limit| whole_number(limit).ok_or(InvalidRunsLimit));
        let limit = limit.transpose();
        let limit = limit.map_err(Problem::invalid)?;
        RunsGoal::new(sync, limit).map_err(Problem::invalid)
    }

    /// Reads the options of a request without a body.
    fn query_options(&self) -> Result<Options, Problem> {
        Ok(Options {
            warnings: warnings::from_query(&self.request.target)?,
            ..Options::default()
        })
    }
}

#[cfg(test)]
mod tests;
