//! Running a sync from the trigger to the end of the run.

use super::*;
use crate::hightouch::{ReadError, RunStatus};

/// Runs sync 7. Each poll of run 42 returns the next of these statuses.
fn run_through(options: Options, statuses: &[&str]) -> Execution<SyncReport> {
    let mut remaining = statuses.iter();
    execute(
        SyncGoal::Run(sync_7()),
        options,
        |request, _| match request {
            request if is_trigger(request) => trigger_response(),
            _ => run_list(&[(
                42,
                remaining.next().expect("a poll after the end of the run"),
            )]),
        },
    )
}

#[test]
fn a_run_with_the_final_status_success_succeeds() {
    let execution = run_through(
        Options::default(),
        &["queued", "querying", "processing", "reporting", "success"],
    );
    let report = execution.report();
    assert_eq!(
        (report.run, &report.status, report.joined, report.requests),
        (run_42(), &RunStatus::Success, false, 6)
    );
    assert_eq!(report.jobs.len(), 1);
    assert_eq!(report.elapsed, execution.ended_at);
    assert_eq!(
        execution.targets()[..2],
        ["/syncs/7/trigger", "/syncs/7/runs?runId=42"]
    );
}

#[test]
fn each_final_status_decides_the_outcome() {
    for (final_status, warnings, success) in [
        ("success", Warnings::Fail, true),
        ("SUCCESS", Warnings::Fail, true),
        ("warning", Warnings::Accept, true),
        ("warning", Warnings::Fail, false),
        ("failed", Warnings::Accept, false),
        ("cancelled", Warnings::Accept, false),
        ("interrupted", Warnings::Accept, false),
    ] {
        let execution = run_through(
            Options {
                warnings,
                ..Options::default()
            },
            &["processing", final_status],
        );
        assert_eq!(execution.outcome.is_ok(), success, "{final_status}");
        if let Err(failure) = &execution.outcome {
            assert_eq!(failure.kind, FailureKind::SyncFailed, "{final_status}");
            let report = failure.report.as_ref().unwrap();
            assert_eq!(
                (report.run, report.status.as_str(), report.jobs.len()),
                (run_42(), final_status, 1)
            );
        }
    }
}

#[test]
fn one_failed_job_fails_the_run_after_all_jobs_end() {
    let mut polls = 0;
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            return trigger_response();
        }
        polls += 1;
        let second = if polls < 3 { "processing" } else { "success" };
        ok(format!(
            r#"{{"data":[{{"id":42,"status":"failed","error":"column gone"}},{{"id":42,"status":"{second}"}}],"hasMore":false}}"#
        ))
    });
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), polls),
        (FailureKind::SyncFailed, "column gone", 3)
    );
    assert_eq!(failure.report.as_ref().unwrap().jobs.len(), 2);
}

#[test]
fn a_run_is_polled_until_the_list_shows_it() {
    let mut polls = 0;
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            return trigger_response();
        }
        polls += 1;
        match polls {
            1 => run_list(&[]),
            2 => run_list(&[(41, "success"), (40, "success")]),
            3 => run_list(&[(41, "success"), (42, "processing")]),
            _ => run_list(&[(43, "failed"), (42, "success"), (41, "failed")]),
        }
    });
    assert_eq!(
        (execution.report().run, execution.report().jobs.len(), polls),
        (run_42(), 1, 4)
    );
}

#[test]
fn an_unknown_status_counts_as_in_progress_and_is_reported_verbatim() {
    assert!(
        run_through(Options::default(), &["Verifying", "success"])
            .outcome
            .is_ok()
    );
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(30)),
        |request, _| {
            if is_trigger(request) {
                trigger_response()
            } else {
                run_list(&[(42, "Verifying")])
            }
        },
    );
    let failure = execution.failure();
    assert_eq!(failure.kind, FailureKind::StillRunning);
    assert_eq!(
        failure.report.as_ref().unwrap().status,
        RunStatus::Other("Verifying".into())
    );
}

#[test]
fn a_run_of_an_hour_takes_few_requests() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(7200)),
        |request, at| match request {
            request if is_trigger(request) => trigger_response(),
            _ if at < seconds(3600) => run_list(&[(42, "processing")]),
            _ => run_list(&[(42, "success")]),
        },
    );
    assert!(execution.outcome.is_ok());
    assert!(
        execution.ended_at < seconds(3600 + 70),
        "{:?}",
        execution.ended_at
    );
    assert!(
        execution.sent.len() < 270,
        "{} requests",
        execution.sent.len()
    );
}

#[test]
fn a_timeout_reports_the_run_and_never_comes_after_the_deadline() {
    for millis in [1, 50, 150, 700, 2_000, 25_000, 61_000] {
        let max_wait = Duration::from_millis(millis);
        let execution = execute(
            SyncGoal::Run(sync_7()),
            with_max_wait(max_wait),
            |request, _| {
                if is_trigger(request) {
                    trigger_response()
                } else {
                    run_list(&[(42, "processing")])
                }
            },
        );
        let failure = execution.failure();
        assert!(
            execution.ended_at <= max_wait + MAX_WAKE_DELAY,
            "{millis}: {:?}",
            execution.ended_at
        );
        if millis >= 700 {
            assert_eq!(failure.kind, FailureKind::StillRunning, "{millis}");
            assert_eq!(failure.report.as_ref().unwrap().run, run_42());
            assert!(
                execution.ended_at + seconds(1) > max_wait,
                "ended before the deadline: {:?} of {max_wait:?}",
                execution.ended_at
            );
        }
    }
}

#[test]
fn a_silent_server_does_not_delay_the_end_beyond_the_deadline() {
    for millis in [100, 5_000, 60_000] {
        let max_wait = Duration::from_millis(millis);
        let execution = execute(
            SyncGoal::Await(run_42()),
            with_max_wait(max_wait),
            |_, _| Reply::Silence,
        );
        assert!(
            execution.ended_at <= max_wait + MAX_WAKE_DELAY,
            "{:?}",
            execution.ended_at
        );
        assert_eq!(execution.failure().kind, FailureKind::Unreachable);
        assert_eq!(execution.failure().report.as_ref().unwrap().run, run_42());
    }
}

#[test]
fn polling_survives_every_transient_error() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        Options::default(),
        |request, at| {
            if is_trigger(request) {
                return trigger_response();
            }
            match at.as_secs() / 10 {
                1 => Reply::TransportError(TransportErrorKind::NotSent),
                2 => Reply::TransportError(TransportErrorKind::Lost),
                3 => status(503),
                4 => ok("<html>"),
                5 => Reply::Response(Response {
                    end: crate::hightouch::BodyEnd::Incomplete,
                    ..Response::new(200, r#"{"data":["#)
                }),
                6 => status(408),
                7 => Reply::Silence,
                8 => status(429),
                9 => Reply::Response(Response::new(500, r#""Internal Server Error""#)),
                // A proxy requires a sign-in or redirects temporarily.
                10 => status(302),
                11 => status(307),
                0 | 12 => run_list(&[(42, "processing")]),
                _ => run_list(&[(42, "success")]),
            }
        },
    );
    assert!(execution.outcome.is_ok(), "{:#?}", execution.outcome);
    assert_eq!(execution.trigger_count(), 1);
}

#[test]
fn a_permanent_error_ends_polling_and_reports_the_run() {
    for (code, kind) in [
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Api),
        (404, FailureKind::NotFound),
        (422, FailureKind::Api),
    ] {
        let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
            if is_trigger(request) {
                trigger_response()
            } else {
                status(code)
            }
        });
        let failure = execution.failure();
        assert_eq!(
            (failure.kind, failure.http_status, execution.sent.len()),
            (kind, Some(code), 2),
            "{code}"
        );
        assert_eq!(failure.message, crate::hightouch::reason_phrase(code));
        assert_eq!(failure.report.as_ref().unwrap().run, run_42());
    }
}

#[test]
fn retry_after_delays_the_next_poll() {
    let mut first_poll = Some(());
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            return trigger_response();
        }
        if first_poll.take().is_some() {
            let mut response = Response::new(429, "");
            response.record_header("retry-after", b"17");
            return Reply::Response(response);
        }
        run_list(&[(42, "success")])
    });
    assert!(execution.outcome.is_ok());
    let (before, after) = (execution.sent[1].0, execution.sent[2].0);
    assert!(
        after - before >= seconds(17) && after - before <= seconds(19),
        "{before:?} {after:?}"
    );
}

#[test]
fn an_absurd_retry_after_is_capped_by_the_deadline() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(60)),
        |request, at| {
            if is_trigger(request) {
                return trigger_response();
            }
            if at > seconds(50) {
                return run_list(&[(42, "success")]);
            }
            let mut response = Response::new(503, "");
            response.record_header("retry-after", b"99999999999999999999999999");
            Reply::Response(response)
        },
    );
    assert!(execution.outcome.is_ok(), "{:#?}", execution.outcome);
    assert!(execution.ended_at <= seconds(60));
}

#[test]
fn a_timeout_after_a_rate_limit_reports_retry_after() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(25)),
        |request, _| {
            if is_trigger(request) {
                return trigger_response();
            }
            let mut response = Response::new(429, "");
            response.record_header("retry-after", b"40");
            Reply::Response(response)
        },
    );
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.retry_after),
        (FailureKind::StillRunning, Some(seconds(40)))
    );
}

#[test]
fn a_started_run_is_never_considered_older_than_the_operation() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(60)),
        |request, _| {
            if is_trigger(request) {
                return trigger_response();
            }
            let mut response = Response::new(
                200,
                r#"{"data":[{"id":42,"status":"processing","createdAt":"2001-02-08T15:11:00.000Z"}],"hasMore":false}"#,
            );
            response.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
            Reply::Response(response)
        },
    );
    assert!(
        execution.sent.len() > 20,
        "{} requests",
        execution.sent.len()
    );
}

#[test]
fn an_unknown_status_with_an_end_time_is_a_failure() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(60)),
        |request, _| {
            if is_trigger(request) {
                return trigger_response();
            }
            ok(
                r#"{"data":[{"id":42,"status":"Completed with care","finishedAt":"2022-02-08T16:11:11Z"}],"hasMore":false}"#,
            )
        },
    );
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, execution.sent.len()),
        (FailureKind::SyncFailed, 2)
    );
    assert!(
        failure.message.contains("`Completed with care`"),
        "{}",
        failure.message
    );
    assert_eq!(
        failure.report.as_ref().unwrap().status.as_str(),
        "Completed with care"
    );
}

#[test]
fn a_page_over_the_size_limit_is_requested_again_in_smaller_pages() {
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            return trigger_response();
        }
        let limit: usize = request
            .target
            .split("limit=")
            .nth(1)
            .map_or(100, |rest| rest.split('&').next().unwrap().parse().unwrap());
        if limit > 4 {
            return Reply::Response(Response {
                end: crate::hightouch::BodyEnd::TooLong,
                ..Response::new(200, "")
            });
        }
        run_page(&[(42, "success"); 6], request, limit)
    });
    assert_eq!(execution.report().jobs.len(), 6);
    assert_eq!(
        execution.targets()[1..],
        [
            "/syncs/7/runs?runId=42",
            "/syncs/7/runs?runId=42&limit=20",
            "/syncs/7/runs?runId=42&limit=4",
            "/syncs/7/runs?runId=42&limit=4&orderBy=id&offset=4",
        ]
    );
}

#[test]
fn an_incomplete_list_is_never_a_success() {
    for pages in [
        // An empty page that is not the last page.
        [r#"{"data":[],"hasMore":true}"#, ""],
        [
            r#"{"data":[{"id":42,"status":"success"}],"hasMore":"true"}"#,
            r#"{"data":[{"id":42,"status":"failed"}],"hasMore":false}"#,
        ],
        [
            r#"{"data":[{"id":3},{"id":42,"status":"success"},{"id":4}],"hasMore":true}"#,
            r#"{"data":[{"id":42,"status":"failed"}],"hasMore":false}"#,
        ],
        [
            r#"{"data":[{"id":42,"status":"success"},{"id":41,"status":"success"},{"status":"failed"}],"hasMore":false}"#,
            "",
        ],
        [
            r#"{"data":[{"id":42,"status":"success"},"failed"],"hasMore":false}"#,
            "",
        ],
        [r#"{"data":[{"id":42,"status":"success"}],"hasMore":1}"#, ""],
    ] {
        let execution = execute(
            SyncGoal::Run(sync_7()),
            with_max_wait(seconds(30)),
            |request, _| match request {
                request if is_trigger(request) => trigger_response(),
                request => ok(pages[usize::from(request.target.contains("offset="))]),
            },
        );
        assert!(execution.outcome.is_err(), "{pages:?}");
    }
    let partial = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(30)),
        |request, _| match request {
            request if is_trigger(request) => trigger_response(),
            _ => Reply::Response(Response::new(
                206,
                r#"{"data":[{"id":42,"status":"success"}],"hasMore":false}"#,
            )),
        },
    );
    assert_eq!(
        partial.failure().kind,
        FailureKind::StillRunning,
        "a response with status 206 is partial"
    );
}

#[test]
fn the_list_is_read_page_by_page_if_the_server_ignores_the_run_id() {
    // The list begins with 250 older runs, so the awaited run is on the third page.
    let ids: Vec<u64> = (1000..1250).chain([1250]).collect();
    let goal = SyncGoal::Await(RunRef {
        run: RunId::try_from(1250).unwrap(),
        ..run_42()
    });
    let execution = execute(goal, Options::default(), |request, _| {
        let offset: usize = request
            .target
            .split("offset=")
            .nth(1)
            .map_or(0, |offset| offset.parse().unwrap());
        let page: Vec<String> = ids
            .iter()
            .skip(offset)
            .take(100)
            .map(|id| format!(r#"{{"id":{id},"status":"success"}}"#))
            .collect();
        ok(format!(
            r#"{{"data":[{}],"hasMore":{}}}"#,
            page.join(","),
            offset + 100 < ids.len()
        ))
    });
    assert_eq!(
        (execution.report().jobs.len(), execution.sent.len()),
        (1, 3)
    );
}

#[test]
fn a_list_without_an_end_is_an_error() {
    let execution = execute(SyncGoal::Await(run_42()), Options::default(), |_, _| {
        ok(r#"{"data":[{"id":1,"status":"success"}],"hasMore":true}"#)
    });
    let failure = execution.failure();
    assert_eq!(failure.kind, FailureKind::MalformedAnswer);
    assert_eq!(failure.message, ReadError::TooManyPages(20).to_string());
    assert_eq!(execution.sent.len(), 20);
}

#[test]
fn the_last_known_status_is_kept_if_later_polls_list_nothing() {
    let mut polls = 0;
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(20)),
        |request, _| {
            if is_trigger(request) {
                return trigger_response();
            }
            polls += 1;
            if polls == 1 {
                run_list(&[(42, "processing")])
            } else {
                run_list(&[])
            }
        },
    );
    let report = execution.failure().report.clone().unwrap();
    assert_eq!(
        (report.status, report.jobs.len()),
        (RunStatus::Processing, 1)
    );
}

#[test]
fn a_job_without_an_id_or_a_missing_job_prevents_success() {
    for bad in [
        r#"{"data":[{"id":42,"status":"success"},{"status":"failed"}],"hasMore":false}"#,
        r#"{"data":[{"id":42,"status":"success"}],"hasMore":false}"#,
    ] {
        let mut polls = 0;
        let execution = execute(
            SyncGoal::Run(sync_7()),
            with_max_wait(seconds(60)),
            |request, _| {
                if is_trigger(request) {
                    return trigger_response();
                }
                polls += 1;
                if polls == 1 {
                    run_list(&[(42, "success"), (42, "processing")])
                } else {
                    ok(bad)
                }
            },
        );
        let failure = execution.failure();
        assert_eq!(failure.kind, FailureKind::StillRunning, "{bad}");
        assert_eq!(
            failure.report.as_ref().unwrap().status,
            RunStatus::Processing,
            "the last known status is kept"
        );
    }
}

#[test]
fn the_list_is_not_read_beyond_the_position_of_the_run() {
    let mut polls = 0;
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            return trigger_response();
        }
        polls += 1;
        let new_run = if polls > 2 {
            r#"{"id":42,"status":"success"},"#
        } else {
            ""
        };
        let old_runs: Vec<String> = (1..41)
            .rev()
            .map(|id| format!(r#"{{"id":{id},"status":"success"}}"#))
            .collect();
        ok(format!(
            r#"{{"data":[{new_run}{}],"hasMore":true}}"#,
            old_runs.join(",")
        ))
    });
    assert_eq!(
        (execution.report().run, execution.sent.len()),
        (run_42(), 4)
    );
}

#[test]
fn every_job_is_kept_and_long_job_errors_are_truncated() {
    let error = "e".repeat(100_000);
    let execution = execute(
        SyncGoal::Await(run_42()),
        Options::default(),
        |request, _| {
            let page: Vec<String> = (0..8)
                .map(|_| format!(r#"{{"id":42,"status":"failed","error":"{error}"}}"#))
                .collect();
            let more = !request.target.contains("offset=72");
            ok(format!(
                r#"{{"data":[{}],"hasMore":{more}}}"#,
                page.join(",")
            ))
        },
    );
    let jobs = &execution.failure().report.as_ref().unwrap().jobs;
    let text: usize = jobs
        .iter()
        .filter_map(|job| job.error.as_ref())
        .map(String::capacity)
        .sum();
    assert_eq!(jobs.len(), 80);
    assert!(text <= 128 * 1024 + 80 * 128, "{text} bytes");
}

#[test]
fn a_run_with_too_many_jobs_is_polled_until_the_deadline() {
    let page = vec![r#"{"id":42,"status":"success"}"#; 100].join(",");
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(3)),
        |request, _| match request {
            request if is_trigger(request) => trigger_response(),
            _ => ok(format!(r#"{{"data":[{page}],"hasMore":true}}"#)),
        },
    );
    let failure = execution.failure();
    assert_eq!(failure.kind, FailureKind::StillRunning);
    assert!(
        failure.report.as_ref().unwrap().jobs.is_empty() && execution.sent.len() > 11,
        "{failure:?}"
    );
}

#[test]
fn a_list_that_changes_between_two_pages_is_read_again() {
    // The run has two jobs and is added to the top of the list between the first two responses. Its
    // failed job then moves to the first page, which the operation has already read.
    let mut pages = [
        r#"{"data":[{"id":41,"status":"success"},{"id":41,"status":"success"}],"hasMore":true}"#,
        r#"{"data":[{"id":42,"status":"success"},{"id":41,"status":"success"}],"hasMore":true}"#,
        r#"{"data":[{"id":42,"status":"failed"},{"id":42,"status":"success"}],"hasMore":true}"#,
        r#"{"data":[{"id":42,"status":"success"},{"id":41,"status":"success"}],"hasMore":false}"#,
    ]
    .into_iter();
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            trigger_response()
        } else {
            ok(pages.next().unwrap())
        }
    });
    assert_eq!(
        (execution.failure().kind, execution.sent.len()),
        (FailureKind::SyncFailed, 5)
    );
    assert!(
        execution.sent[3].0 - execution.sent[2].0 >= Duration::from_millis(500),
        "{:?}",
        execution.sent
    );
}
