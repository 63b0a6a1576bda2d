//! The API without its transport: requests and the time in, outcomes out.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::answers::{Answer, Outcome};
use super::faults::{Fault, Faults};
use super::listing;
use super::mishap::{Fate, Mishap};
use super::options::Options;
use super::params::{Params, whole};
use super::rate_limit::{Limiter, RetryAfter};
use super::request::{Call, Request};
use super::run::RunSnapshot;
use super::scenario::Scenario;
use super::shapes;
use super::workspace::Workspace;

const BASE: &str = "/api/v1";

/// The API key of workspace 1.
pub const KEY: &str = "local";
/// The API key of workspace 2, which has the same syncs but runs and a rate limit of its own.
pub const KEY_OF_ANOTHER_WORKSPACE: &str = "local-two";

const KEYS: [&str; 2] = [KEY, KEY_OF_ANOTHER_WORKSPACE];

/// All workspaces.
#[derive(Debug)]
pub(super) struct Api {
    accounts: Vec<Account>,
    scenario: Scenario,
    retry_after: RetryAfter,
    newest_first: bool,
}

/// One key, and what it opens.
#[derive(Debug)]
struct Account {
    key: &'static str,
    limiter: Limiter,
    faults: Faults,
    fate: Option<Fate>,
    workspace: Workspace,
}

impl Api {
    pub(super) fn new(options: &Options, now: OffsetDateTime) -> Self {
        let accounts = (1..).zip(KEYS).map(|(id, key)| Account {
            key,
            limiter: Limiter::new(options.rate_limit),
            faults: Faults::new(options.scenario),
            fate: options.mishaps.clone().map(Fate::new),
            workspace: Workspace::new(
                id,
                KEYS.len() as u64,
                options.scenario,
                options.syncs.clone(),
                options.sequences.clone(),
                options.queues_sequence_runs,
                now,
            ),
        });
        Self {
            accounts: accounts.collect(),
            scenario: options.scenario,
            retry_after: options.rate_limit.retry_after,
            newest_first: options.newest_first,
        }
    }

    /// The number of the account that the request's key belongs to.
    pub(super) fn account_of(&self, request: &Request) -> Option<u32> {
        let key = bearer(request)?;
        let account = self.accounts.iter().find(|account| account.key == key)?;
        Some(account.workspace.id)
    }

    /// Carries out a request, and tells what went wrong with it by chance or by the rate limit.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
    ) -> (Outcome, Option<Mishap>) {
        let answered = |answer| (Outcome::Answered(answer), None);
        if self.scenario == Scenario::Silent {
            return (Outcome::Silence, None);
        }
        let Some(path) = request.path.strip_prefix(BASE) else {
            return answered(Answer::not_found());
        };
        let account_id = self.account_of(request);
        let Some(account) = self
            .accounts
            .iter_mut()
            .find(|account| Some(account.workspace.id) == account_id)
        else {
            let details = match request.authorization {
                None => "No authorization header found",
                Some(_) => "Token is invalid",
            };
            return answered(Answer::unauthorized(details));
        };
        if let Err(until) = account.limiter.accept(now) {
            let retry_after = self.retry_after.value(now, until);
            return (
                Outcome::Answered(Answer::too_many_requests(retry_after)),
                Some(Mishap::TooMany),
            );
        }
        let Some(call) = Call::of(&request.method, path) else {
            return answered(Answer::not_found());
        };
        account.answer(call, request, self.newest_first, now)
    }

    /// The runs that were started since the server was, of every workspace.
    pub(super) fn started(&mut self, now: OffsetDateTime) -> usize {
        self.workspaces(now)
            .map(|workspace| workspace.started().count())
            .sum()
    }

    /// Those of them that are of one sync, by workspace and then in the order they were started.
    pub(super) fn snapshots(&mut self, sync_id: u64, now: OffsetDateTime) -> Vec<RunSnapshot> {
        self.workspaces(now)
            .flat_map(|workspace| workspace.snapshots(sync_id, now).collect::<Vec<_>>())
            .collect()
    }

    fn workspaces(&mut self, now: OffsetDateTime) -> impl Iterator<Item = &Workspace> {
        self.accounts.iter_mut().map(move |account| {
            account.workspace.advance_sequences(now);
            &account.workspace
        })
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let (scheme, key) = request.authorization.as_deref()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

impl Account {
    fn answer(
        &mut self,
        call: Call<'_>,
        request: &Request,
        newest_first: bool,
        now: OffsetDateTime,
    ) -> (Outcome, Option<Mishap>) {
        let fate = self.fate.as_mut().and_then(|fate| fate.next(call, now));
        let (mishap, fault) = match fate {
            Some((mishap, fault)) => (Some(mishap), fault),
            None => (None, self.faults.next(call, now)),
        };
        if let Fault::Instead(outcome) = fault {
            return (outcome, mishap);
        }
        self.workspace.advance_sequences(now);
        let answer = match self.carry_out(call, request, newest_first, now) {
            Ok(body) => Answer::ok(&self.workspace.scenario.write(body)),
            Err(answer) => answer,
        };
        let outcome = match fault {
            Fault::Afterwards(outcome) => outcome,
            Fault::CutOff => Outcome::CutOff(answer),
            Fault::Late(by) => Outcome::Late(answer, by),
            Fault::None | Fault::Instead(_) => Outcome::Answered(answer),
        };
        (outcome, mishap)
    }

    /// The body of a 200, or another answer.
    fn carry_out(
        &mut self,
        call: Call<'_>,
        request: &Request,
        newest_first: bool,
        now: OffsetDateTime,
    ) -> Result<Value, Answer> {
        let workspace = &mut self.workspace;
        match call {
            Call::ListSyncs => {
                let (syncs, has_more) = listing::syncs(workspace, &request.query, now)?;
                let data = syncs
                    .into_iter()
                    .map(|sync| shapes::sync(workspace, sync, now));
                Ok(shapes::page(data.collect(), has_more))
            }
            Call::GetSync(id) => {
                let sync = workspace.sync(number(id, "syncId")?);
                sync.map(|sync| shapes::sync(workspace, sync, now))
                    .ok_or_else(Answer::not_found)
            }
            Call::ListRuns(id) => {
                let id = number(id, "syncId")?;
                workspace.sync(id).ok_or_else(Answer::not_found)?;
                let (runs, has_more) =
                    listing::runs(workspace, id, &request.query, newest_first, now)?;
                let data = runs.iter().map(|(run, figures)| shapes::run(run, figures));
                Ok(shapes::page(data.collect(), has_more))
            }
            Call::Trigger(id) => {
                let id = number(id, "syncId")?;
                let mut params = Params::of_body(request.content_type.as_deref(), &request.body);
                let flags = params.flags();
                params.finish()?;
                let run_id = workspace.trigger(id, flags, now);
                run_id.map(shapes::triggered).ok_or_else(Answer::not_found)
            }
            Call::TriggerByIdOrSlug => self.trigger_by_id_or_slug(request, now),
            Call::GetDestination(id) => {
                shapes::destination(workspace, number(id, "destinationId")?)
                    .ok_or_else(Answer::not_found)
            }
            Call::GetModel(id) => {
                shapes::model(workspace, number(id, "modelId")?).ok_or_else(Answer::not_found)
            }
            Call::GetSource(id) => {
                shapes::source(workspace, number(id, "sourceId")?).ok_or_else(Answer::not_found)
            }
            Call::TriggerSequence(id) => workspace
                .trigger_sequence(id, now)
                .map(shapes::triggered)
                .ok_or_else(Answer::not_found),
            Call::GetSequenceRun(id) => workspace
                .sequence_run(id)
                .map(|run| shapes::sequence_run(workspace, run, now))
                .ok_or_else(Answer::not_found),
        }
    }

    fn trigger_by_id_or_slug(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
    ) -> Result<Value, Answer> {
        let mut params = Params::of_body(request.content_type.as_deref(), &request.body);
        let id = params.choice("syncId", |text| text.parse::<u64>().ok());
        let slug = params.text("syncSlug");
        let flags = params.flags();
        if id.is_none() && slug.is_none() {
            params.reject("syncId", "syncId or syncSlug is required", Value::Null);
        }
        params.finish()?;
        let by_slug = || {
            let sync = self.workspace.sync_by_slug(slug.as_deref()?)?;
            Some(sync.id)
        };
        let run_id = id
            .or_else(by_slug)
            .and_then(|id| self.workspace.trigger(id, flags, now));
        // An error, and yet its status is 200. Its message is the only one that Hightouch publishes for this envelope.
        let (name, value) = match id {
            Some(id) => ("syncId", json!(id.to_string())),
            None => ("syncSlug", json!(slug)),
        };
        Ok(run_id.map_or_else(
            || json!({"message": "Validation failed", "details": {name: {"message": "sync not found", "value": value}}}),
            shapes::triggered,
        ))
    }
}

fn number(text: &str, name: &str) -> Result<u64, Answer> {
    whole(text).ok_or_else(|| {
        Answer::validation_failed(json!({
            name: {"message": "invalid float number", "value": text}
        }))
    })
}
