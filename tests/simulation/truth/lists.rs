//! The promises of listing the most recent runs.

use core::cmp::Reverse;

use hightouch_sync::engine::FailureKind;

use super::{Broken, Played, Situation, broken};
use crate::play::AnyReport;
use crate::world::Millis;

/// Maximum number of pages that the engine reads one after the other.
const MAX_PAGES: usize = 20;
/// Maximum number of requests for one reading of the list.
const MAX_REQUESTS: usize = 40;
/// Maximum number of readings that fail for a reason other than the rate limit.
const MAX_ATTEMPTS: usize = 4;

/// Returns the IDs of the entries that a list of this time shows, the highest first.
fn entries(played: &Played<'_>, then: Millis) -> Vec<u64> {
    let listed = played
        .hightouch
        .runs
        .iter()
        .filter(|run| run.listed() <= then);
    let mut ids: Vec<u64> = listed
        .flat_map(|run| core::iter::repeat_n(run.id, run.jobs()))
        .collect();
    ids.sort_by_key(|id| Reverse(*id));
    ids
}

/// The result contains the highest IDs, in descending order, of the list at one moment between the
/// beginning and the end of the call.
pub fn exact(played: &Played<'_>) -> Result<(), Broken> {
    let Ok(AnyReport::Runs(report)) = &played.outcome else {
        return Ok(());
    };
    let ids: Vec<u64> = report.runs.iter().map(|run| run.id.get()).collect();
    let limit = usize::try_from(played.world.call.listed).unwrap();
    // The list changes when a run is listed. A response may show an older list.
    let from = played.sent.iter().map(|sent| sent.as_of).min();
    let from = from.unwrap_or(played.began).min(played.began);
    let changes = played.hightouch.runs.iter().map(super::Run::listed);
    let mut times: Vec<Millis> = changes
        .filter(|at| (from..=played.over).contains(at))
        .collect();
    times.push(from);
    let is_state = times.iter().any(|then| {
        let mut state = entries(played, *then);
        state.truncate(limit);
        state == ids
    });
    if is_state {
        return Ok(());
    }
    broken(
        "recent runs",
        format!(
            "limit {limit}: the result {ids:?} was never the list; at the end it was {:?}",
            entries(played, played.over)
        ),
    )
}

/// No transient error ends the reading of a list that is short enough.
pub fn patient(played: &Played<'_>) -> Result<(), Broken> {
    let Err(failure) = &played.outcome else {
        return Ok(());
    };
    let server = &played.world.server;
    let is_long = entries(played, played.over).len() > MAX_PAGES * server.page;
    let has_fault = played.sent.iter().any(|sent| sent.fault.is_some());
    let is_over = played.over >= played.deadline() - 1_000;
    // A list that changes during several readings is given up.
    let listed = played.hightouch.runs.iter().map(super::Run::listed);
    let changes = listed
        .filter(|at| (played.began..=played.over).contains(at))
        .count();
    let is_possible = match failure.kind {
        FailureKind::Forbidden => true,
        FailureKind::MalformedAnswer => is_long || has_fault || is_over || changes > 1,
        _ => has_fault || is_over,
    };
    if !is_possible {
        return broken(
            "patient",
            format!("{:?} ended the reading of the list", failure.kind),
        );
    }
    super::patient_with_rate_limit(played, failure)
}

/// Without faults, the first page is enough if the list begins with the newest run.
pub fn few_requests(played: &Played<'_>) -> Result<(), Broken> {
    let world = played.world;
    let look_ups = played
        .sent
        .iter()
        .filter(|sent| sent.target.contains("slug="))
        .count();
    let requests = played.sent.len() - look_ups;
    let has_fault = played.sent.iter().any(|sent| sent.fault.is_some());
    let limit = usize::try_from(world.call.listed).unwrap();
    // Entries of one run show no order.
    let jobs = played.hightouch.runs.iter().map(super::Run::jobs).max();
    let is_one_page = world.server.page >= limit.max(jobs.unwrap_or(0) + 1);
    let most = if !has_fault && is_one_page && world.server.newest_first && !world.server.mixed {
        1
    } else {
        let limited = played
            .sent
            .iter()
            .filter(|sent| sent.status == Some(429))
            .count();
        MAX_REQUESTS * (MAX_ATTEMPTS + limited)
    };
    if requests > most {
        return broken("few requests", format!("{requests} requests, not {most}"));
    }
    Ok(())
}

pub fn situations(played: &Played<'_>) -> Option<Situation> {
    let pages = played
        .sent
        .iter()
        .filter(|sent| sent.list && sent.body.is_some())
        .count();
    let is_listed = matches!(played.outcome, Ok(AnyReport::Runs(_)));
    is_listed.then_some(if pages > 1 {
        Situation::ListedInPages
    } else {
        Situation::Listed
    })
}
