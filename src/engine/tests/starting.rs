//! Starting a run: syncs by ID or slug, other runs in progress, and retries of the trigger.

use super::*;
use crate::hightouch::{Resync, reason_phrase};

fn by_slug() -> SyncGoal {
    SyncGoal::Run("demo".parse().map(SyncRef::Slug).unwrap())
}

/// Runs sync 7. Triggers get this reply, and all other requests succeed.
fn run_with_trigger_reply(reply: impl Fn() -> Reply) -> Execution<SyncReport> {
    execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            reply()
        } else {
            run_list(&[])
        }
    })
}

#[test]
fn an_error_response_to_the_trigger_is_reported_and_not_retried() {
    let execution = run_with_trigger_reply(|| {
        Reply::Response(Response::new(
            401,
            r#"{"message":"Authentication error","details":"Token is invalid"}"#,
        ))
    });
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.http_status),
        (FailureKind::Unauthorized, Some(401))
    );
    assert_eq!(
        (failure.message.as_str(), failure.details.as_deref()),
        ("Authentication error", Some("Token is invalid"))
    );
    assert_eq!(execution.sent.len(), 1);

    for (code, kind) in [
        (404, FailureKind::NotFound),
        (400, FailureKind::Api),
        (403, FailureKind::Api),
        (422, FailureKind::Api),
        (302, FailureKind::Api),
    ] {
        let execution = run_with_trigger_reply(|| {
            Reply::Response(Response::new(
                code,
                r#"{"message":"Validation failed","details":{"a":1}}"#,
            ))
        });
        let failure = execution.failure();
        assert_eq!(
            (failure.kind, &failure.message, failure.http_status),
            (kind, &reason_phrase(code), Some(code))
        );
        assert_eq!(
            failure.details.as_deref(),
            Some(r#"Validation failed: {"a":1}"#)
        );
        assert_eq!(execution.sent.len(), 1, "{code}");
    }
}

#[test]
fn a_401_without_a_message_uses_the_reason_phrase() {
    let execution = run_with_trigger_reply(|| status(401));
    assert_eq!(
        (
            execution.failure().kind,
            execution.failure().message.as_str()
        ),
        (FailureKind::Unauthorized, "Unauthorized")
    );
}

#[test]
fn an_error_envelope_with_status_200_is_an_error() {
    let execution = run_with_trigger_reply(|| ok(r#"{"message":"Sync not found","details":{}}"#));
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), failure.http_status),
        (FailureKind::Api, "Sync not found", Some(200))
    );
    assert_eq!(execution.sent.len(), 1);
}

#[test]
fn a_trigger_that_was_not_sent_is_retried() {
    let mut failures = 2;
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if !is_trigger(request) {
            return run_list(&[(42, "success")]);
        }
        if failures == 0 {
            return trigger_response();
        }
        failures -= 1;
        Reply::TransportError(TransportErrorKind::NotSent)
    });
    assert!(execution.outcome.is_ok());
    assert_eq!(execution.trigger_count(), 3);
}

#[test]
fn an_unreachable_server_is_reported_within_ten_seconds() {
    let execution = run_with_trigger_reply(|| Reply::TransportError(TransportErrorKind::NotSent));
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::Unreachable, 4)
    );
    assert!(execution.ended_at < seconds(10), "{:?}", execution.ended_at);
    assert!(execution.failure().message.contains("No run was started"));
}

#[test]
fn a_failed_tls_handshake_of_the_first_request_ends_the_operation_at_once() {
    let awaited = SyncGoal::Await(run_42());
    for (goal, reports_no_run) in [
        (SyncGoal::Run(sync_7()), true),
        (by_slug(), true),
        (awaited, false),
    ] {
        let execution = execute(goal, Options::default(), |_, _| {
            Reply::TransportError(TransportErrorKind::TlsFailed)
        });
        let failure = execution.failure();
        assert_eq!(
            (failure.kind, execution.sent.len()),
            (FailureKind::Unreachable, 1),
            "{failure:?}"
        );
        assert_eq!(execution.ended_at, LATENCY);
        assert!(failure.message.contains("certificate"), "{failure:?}");
        assert_eq!(
            failure.message.contains("No run was started"),
            reports_no_run,
            "{failure:?}"
        );
    }
}

#[test]
fn a_failed_tls_handshake_is_retried_while_a_run_is_polled() {
    let mut polls = 0;
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        if is_trigger(request) {
            return trigger_response();
        }
        polls += 1;
        if polls < 6 {
            Reply::TransportError(TransportErrorKind::TlsFailed)
        } else {
            run_list(&[(42, "success")])
        }
    });
    assert_eq!(
        (execution.report().run, execution.trigger_count()),
        (run_42(), 1)
    );
}

/// A response that is compressed although the request does not accept compression.
fn compressed(status: u16) -> Reply {
    let mut response = Response::new(status, b"\x1f\x8b\x08");
    response.record_header("content-encoding", b"gzip");
    Reply::Response(response)
}

#[test]
fn the_operation_ends_at_once_if_every_response_is_compressed() {
    for goal in [
        SyncGoal::Run(sync_7()),
        by_slug(),
        SyncGoal::Await(run_42()),
    ] {
        let triggers = usize::from(matches!(goal, SyncGoal::Run(SyncRef::Id(_))));
        let execution = execute(goal, Options::default(), |_, _| compressed(200));
        let failure = execution.failure();
        let expected = if triggers == 1 {
            FailureKind::TriggerUnconfirmed
        } else {
            FailureKind::MalformedAnswer
        };
        assert_eq!(
            (failure.kind, execution.trigger_count()),
            (expected, triggers),
            "{failure:?}"
        );
        assert!(
            execution.ended_at <= 2 * LATENCY,
            "{:?}",
            execution.ended_at
        );
        assert!(
            format!("{failure:?}").contains("encoded as `gzip`"),
            "{failure:?}"
        );
    }
}

#[test]
fn a_trigger_with_a_compressed_response_is_checked_against_the_list() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        Options::default(),
        |request, at| match request {
            request if is_trigger(request) => compressed(200),
            _ if at < seconds(2) => run_list(&[]),
            _ => Reply::Response(Response::new(200, r#"{"data":[],"hasMore":false}"#)),
        },
    );
    assert_eq!(execution.trigger_count(), 1);
    assert_eq!(execution.failure().kind, FailureKind::TriggerUnconfirmed);
    assert!(
        execution.ended_at >= seconds(8),
        "the list may show the run with a delay: {:?}",
        execution.ended_at
    );
}

#[test]
fn an_error_status_with_a_compressed_body_reports_the_content_coding() {
    let execution = run_with_trigger_reply(|| compressed(401));
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Unauthorized, "Unauthorized")
    );
    assert!(
        failure
            .details
            .as_ref()
            .unwrap()
            .contains("encoded as `gzip`"),
        "{failure:?}"
    );
}

#[test]
fn a_request_that_the_host_denies_is_reported_with_the_setting_to_change() {
    let execution =
        run_with_trigger_reply(|| Reply::TransportError(TransportErrorKind::NotGranted));
    assert_eq!(
        (execution.failure().kind, execution.sent.len()),
        (FailureKind::NotGranted, 1)
    );
    assert!(
        execution
            .failure()
            .message
            .contains("allowed_outbound_hosts")
    );
}

#[test]
fn a_rate_limited_trigger_is_retried_until_the_deadline() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        Options::default(),
        |request, at| match request {
            request if is_trigger(request) && at < seconds(600) => status(429),
            request if is_trigger(request) => trigger_response(),
            _ => run_list(&[(42, "success")]),
        },
    );
    assert!(execution.outcome.is_ok(), "{:#?}", execution.outcome);

    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(25)),
        |_, _| status(429),
    );
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.http_status),
        (FailureKind::Api, Some(429))
    );
    assert_eq!(failure.message, "Too Many Requests");
    assert!(failure.report.is_none() && execution.ended_at <= seconds(25));
}

#[test]
fn a_slug_is_resolved_first_and_must_match_exactly() {
    let execution = execute(by_slug(), Options::default(), |request, _| {
        match request.target.as_str() {
            "/api/v1/syncs?slug=demo" => ok(
                r#"{"hasMore":false,"data":[{"id":8,"slug":"demo-2"},{"id":"7","slug":"demo"}]}"#,
            ),
            "/api/v1/syncs/7/trigger" => trigger_response(),
            _ => run_list(&[(42, "success")]),
        }
    });
    assert_eq!(execution.report().run, run_42());
    assert_eq!(execution.report().requests, 3);

    let execution = execute(by_slug(), Options::default(), |_, _| {
        ok(r#"{"hasMore":false,"data":[{"id":8,"slug":"demo-2"}]}"#)
    });
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), execution.sent.len()),
        (FailureKind::NotFound, "Not Found", 1)
    );
    assert!(failure.details.as_ref().unwrap().contains("`demo`"));
}

#[test]
fn resolving_a_slug_survives_a_short_outage_but_not_a_long_one() {
    let mut failures = 2;
    let execution = execute(by_slug(), Options::default(), |request, _| match request {
        request if is_trigger(request) => trigger_response(),
        request if request.target.contains("runs") => run_list(&[(42, "success")]),
        _ if failures > 0 => {
            failures -= 1;
            status(502)
        }
        _ => ok(r#"{"hasMore":false,"data":[{"id":7,"slug":"demo"}]}"#),
    });
    assert!(execution.outcome.is_ok());
    let execution = execute(by_slug(), Options::default(), |_, _| status(502));
    assert_eq!(
        (
            execution.failure().kind,
            execution.failure().message.as_str()
        ),
        (FailureKind::Api, "Bad Gateway")
    );
    assert_eq!(execution.trigger_count(), 0);
}

#[test]
fn resync_flags_are_sent_with_the_trigger() {
    let options = Options {
        resync: Resync {
            full: true,
            ..Resync::default()
        },
        ..Options::default()
    };
    let execution = execute(SyncGoal::Start(sync_7()), options, |_, _| {
        trigger_response()
    });
    assert_eq!(
        execution.sent[0].1.body.as_deref(),
        Some(r#"{"fullResync":true}"#)
    );
}

#[test]
fn starting_a_run_does_not_poll_it() {
    let execution = execute(SyncGoal::Start(sync_7()), Options::default(), |_, _| {
        trigger_response()
    });
    assert_eq!(
        (execution.report().run, execution.sent.len()),
        (run_42(), 1)
    );
}

/// Runs sync 7, which already has run 39 (ended), run 40 (in progress) and run 41 (queued). The
/// list shows them newest first or oldest first.
fn run_with_other_runs(options: Options, newest_first: bool) -> Execution<SyncReport> {
    let mut others = vec![(41, "queued"), (40, "processing"), (39, "success")];
    if !newest_first {
        others.reverse();
    }
    execute(
        SyncGoal::Run(sync_7()),
        options,
        |request, _| match request {
            request if is_trigger(request) => trigger_response(),
            request if request.target.ends_with("runId=41") => run_list(&[(41, "success")]),
            request if request.target.ends_with("runId=42") => run_list(&[(42, "success")]),
            _ => run_list(&others),
        },
    )
}

#[test]
fn if_running_decides_what_happens_when_a_run_is_in_progress() {
    for newest_first in [true, false] {
        let run_if_running = |if_running| {
            run_with_other_runs(
                Options {
                    if_running,
                    ..Options::default()
                },
                newest_first,
            )
        };

        let queued = run_if_running(IfRunning::Queue);
        assert_eq!(
            (
                queued.report().run,
                queued.report().joined,
                queued.trigger_count()
            ),
            (run_42(), false, 1)
        );
        assert!(
            queued
                .sent
                .iter()
                .all(|(_, request)| !request.target.contains("limit")),
            "the list is not requested for `Queue`"
        );

        let joined = run_if_running(IfRunning::Join);
        assert_eq!(
            (
                joined.report().run.run.get(),
                joined.report().joined,
                joined.trigger_count()
            ),
            (41, true, 0)
        );

        let refused = run_if_running(IfRunning::Refuse);
        assert_eq!(
            (refused.failure().kind, refused.trigger_count()),
            (FailureKind::Busy, 0)
        );
        assert_eq!(refused.failure().report.as_ref().unwrap().run.run.get(), 41);
    }
}

#[test]
fn a_run_without_the_requested_resync_is_not_joined() {
    let resync = Resync {
        full: true,
        ..Resync::default()
    };
    let execution = run_with_other_runs(
        Options {
            if_running: IfRunning::Join,
            resync,
            ..Options::default()
        },
        true,
    );
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::Busy, 0)
    );
}

#[test]
fn join_and_refuse_start_a_run_if_none_is_in_progress() {
    for if_running in [IfRunning::Join, IfRunning::Refuse] {
        let execution = execute(
            SyncGoal::Run(sync_7()),
            Options {
                if_running,
                ..Options::default()
            },
            |request, _| match request {
                request if is_trigger(request) => trigger_response(),
                request if request.target.ends_with("runId=42") => run_list(&[(42, "success")]),
                _ => run_list(&[(41, "failed"), (40, "success")]),
            },
        );
        assert_eq!(
            (
                execution.report().run,
                execution.report().joined,
                execution.trigger_count()
            ),
            (run_42(), false, 1)
        );
    }
}

#[test]
fn a_run_in_progress_is_found_on_the_last_page_of_an_oldest_first_list() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        Options {
            if_running: IfRunning::Refuse,
            ..Options::default()
        },
        |request, _| {
            let mut all: Vec<(u64, &str)> = (1..=100).map(|id| (id, "success")).collect();
            all.extend([(101, "processing"), (102, "cancelled")]);
            run_page(&all, request, 100)
        },
    );
    assert_eq!(
        (execution.failure().kind, execution.sent.len()),
        (FailureKind::Busy, 3)
    );
}

#[test]
fn the_newest_run_is_found_for_every_order_and_page_size() {
    for count in [1_u64, 2, 99, 100, 101, 250, 3_000] {
        for page in [1, 3, 60, 100] {
            for newest_first in [true, false] {
                let mut all: Vec<(u64, &str)> = (1..=count).map(|id| (id, "success")).collect();
                all.last_mut().unwrap().1 = "processing";
                if newest_first {
                    all.reverse();
                }
                let refuse = Options {
                    if_running: IfRunning::Refuse,
                    ..Options::default()
                };
                let execution = execute(SyncGoal::Run(sync_7()), refuse, |request, _| {
                    run_page(&all, request, page)
                });
                let found = execution
                    .failure()
                    .report
                    .as_ref()
                    .map(|report| report.run.run.get());
                assert_eq!(
                    (execution.failure().kind, found),
                    (FailureKind::Busy, Some(count)),
                    "{count} {page} {newest_first}"
                );
                assert!(
                    execution.sent.len() <= 30,
                    "{count} {page} {newest_first}: {}",
                    execution.sent.len()
                );
            }
        }
    }
}

#[test]
fn a_trigger_is_not_sent_if_its_response_could_miss_the_deadline() {
    // The request that resolves the slug leaves too little time for the trigger.
    let execution = execute(
        by_slug(),
        with_max_wait(Duration::from_millis(2_050)),
        |request, _| {
            assert!(!is_trigger(request), "a trigger was sent");
            ok(r#"{"hasMore":false,"data":[{"id":7,"slug":"demo"}]}"#)
        },
    );
    assert!(
        execution.failure().message.contains("No run was started"),
        "{:?}",
        execution.failure()
    );
    // That request is retried only if enough time remains for a trigger afterwards.
    let execution = execute(by_slug(), with_max_wait(seconds(3)), |_, _| status(503));
    assert_eq!(
        (execution.failure().http_status, execution.sent.len()),
        (Some(503), 2)
    );
}

#[test]
fn an_absurd_retry_after_is_capped_by_the_deadline() {
    for retry_after in [
        "60",
        "99999999999999999999999",
        "Sun, 06 Nov 2094 08:49:37 GMT",
    ] {
        let execution = execute(
            SyncGoal::Run(sync_7()),
            with_max_wait(seconds(25)),
            |_, _| {
                let mut response = Response::new(429, "");
                response.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
                response.record_header("retry-after", retry_after.as_bytes());
                Reply::Response(response)
            },
        );
        let failure = execution.failure();
        assert_eq!(
            (failure.kind, failure.http_status, execution.trigger_count()),
            (FailureKind::Api, Some(429), 2)
        );
        assert!(failure.retry_after.unwrap() >= seconds(60));
        assert!(
            execution.ended_at >= seconds(22) && execution.ended_at <= seconds(25),
            "{:?}",
            execution.ended_at
        );
    }
}

#[test]
fn a_short_wait_allows_only_two_triggers() {
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..with_max_wait(seconds(1))
    };
    let execution = execute(SyncGoal::Run(sync_7()), options, |_, _| status(429));
    assert_eq!(
        (execution.failure().http_status, execution.trigger_count()),
        (Some(429), 2)
    );
    assert!(execution.ended_at <= seconds(2), "{:?}", execution.ended_at);
}

#[test]
fn a_retry_after_of_zero_does_not_disable_backoff() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(600)),
        |_, _| {
            let mut response = Response::new(429, "");
            response.record_header("retry-after", b"0");
            Reply::Response(response)
        },
    );
    assert!(
        execution.trigger_count() < 60,
        "{} triggers",
        execution.trigger_count()
    );
}

#[test]
fn the_first_request_is_sent_despite_a_short_wait_and_a_late_first_step() {
    let mut operation = Operation::new(
        SyncGoal::Run(sync_7()),
        with_max_wait(Duration::from_millis(300)),
        Instant::default(),
        1,
    );
    let a_nanosecond_later = Instant::default() + Duration::from_nanos(1);
    assert!(matches!(
        operation.step(a_nanosecond_later, Event::Woke),
        Action::Send { .. }
    ));
}

#[test]
fn a_first_step_close_to_the_deadline_sends_no_trigger() {
    let mut operation = Operation::new(
        SyncGoal::Run(sync_7()),
        with_max_wait(seconds(2)),
        Instant::default(),
        1,
    );
    match operation.step(
        Instant::after_start(Duration::from_millis(1_800)),
        Event::Woke,
    ) {
        Action::Done(outcome) => assert!(
            outcome
                .unwrap_err()
                .message
                .starts_with("Timed out waiting for a free slot.")
        ),
        other => panic!("{other:?}"),
    }
}

/// Runs sync 7. The response to the trigger takes `trigger_latency`. Every other response takes
/// [`LATENCY`].
fn run_with_slow_trigger(options: Options, trigger_latency: Duration) -> Outcome<SyncReport> {
    let (mut now, mut event) = (Instant::default(), Event::Woke);
    let mut operation = Operation::new(SyncGoal::Run(sync_7()), options, now, 1);
    loop {
        match operation.step(now, event) {
            Action::Done(outcome) => return *outcome,
            Action::Wait { until } => (now, event) = ((until + MAX_WAKE_DELAY), Event::Woke),
            Action::Send { request, give_up } => {
                let is_trigger = is_trigger(&request);
                let arrival = now + if is_trigger { trigger_latency } else { LATENCY };
                let reply = match is_trigger {
                    true => trigger_response(),
                    false => run_page(&[(42, "processing")], &request, 100),
                };
                let Reply::Response(response) = reply else {
                    panic!("the reply is not a response")
                };
                (now, event) = if arrival <= give_up {
                    (arrival, Event::Response(response))
                } else {
                    (
                        give_up,
                        Event::TransportError(TransportError {
                            kind: TransportErrorKind::TimedOut,
                            text: "late".into(),
                        }),
                    )
                };
            }
        }
    }
}

#[test]
fn the_trigger_response_may_take_ten_seconds_even_if_the_wait_is_shorter() {
    for max_wait in [Duration::ZERO, seconds(5), seconds(9)] {
        for latency_ms in [6_500, 7_000, 9_900] {
            let options = Options {
                answer_wait: ANSWER_WAIT,
                ..with_max_wait(max_wait)
            };
            let failure =
                run_with_slow_trigger(options, Duration::from_millis(latency_ms)).unwrap_err();
            assert_eq!(
                failure.kind,
                FailureKind::StillRunning,
                "{max_wait:?} {latency_ms}: {failure:?}"
            );
            assert_eq!(failure.report.unwrap().run, run_42());
        }
    }
    // A response after more than ten seconds is too late. The failure lists the possible runs.
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..with_max_wait(Duration::ZERO)
    };
    let failure = run_with_slow_trigger(options, seconds(12)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed);
    assert!(
        failure.details.as_ref().unwrap().contains("42"),
        "{failure:?}"
    );
}
