//! Checks of the batch that follows the runs of another batch.

use hightouch_sync::engine::{Failure, FailureKind, MAX_CONCURRENT_RUNS, SyncReport, report_of};
use hightouch_sync::hightouch::Method;

use super::{Broken, Checked, LATEST_WAKE, MAX_LAG, broken};
use crate::batch::play::{Followed, SentRequest};
use crate::batch::server::BatchRun;
use crate::world::{Fault, Millis};

/// Maximum time that an operation keeps free before its deadline for one last request.
const LAST_REQUEST: Millis = 1_000;

/// A run that was followed.
struct Follower<'p> {
    sent: &'p [&'p SentRequest],
    run: &'p BatchRun,
    began: Millis,
    deadline: Millis,
    ended: Millis,
}

/// While runs are followed, only requests that read are sent.
pub(super) fn starts_nothing(checked: &Checked<'_>) -> Result<(), Broken> {
    for sent in checked.sent_by_followers.iter().flatten() {
        if sent.request.method != Method::Get {
            return broken(
                "following starts nothing",
                format!("at {} ms {:?} sends a trigger", sent.at, sent.sender),
            );
        }
    }
    Ok(())
}

/// Every run that is followed ends in an outcome by the deadline, and the outcome is true.
pub(super) fn ends_truly(checked: &Checked<'_>) -> Result<(), Broken> {
    let played = checked.played;
    let Some(began) = played.follow_began else {
        return Ok(());
    };
    let deadline = began + played.world.follow;
    for (index, followed) in played.followed.iter().enumerate() {
        let broken = |promise, how: String| broken(promise, format!("follower {index}: {how}"));
        let Followed { run, ended, .. } = followed;
        let Some(ended) = ended else {
            return broken("never hangs", "it has no outcome".into());
        };
        if ended.at > deadline + LATEST_WAKE {
            return broken(
                "never hangs",
                format!("it ended at {} ms, after {deadline} ms", ended.at),
            );
        }
        let named = report_of(&ended.outcome).map(|report| report.run);
        if named.is_none_or(|named| named != *run) {
            return broken(
                "never lost",
                format!("it follows {run}, and its outcome names {named:?}"),
            );
        }
        let Some(run) = played.server.run(run.run.get()) else {
            return broken("never lost", format!("{run} does not exist"));
        };
        let follower = Follower {
            sent: &checked.sent_by_followers[index],
            run,
            began,
            deadline,
            ended: ended.at,
        };
        let is_true = match &ended.outcome {
            Ok(_) => run.has_ended(ended.at) && run.is_success(played.world.accept_warnings),
            Err(failure) => is_true(checked, &follower, failure),
        };
        if !is_true {
            return broken(
                "never false",
                format!(
                    "run {} is `{}`, and the outcome is {:?}",
                    run.id,
                    run.status(ended.at),
                    ended.outcome
                ),
            );
        }
    }
    Ok(())
}

/// Returns whether the run, the time or the responses explain the failure.
fn is_true(checked: &Checked<'_>, follower: &Follower<'_>, failure: &Failure<SyncReport>) -> bool {
    let world = checked.played.world;
    let Follower {
        sent,
        run,
        began,
        deadline,
        ended,
    } = follower;
    let is_time_up = *ended >= deadline - LAST_REQUEST;
    let last = sent.last();
    match failure.kind {
        FailureKind::SyncFailed => run.has_ended(*ended) && !run.is_success(world.accept_warnings),
        FailureKind::StillRunning => {
            let has_place = checked.played.followed.len() <= MAX_CONCURRENT_RUNS as usize;
            let noticed = run.ends().map(|end| end.max(run.listed()).max(*began));
            let is_late = noticed.is_none_or(|noticed| noticed + MAX_LAG > *deadline);
            is_time_up && (is_late || !has_place || !world.is_calm())
        }
        // An error status that no other attempt changes ends the wait.
        FailureKind::Api | FailureKind::Unauthorized => last.is_some_and(|last| {
            let is_rejected = last.status == failure.http_status;
            let is_fault = matches!(last.fault, Some(Fault::Status { .. }));
            let is_final = matches!(last.status, Some(401 | 403 | 422));
            is_rejected && is_fault && is_final
        }),
        _ => false,
    }
}
