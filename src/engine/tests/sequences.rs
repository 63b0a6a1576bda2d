//! Running sequences.

use super::*;
use crate::hightouch::{RunStatus, SequenceStatus};

const SEQUENCE: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d";
const RUN: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

fn run_goal() -> SequenceGoal {
    SequenceGoal::Run(SEQUENCE.parse().unwrap())
}

fn await_goal() -> SequenceGoal {
    SequenceGoal::Await(RUN.parse().unwrap())
}

fn sequence_started() -> Reply {
    ok(format!(r#"{{"id":"{RUN}"}}"#))
}

/// A response with the status of the run and of its sync runs. Sync run 1 belongs to sync 11, sync
/// run 2 to sync 12, and so on.
fn sequence_state(status: &str, sync_runs: &[&str]) -> Reply {
    let sync_runs: Vec<String> = (1..)
        .zip(sync_runs)
        .map(|(id, status)| {
            format!(
                r#"{{"syncId":{},"syncRunId":{id},"status":"{status}","finishedAt":null}}"#,
                id + 10
            )
        })
        .collect();
    ok(format!(
        r#"{{"id":"{RUN}","status":"{status}","syncRuns":[{}]}}"#,
        sync_runs.join(",")
    ))
}

/// Runs a sequence. Each poll returns the next of these states, and the last state is repeated.
fn run_through(options: Options, states: &[(&str, &[&str])]) -> Execution<SequenceReport> {
    let mut next = 0;
    execute(run_goal(), options, |request, _| {
        if is_trigger(request) {
            return sequence_started();
        }
        let (status, sync_runs) = states[next.min(states.len() - 1)];
        next += 1;
        sequence_state(status, sync_runs)
    })
}

/// The UUID of the run in the report or in the failure.
fn reported_run(execution: &Execution<SequenceReport>) -> Option<&str> {
    let run = match &execution.outcome {
        Ok(report) => Some(&report.run),
        Err(failure) => failure.report.as_ref().map(|report| &report.run),
    };
    run.map(|run| run.id.as_str())
}

#[test]
fn a_sequence_is_polled_until_it_ends() {
    let execution = run_through(
        Options::default(),
        &[
            ("pending", &[]),
            ("running", &["processing"]),
            ("running", &["success", "queued"]),
            ("done", &["success", "success"]),
        ],
    );
    let report = execution.report();
    assert_eq!(
        (
            report.run.status.clone(),
            report.run.sync_runs.len(),
            report.requests
        ),
        (SequenceStatus::Done, 2, 5)
    );
    let poll = format!("/sync-sequences/runs/{RUN}");
    let trigger = format!("/sync-sequences/{SEQUENCE}/trigger");
    assert_eq!(
        execution.targets(),
        [trigger.as_str(), &poll, &poll, &poll, &poll]
    );
    assert_eq!(execution.sent[0].1.body, None);
    assert!(
        execution.ended_at >= seconds(3) && execution.ended_at <= seconds(6),
        "{:?}",
        execution.ended_at
    );
}

#[test]
fn a_done_sequence_succeeds_only_if_every_sync_run_succeeds() {
    for bad in ["failed", "cancelled", "interrupted", "warning"] {
        let execution = run_through(
            Options::default(),
            &[("done", &["success", bad, "success"])],
        );
        let failure = execution.failure();
        assert_eq!(
            (failure.kind, reported_run(&execution)),
            (FailureKind::SyncFailed, Some(RUN)),
            "{bad}"
        );
        assert!(
            failure
                .message
                .contains(&format!("run 2 of sync 12 (`{bad}`)")),
            "{}",
            failure.message
        );
        assert!(!failure.message.contains("run 1 of"), "{}", failure.message);
        assert_eq!(
            failure.message.contains("unless warnings are accepted"),
            bad == "warning",
            "{}",
            failure.message
        );
        assert_eq!(failure.report.as_ref().unwrap().run.sync_runs.len(), 3);
    }
}

#[test]
fn accept_warnings_decides_whether_a_warning_is_a_success() {
    let accepting = Options {
        warnings: Warnings::Accept,
        ..Options::default()
    };
    let execution = run_through(accepting.clone(), &[("done", &["success", "warning"])]);
    assert_eq!(
        execution.report().run.sync_runs[1].status,
        RunStatus::Warning
    );
    let execution = run_through(accepting.clone(), &[("done", &["failed", "warning"])]);
    let message = &execution.failure().message;
    assert!(
        message.contains("run 1 of sync 11") && !message.contains("run 2 of"),
        "an accepted warning is not a failure: {message}"
    );
}

#[test]
fn a_done_sequence_without_sync_runs_fails() {
    let execution = run_through(with_max_wait(seconds(60)), &[("done", &[])]);
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, reported_run(&execution)),
        (FailureKind::SyncFailed, Some(RUN))
    );
    assert!(
        failure.message.contains("it lists no sync runs"),
        "{}",
        failure.message
    );
    assert!(
        execution.ended_at >= seconds(20) && execution.ended_at <= seconds(23),
        "{:?}",
        execution.ended_at
    );
    let short = run_through(with_max_wait(seconds(15)), &[("done", &[])]);
    assert_eq!(
        (short.failure().kind, reported_run(&short)),
        (FailureKind::StillRunning, Some(RUN))
    );
    assert!(
        short
            .failure()
            .message
            .contains("`done`, without the ends of all its sync runs"),
        "{:?}",
        short.failure()
    );
    let late = run_through(
        Options::default(),
        &[("done", &[]), ("done", &[]), ("done", &["success"])],
    );
    assert_eq!(late.report().run.sync_runs.len(), 1);
}

#[test]
fn an_unfinished_sync_run_delays_the_success_of_a_done_sequence() {
    for unfinished in [
        "queued",
        "querying",
        "processing",
        "reporting",
        "verifying",
        "",
    ] {
        let execution = run_through(
            with_max_wait(seconds(30)),
            &[("done", &["success", unfinished])],
        );
        assert_eq!(
            (execution.failure().kind, reported_run(&execution)),
            (FailureKind::SyncFailed, Some(RUN)),
            "{unfinished}"
        );
        assert!(
            execution
                .failure()
                .message
                .contains("it does not list run 2 of sync 12"),
            "{:?}",
            execution.failure()
        );
        let with_failed_run = run_through(
            with_max_wait(seconds(15)),
            &[("done", &["failed", unfinished])],
        );
        assert_eq!(
            with_failed_run.failure().kind,
            FailureKind::StillRunning,
            "{unfinished}"
        );
        let later = run_through(
            Options::default(),
            &[
                ("done", &["success", unfinished]),
                ("done", &["success", "success"]),
            ],
        );
        assert_eq!(later.report().requests, 3, "{unfinished}");
    }
}

#[test]
fn a_failed_or_cancelled_sequence_names_its_failed_sync_runs() {
    for status in ["failed", "cancelled", "FAILED"] {
        let execution = run_through(
            Options::default(),
            &[
                ("running", &["processing"]),
                (status, &["failed", "queued"]),
            ],
        );
        let failure = execution.failure();
        assert_eq!(
            (failure.kind, reported_run(&execution)),
            (FailureKind::SyncFailed, Some(RUN))
        );
        assert!(
            failure.message.contains("run 1 of sync 11 (`failed`)"),
            "{}",
            failure.message
        );
        assert!(
            !failure.message.contains("run 2"),
            "a sync run that never started did not fail: {}",
            failure.message
        );
        let without_sync_runs = run_through(Options::default(), &[(status, &[])]);
        assert_eq!(
            without_sync_runs.failure().message,
            format!("The sequence ended as `{}`.", status.to_ascii_lowercase())
        );
    }
    let many = run_through(Options::default(), &[("failed", &["failed"; 30])]);
    assert!(
        many.failure()
            .message
            .ends_with("run 10 of sync 20 (`failed`) and more."),
        "{}",
        many.failure().message
    );
}

#[test]
fn an_unknown_status_counts_as_in_progress() {
    for status in ["finishing", "success", "completed", ""] {
        let execution = run_through(with_max_wait(seconds(30)), &[(status, &["success"])]);
        let failure = execution.failure();
        assert_eq!(failure.kind, FailureKind::StillRunning, "{status}");
        assert_eq!(
            failure.report.as_ref().unwrap().run.status,
            SequenceStatus::Other(status.into())
        );
    }
}

#[test]
fn a_list_of_sync_runs_that_became_shorter_is_never_a_success() {
    let execution = run_through(
        with_max_wait(seconds(20)),
        &[
            ("running", &["success", "processing"]),
            ("done", &["success"]),
        ],
    );
    let failure = execution.failure();
    assert_eq!(
        failure.kind,
        FailureKind::StillRunning,
        "the sync run that is no longer listed may have failed"
    );
    assert_eq!(failure.report.as_ref().unwrap().run.sync_runs.len(), 2);
    let execution = run_through(
        Options::default(),
        &[("running", &["success", "processing"]), ("failed", &[])],
    );
    assert_eq!(
        execution.failure().kind,
        FailureKind::SyncFailed,
        "the status `failed` is final even if sync runs are missing"
    );
}

#[test]
fn a_response_about_another_run_is_malformed() {
    let other = r#"{"id":"5f7c2a10-0000-4b7e-8d11-6a0c1f2e3b4d","status":"done","syncRuns":[{"status":"success"}]}"#;
    for body in [
        other,
        r#"{"status":"done","syncRuns":[{"status":"success"}]}"#,
        "{}",
        "[]",
        "",
        "<html>",
    ] {
        let execution = execute(await_goal(), with_max_wait(seconds(20)), |_, _| ok(body));
        assert_eq!(
            (execution.failure().kind, reported_run(&execution)),
            (FailureKind::MalformedAnswer, Some(RUN)),
            "{body}"
        );
        assert!(
            execution.sent.len() > 2,
            "an intermediary may have sent the response: {body}"
        );
    }
}

#[test]
fn a_trigger_with_an_unknown_outcome_fails_at_once_and_is_never_sent_again() {
    for script in [
        || Reply::TransportError(TransportErrorKind::Lost),
        || Reply::Silence,
        || status(500),
        || status(504),
        || ok("{"),
        || ok(r#"{"id":"42"}"#),
        || ok(r#"{"id":42}"#),
        || ok("<html>"),
        || {
            Reply::Response(Response {
                end: crate::hightouch::BodyEnd::Incomplete,
                ..Response::new(200, format!(r#"{{"id":"{RUN}"}}"#))
            })
        },
    ] {
        for goal in [run_goal(), SequenceGoal::Start(SEQUENCE.parse().unwrap())] {
            let execution = execute(goal, Options::default(), |_, _| script());
            let failure = execution.failure();
            assert_eq!(
                (failure.kind, execution.sent.len()),
                (FailureKind::TriggerUnconfirmed, 1),
                "{failure:?}"
            );
            assert!(
                execution.ended_at <= seconds(15) + MAX_WAKE_DELAY,
                "no further request can confirm the trigger: {:?}",
                execution.ended_at
            );
            let details = failure.details.as_ref().unwrap();
            assert!(
                details.contains("could run the sequence twice"),
                "{details}"
            );
        }
    }
}

#[test]
fn a_trigger_that_certainly_started_no_run_is_sent_again() {
    for (reply, final_kind) in [
        (
            (|| Reply::TransportError(TransportErrorKind::NotSent)) as fn() -> Reply,
            FailureKind::Unreachable,
        ),
        (|| status(429), FailureKind::Api),
    ] {
        let mut requests = 0;
        let execution = execute(run_goal(), Options::default(), |request, _| {
            requests += 1;
            match (is_trigger(request), requests) {
                (true, ..=2) => reply(),
                (true, _) => sequence_started(),
                _ => sequence_state("done", &["success"]),
            }
        });
        assert_eq!(
            (execution.report().requests, execution.trigger_count()),
            (4, 3)
        );
        let always_failed = execute(run_goal(), with_max_wait(seconds(30)), |_, _| reply());
        assert_eq!(
            (always_failed.failure().kind, reported_run(&always_failed)),
            (final_kind, None)
        );
        assert!(always_failed.trigger_count() > 2 && always_failed.ended_at <= seconds(30));
    }
}

#[test]
fn an_error_response_to_the_trigger_is_final() {
    for (code, kind) in [
        (400, FailureKind::Api),
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Api),
        (404, FailureKind::NotFound),
        (422, FailureKind::Api),
    ] {
        let execution = execute(run_goal(), Options::default(), |_, _| status(code));
        assert_eq!(
            (execution.failure().kind, execution.sent.len()),
            (kind, 1),
            "{code}"
        );
    }
    let error_envelope = execute(run_goal(), Options::default(), |_, _| {
        ok(r#"{"message":"Sequence not found","details":{}}"#)
    });
    let failure = error_envelope.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Api, "Sequence not found")
    );
}

#[test]
fn transient_errors_are_retried_while_the_run_is_polled() {
    let mut polls = 0;
    let execution = execute(run_goal(), Options::default(), |request, _| {
        if is_trigger(request) {
            return sequence_started();
        }
        polls += 1;
        match polls {
            1 => status(500),
            2 => Reply::TransportError(TransportErrorKind::Lost),
            3 => Reply::TransportError(TransportErrorKind::NotSent),
            4 => status(429),
            5 => ok("<html>"),
            6 => Reply::Silence,
            7 => status(408),
            8 => Reply::Response(Response {
                retry_after: crate::hightouch::RetryAfter::read("40"),
                ..Response::new(429, "")
            }),
            _ => sequence_state("done", &["success"]),
        }
    });
    assert_eq!(
        (execution.report().requests, execution.trigger_count()),
        (10, 1)
    );
    let (rate_limited, next) = (execution.sent[8].0, execution.sent[9].0);
    assert!(
        next - rate_limited >= seconds(40),
        "the next poll respects Retry-After: {rate_limited:?} {next:?}"
    );
}

#[test]
fn a_new_run_may_appear_late_and_is_reported_even_if_it_never_appears() {
    for code in [400, 404, 422] {
        let mut polls = 0;
        let execution = execute(run_goal(), Options::default(), |request, _| {
            polls += usize::from(!is_trigger(request));
            match polls {
                0 => sequence_started(),
                1 | 2 => status(code),
                _ => sequence_state("done", &["success"]),
            }
        });
        assert!(execution.outcome.is_ok(), "{code}: {:?}", execution.outcome);
        let never = execute(run_goal(), Options::default(), |request, _| {
            if is_trigger(request) {
                sequence_started()
            } else {
                status(code)
            }
        });
        assert_eq!(
            (never.failure().http_status, reported_run(&never)),
            (Some(code), Some(RUN))
        );
        assert!(
            never.ended_at >= seconds(8) && never.ended_at < seconds(25),
            "{:?}",
            never.ended_at
        );
        let awaited = execute(await_goal(), Options::default(), |_, _| status(code));
        assert_eq!(
            (awaited.sent.len(), reported_run(&awaited)),
            (1, Some(RUN)),
            "an error for an awaited run is reported at once: {code}"
        );
    }
    for code in [401, 403] {
        let execution = execute(run_goal(), Options::default(), |request, _| {
            if is_trigger(request) {
                sequence_started()
            } else {
                status(code)
            }
        });
        assert_eq!(
            (execution.sent.len(), reported_run(&execution)),
            (2, Some(RUN)),
            "{code}"
        );
    }
}

#[test]
fn starting_a_sequence_does_not_poll_the_run() {
    let execution = execute(
        SequenceGoal::Start(SEQUENCE.parse().unwrap()),
        Options::default(),
        |_, _| sequence_started(),
    );
    let report = execution.report();
    assert_eq!(
        (report.run.id.as_str(), &report.run.status, report.requests),
        (RUN, &SequenceStatus::Pending, 1)
    );
}

#[test]
fn awaiting_sends_no_trigger_and_a_wait_of_zero_polls_once() {
    let single_poll = Options {
        answer_wait: ANSWER_WAIT,
        ..with_max_wait(Duration::ZERO)
    };
    for (status, expected) in [
        ("done", None),
        ("failed", Some(FailureKind::SyncFailed)),
        ("running", Some(FailureKind::StillRunning)),
    ] {
        let execution = execute(await_goal(), single_poll.clone(), |_, _| {
            sequence_state(status, &["success"])
        });
        assert_eq!(
            (
                execution.trigger_count(),
                execution.sent.len(),
                reported_run(&execution)
            ),
            (0, 1, Some(RUN))
        );
        assert_eq!(
            execution.outcome.err().map(|failure| failure.kind),
            expected,
            "{status}"
        );
    }
    let started = execute(run_goal(), single_poll.clone(), |request, _| {
        if is_trigger(request) {
            sequence_started()
        } else {
            sequence_state("running", &[])
        }
    });
    assert_eq!(
        (
            started.failure().kind,
            reported_run(&started),
            started.sent.len()
        ),
        (FailureKind::StillRunning, Some(RUN), 1)
    );
}

#[test]
fn the_deadline_is_kept_and_the_run_is_always_reported() {
    for millis in [1, 500, 2_000, 10_000, 60_000, 3_600_000] {
        let max_wait = Duration::from_millis(millis);
        for script in [
            || sequence_state("running", &["processing"]),
            || status(503),
            || Reply::Silence,
            || ok("{"),
        ] {
            let execution = execute(run_goal(), with_max_wait(max_wait), |request, _| {
                if is_trigger(request) {
                    sequence_started()
                } else {
                    script()
                }
            });
            assert!(
                execution.ended_at <= max_wait + MAX_WAKE_DELAY,
                "{millis}: {:?}",
                execution.ended_at
            );
            assert_eq!(execution.trigger_count(), 1);
            let reported = reported_run(&execution);
            assert!(
                reported == Some(RUN)
                    || execution.failure().kind == FailureKind::TriggerUnconfirmed,
                "{execution:?}"
            );
            let awaited = execute(await_goal(), with_max_wait(max_wait), |_, _| script());
            assert!(
                awaited.ended_at <= max_wait + MAX_WAKE_DELAY
                    && reported_run(&awaited) == Some(RUN),
                "{millis}"
            );
        }
    }
}

#[test]
fn polls_become_less_frequent_as_the_run_gets_older() {
    let execution = run_through(
        with_max_wait(seconds(3600)),
        &[("running", &["processing"])],
    );
    let poll_times: Vec<Duration> = execution.sent.iter().skip(1).map(|(at, _)| *at).collect();
    let (first, last) = (
        poll_times[1] - poll_times[0],
        poll_times[poll_times.len() - 2] - poll_times[poll_times.len() - 3],
    );
    assert!(first >= seconds(1) && first <= seconds(2), "{first:?}");
    assert!(
        last >= seconds(30) && poll_times.len() < 300,
        "{last:?} {}",
        poll_times.len()
    );
}

#[test]
fn the_age_of_an_awaited_run_is_estimated_from_its_finished_sync_runs() {
    let body = format!(
        r#"{{"id":"{RUN}","status":"running","syncRuns":[{{"status":"success","finishedAt":"2023-10-17T11:06:01.713+00:00"}},{{"status":"processing"}}]}}"#
    );
    let execution = execute(await_goal(), with_max_wait(seconds(600)), |_, _| {
        let mut response = Response::new(200, body.clone());
        response.record_header("date", b"Tue, 17 Oct 2023 12:06:02 GMT");
        Reply::Response(response)
    });
    assert!(
        execution.sent.len() < 30,
        "a run that is an hour old is not polled every second: {}",
        execution.sent.len()
    );
}

#[test]
fn a_listed_sync_run_still_counts_if_a_later_response_lacks_it() {
    let response = |status: &str, runs: &[(u64, &str)]| {
        let runs: Vec<String> = runs
            .iter()
            .map(|(id, run_status)| {
                format!(r#"{{"syncId":1,"syncRunId":{id},"status":"{run_status}"}}"#)
            })
            .collect();
        ok(format!(
            r#"{{"id":"{RUN}","status":"{status}","syncRuns":[{}]}}"#,
            runs.join(",")
        ))
    };
    for second in [
        &[(12, "success"), (13, "success")][..],
        &[(11, "success"), (12, "success")],
    ] {
        let mut polls = 0;
        let execution = execute(run_goal(), Options::default(), |request, _| {
            if is_trigger(request) {
                return sequence_started();
            }
            polls += 1;
            if polls == 1 {
                response("running", &[(11, "failed")])
            } else {
                response("done", second)
            }
        });
        assert_eq!(
            execution.failure().kind,
            FailureKind::SyncFailed,
            "{second:?}"
        );
        assert!(
            execution
                .failure()
                .message
                .contains("run 11 of sync 1 (`failed`)"),
            "{}",
            execution.failure().message
        );
    }
}

#[test]
fn a_done_sequence_fails_if_it_no_longer_lists_a_sync_run() {
    let mut polls = 0;
    let execution = execute(run_goal(), Options::default(), |request, _| {
        if is_trigger(request) {
            return sequence_started();
        }
        polls += 1;
        let (status, run) = if polls == 1 {
            ("running", 11)
        } else {
            ("done", 12)
        };
        ok(format!(
            r#"{{"id":"{RUN}","status":"{status}","syncRuns":[{{"syncRunId":{run},"status":"success"}}]}}"#
        ))
    });
    assert_eq!(execution.failure().kind, FailureKind::SyncFailed);
    assert!(
        execution
            .failure()
            .message
            .contains("does not list all sync runs"),
        "{}",
        execution.failure().message
    );
}
