//! A run of an hour is polled until it ends, with few requests.

use std::time::Duration;

use xtask::embedder::RunOptions;

use super::support::stage::{millis, options, with_each_library};

#[test]
fn a_run_of_an_hour_is_reported_within_two_minutes_of_its_end() {
    with_each_library(async |stage| {
        let hightouch = stage.local().await;
        let library = stage.library(&hightouch.origin());
        let report = library
            .run_sync(
                6,
                RunOptions {
                    max_wait_ms: Some(2 * 3600 * 1000),
                    ..options()
                },
            )
            .await
            .unwrap();
        let hour = millis(Duration::from_secs(3600));
        assert!(
            (hour..hour + 120_000).contains(&report.elapsed_ms),
            "{} ms",
            report.elapsed_ms
        );
        assert_eq!(
            u64::from(report.requests),
            hightouch.requests().len() as u64
        );
        assert!(report.requests < 270, "{} requests", report.requests);
        assert_eq!(hightouch.triggers(), 1);
    });
}

#[test]
fn the_default_wait_is_an_hour() {
    with_each_library(async |stage| {
        let hightouch = super::support::stage::lists(|_| {
            r#"{"data":[{"id":42,"status":"processing"}]}"#.into()
        })
        .await;
        let failure = stage
            .library(hightouch.origin())
            .run_sync(1, options())
            .await
            .unwrap_err();
        let hour = millis(Duration::from_secs(3600));
        assert!(
            (hour - 2_000..=hour + 250).contains(&failure.elapsed_ms),
            "{} ms",
            failure.elapsed_ms
        );
    });
}
