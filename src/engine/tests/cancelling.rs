//! The end of a call whose caller does not await it any more.

use super::*;
use crate::engine::{Batch, BatchOptions, Event, SyncGoal};

fn batch(goal: SyncGoal) -> Batch<SyncGoal> {
    let options = Options::default();
    Batch::new(
        vec![goal],
        options,
        BatchOptions::default(),
        Instant::default(),
        1,
    )
}

/// Cancels the batch. Returns the failure of its operation.
fn cancel(mut batch: Batch<SyncGoal>) -> Failure<SyncReport> {
    let now = Instant::default() + seconds(3);
    batch.cancel(now);
    assert!(batch.is_over());
    assert!(batch.next_request(now).is_none(), "nothing more is sent");
    batch.take_outcome(0).unwrap().unwrap_err()
}

#[test]
fn a_call_that_has_sent_no_trigger_has_started_nothing() {
    let failure = cancel(batch(SyncGoal::Run(sync_7())));
    assert_eq!(failure.kind, FailureKind::NotStarted);

    let mut by_slug = batch(SyncGoal::Run("demo".parse().map(SyncRef::Slug).unwrap()));
    let look_up = by_slug.next_request(Instant::default()).unwrap();
    assert!(!is_trigger(&look_up.request));
    assert_eq!(cancel(by_slug).kind, FailureKind::NotStarted);
}

#[test]
fn a_call_whose_trigger_is_in_flight_may_have_started_a_run() {
    let mut batch = batch(SyncGoal::Run(sync_7()));
    let trigger = batch.next_request(Instant::default()).unwrap();
    assert!(is_trigger(&trigger.request));
    let failure = cancel(batch);
    assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed);
    assert_eq!(failure.report, None);
    assert!(
        failure
            .message
            .contains("It is unknown whether a run was started.")
    );
}

#[test]
fn a_call_whose_run_is_known_names_it() {
    let mut started = batch(SyncGoal::Run(sync_7()));
    let trigger = started.next_request(Instant::default()).unwrap();
    let response = Response::new(200, r#"{"id":"42"}"#);
    started.on_reply(trigger.index, Event::Response(response));
    assert!(started.next_request(Instant::default()).is_none());
    let awaited = batch(SyncGoal::Await(run_42()));
    for batch in [started, awaited] {
        let failure = cancel(batch);
        assert_eq!(failure.kind, FailureKind::StillRunning);
        assert_eq!(failure.report.unwrap().run, run_42());
    }
}
