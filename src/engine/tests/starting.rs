//! Starting a run: by ID or slug, beside another, and what may be sent again.

use super::*;
use crate::hightouch::{Resync, reason_phrase};

fn by_slug() -> SyncGoal {
    SyncGoal::Run("demo".parse().map(SyncRef::Slug).unwrap())
}

/// Runs sync 7 where the trigger is answered so and everything else goes well.
fn trigger_answers(say: impl Fn() -> Say) -> Played<SyncReport> {
    play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            say()
        } else {
            runs(&[])
        }
    })
}

#[test]
fn an_error_fails_by_the_rule_and_nothing_is_sent_again() {
    let played = trigger_answers(|| {
        Say::Response(Response::new(
            401,
            r#"{"message":"Authentication error","details":"Token is invalid"}"#,
        ))
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.http_status),
        (FailureKind::Unauthorized, Some(401))
    );
    assert_eq!(
        (failure.message.as_str(), failure.details.as_deref()),
        ("Authentication error", Some("Token is invalid"))
    );
    assert_eq!(played.sent.len(), 1);

    for (code, kind) in [
        (404, FailureKind::NotFound),
        (400, FailureKind::Api),
        (403, FailureKind::Api),
        (422, FailureKind::Api),
        (302, FailureKind::Api),
    ] {
        let played = trigger_answers(|| {
            Say::Response(Response::new(
                code,
                r#"{"message":"Validation failed","details":{"a":1}}"#,
            ))
        });
        let failure = played.failure();
        assert_eq!(
            (failure.kind, &failure.message, failure.http_status),
            (kind, &reason_phrase(code), Some(code))
        );
        assert_eq!(
            failure.details.as_deref(),
            Some(r#"Validation failed: {"a":1}"#)
        );
        assert_eq!(played.sent.len(), 1, "{code}");
    }
}

#[test]
fn a_401_without_a_message_falls_back_to_the_reason() {
    let played = trigger_answers(|| status(401));
    assert_eq!(
        (played.failure().kind, played.failure().message.as_str()),
        (FailureKind::Unauthorized, "Unauthorized")
    );
}

#[test]
fn an_envelope_of_an_error_with_status_200_is_an_error() {
    let played = trigger_answers(|| ok(r#"{"message":"Sync not found","details":{}}"#));
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), failure.http_status),
        (FailureKind::Api, "Sync not found", Some(200))
    );
    assert_eq!(played.sent.len(), 1);
}

#[test]
fn a_trigger_that_did_not_arrive_is_sent_again() {
    let mut refused = 2;
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if !is_trigger(request) {
            return runs(&[(42, "success")]);
        }
        if refused == 0 {
            return triggered();
        }
        refused -= 1;
        Say::TransportError(TransportErrorKind::NotSent)
    });
    assert!(played.outcome.is_ok());
    assert_eq!(played.triggers(), 3);
}

#[test]
fn a_hightouch_that_is_not_there_is_reported_soon() {
    let played = trigger_answers(|| Say::TransportError(TransportErrorKind::NotSent));
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::Unreachable, 4)
    );
    assert!(played.over < seconds(10), "{:?}", played.over);
    assert!(played.failure().message.contains("No run was started"));
}

#[test]
fn a_tls_handshake_that_fails_ends_the_call_at_once_as_long_as_there_is_no_run() {
    let awaited = SyncGoal::Await(the_run());
    for (goal, started_none) in [
        (SyncGoal::Run(sync()), true),
        (by_slug(), true),
        (awaited, false),
    ] {
        let played = play(goal, Options::default(), |_, _| {
            Say::TransportError(TransportErrorKind::TlsFailed)
        });
        let failure = played.failure();
        assert_eq!(
            (failure.kind, played.sent.len()),
            (FailureKind::Unreachable, 1),
            "{failure:?}"
        );
        assert_eq!(played.over, LATENCY);
        assert!(failure.message.contains("certificate"), "{failure:?}");
        assert_eq!(
            failure.message.contains("No run was started"),
            started_none,
            "{failure:?}"
        );
    }
}

#[test]
fn a_tls_handshake_that_fails_while_a_run_is_polled_is_tried_again() {
    let mut polls = 0;
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        if is_trigger(request) {
            return triggered();
        }
        polls += 1;
        if polls < 6 {
            Say::TransportError(TransportErrorKind::TlsFailed)
        } else {
            runs(&[(42, "success")])
        }
    });
    assert_eq!((played.report().run, played.triggers()), (the_run(), 1));
}

/// A response that is compressed though nobody asked for it.
fn compressed(status: u16) -> Say {
    let mut answer = Response::new(status, b"\x1f\x8b\x08");
    answer.record_header("content-encoding", b"gzip");
    Say::Response(answer)
}

#[test]
fn where_every_response_is_compressed_the_call_ends_at_once_and_names_the_coding() {
    for goal in [SyncGoal::Run(sync()), by_slug(), SyncGoal::Await(the_run())] {
        let triggers = usize::from(matches!(goal, SyncGoal::Run(SyncRef::Id(_))));
        let played = play(goal, Options::default(), |_, _| compressed(200));
        let failure = played.failure();
        let expected = if triggers == 1 {
            FailureKind::TriggerUnconfirmed
        } else {
            FailureKind::MalformedAnswer
        };
        assert_eq!(
            (failure.kind, played.triggers()),
            (expected, triggers),
            "{failure:?}"
        );
        assert!(played.over <= 2 * LATENCY, "{:?}", played.over);
        assert!(
            format!("{failure:?}").contains("encoded as `gzip`"),
            "{failure:?}"
        );
    }
}

#[test]
fn a_trigger_whose_response_alone_is_compressed_is_confirmed_by_the_list() {
    let played = play(
        SyncGoal::Run(sync()),
        Options::default(),
        |request, at| match request {
            request if is_trigger(request) => compressed(200),
            _ if at < seconds(2) => runs(&[]),
            _ => Say::Response(Response::new(200, r#"{"data":[],"hasMore":false}"#)),
        },
    );
    assert_eq!(played.triggers(), 1);
    assert_eq!(played.failure().kind, FailureKind::TriggerUnconfirmed);
    assert!(
        played.over >= seconds(8),
        "the list may show the run late: {:?}",
        played.over
    );
}

#[test]
fn an_error_status_with_a_compressed_body_names_the_coding() {
    let failure = trigger_answers(|| compressed(401));
    let failure = failure.failure();
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
fn a_call_that_the_host_refuses_names_the_setting() {
    let played = trigger_answers(|| Say::TransportError(TransportErrorKind::NotGranted));
    assert_eq!(
        (played.failure().kind, played.sent.len()),
        (FailureKind::NotGranted, 1)
    );
    assert!(played.failure().message.contains("allowed_outbound_hosts"));
}

#[test]
fn a_rate_limited_trigger_is_sent_again_until_the_wait_is_over() {
    let played = play(
        SyncGoal::Run(sync()),
        Options::default(),
        |request, at| match request {
            request if is_trigger(request) && at < seconds(600) => status(429),
            request if is_trigger(request) => triggered(),
            _ => runs(&[(42, "success")]),
        },
    );
    assert!(played.outcome.is_ok(), "{:#?}", played.outcome);

    let played = play(SyncGoal::Run(sync()), wait(seconds(25)), |_, _| status(429));
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.http_status),
        (FailureKind::Api, Some(429))
    );
    assert_eq!(failure.message, "Too Many Requests");
    assert!(failure.report.is_none() && played.over <= seconds(25));
}

#[test]
fn a_slug_is_looked_up_first_and_only_an_equal_one_counts() {
    let played = play(by_slug(), Options::default(), |request, _| {
        match request.target.as_str() {
            "/api/v1/syncs?slug=demo" => ok(
                r#"{"hasMore":false,"data":[{"id":8,"slug":"demo-2"},{"id":"7","slug":"demo"}]}"#,
            ),
            "/api/v1/syncs/7/trigger" => triggered(),
            _ => runs(&[(42, "success")]),
        }
    });
    assert_eq!(played.report().run, the_run());
    assert_eq!(played.report().requests, 3);

    let played = play(by_slug(), Options::default(), |_, _| {
        ok(r#"{"hasMore":false,"data":[{"id":8,"slug":"demo-2"}]}"#)
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), played.sent.len()),
        (FailureKind::NotFound, "Not Found", 1)
    );
    assert!(failure.details.as_ref().unwrap().contains("`demo`"));
}

#[test]
fn looking_up_a_slug_survives_a_moment_of_trouble_but_not_an_outage() {
    let mut bad = 2;
    let played = play(by_slug(), Options::default(), |request, _| match request {
        request if is_trigger(request) => triggered(),
        request if request.target.contains("runs") => runs(&[(42, "success")]),
        _ if bad > 0 => {
            bad -= 1;
            status(502)
        }
        _ => ok(r#"{"hasMore":false,"data":[{"id":7,"slug":"demo"}]}"#),
    });
    assert!(played.outcome.is_ok());
    let played = play(by_slug(), Options::default(), |_, _| status(502));
    assert_eq!(
        (played.failure().kind, played.failure().message.as_str()),
        (FailureKind::Api, "Bad Gateway")
    );
    assert_eq!(played.triggers(), 0);
}

#[test]
fn flags_go_out_with_the_trigger() {
    let options = Options {
        resync: Resync {
            full: true,
            ..Resync::default()
        },
        ..Options::default()
    };
    let played = play(SyncGoal::Start(sync()), options, |_, _| triggered());
    assert_eq!(
        played.sent[0].1.body.as_deref(),
        Some(r#"{"fullResync":true}"#)
    );
}

#[test]
fn starting_does_not_wait() {
    let played = play(SyncGoal::Start(sync()), Options::default(), |_, _| {
        triggered()
    });
    assert_eq!((played.report().run, played.sent.len()), (the_run(), 1));
}

/// Runs sync 7 beside runs 39 (ended), 40 and 41 (going), which a list shows newest first or oldest first.
fn beside(options: Options, newest_first: bool) -> Played<SyncReport> {
    let mut others = vec![(41, "queued"), (40, "processing"), (39, "success")];
    if !newest_first {
        others.reverse();
    }
    play(SyncGoal::Run(sync()), options, |request, _| match request {
        request if is_trigger(request) => triggered(),
        request if request.target.ends_with("runId=41") => runs(&[(41, "success")]),
        request if request.target.ends_with("runId=42") => runs(&[(42, "success")]),
        _ => runs(&others),
    })
}

#[test]
fn a_run_that_is_going_is_joined_refused_or_queued_behind() {
    for newest_first in [true, false] {
        let with = |if_running| {
            beside(
                Options {
                    if_running,
                    ..Options::default()
                },
                newest_first,
            )
        };

        let queued = with(IfRunning::Queue);
        assert_eq!(
            (
                queued.report().run,
                queued.report().joined,
                queued.triggers()
            ),
            (the_run(), false, 1)
        );
        assert!(
            queued
                .sent
                .iter()
                .all(|(_, request)| !request.target.contains("limit")),
            "queueing needs no list"
        );

        let joined = with(IfRunning::Join);
        assert_eq!(
            (
                joined.report().run.run.get(),
                joined.report().joined,
                joined.triggers()
            ),
            (41, true, 0)
        );

        let refused = with(IfRunning::Refuse);
        assert_eq!(
            (refused.failure().kind, refused.triggers()),
            (FailureKind::Busy, 0)
        );
        assert_eq!(refused.failure().report.as_ref().unwrap().run.run.get(), 41);
    }
}

#[test]
fn a_run_without_the_resync_that_is_asked_for_is_not_joined() {
    let resync = Resync {
        full: true,
        ..Resync::default()
    };
    let played = beside(
        Options {
            if_running: IfRunning::Join,
            resync,
            ..Options::default()
        },
        true,
    );
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::Busy, 0)
    );
}

#[test]
fn where_no_run_is_going_joining_and_refusing_start_one() {
    for if_running in [IfRunning::Join, IfRunning::Refuse] {
        let played = play(
            SyncGoal::Run(sync()),
            Options {
                if_running,
                ..Options::default()
            },
            |request, _| match request {
                request if is_trigger(request) => triggered(),
                request if request.target.ends_with("runId=42") => runs(&[(42, "success")]),
                _ => runs(&[(41, "failed"), (40, "success")]),
            },
        );
        assert_eq!(
            (
                played.report().run,
                played.report().joined,
                played.triggers()
            ),
            (the_run(), false, 1)
        );
    }
}

#[test]
fn what_is_going_is_found_on_the_last_page_of_a_list_that_begins_with_the_oldest() {
    let played = play(
        SyncGoal::Run(sync()),
        Options {
            if_running: IfRunning::Refuse,
            ..Options::default()
        },
        |request, _| {
            let mut all: Vec<(u64, &str)> = (1..=100).map(|id| (id, "success")).collect();
            all.extend([(101, "processing"), (102, "cancelled")]);
            list(&all, request, 100)
        },
    );
    assert_eq!(
        (played.failure().kind, played.sent.len()),
        (FailureKind::Busy, 3)
    );
}

#[test]
fn the_newest_runs_are_found_whatever_order_and_page_size_a_server_has() {
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
                let played = play(SyncGoal::Run(sync()), refuse, |request, _| {
                    list(&all, request, page)
                });
                let found = played
                    .failure()
                    .report
                    .as_ref()
                    .map(|report| report.run.run.get());
                assert_eq!(
                    (played.failure().kind, found),
                    (FailureKind::Busy, Some(count)),
                    "{count} {page} {newest_first}"
                );
                assert!(
                    played.sent.len() <= 30,
                    "{count} {page} {newest_first}: {}",
                    played.sent.len()
                );
            }
        }
    }
}

#[test]
fn a_trigger_is_not_sent_when_its_answer_would_find_nobody_waiting() {
    // The look-up took so much of it.
    let played = play(
        by_slug(),
        wait(Duration::from_millis(2_050)),
        |request, _| {
            assert!(!is_trigger(request), "a trigger");
            ok(r#"{"hasMore":false,"data":[{"id":7,"slug":"demo"}]}"#)
        },
    );
    assert!(
        played.failure().message.contains("No run was started"),
        "{:?}",
        played.failure()
    );
    // The look-up is tried again only where a trigger would fit behind it.
    let played = play(by_slug(), wait(seconds(3)), |_, _| status(503));
    assert_eq!(
        (played.failure().http_status, played.sent.len()),
        (Some(503), 2)
    );
}

#[test]
fn an_absurd_retry_after_is_capped_by_the_deadline() {
    for asked in [
        "60",
        "99999999999999999999999",
        "Sun, 06 Nov 2094 08:49:37 GMT",
    ] {
        let played = play(SyncGoal::Run(sync()), wait(seconds(25)), |_, _| {
            let mut answer = Response::new(429, "");
            answer.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
            answer.record_header("retry-after", asked.as_bytes());
            Say::Response(answer)
        });
        let failure = played.failure();
        assert_eq!(
            (failure.kind, failure.http_status, played.triggers()),
            (FailureKind::Api, Some(429), 2)
        );
        assert!(failure.retry_after.unwrap() >= seconds(60));
        assert!(
            played.over >= seconds(22) && played.over <= seconds(25),
            "{:?}",
            played.over
        );
    }
}

#[test]
fn a_short_wait_is_not_used_to_send_triggers_again_and_again() {
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..wait(seconds(1))
    };
    let played = play(SyncGoal::Run(sync()), options, |_, _| status(429));
    assert_eq!(
        (played.failure().http_status, played.triggers()),
        (Some(429), 2)
    );
    assert!(played.over <= seconds(2), "{:?}", played.over);
}

#[test]
fn being_asked_to_come_back_at_once_does_not_switch_backoff_off() {
    let played = play(SyncGoal::Run(sync()), wait(seconds(600)), |_, _| {
        let mut answer = Response::new(429, "");
        answer.record_header("retry-after", b"0");
        Say::Response(answer)
    });
    assert!(played.triggers() < 60, "{} triggers", played.triggers());
}

#[test]
fn the_first_request_is_sent_however_short_the_wait_and_however_late_the_first_step() {
    let mut operation = Operation::new(
        SyncGoal::Run(sync()),
        wait(Duration::from_millis(300)),
        Instant::default(),
        1,
    );
    let a_moment_later = Instant::default() + Duration::from_nanos(1);
    assert!(matches!(
        operation.step(a_moment_later, Event::Woke),
        Action::Send { .. }
    ));
}

#[test]
fn a_trigger_whose_turn_comes_late_is_not_sent_where_its_answer_would_find_nobody_waiting() {
    let mut operation = Operation::new(
        SyncGoal::Run(sync()),
        wait(seconds(2)),
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

/// Runs sync 7 while the trigger's response takes so long; every other response takes a tenth of a second.
fn slow_trigger(options: Options, takes: Duration) -> Outcome<SyncReport> {
    let (mut now, mut event) = (Instant::default(), Event::Woke);
    let mut operation = Operation::new(SyncGoal::Run(sync()), options, now, 1);
    loop {
        match operation.step(now, event) {
            Action::Done(outcome) => return *outcome,
            Action::Wait { until } => (now, event) = ((until + LATEST_WAKE), Event::Woke),
            Action::Send { request, give_up } => {
                let is_trigger = is_trigger(&request);
                let came = now + if is_trigger { takes } else { LATENCY };
                let said = match is_trigger {
                    true => triggered(),
                    false => list(&[(42, "processing")], &request, 100),
                };
                let Say::Response(answer) = said else {
                    panic!("an answer")
                };
                (now, event) = if came <= give_up {
                    (came, Event::Response(answer))
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
fn the_response_that_names_the_run_gets_ten_seconds_however_short_the_wait() {
    for max_wait in [Duration::ZERO, seconds(5), seconds(9)] {
        for takes in [6_500, 7_000, 9_900] {
            let options = Options {
                answer_wait: ANSWER_WAIT,
                ..wait(max_wait)
            };
            let failure = slow_trigger(options, Duration::from_millis(takes)).unwrap_err();
            assert_eq!(
                failure.kind,
                FailureKind::StillRunning,
                "{max_wait:?} {takes}: {failure:?}"
            );
            assert_eq!(failure.report.unwrap().run, the_run());
        }
    }
    // Too late all the same, and the runs that may be it are named.
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..wait(Duration::ZERO)
    };
    let failure = slow_trigger(options, seconds(12)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TriggerUnconfirmed);
    assert!(
        failure.details.as_ref().unwrap().contains("42"),
        "{failure:?}"
    );
}
