//! A run from its start to its end.

use super::*;
use crate::hightouch::{ReadError, RunStatus};

/// Runs sync 7; its run 42 goes through these statuses, one a look.
fn run_through(options: Options, statuses: &[&str]) -> Played<SyncReport> {
    let mut left = statuses.iter();
    play(SyncGoal::Run(sync()), options, |request, _| match request {
        request if is_trigger(request) => triggered(),
        _ => runs(&[(42, left.next().expect("a look after the run's end"))]),
    })
}

#[test]
fn a_run_that_ends_in_success_is_a_success() {
    let played = run_through(
        Options::default(),
        &["queued", "querying", "processing", "reporting", "success"],
    );
    let report = played.report();
    assert_eq!(
        (report.run, &report.status, report.joined, report.requests),
        (the_run(), &RunStatus::Success, false, 6)
    );
    assert_eq!(report.jobs.len(), 1);
    assert_eq!(report.elapsed, played.over);
    assert_eq!(
        played.targets()[..2],
        ["/syncs/7/trigger", "/syncs/7/runs?runId=42"]
    );
}

#[test]
fn each_status_counts_as_the_table_says() {
    for (word, accept_warnings, success) in [
        ("success", false, true),
        ("SUCCESS", false, true),
        ("warning", true, true),
        ("warning", false, false),
        ("failed", true, false),
        ("cancelled", true, false),
        ("interrupted", true, false),
    ] {
        let played = run_through(
            Options {
                accept_warnings,
                ..Options::default()
            },
            &["processing", word],
        );
        assert_eq!(played.outcome.is_ok(), success, "{word}");
        if let Err(failure) = &played.outcome {
            assert_eq!(failure.kind, FailureKind::SyncFailed, "{word}");
            let report = failure.report.as_ref().unwrap();
            assert_eq!(
                (report.run, report.status.as_str(), report.jobs.len()),
                (the_run(), word, 1)
            );
        }
    }
}

#[test]
fn one_job_that_failed_fails_the_run_once_all_have_ended() {
    let mut looks = 0;
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        looks += 1;
        let second = if looks < 3 { "processing" } else { "success" };
        ok(format!(
            r#"{{"data":[{{"id":42,"status":"failed","error":"column gone"}},{{"id":42,"status":"{second}"}}],"hasMore":false}}"#
        ))
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), looks),
        (FailureKind::SyncFailed, "column gone", 3)
    );
    assert_eq!(failure.report.as_ref().unwrap().jobs.len(), 2);
}

#[test]
fn nothing_listed_and_other_runs_are_not_yet() {
    let mut looks = 0;
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        looks += 1;
        match looks {
            1 => runs(&[]),
            2 => runs(&[(41, "success"), (40, "success")]),
            3 => runs(&[(41, "success"), (42, "processing")]),
            _ => runs(&[(43, "failed"), (42, "success"), (41, "failed")]),
        }
    });
    assert_eq!(
        (played.report().run, played.report().jobs.len(), looks),
        (the_run(), 1, 4)
    );
}

#[test]
fn an_unknown_status_is_polled_through_and_reported_as_it_was_written() {
    assert!(
        run_through(Options::default(), &["Verifying", "success"])
            .outcome
            .is_ok()
    );
    let played = play(SyncGoal::Run(sync()), wait(seconds(30)), |request, _| {
        if is_trigger(request) {
            triggered()
        } else {
            runs(&[(42, "Verifying")])
        }
    });
    let failure = played.failure();
    assert_eq!(failure.kind, FailureKind::StillRunning);
    assert_eq!(
        failure.report.as_ref().unwrap().status,
        RunStatus::Other("Verifying".into())
    );
}

#[test]
fn a_run_of_an_hour_is_followed_to_its_end_with_few_requests() {
    let played = play(
        SyncGoal::Run(sync()),
        wait(seconds(7200)),
        |request, at| match request {
            request if is_trigger(request) => triggered(),
            _ if at < seconds(3600) => runs(&[(42, "processing")]),
            _ => runs(&[(42, "success")]),
        },
    );
    assert!(played.outcome.is_ok());
    assert!(played.over < seconds(3600 + 70), "{:?}", played.over);
    assert!(played.sent.len() < 270, "{} requests", played.sent.len());
}

#[test]
fn a_deadline_that_passes_names_the_run_and_no_call_outlasts_it() {
    for millis in [1, 50, 150, 700, 2_000, 25_000, 61_000] {
        let max_wait = Duration::from_millis(millis);
        let played = play(SyncGoal::Run(sync()), wait(max_wait), |request, _| {
            if is_trigger(request) {
                triggered()
            } else {
                runs(&[(42, "processing")])
            }
        });
        let failure = played.failure();
        assert!(
            played.over <= max_wait + LATEST_WAKE,
            "{millis}: {:?}",
            played.over
        );
        if millis >= 700 {
            assert_eq!(failure.kind, FailureKind::StillRunning, "{millis}");
            assert_eq!(failure.report.as_ref().unwrap().run, the_run());
            assert!(
                played.over + seconds(1) > max_wait,
                "gave up early: {:?} of {max_wait:?}",
                played.over
            );
        }
    }
}

#[test]
fn a_silent_server_is_given_up_at_the_deadline_at_the_latest() {
    for millis in [100, 5_000, 60_000] {
        let max_wait = Duration::from_millis(millis);
        let played = play(SyncGoal::Await(the_run()), wait(max_wait), |_, _| {
            Say::Silence
        });
        assert!(played.over <= max_wait + LATEST_WAKE, "{:?}", played.over);
        assert_eq!(played.failure().kind, FailureKind::Unreachable);
        assert_eq!(played.failure().report.as_ref().unwrap().run, the_run());
    }
}

#[test]
fn polls_survive_an_outage_of_any_kind() {
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, at| {
        if is_trigger(request) {
            return triggered();
        }
        match at.as_secs() / 10 {
            1 => Say::TransportError(TransportErrorKind::NotSent),
            2 => Say::TransportError(TransportErrorKind::Lost),
            3 => status(503),
            4 => ok("<html>"),
            5 => Say::Response(Response {
                end: crate::hightouch::BodyEnd::Incomplete,
                ..Response::new(200, r#"{"data":["#)
            }),
            6 => status(408),
            7 => Say::Silence,
            8 => status(429),
            9 => Say::Response(Response::new(500, r#""Internal Server Error""#)),
            // A proxy that wants a sign-in, or moves for a while.
            10 => status(302),
            11 => status(307),
            0 | 12 => runs(&[(42, "processing")]),
            _ => runs(&[(42, "success")]),
        }
    });
    assert!(played.outcome.is_ok(), "{:#?}", played.outcome);
    assert_eq!(played.triggers(), 1);
}

#[test]
fn what_will_not_pass_ends_the_wait_and_names_the_run() {
    for (code, kind) in [
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Api),
        (404, FailureKind::NotFound),
        (422, FailureKind::Api),
    ] {
        let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
            if is_trigger(request) {
                triggered()
            } else {
                status(code)
            }
        });
        let failure = played.failure();
        assert_eq!(
            (failure.kind, failure.http_status, played.sent.len()),
            (kind, Some(code), 2),
            "{code}"
        );
        assert_eq!(failure.message, crate::hightouch::reason_phrase(code));
        assert_eq!(failure.report.as_ref().unwrap().run, the_run());
    }
}

#[test]
fn a_rate_limit_is_waited_out_for_as_long_as_it_asks() {
    let mut limited = Some(());
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        if limited.take().is_some() {
            let mut answer = Response::new(429, "");
            answer.record_header("retry-after", b"17");
            return Say::Response(answer);
        }
        runs(&[(42, "success")])
    });
    assert!(played.outcome.is_ok());
    let (before, after) = (played.sent[1].0, played.sent[2].0);
    assert!(
        after - before >= seconds(17) && after - before <= seconds(19),
        "{before:?} {after:?}"
    );
}

#[test]
fn an_absurd_retry_after_is_capped_by_the_deadline() {
    let played = play(SyncGoal::Run(sync()), wait(seconds(60)), |request, at| {
        if is_trigger(request) {
            return triggered();
        }
        if at > seconds(50) {
            return runs(&[(42, "success")]);
        }
        let mut answer = Response::new(503, "");
        answer.record_header("retry-after", b"99999999999999999999999999");
        Say::Response(answer)
    });
    assert!(played.outcome.is_ok(), "{:#?}", played.outcome);
    assert!(played.over <= seconds(60));
}

#[test]
fn a_wait_that_ends_after_a_rate_limit_says_how_long_hightouch_asks_to_be_left_alone() {
    let played = play(SyncGoal::Run(sync()), wait(seconds(25)), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        let mut answer = Response::new(429, "");
        answer.record_header("retry-after", b"40");
        Say::Response(answer)
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.retry_after),
        (FailureKind::StillRunning, Some(seconds(40)))
    );
}

#[test]
fn a_run_that_this_call_started_is_no_older_than_the_call_whatever_its_times_say() {
    let played = play(SyncGoal::Run(sync()), wait(seconds(60)), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        let mut answer = Response::new(
            200,
            r#"{"data":[{"id":42,"status":"processing","createdAt":"2001-02-08T15:11:00.000Z"}],"hasMore":false}"#,
        );
        answer.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
        Say::Response(answer)
    });
    assert!(played.sent.len() > 20, "{} requests", played.sent.len());
}

#[test]
fn an_unknown_status_with_the_time_of_the_end_is_an_end_without_success() {
    let played = play(SyncGoal::Run(sync()), wait(seconds(60)), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        ok(
            r#"{"data":[{"id":42,"status":"Completed with care","finishedAt":"2022-02-08T16:11:11Z"}],"hasMore":false}"#,
        )
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, played.sent.len()),
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
fn a_page_over_the_size_limit_is_asked_for_in_smaller_pages() {
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        let limit: usize = request
            .target
            .split("limit=")
            .nth(1)
            .map_or(100, |rest| rest.split('&').next().unwrap().parse().unwrap());
        if limit > 4 {
            return Say::Response(Response {
                end: crate::hightouch::BodyEnd::TooLong,
                ..Response::new(200, "")
            });
        }
        list(&[(42, "success"); 6], request, limit)
    });
    assert_eq!(played.report().jobs.len(), 6);
    assert_eq!(
        played.targets()[1..],
        [
            "/syncs/7/runs?runId=42",
            "/syncs/7/runs?runId=42&limit=20",
            "/syncs/7/runs?runId=42&limit=4",
            "/syncs/7/runs?runId=42&limit=4&orderBy=id&offset=4",
        ]
    );
}

#[test]
fn nothing_is_concluded_from_a_list_that_was_not_read_whole() {
    for pages in [
        // An empty page before the end.
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
        let played = play(
            SyncGoal::Run(sync()),
            wait(seconds(30)),
            |request, _| match request {
                request if is_trigger(request) => triggered(),
                request => ok(pages[usize::from(request.target.contains("offset="))]),
            },
        );
        assert!(played.outcome.is_err(), "{pages:?}");
    }
    let part = play(
        SyncGoal::Run(sync()),
        wait(seconds(30)),
        |request, _| match request {
            request if is_trigger(request) => triggered(),
            _ => Say::Response(Response::new(
                206,
                r#"{"data":[{"id":42,"status":"success"}],"hasMore":false}"#,
            )),
        },
    );
    assert_eq!(
        part.failure().kind,
        FailureKind::StillRunning,
        "206 is a part"
    );
}

#[test]
fn a_server_that_ignores_the_run_id_is_read_page_by_page() {
    // 250 older runs, oldest first, and the one in question on the third page.
    let ids: Vec<u64> = (1000..1250).chain([1250]).collect();
    let goal = SyncGoal::Await(RunRef {
        run: RunId::try_from(1250).unwrap(),
        ..the_run()
    });
    let played = play(goal, Options::default(), |request, _| {
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
    assert_eq!((played.report().jobs.len(), played.sent.len()), (1, 3));
}

#[test]
fn a_list_that_does_not_end_is_an_error() {
    let played = play(SyncGoal::Await(the_run()), Options::default(), |_, _| {
        ok(r#"{"data":[{"id":1,"status":"success"}],"hasMore":true}"#)
    });
    let failure = played.failure();
    assert_eq!(failure.kind, FailureKind::MalformedAnswer);
    assert_eq!(failure.message, ReadError::TooManyPages(20).to_string());
    assert_eq!(played.sent.len(), 20);
}

#[test]
fn what_was_seen_of_a_run_stands_when_later_looks_show_nothing() {
    let mut looks = 0;
    let played = play(SyncGoal::Run(sync()), wait(seconds(20)), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        looks += 1;
        if looks == 1 {
            runs(&[(42, "processing")])
        } else {
            runs(&[])
        }
    });
    let report = played.failure().report.clone().unwrap();
    assert_eq!(
        (report.status, report.jobs.len()),
        (RunStatus::Processing, 1)
    );
}

#[test]
fn a_job_without_an_id_and_jobs_that_have_gone_missing_are_no_success() {
    for bad in [
        r#"{"data":[{"id":42,"status":"success"},{"status":"failed"}],"hasMore":false}"#,
        r#"{"data":[{"id":42,"status":"success"}],"hasMore":false}"#,
    ] {
        let mut looks = 0;
        let played = play(SyncGoal::Run(sync()), wait(seconds(60)), |request, _| {
            if is_trigger(request) {
                return triggered();
            }
            looks += 1;
            if looks == 1 {
                runs(&[(42, "success"), (42, "processing")])
            } else {
                ok(bad)
            }
        });
        let failure = played.failure();
        assert_eq!(failure.kind, FailureKind::StillRunning, "{bad}");
        assert_eq!(
            failure.report.as_ref().unwrap().status,
            RunStatus::Processing,
            "what was seen stands"
        );
    }
}

#[test]
fn a_server_that_ignores_the_run_id_is_read_no_further_than_where_the_run_would_be() {
    let mut looks = 0;
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        looks += 1;
        let new = if looks > 2 {
            r#"{"id":42,"status":"success"},"#
        } else {
            ""
        };
        let old: Vec<String> = (1..41)
            .rev()
            .map(|id| format!(r#"{{"id":{id},"status":"success"}}"#))
            .collect();
        ok(format!(
            r#"{{"data":[{new}{}],"hasMore":true}}"#,
            old.join(",")
        ))
    });
    assert_eq!((played.report().run, played.sent.len()), (the_run(), 4));
}

#[test]
fn of_many_jobs_with_long_errors_each_keeps_its_status_and_all_together_little_text() {
    let error = "e".repeat(100_000);
    let played = play(
        SyncGoal::Await(the_run()),
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
    let jobs = &played.failure().report.as_ref().unwrap().jobs;
    let text: usize = jobs
        .iter()
        .filter_map(|job| job.error.as_ref())
        .map(String::capacity)
        .sum();
    assert_eq!(jobs.len(), 80);
    assert!(text <= 128 * 1024 + 80 * 128, "{text} bytes");
}

#[test]
fn a_run_with_too_many_jobs_is_an_error() {
    let page = vec![r#"{"id":42,"status":"success"}"#; 100].join(",");
    let played = play(
        SyncGoal::Run(sync()),
        wait(seconds(3)),
        |request, _| match request {
            request if is_trigger(request) => triggered(),
            _ => ok(format!(r#"{{"data":[{page}],"hasMore":true}}"#)),
        },
    );
    let failure = played.failure();
    assert_eq!(failure.kind, FailureKind::StillRunning);
    assert!(
        failure.report.as_ref().unwrap().jobs.is_empty() && played.sent.len() > 11,
        "{failure:?}"
    );
}

#[test]
fn a_list_that_changes_between_two_pages_is_read_again() {
    // The run comes into the list, newest first, after its first page was read: of its jobs, the one that failed is on that page now.
    let mut pages = [
        r#"{"data":[{"id":41,"status":"success"},{"id":41,"status":"success"}],"hasMore":true}"#,
        r#"{"data":[{"id":42,"status":"success"},{"id":41,"status":"success"}],"hasMore":true}"#,
        r#"{"data":[{"id":42,"status":"failed"},{"id":42,"status":"success"}],"hasMore":true}"#,
        r#"{"data":[{"id":42,"status":"success"},{"id":41,"status":"success"}],"hasMore":false}"#,
    ]
    .into_iter();
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            triggered()
        } else {
            ok(pages.next().unwrap())
        }
    });
    assert_eq!(
        (played.failure().kind, played.sent.len()),
        (FailureKind::SyncFailed, 5)
    );
    assert!(
        played.sent[3].0 - played.sent[2].0 >= Duration::from_millis(500),
        "{:?}",
        played.sent
    );
}
