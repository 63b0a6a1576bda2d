//! The API without its transport. It takes a request and the time, and returns an outcome.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::faults::{Fault, Faults};
use super::json;
use super::listing;
use super::mishap::{Fate, Mishap};
use super::options::Options;
use super::params::{Params, whole};
use super::rate_limit::{Limiter, RetryAfter};
use super::request::{Call, Request};
use super::responses::{ApiResponse, Outcome};
use super::run::RunSnapshot;
use super::scenario::Scenario;
use super::workspace::Workspace;

const BASE: &str = "/api/v1";

/// The API key of workspace 1.
pub const KEY: &str = "local";
/// The API key of workspace 2. It has the same syncs as workspace 1, but its own runs and its own
/// rate limit.
pub const KEY_OF_ANOTHER_WORKSPACE: &str = "local-two";

const KEYS: [&str; 2] = [KEY, KEY_OF_ANOTHER_WORKSPACE];

/// The API with all workspaces.
#[derive(Debug)]
pub(super) struct Api {
    accounts: Vec<Account>,
    /// Further keys of the first account, and their numbers.
    further_keys: BTreeMap<String, usize>,
    scenario: Scenario,
    retry_after: RetryAfter,
    newest_first: bool,
}

/// An API key and its workspace.
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
            faults: Faults::new(options.scenario, options.details),
            fate: options.mishaps.clone().map(Fate::new),
            workspace: Workspace::new(id, KEYS.len() as u64, options, now),
        });
        Self {
            accounts: accounts.collect(),
            further_keys: options.further_keys.iter().cloned().zip(0..).collect(),
            scenario: options.scenario,
            retry_after: options.rate_limit.retry_after,
            newest_first: options.newest_first,
        }
    }

    /// Returns the account number of the request's key.
    pub(super) fn account_of(&self, request: &Request) -> Option<u32> {
        let key = match self.further_key_of(request) {
            Some(_) => KEY,
            None => bearer(request)?,
        };
        let account = self.accounts.iter().find(|account| account.key == key)?;
        Some(account.workspace.id)
    }

    /// Returns the index of the request's key in [`Options::further_keys`].
    pub(super) fn further_key_of(&self, request: &Request) -> Option<usize> {
        self.further_keys.get(bearer(request)?).copied()
    }

    /// Handles a request. Also returns the random mishap or the rate limiting that affected it.
    pub(super) fn response(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
    ) -> (Outcome, Option<Mishap>) {
        let responded = |response| (Outcome::Responded(response), None);
        if self.scenario == Scenario::Silent {
            return (Outcome::Silence, None);
        }
        let Some(path) = request.path.strip_prefix(BASE) else {
            return responded(ApiResponse::not_found());
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
            return responded(ApiResponse::unauthorized(details));
        };
        if let Err(until) = account.limiter.accept(now) {
            let retry_after = self.retry_after.value(now, until);
            return (
                Outcome::Responded(ApiResponse::too_many_requests(retry_after)),
                Some(Mishap::TooMany),
            );
        }
        let Some(call) = Call::of(&request.method, path) else {
            return responded(ApiResponse::not_found());
        };
        account.response(call, request, self.newest_first, now)
    }

    /// Returns the number of runs that were started since the server started, in all workspaces.
    pub(super) fn started(&mut self, now: OffsetDateTime) -> usize {
        self.workspaces(now)
            .map(|workspace| workspace.started().count())
            .sum()
    }

    /// Returns the started runs of a sync, by workspace and then in the order of their triggers.
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
    fn response(
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
        let response = match self.carry_out(call, request, newest_first, now) {
            Ok(body) => ApiResponse::ok(&self.workspace.scenario.write(body)),
            Err(response) => response,
        };
        let outcome = match fault {
            Fault::Afterwards(outcome) => outcome,
            Fault::Truncated => Outcome::Truncated(response),
            Fault::Late(by) => Outcome::Late(response, by),
            Fault::None | Fault::Instead(_) => Outcome::Responded(response),
        };
        (outcome, mishap)
    }

    /// Returns the body of a 200 response, or another response.
    fn carry_out(
        &mut self,
        call: Call<'_>,
        request: &Request,
        newest_first: bool,
        now: OffsetDateTime,
    ) -> Result<Value, ApiResponse> {
        let workspace = &mut self.workspace;
        match call {
            Call::ListSyncs => {
                let (syncs, has_more) = listing::syncs(workspace, &request.query, now)?;
                let data = syncs
                    .into_iter()
                    .map(|sync| json::sync(workspace, sync, now));
                Ok(json::page(data.collect(), has_more))
            }
            Call::GetSync(id) => {
                let sync = workspace.sync(number(id, "syncId")?);
                sync.map(|sync| json::sync(workspace, sync, now))
                    .ok_or_else(ApiResponse::not_found)
            }
            Call::ListRuns(id) => {
                let id = number(id, "syncId")?;
                workspace.sync(id).ok_or_else(ApiResponse::not_found)?;
                let (runs, has_more) =
                    listing::runs(workspace, id, &request.query, newest_first, now)?;
                let data = runs.iter().map(|(run, figures)| json::run(run, figures));
                Ok(json::page(data.collect(), has_more))
            }
            Call::Trigger(id) => {
                let id = number(id, "syncId")?;
                let mut params = Params::of_body(request.content_type.as_deref(), &request.body);
                let flags = params.flags();
                params.finish()?;
                let run_id = workspace.trigger(id, flags, now);
                run_id
                    .map(json::triggered)
                    .ok_or_else(ApiResponse::not_found)
            }
            Call::TriggerByIdOrSlug => self.trigger_by_id_or_slug(request, now),
            Call::GetDestination(id) => json::destination(workspace, number(id, "destinationId")?)
                .ok_or_else(ApiResponse::not_found),
            Call::GetModel(id) => {
                json::model(workspace, number(id, "modelId")?).ok_or_else(ApiResponse::not_found)
            }
            Call::GetSource(id) => {
                json::source(workspace, number(id, "sourceId")?).ok_or_else(ApiResponse::not_found)
            }
            Call::TriggerSequence(id) => workspace
                .trigger_sequence(id, now)
                .map(json::triggered)
                .ok_or_else(ApiResponse::not_found),
            Call::GetSequenceRun(id) => workspace
                .sequence_run(id)
                .map(|run| json::sequence_run(workspace, run, now))
                .ok_or_else(ApiResponse::not_found),
        }
    }

    fn trigger_by_id_or_slug(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
    ) -> Result<Value, ApiResponse> {
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
        // Hightouch documents this error with status 200, and this message is the only published
        // example of the envelope.
        let (name, value) = match id {
            Some(id) => ("syncId", json!(id.to_string())),
            None => ("syncSlug", json!(slug)),
        };
        Ok(run_id.map_or_else(
            || json!({"message": "Validation failed", "details": {name: {"message": "sync not found", "value": value}}}),
            json::triggered,
        ))
    }
}

fn number(text: &str, name: &str) -> Result<u64, ApiResponse> {
    whole(text).ok_or_else(|| {
        ApiResponse::validation_failed(json!({
            name: {"message": "invalid float number", "value": text}
        }))
    })
}
