//! `POST /hooks/dbt/{sync}`: a sync runs when dbt says that what it reads has been tested.

use core::time::Duration;

use super::access::Access;
use super::account::Account;
use super::caller::Caller;
use super::dbt::{Delivery, signed};
use super::json::{self, Object};
use super::log::Log;
use super::problem::Problem;
use super::response::Response;
use super::{report, settings};
use crate::calls;
use crate::engine::{Goal, Options, SyncReport};
use crate::hightouch::{RunStatus, SyncRef};
use crate::host::{Clock, Connection, Drive, Task};

/// When the answer is due, from the request on. After 10 s dbt takes the delivery for lost and sends it again, and by then this one must be
/// over: while both are at it, neither sees the other's run.
const DUE: Duration = Duration::from_secs(8);

/// What came of a delivery.
struct View {
    action: &'static str,
    reason: String,
    dbt_run_id: Option<String>,
    sync_id: Option<u64>,
    run_id: Option<u64>,
    url: Option<String>,
}

impl json::View for View {
    fn fields(&self, object: &mut Object<'_>) {
        object.text("action", self.action);
        object.text("reason", &self.reason);
        object.text_or_null("dbtRunId", self.dbt_run_id.as_deref());
        object.whole_or_null("syncId", self.sync_id);
        object.whole_or_null("runId", self.run_id);
        object.text_or_null("url", self.url.as_deref());
    }
}

/// Takes a delivery, and starts a run if it is the first that tells of its success. Hightouch's list of runs is all that remembers it.
pub(super) fn answer(
    caller: &Caller,
    sync: SyncRef,
    log: &mut Log,
    clock: Clock,
) -> Result<Response, Problem> {
    let Some(secrets) = settings::get(settings::DBT_WEBHOOK_SECRET)? else {
        return Err(Problem::not_configured(format!(
            "{} is not set: set it to the secret that dbt shows for the webhook. Nothing was sent to Hightouch.",
            settings::DBT_WEBHOOK_SECRET
        )));
    };
    let Some(signature) = caller.authorization() else {
        return Err(Problem::unsigned());
    };
    // Whatever type the body has: what dbt signed counts.
    let body = caller.body_of_any_type()?;
    if !signed(&body, &signature, &secrets) {
        return Err(Problem::unsigned());
    }
    let account = Account::of(&caller.target)?;
    caller.target.each_once()?;
    let access = Access::proven(account.as_ref())?;
    access.refuse_secrets(&[sync.to_string()], caller, account.as_ref())?;
    log.account = account.as_ref().map(|account| account.as_str().into());
    log.sync = Some(sync.to_string());
    let Access { key, workspace, .. } = access;
    let origin = settings::origin()?;
    let Delivery {
        run: dbt_run_id,
        tested,
    } = Delivery::read(&body)?;
    let mut view = View {
        action: "none",
        reason: String::new(),
        dbt_run_id,
        sync_id: None,
        run_id: None,
        url: None,
    };
    match tested {
        Err(why) => view.reason = why,
        Ok(tested) => {
            let max_wait = DUE.saturating_sub(clock.now().since_start());
            let options = Options {
                unless_since: Some(tested),
                max_wait,
                ..Options::default()
            };
            let connection = Connection {
                origin,
                key,
                trace: caller.trace(),
            };
            let tasks = Task::several(vec![Goal::Start(sync)], options, &connection, clock);
            let outcome = calls::only(Drive::new(tasks, clock).observed(log.observer()));
            log.outcome(&outcome);
            let report = calls::of_sync(outcome)
                .map_err(|failure| Problem::from(failure).behind_a_stored_key())?;
            view.sync_id = Some(report.run.sync.get());
            view.run_id = Some(report.run.run.get());
            view.url = workspace.map(|slug| report::url(&slug, report.run));
            view.action = if report.joined { "none" } else { "started" };
            view.reason = why(&report);
        }
    }
    log.action = Some(view.action);
    Ok(Response::json(200, &view))
}

/// Why a run was started, or none.
fn why(report: &SyncReport) -> String {
    let run = report.run;
    match &report.status {
        _ if !report.joined => {
            "The dbt run succeeded, and no run of the sync has begun since or is queued.".into()
        }
        RunStatus::Queued => {
            format!("No run was started: {run} is queued, and will read what dbt has tested.")
        }
        RunStatus::Cancelled if report.jobs.iter().all(|job| job.started_at.is_none()) => {
            format!(
                "No run was started: {run}, which was asked for after the dbt run was over, was cancelled before it began."
            )
        }
        status => {
            format!(
                "No run was started: {run} (`{}`) began after the dbt run was over, and so reads what it has tested.",
                status.as_str()
            )
        }
    }
}
