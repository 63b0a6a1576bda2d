//! `POST /hooks/dbt/{sync}`: runs a sync after dbt has tested the data that it reads.

use core::time::Duration;

use serde::Serialize;

use super::incoming::Incoming;
use super::log::Log;
use super::request::access::Access;
use super::request::account::Account;
use super::request::dbt::{Delivery, is_signed};
use super::response::problem::Problem;
use super::response::{Response, report};
use super::settings::{DBT_WEBHOOK_SECRET, HostSettings, Settings as _};
use crate::engine::{Options, SyncGoal, SyncReport, untyped};
use crate::hightouch::{RunStatus, SyncRef};
use crate::host::{Clock, Connection, Driver};

/// Maximum time until the delivery is answered.
///
/// dbt sends a delivery again if the response does not arrive within 10 s. This delivery must be
/// over by then: two concurrent deliveries do not see each other's run.
const TIMEOUT: Duration = Duration::from_secs(8);

/// The response as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    action: &'static str,
    reason: String,
    dbt_run_id: Option<String>,
    sync_id: Option<u64>,
    run_id: Option<u64>,
    url: Option<String>,
}

/// Handles a delivery. Starts a run, unless a run already covers this success of the dbt job.
///
/// The only state is Hightouch's list of runs.
///
/// # Errors
///
/// Returns a problem if the delivery is not signed or not readable, or if the run could not be
/// started.
pub(super) fn respond(
    incoming: &Incoming,
    sync: SyncRef,
    log: &mut Log,
    clock: Clock,
) -> Result<Response, Problem> {
    let request = &incoming.request;
    let Some(secrets) = HostSettings.get(DBT_WEBHOOK_SECRET)? else {
        return Err(Problem::not_configured(format!(
            "{DBT_WEBHOOK_SECRET} is not set. Set it to the secret that dbt shows for the webhook. \
             Nothing was sent to Hightouch."
        )));
    };
    let Some(signature) = request.authorization() else {
        return Err(Problem::unsigned());
    };
    // The signature covers the body, whatever its type is.
    let body = incoming.body()?;
    if !is_signed(&body, signature, &secrets) {
        return Err(Problem::unsigned());
    }
    let account = Account::of(&request.target)?;
    request.target.check_unique()?;
    let access = Access::with_stored_key(account, &HostSettings)?;
    access.refuse_secrets(&[sync.to_string()], request, &HostSettings)?;
    log.account = access
        .account
        .as_ref()
        .map(|account| account.as_str().into());
    log.sync = Some(sync.to_string());
    let connection = Connection {
        origin: HostSettings.origin()?,
        key: access.key,
        trace: request.trace(),
    };
    let Delivery { run, tested } = Delivery::read(&body)?;
    let mut view = View {
        action: "none",
        reason: String::new(),
        dbt_run_id: run,
        sync_id: None,
        run_id: None,
        url: None,
    };
    match tested {
        Err(reason) => view.reason = reason,
        Ok(tested) => {
            let options = Options {
                unless_since: Some(tested),
                max_wait: TIMEOUT.saturating_sub(clock.now().since_start()),
                ..Options::default()
            };
            let outcome = Driver::new(vec![SyncGoal::Start(sync)], options, connection, clock)
                .with_observer(log.observer())
                .finish_first();
            log.outcome(&untyped(outcome.clone()));
            let report = outcome
                .map_err(|failure| Problem::from(failure.map_report(Into::into)).of_stored_key())?;
            view.sync_id = Some(report.run.sync.get());
            view.run_id = Some(report.run.run.get());
            view.url = access
                .workspace
                .map(|workspace| report::url(&workspace, report.run));
            view.action = if report.joined { "none" } else { "started" };
            view.reason = reason(&report);
        }
    }
    log.action = Some(view.action);
    Ok(Response::json(200, &view))
}

/// Returns why a run was started, or not.
fn reason(report: &SyncReport) -> String {
    let run = report.run;
    match &report.status {
        _ if !report.joined => {
            "The dbt run succeeded. No run of the sync has begun since, and none is queued.".into()
        }
        RunStatus::Queued => {
            format!("No run was started: {run} is queued and will read the tested data.")
        }
        RunStatus::Cancelled if report.jobs.iter().all(|job| job.started_at.is_none()) => {
            format!(
                "No run was started: {run} was requested after the dbt run had ended, and was \
                 cancelled before it began."
            )
        }
        status => {
            format!(
                "No run was started: {run} (`{}`) began after the dbt run had ended, so it reads \
                 the tested data.",
                status.as_str()
            )
        }
    }
}
