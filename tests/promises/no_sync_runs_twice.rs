//! One `run-sync` starts at most one run, even if the response to its trigger is lost.

use xtask::embedder::{FailureKind, IfRunning, Resync, RunOptions};
use xtask::local_hightouch::{LocalHightouch, Options, Scenario};

use super::support::stage::{options, with_each_library};

#[test]
fn a_run_whose_trigger_was_answered_to_nobody_is_found_and_followed() {
    for scenario in [
        Scenario::LostTriggerResponse,
        Scenario::TriggerTimeout,
        Scenario::TruncatedTrigger,
    ] {
        with_each_library(async |stage| {
            let hightouch = LocalHightouch::start(Options::default().with_scenario(scenario))
                .await
                .unwrap();
            let report = stage
                .library(&hightouch.origin())
                .run_sync(1, options())
                .await;
            let report = report.unwrap_or_else(|failure| panic!("{scenario}: {failure:?}"));
            assert_eq!(report.run.run_id, hightouch.runs(1)[0].id, "{scenario}");
            assert_eq!(hightouch.triggers(), 1, "{scenario}");
        });
    }
}

#[test]
fn with_resync_flags_it_is_named_and_not_followed() {
    with_each_library(async |stage| {
        let lost = Options::default().with_scenario(Scenario::LostTriggerResponse);
        let hightouch = LocalHightouch::start(lost).await.unwrap();
        let full = RunOptions {
            resync: Resync::FULL,
            ..options()
        };
        let failure = stage
            .library(&hightouch.origin())
            .run_sync(1, full)
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed);
        assert!(
            failure.run.is_none(),
            "it may be somebody else's: {failure:?}"
        );
        assert!(failure.details.unwrap().contains(&format!(
            "The request may have started one of these runs: {}.",
            hightouch.runs(1)[0].id
        )));
        assert!(hightouch.runs(1)[0].flags.full_resync);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn a_trigger_of_which_no_run_came_is_sent_again_only_after_the_list_shows_that() {
    with_each_library(async |stage| {
        let dropped = Options::default().with_scenario(Scenario::DroppedTrigger);
        let hightouch = LocalHightouch::start(dropped).await.unwrap();
        let outcome = stage
            .library(&hightouch.origin())
            .run_sync(1, options())
            .await;
        assert!(hightouch.triggers() <= 1, "{outcome:?}");
        let requests = hightouch.requests();
        let posts: Vec<_> = requests
            .iter()
            .filter(|request| request.method == "POST")
            .collect();
        assert!(posts.len() > 1, "{outcome:?}");
        for pair in posts.windows(2) {
            assert!(
                (pair[1].at - pair[0].at).as_secs() >= 8,
                "{:?} {:?}",
                pair[0].at,
                pair[1].at
            );
        }
    });
}

#[test]
fn a_run_that_is_going_is_queued_behind_joined_or_refused() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let with = |if_running| RunOptions {
            if_running,
            ..options()
        };
        let (first, queued) = tokio::join!(library.run_sync(1, options()), async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let joined = library.run_sync(1, with(IfRunning::Join)).await.unwrap();
            assert!(joined.joined);
            assert_eq!(hightouch.triggers(), 1);
            joined
        });
        assert_eq!(first.unwrap().run.run_id, queued.run.run_id);

        let (first, (refused, second)) = tokio::join!(library.run_sync(1, options()), async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let refused = library
                .run_sync(1, with(IfRunning::Refuse))
                .await
                .unwrap_err();
            (
                refused,
                library.run_sync(1, with(IfRunning::Queue)).await.unwrap(),
            )
        });
        let first = first.unwrap();
        assert_eq!(
            (refused.kind, refused.run.unwrap().run_id),
            (FailureKind::Busy, first.run.run_id)
        );
        assert!(second.run.run_id > first.run.run_id && !second.joined);
        assert_eq!(hightouch.triggers(), 3);
    });
}
