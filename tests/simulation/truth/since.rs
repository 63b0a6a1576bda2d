//! The promises of `unless_since`: a run is started only if none began since the given time.

use hightouch_sync::engine::FailureKind;

use super::{Broken, Played, Run, Sent, Situation, broken, report};
use crate::play::PlayedWorld;
use crate::world::{Fault, Millis, Nonsense};

/// Maximum time in the future by Hightouch's clock that an operation waits for.
const MAX_FUTURE: Millis = 30_000;
/// Precision of what the engine knows about Hightouch's clock: `Date` shows whole seconds, and a
/// request and its response take up to ten seconds.
const CLOCK_PRECISION: Millis = 11_000;
/// Maximum difference of Hightouch's clocks at which a time in the future is waited for exactly.
const NORMAL_SKEW: Millis = 1_000;
/// The pause between two calls after which the second one sees every run of the first one.
const LISTED_SURELY: Millis = 8_000;

/// Returns whether a list shows that the run began at the given time or later, or is queued. The
/// list shows the state at `then`, and was received at `received`. A queued run counts only if the
/// time has come.
fn came_since(played: &Played<'_>, run: &Run, then: Millis, received: Millis) -> bool {
    let Some(since) = played.world.call.unless_since else {
        return false;
    };
    let server = &played.world.server;
    let began = if server.tells_start {
        run.started
    } else {
        run.created
    };
    let has_come = !server.sends_date || since - server.date_ahead <= received;
    run.listed() <= then
        && (then < run.started && has_come || then >= run.started && began >= since)
}

/// Returns the requests for the list that precede the first trigger.
fn lists<'p>(played: &'p Played<'_>) -> impl Iterator<Item = &'p Sent> {
    played
        .sent
        .iter()
        .take_while(|sent| !sent.trigger)
        .filter(|sent| sent.list)
}

/// Returns whether the last list shows that the run began since the given time.
pub fn stands(played: &Played<'_>, run: &Run) -> bool {
    let last = lists(played).last();
    last.is_some_and(|last| came_since(played, run, last.as_of, last.back))
}

/// If the list shows a run that began since the given time, no run is started, and the first such
/// run is adopted.
pub fn gated(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("gated", how);
    let Some(since) = played.world.call.unless_since else {
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
    let may_take = started.is_none() && (!refused || played.world.call.resync);
    let taken = named.filter(|run| may_take && stands(played, run));
    if started.is_none() && named.is_none() {
        return Ok(());
    }
    // The last reading of the list begins with its first page, or with the end that an earlier
    // reading has found.
    let all: Vec<&Sent> = lists(played).collect();
    let Some(last) = all.last() else {
        return broken(format!("it did not read the list of runs since {since} ms"));
    };
    if last.body.is_none() {
        return broken(format!(
            "the request at {} ms got no readable list, and the call continued",
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
    // A run that was queued when the first page was read may have begun before its page was read.
    let times = [
        list.as_of,
        lists(played).last().map_or(list.as_of, |last| last.as_of),
    ];
    let shows = |run: &Run| {
        let mut times = times.iter();
        times.all(|then| came_since(played, run, *then, last.back))
    };
    let earlier = |run: &&Run| shows(run) && taken.is_none_or(|taken| run.id < taken.id);
    match (played.hightouch.runs.iter().find(earlier), taken) {
        (Some(first), None) => {
            let did = started.map_or("it ended without it".into(), |at| {
                format!("a trigger was sent at {at} ms")
            });
            broken(format!(
                "run {} began since {since} ms, and {did}",
                first.id
            ))
        }
        (Some(first), Some(taken))
            if played.one_page() && list.fault != Some(Fault::Nonsense(Nonsense::NoTimes)) =>
        {
            broken(format!(
                "run {} was adopted, although run {} also began since {since} ms, and earlier",
                taken.id, first.id
            ))
        }
        _ => Ok(()),
    }
}

/// A call waits for a time in the future. A time in the far future is invalid.
pub fn future(played: &Played<'_>) -> Result<(), Broken> {
    let broken = |how: String| broken("future", how);
    let world = played.world;
    let kind = played.outcome.as_ref().err().map(|failure| failure.kind);
    let is_invalid = kind == Some(FailureKind::InvalidInput);
    let Some(since) = world.call.unless_since else {
        return if is_invalid {
            broken("without a time, the input is called invalid".into())
        } else {
            Ok(())
        };
    };
    // The time, as the clock of `Date` shows it.
    let comes = since - world.server.date_ahead;
    if is_invalid {
        if comes < played.over + MAX_FUTURE - CLOCK_PRECISION {
            return broken(format!(
                "at {} ms the time {comes} ms is rejected as too far in the future",
                played.over
            ));
        }
        if !world.server.sends_date {
            return broken("the clock is unknown, and the time is still rejected".into());
        }
    }
    let trigger = played.sent.iter().find(|sent| sent.trigger);
    if let Some(trigger) = trigger
        && world.server.sends_date
        && trigger.at < comes
    {
        return broken(format!(
            "a trigger was sent at {} ms, before the time {comes} ms",
            trigger.at
        ));
    }
    Ok(())
}

/// Repeated calls with the same time start at most one run, if each call begins after the end of
/// the call before, and after Hightouch has listed the run of the call before.
pub fn repeated(played: &PlayedWorld<'_>) -> Result<Vec<Situation>, Broken> {
    let call = &played.world.call;
    let Some(since) = call.unless_since else {
        return Ok(Vec::new());
    };
    let runs: Vec<&Run> = played
        .hightouch
        .runs
        .iter()
        .filter(|run| run.by.is_some())
        .collect();
    let mut situations = Vec::new();
    for run in &runs {
        let adopts = played.calls.iter().any(|later| {
            let id = report(&later.outcome).filter(|report| report.joined);
            run.by != Some(later.nth) && id.is_some_and(|report| report.run.run.get() == run.id)
        });
        situations.extend(adopts.then_some(Situation::Repeated));
    }
    // If the clock is unknown or wrong, the engine cannot know whether the time has come.
    let server = &played.world.server;
    let is_right = server.sends_date && server.date_ahead.abs() <= NORMAL_SKEW;
    if !is_right && since > 0 {
        return Ok(situations);
    }
    for pair in runs.windows(2) {
        let [one, next] = pair else { continue };
        let (Some(first), Some(second)) = (one.by, next.by) else {
            continue;
        };
        let began = played.calls[second].began;
        let ended = played.calls[first].over;
        let is_listed = one.listed() <= began - crate::world::BEHIND
            || began >= ended + LISTED_SURELY && one.created <= ended;
        if is_listed {
            return broken(
                "repeated calls start one run",
                format!(
                    "call {first} started run {}, and call {second} started run {} since {since} \
                     ms",
                    one.id, next.id
                ),
            )
            .map(|()| situations);
        }
    }
    Ok(situations)
}

pub fn situations(played: &Played<'_>) -> Vec<Situation> {
    let mut situations = Vec::new();
    let named = report(&played.outcome).and_then(|report| played.run(report.run.run.get()));
    let since = played.world.call.unless_since.unwrap_or(Millis::MAX);
    if let Some(trigger) = played.sent.iter().find(|sent| sent.trigger) {
        situations.push(Situation::NoneSince);
        situations
            .extend((trigger.at >= since && since > played.began).then_some(Situation::Awaited));
    } else if named.is_some_and(|run| stands(played, run)) {
        situations.push(Situation::Stands);
    }
    situations
}
