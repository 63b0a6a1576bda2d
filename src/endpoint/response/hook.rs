//! The response to a dbt delivery: `POST /hooks/dbt/{sync}`.

use serde::Serialize;

use super::Response;
use super::presenter::Presenter;
use super::problem::Problem;
use super::report;
use crate::engine::{Outcome, SyncReport};
use crate::hightouch::RunStatus;

/// The action if no run was started.
pub(in crate::endpoint) const NONE: &str = "none";
/// The action if a run was started.
pub(in crate::endpoint) const STARTED: &str = "started";

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

/// Returns the response to a delivery that needs no run.
pub(in crate::endpoint) fn no_run_needed(dbt_run_id: Option<String>, reason: String) -> Response {
    let view = View {
        action: NONE,
        reason,
        dbt_run_id,
        sync_id: None,
        run_id: None,
        url: None,
    };
    Response::json(200, &view)
}

/// Returns the action, [`NONE`] or [`STARTED`], and the response to a delivery after which a run
/// was started or found.
///
/// # Errors
///
/// Returns a problem if no run is known.
pub(in crate::endpoint) fn respond(
    dbt_run_id: Option<String>,
    outcome: Outcome<SyncReport>,
    presenter: &Presenter,
) -> Result<(&'static str, Response), Problem> {
    let report = outcome.map_err(|failure| presenter.problem(failure.map_report(Into::into)))?;
    let action = if report.joined { NONE } else { STARTED };
    let view = View {
        action,
        reason: reason(&report),
        dbt_run_id,
        sync_id: Some(report.run.sync.get()),
        run_id: Some(report.run.run.get()),
        url: presenter
            .workspace
            .as_deref()
            .map(|workspace| report::url(workspace, report.run)),
    };
    Ok((action, Response::json(200, &view)))
}

/// Returns why a run was or was not started.
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
