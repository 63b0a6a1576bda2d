//! Checks of the reader of details.

use std::collections::BTreeMap;

use hightouch_sync::engine::Details;

use super::{Broken, Checked, broken};
use crate::batch::play::{Sender, SentRequest};
use crate::batch::server::{
    DESTINATION_TYPE, DESTINATIONS, SYNCS, destination_slug, details_of, slug_of,
};
use crate::world::Millis;

/// Maximum time for the response to a request for details.
const TIMEOUT: Millis = 3_000;

/// Each sync and each destination is requested once, one after the other, and only after the run is
/// known. What was read is true.
pub(super) fn read_once(checked: &Checked<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("details", how);
    let sent = &checked.sent_for_details;
    let mut requested: BTreeMap<&str, Millis> = BTreeMap::new();
    for sent in sent {
        let target = &sent.request.target;
        if sent.is_trigger() {
            return broken(format!("at {} ms a trigger is sent", sent.at));
        }
        if let Some(before) = requested.insert(target, sent.at) {
            return broken(format!(
                "{target} is requested at {before} ms and at {} ms",
                sent.at
            ));
        }
        let is_known = match (details_of(target, SYNCS), details_of(target, DESTINATIONS)) {
            (Some(sync), _) => has_known_run(checked, sync, sent.at),
            (_, Some(destination)) => has_shown(checked, destination, sent.at),
            _ => return broken(format!("{target} has no details")),
        };
        if !is_known {
            return broken(format!(
                "{target} is requested too early, at {} ms",
                sent.at
            ));
        }
        let latest = sent.at + TIMEOUT + super::LATEST_WAKE;
        if sent.back.is_some_and(|back| back > latest) {
            return broken(format!("{target} got its reply after {latest} ms"));
        }
    }
    // A request for details comes last: no operation sends a request at the same time after it.
    let all = &checked.played.sent;
    for (one, next) in all.iter().zip(all.iter().skip(1)) {
        if one.sender == Sender::Details && next.at <= one.at {
            return broken(format!(
                "at {} ms a request for details comes before one of {:?}",
                one.at, next.sender
            ));
        }
    }
    for pair in sent.windows(2) {
        let [one, next] = pair else { continue };
        if one.back.is_none_or(|back| back > next.at) {
            return broken(format!("two requests are in flight at {} ms", next.at));
        }
    }
    if !checked.played.world.reads_details && !sent.is_empty() {
        return broken("this world reads no details".into());
    }
    for (sync, details) in read(checked) {
        let Details { slug, destination } = details;
        let is_true = slug.as_ref().is_none_or(|slug| *slug == slug_of(sync))
            && destination.as_ref().is_none_or(|destination| {
                let id = checked.played.world.destination(sync);
                destination.kind == DESTINATION_TYPE && destination.slug == destination_slug(id)
            });
        if !is_true {
            return broken(format!("the details of sync {sync} are wrong: {details:?}"));
        }
    }
    Ok(())
}

/// Returns whether an operation knew its run of the sync at this time: the response to its trigger,
/// or a list of runs, had arrived.
fn has_known_run(checked: &Checked<'_>, sync: u64, now: Millis) -> bool {
    let is_known = |sent: &&SentRequest| {
        let is_list = sent.request.target.contains("/runs");
        (sent.is_trigger() || is_list)
            && sent.status == Some(200)
            && sent.back.is_some_and(|back| back <= now)
    };
    checked.operations().any(|operation| {
        operation.plan.sync == sync
            && operation.report().is_some()
            && operation.sent.iter().copied().any(|sent| is_known(&sent))
    })
}

/// Returns whether a response has shown before this time that a sync has this destination.
fn has_shown(checked: &Checked<'_>, destination: u64, now: Millis) -> bool {
    checked.sent_for_details.iter().any(|sent| {
        let sync = details_of(&sent.request.target, SYNCS);
        sent.back.is_some_and(|back| back <= now)
            && sync.is_some_and(|sync| checked.played.world.destination(sync) == destination)
    })
}

/// Returns the details that were read, each with its sync.
fn read<'p>(checked: &'p Checked<'_>) -> impl Iterator<Item = (u64, &'p Details)> {
    let announced = checked.played.announced.iter();
    let syncs = announced.map(|announced| announced.report.run.sync);
    syncs.filter_map(|sync| Some((sync.get(), checked.played.reader.get(sync)?)))
}

/// Returns the number of syncs whose details were read completely.
pub(super) fn number_read(checked: &Checked<'_>) -> u64 {
    let is_complete = |details: &Details| details.slug.is_some() && details.destination.is_some();
    let complete = read(checked).filter(|(_, details)| is_complete(details));
    u64::try_from(complete.count()).unwrap()
}
