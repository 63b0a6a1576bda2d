//! Whether a run was started only where none came since the moment that was named.

use hightouch_sync::engine::FailureKind;

use super::{Broken, Came, Played, Run, Sent, broken, report};
use crate::world::{Fault, Millis, Nonsense};

/// Whether a list of then shows that the run began at the moment or later, or is queued.
fn came_since(played: &Played<'_>, run: &Run, then: Millis) -> bool {
    let Some(moment) = played.world.call.unless_since else {
        return false;
    };
    let began = if played.world.server.tells_start {
        run.started
    } else {
        run.created
    };
    run.listed() <= then && (then < run.started || began >= moment)
}

/// The requests for the list before anything was started.
fn lists<'p>(played: &'p Played<'_>) -> impl Iterator<Item = &'p Sent> {
    played
        .sent
        .iter()
        .take_while(|sent| !sent.trigger)
        .filter(|sent| sent.list)
}

/// Whether the run, which was taken for one that was to be started, came since.
pub fn stands(played: &Played<'_>, run: &Run) -> bool {
    let last = lists(played).last();
    last.is_some_and(|last| came_since(played, run, last.as_of))
}

/// Nothing is started, and nothing else taken or refused, where the list shows a run that came since; the first of those is taken.
pub fn gated(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("gated", how);
    let Some(moment) = played.world.call.unless_since else {
        return Ok(());
    };
    let started = played
        .sent
        .iter()
        .find(|sent| sent.trigger)
        .map(|sent| sent.at);
    let named = report(&played.outcome).and_then(|report| played.run(report.run.run.get()));
    let refused = played
        .outcome
        .as_ref()
        .is_err_and(|failure| failure.kind == FailureKind::Busy);
    let taken = named.filter(|run| started.is_none() && !refused && stands(played, run));
    if started.is_none() && named.is_none() {
        return Ok(());
    }
    // The last reading of the list: from its first page on, or, where its end was known from a reading before, from there on.
    let all: Vec<&Sent> = lists(played).collect();
    let Some(last) = all.last() else {
        return broken(format!("nobody asked for a run since {moment} ms"));
    };
    if last.body.is_none() {
        return broken(format!(
            "what was asked at {} ms told nothing, and it went on",
            last.at
        ));
    }
    let first_page = all
        .iter()
        .rposition(|sent| !sent.target.contains("offset="))
        .unwrap_or(0);
    // A page over the size limit is read again in parts. Any other failure restarts the reading.
    let too_long = Some(Fault::Nonsense(Nonsense::TooLong));
    let after_trouble = all
        .iter()
        .rposition(|sent| sent.body.is_none() && sent.fault != too_long)
        .map_or(0, |failed| failed + 1);
    let list = all[first_page.max(after_trouble)];
    // A run that was queued when the first page was read may have begun before the page came that has it.
    let times = [
        list.as_of,
        lists(played).last().map_or(list.as_of, |last| last.as_of),
    ];
    let shows = |run: &Run| times.iter().all(|then| came_since(played, run, *then));
    let earlier = |run: &&Run| shows(run) && taken.is_none_or(|taken| run.id < taken.id);
    match (played.hightouch.runs.iter().find(earlier), taken) {
        (Some(first), None) => {
            let did = started.map_or("it ended without it".into(), |at| {
                format!("a trigger was sent at {at} ms")
            });
            broken(format!(
                "run {} came since {moment} ms, and {did}",
                first.id
            ))
        }
        (Some(first), Some(taken))
            if played.one_page() && list.fault != Some(Fault::Nonsense(Nonsense::NoTimes)) =>
        {
            broken(format!(
                "run {} was taken, and run {} came before it, since {moment} ms",
                taken.id, first.id
            ))
        }
        _ => Ok(()),
    }
}

pub fn came(played: &Played<'_>) -> Option<Came> {
    let named = report(&played.outcome).and_then(|report| played.run(report.run.run.get()));
    if played.sent.iter().any(|sent| sent.trigger) {
        return Some(Came::NoneSince);
    }
    named
        .filter(|run| stands(played, run))
        .map(|_| Came::Stands)
}
