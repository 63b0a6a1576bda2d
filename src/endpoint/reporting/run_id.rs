//! The IDs of runs in lineage events and notifications.

use uuid::Uuid;

use crate::engine::Report;
use crate::hightouch::{BASE_PATH, Origin};

/// Returns the ID of a run: a UUID of version 5 in the namespace of URLs. Every request that sees
/// the run derives the same ID.
pub(super) fn run_id(origin: &Origin, report: &Report) -> Uuid {
    let path = match report {
        Report::Sync(report) => format!("syncs/{}/runs/{}", report.run.sync, report.run.run),
        Report::Sequence(report) => {
            let run = report.run.id.as_str().to_ascii_lowercase();
            format!("sync-sequences/runs/{run}")
        }
    };
    of_path(origin, &path)
}

/// Returns the ID of the problem that a dbt delivery ended in. `sync` is the sync as the hook's
/// path names it.
pub(super) fn delivery_id(origin: &Origin, sync: &str, dbt_run: &str) -> Uuid {
    of_path(origin, &format!("syncs/{sync}/dbt-runs/{dbt_run}"))
}

fn of_path(origin: &Origin, path: &str) -> Uuid {
    let url = format!("{origin}{BASE_PATH}/{path}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, url.as_bytes())
}
