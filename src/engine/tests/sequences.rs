//! Running sequences.

use super::*;
use crate::hightouch::{RunStatus, SequenceStatus};

const SEQUENCE: &str = "5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d";
const RUN: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

fn run_it() -> SequenceGoal {
    SequenceGoal::Run(SEQUENCE.parse().unwrap())
}

fn await_it() -> SequenceGoal {
    SequenceGoal::Await(RUN.parse().unwrap())
}

fn accepted() -> Say {
    ok(format!(r#"{{"id":"{RUN}"}}"#))
}

/// The run in this status, with sync runs 1, 2, … of syncs 11, 12, … in theirs.
fn stands(status: &str, sync_runs: &[&str]) -> Say {
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

/// Runs a sequence that is seen so, the last for as long as anyone looks.
fn through(options: Options, looks: &[(&str, &[&str])]) -> Played<SequenceReport> {
    let mut at = 0;
    play(run_it(), options, |request, _| {
        if is_trigger(request) {
            return accepted();
        }
        let (status, sync_runs) = looks[at.min(looks.len() - 1)];
        at += 1;
        stands(status, sync_runs)
    })
}

/// The run's UUID in whatever came out.
fn named(played: &Played<SequenceReport>) -> Option<&str> {
    let run = match &played.outcome {
        Ok(report) => Some(&report.run),
        Err(failure) => failure.report.as_ref().map(|report| &report.run),
    };
    run.map(|run| run.id.as_str())
}

#[test]
fn a_sequence_runs_to_its_end() {
    let played = through(
        Options::default(),
        &[
            ("pending", &[]),
            ("running", &["processing"]),
            ("running", &["success", "queued"]),
            ("done", &["success", "success"]),
        ],
    );
    let report = played.report();
    assert_eq!(
        (
            report.run.status.clone(),
            report.run.sync_runs.len(),
            report.requests
        ),
        (SequenceStatus::Done, 2, 5)
    );
    let look = format!("/sync-sequences/runs/{RUN}");
    let trigger = format!("/sync-sequences/{SEQUENCE}/trigger");
    assert_eq!(
        played.targets(),
        [trigger.as_str(), &look, &look, &look, &look]
    );
    assert_eq!(played.sent[0].1.body, None);
    assert!(
        played.over >= seconds(3) && played.over <= seconds(6),
        "{:?}",
        played.over
    );
}

#[test]
fn a_run_that_is_done_has_succeeded_only_if_each_of_its_syncs_has() {
    for bad in ["failed", "cancelled", "interrupted", "warning"] {
        let played = through(
            Options::default(),
            &[("done", &["success", bad, "success"])],
        );
        let failure = played.failure();
        assert_eq!(
            (failure.kind, named(&played)),
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
fn a_warning_counts_as_the_caller_says() {
    let accepting = Options {
        accept_warnings: true,
        ..Options::default()
    };
    let played = through(accepting, &[("done", &["success", "warning"])]);
    assert_eq!(played.report().run.sync_runs[1].status, RunStatus::Warning);
    let played = through(accepting, &[("done", &["failed", "warning"])]);
    let message = &played.failure().message;
    assert!(
        message.contains("run 1 of sync 11") && !message.contains("run 2 of"),
        "what was accepted did not fail: {message}"
    );
}

#[test]
fn all_of_nothing_is_not_success() {
    let played = through(wait(seconds(60)), &[("done", &[])]);
    let failure = played.failure();
    assert_eq!(
        (failure.kind, named(&played)),
        (FailureKind::SyncFailed, Some(RUN))
    );
    assert!(
        failure.message.contains("it lists no sync runs"),
        "{}",
        failure.message
    );
    assert!(
        played.over >= seconds(20) && played.over <= seconds(23),
        "{:?}",
        played.over
    );
    let short = through(wait(seconds(15)), &[("done", &[])]);
    assert_eq!(
        (short.failure().kind, named(&short)),
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
    let late = through(
        Options::default(),
        &[("done", &[]), ("done", &[]), ("done", &["success"])],
    );
    assert_eq!(late.report().run.sync_runs.len(), 1);
}

#[test]
fn a_sync_run_that_goes_on_in_a_sequence_that_is_done_is_not_yet() {
    for going in [
        "queued",
        "querying",
        "processing",
        "reporting",
        "verifying",
        "",
    ] {
        let played = through(wait(seconds(30)), &[("done", &["success", going])]);
        assert_eq!(
            (played.failure().kind, named(&played)),
            (FailureKind::SyncFailed, Some(RUN)),
            "{going}"
        );
        assert!(
            played
                .failure()
                .message
                .contains("it lists no end of run 2 of sync 12"),
            "{:?}",
            played.failure()
        );
        let failed_beside = through(wait(seconds(15)), &[("done", &["failed", going])]);
        assert_eq!(
            failed_beside.failure().kind,
            FailureKind::StillRunning,
            "{going}"
        );
        let later = through(
            Options::default(),
            &[
                ("done", &["success", going]),
                ("done", &["success", "success"]),
            ],
        );
        assert_eq!(later.report().requests, 3, "{going}");
    }
}

#[test]
fn a_run_that_failed_or_was_cancelled_names_what_failed_in_it() {
    for word in ["failed", "cancelled", "FAILED"] {
        let played = through(
            Options::default(),
            &[("running", &["processing"]), (word, &["failed", "queued"])],
        );
        let failure = played.failure();
        assert_eq!(
            (failure.kind, named(&played)),
            (FailureKind::SyncFailed, Some(RUN))
        );
        assert!(
            failure.message.contains("run 1 of sync 11 (`failed`)"),
            "{}",
            failure.message
        );
        assert!(
            !failure.message.contains("run 2"),
            "what never ran did not fail: {}",
            failure.message
        );
        let alone = through(Options::default(), &[(word, &[])]);
        assert_eq!(
            alone.failure().message,
            format!("The sequence ended as `{}`.", word.to_ascii_lowercase())
        );
    }
    let many = through(Options::default(), &[("failed", &["failed"; 30])]);
    assert!(
        many.failure()
            .message
            .ends_with("run 10 of sync 20 (`failed`) and more."),
        "{}",
        many.failure().message
    );
}

#[test]
fn an_unknown_status_has_not_ended() {
    for word in ["finishing", "success", "completed", ""] {
        let played = through(wait(seconds(30)), &[(word, &["success"])]);
        let failure = played.failure();
        assert_eq!(failure.kind, FailureKind::StillRunning, "{word}");
        assert_eq!(
            failure.report.as_ref().unwrap().run.status,
            SequenceStatus::Other(word.into())
        );
    }
}

#[test]
fn a_list_that_became_shorter_is_not_believed() {
    let played = through(
        wait(seconds(20)),
        &[
            ("running", &["success", "processing"]),
            ("done", &["success"]),
        ],
    );
    let failure = played.failure();
    assert_eq!(
        failure.kind,
        FailureKind::StillRunning,
        "what is not listed may have failed"
    );
    assert_eq!(failure.report.as_ref().unwrap().run.sync_runs.len(), 2);
    let played = through(
        Options::default(),
        &[("running", &["success", "processing"]), ("failed", &[])],
    );
    assert_eq!(
        played.failure().kind,
        FailureKind::SyncFailed,
        "that it failed is the end of it"
    );
}

#[test]
fn an_answer_about_another_run_tells_nothing() {
    let other = r#"{"id":"5f7c2a10-0000-4b7e-8d11-6a0c1f2e3b4d","status":"done","syncRuns":[{"status":"success"}]}"#;
    for body in [
        other,
        r#"{"status":"done","syncRuns":[{"status":"success"}]}"#,
        "{}",
        "[]",
        "",
        "<html>",
    ] {
        let played = play(await_it(), wait(seconds(20)), |_, _| ok(body));
        assert_eq!(
            (played.failure().kind, named(&played)),
            (FailureKind::MalformedAnswer, Some(RUN)),
            "{body}"
        );
        assert!(played.sent.len() > 2, "it may be another's fault: {body}");
    }
}

#[test]
fn a_trigger_whose_answer_was_lost_is_told_at_once_and_never_sent_again() {
    for script in [
        || Say::TransportError(TransportErrorKind::Lost),
        || Say::Silence,
        || status(500),
        || status(504),
        || ok("{"),
        || ok(r#"{"id":"42"}"#),
        || ok(r#"{"id":42}"#),
        || ok("<html>"),
        || {
            Say::Response(Response {
                end: crate::hightouch::BodyEnd::Incomplete,
                ..Response::new(200, format!(r#"{{"id":"{RUN}"}}"#))
            })
        },
    ] {
        for goal in [run_it(), SequenceGoal::Start(SEQUENCE.parse().unwrap())] {
            let played = play(goal, Options::default(), |_, _| script());
            let failure = played.failure();
            assert_eq!(
                (failure.kind, played.sent.len()),
                (FailureKind::TriggerUnconfirmed, 1),
                "{failure:?}"
            );
            assert!(
                played.over <= seconds(15) + LATEST_WAKE,
                "there is nothing to wait for: {:?}",
                played.over
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
fn a_trigger_that_did_not_arrive_is_sent_again() {
    for (say, last) in [
        (
            (|| Say::TransportError(TransportErrorKind::NotSent)) as fn() -> Say,
            FailureKind::Unreachable,
        ),
        (|| status(429), FailureKind::Api),
    ] {
        let mut tries = 0;
        let played = play(run_it(), Options::default(), |request, _| {
            tries += 1;
            match (is_trigger(request), tries) {
                (true, ..=2) => say(),
                (true, _) => accepted(),
                _ => stands("done", &["success"]),
            }
        });
        assert_eq!((played.report().requests, played.triggers()), (4, 3));
        let never = play(run_it(), wait(seconds(30)), |_, _| say());
        assert_eq!((never.failure().kind, named(&never)), (last, None));
        assert!(never.triggers() > 2 && never.over <= seconds(30));
    }
}

#[test]
fn an_error_to_the_trigger_is_final() {
    for (code, kind) in [
        (400, FailureKind::Api),
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Api),
        (404, FailureKind::NotFound),
        (422, FailureKind::Api),
    ] {
        let played = play(run_it(), Options::default(), |_, _| status(code));
        assert_eq!(
            (played.failure().kind, played.sent.len()),
            (kind, 1),
            "{code}"
        );
    }
    let envelope = play(run_it(), Options::default(), |_, _| {
        ok(r#"{"message":"Sequence not found","details":{}}"#)
    });
    let failure = envelope.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Api, "Sequence not found")
    );
}

#[test]
fn whatever_passes_is_sat_out_while_the_run_is_waited_for() {
    let mut looks = 0;
    let played = play(run_it(), Options::default(), |request, _| {
        if is_trigger(request) {
            return accepted();
        }
        looks += 1;
        match looks {
            1 => status(500),
            2 => Say::TransportError(TransportErrorKind::Lost),
            3 => Say::TransportError(TransportErrorKind::NotSent),
            4 => status(429),
            5 => ok("<html>"),
            6 => Say::Silence,
            7 => status(408),
            8 => Say::Response(Response {
                retry_after: crate::hightouch::RetryAfter::read("40"),
                ..Response::new(429, "")
            }),
            _ => stands("done", &["success"]),
        }
    });
    assert_eq!((played.report().requests, played.triggers()), (10, 1));
    let (asked, next) = (played.sent[8].0, played.sent[9].0);
    assert!(
        next - asked >= seconds(40),
        "Retry-After is kept to: {asked:?} {next:?}"
    );
}

#[test]
fn a_run_that_was_just_named_may_show_later_and_one_that_never_does_is_still_named() {
    for code in [400, 404, 422] {
        let mut looks = 0;
        let played = play(run_it(), Options::default(), |request, _| {
            looks += usize::from(!is_trigger(request));
            match looks {
                0 => accepted(),
                1 | 2 => status(code),
                _ => stands("done", &["success"]),
            }
        });
        assert!(played.outcome.is_ok(), "{code}: {:?}", played.outcome);
        let never = play(run_it(), Options::default(), |request, _| {
            if is_trigger(request) {
                accepted()
            } else {
                status(code)
            }
        });
        assert_eq!(
            (never.failure().http_status, named(&never)),
            (Some(code), Some(RUN))
        );
        assert!(
            never.over >= seconds(8) && never.over < seconds(25),
            "{:?}",
            never.over
        );
        let awaited = play(await_it(), Options::default(), |_, _| status(code));
        assert_eq!(
            (awaited.sent.len(), named(&awaited)),
            (1, Some(RUN)),
            "who names it is told at once: {code}"
        );
    }
    for code in [401, 403] {
        let played = play(run_it(), Options::default(), |request, _| {
            if is_trigger(request) {
                accepted()
            } else {
                status(code)
            }
        });
        assert_eq!(
            (played.sent.len(), named(&played)),
            (2, Some(RUN)),
            "{code}"
        );
    }
}

#[test]
fn starting_does_not_wait() {
    let played = play(
        SequenceGoal::Start(SEQUENCE.parse().unwrap()),
        Options::default(),
        |_, _| accepted(),
    );
    let report = played.report();
    assert_eq!(
        (report.run.id.as_str(), &report.run.status, report.requests),
        (RUN, &SequenceStatus::Pending, 1)
    );
}

#[test]
fn awaiting_starts_nothing_and_no_wait_looks_once() {
    let once = Options {
        answer_wait: ANSWER_WAIT,
        ..wait(Duration::ZERO)
    };
    for (status, expected) in [
        ("done", None),
        ("failed", Some(FailureKind::SyncFailed)),
        ("running", Some(FailureKind::StillRunning)),
    ] {
        let played = play(await_it(), once, |_, _| stands(status, &["success"]));
        assert_eq!(
            (played.triggers(), played.sent.len(), named(&played)),
            (0, 1, Some(RUN))
        );
        assert_eq!(
            played.outcome.err().map(|failure| failure.kind),
            expected,
            "{status}"
        );
    }
    let started = play(run_it(), once, |request, _| {
        if is_trigger(request) {
            accepted()
        } else {
            stands("running", &[])
        }
    });
    assert_eq!(
        (started.failure().kind, named(&started), started.sent.len()),
        (FailureKind::StillRunning, Some(RUN), 1)
    );
}

#[test]
fn no_wait_is_outlasted_and_the_run_is_named_at_each_end() {
    for millis in [1, 500, 2_000, 10_000, 60_000, 3_600_000] {
        let span = Duration::from_millis(millis);
        for script in [
            || stands("running", &["processing"]),
            || status(503),
            || Say::Silence,
            || ok("{"),
        ] {
            let played = play(run_it(), wait(span), |request, _| {
                if is_trigger(request) {
                    accepted()
                } else {
                    script()
                }
            });
            assert!(
                played.over <= span + LATEST_WAKE,
                "{millis}: {:?}",
                played.over
            );
            assert_eq!(played.triggers(), 1);
            let told = named(&played);
            assert!(
                told == Some(RUN) || played.failure().kind == FailureKind::TriggerUnconfirmed,
                "{played:?}"
            );
            let awaited = play(await_it(), wait(span), |_, _| script());
            assert!(
                awaited.over <= span + LATEST_WAKE && named(&awaited) == Some(RUN),
                "{millis}"
            );
        }
    }
}

#[test]
fn looks_come_more_rarely_as_the_run_grows_old() {
    let played = through(wait(seconds(3600)), &[("running", &["processing"])]);
    let looks: Vec<Duration> = played.sent.iter().skip(1).map(|(at, _)| *at).collect();
    let (first, last) = (
        looks[1] - looks[0],
        looks[looks.len() - 2] - looks[looks.len() - 3],
    );
    assert!(first >= seconds(1) && first <= seconds(2), "{first:?}");
    assert!(
        last >= seconds(30) && looks.len() < 300,
        "{last:?} {}",
        looks.len()
    );
}

#[test]
fn the_age_of_a_run_that_is_taken_up_is_told_by_what_has_ended_in_it() {
    let body = format!(
        r#"{{"id":"{RUN}","status":"running","syncRuns":[{{"status":"success","finishedAt":"2023-10-17T11:06:01.713+00:00"}},{{"status":"processing"}}]}}"#
    );
    let played = play(await_it(), wait(seconds(600)), |_, _| {
        let mut answer = Response::new(200, body.clone());
        answer.record_header("date", b"Tue, 17 Oct 2023 12:06:02 GMT");
        Say::Response(answer)
    });
    assert!(
        played.sent.len() < 30,
        "an hour-old run is not looked at each second: {}",
        played.sent.len()
    );
}

#[test]
fn a_sync_run_that_was_listed_still_counts_when_a_later_response_lacks_it() {
    let with = |status: &str, runs: &[(u64, &str)]| {
        let runs: Vec<String> = runs
            .iter()
            .map(|(id, word)| format!(r#"{{"syncId":1,"syncRunId":{id},"status":"{word}"}}"#))
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
        let played = play(run_it(), Options::default(), |request, _| {
            if is_trigger(request) {
                return accepted();
            }
            polls += 1;
            if polls == 1 {
                with("running", &[(11, "failed")])
            } else {
                with("done", second)
            }
        });
        assert_eq!(played.failure().kind, FailureKind::SyncFailed, "{second:?}");
        assert!(
            played
                .failure()
                .message
                .contains("run 11 of sync 1 (`failed`)"),
            "{}",
            played.failure().message
        );
    }
}

#[test]
fn a_sequence_that_is_done_without_a_sync_run_that_it_listed_before_is_no_success() {
    let mut polls = 0;
    let played = play(run_it(), Options::default(), |request, _| {
        if is_trigger(request) {
            return accepted();
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
    assert_eq!(played.failure().kind, FailureKind::SyncFailed);
    assert!(
        played
            .failure()
            .message
            .contains("does not list all sync runs"),
        "{}",
        played.failure().message
    );
}
