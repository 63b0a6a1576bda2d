//! Awaiting a run that was started earlier.

use super::*;

#[test]
fn a_run_can_be_awaited_again_after_a_timeout() {
    let server = |request: &Request, at: Duration| match request {
        request if is_trigger(request) => trigger_response(),
        _ if at < seconds(40) => run_list(&[(42, "processing")]),
        _ => run_list(&[(42, "success")]),
    };
    let first = execute(SyncGoal::Run(sync_7()), with_max_wait(seconds(25)), server);
    let run = first.failure().report.as_ref().unwrap().run;
    let second = execute(
        SyncGoal::Await(run),
        with_max_wait(seconds(25)),
        |request, at| server(request, at + first.ended_at),
    );
    assert_eq!(second.report().run, run_42());
    assert_eq!(second.trigger_count(), 0);
}

#[test]
fn a_wait_of_zero_polls_once() {
    let single_poll = Options {
        answer_wait: ANSWER_WAIT,
        ..with_max_wait(Duration::ZERO)
    };
    for (run_status, kind) in [
        ("processing", Some(FailureKind::StillRunning)),
        ("success", None),
        ("failed", Some(FailureKind::SyncFailed)),
    ] {
        let execution = execute(SyncGoal::Await(run_42()), single_poll.clone(), |_, _| {
            run_list(&[(42, run_status)])
        });
        assert_eq!(
            (
                execution.outcome.err().map(|failure| failure.kind),
                execution.sent.len()
            ),
            (kind, 1),
            "{run_status}"
        );
    }
    for (code, kind) in [
        (500, FailureKind::Api),
        (404, FailureKind::NotFound),
        (401, FailureKind::Unauthorized),
        (429, FailureKind::Api),
    ] {
        let execution = execute(SyncGoal::Await(run_42()), single_poll.clone(), |_, _| {
            status(code)
        });
        assert_eq!(
            (execution.failure().kind, execution.sent.len()),
            (kind, 1),
            "{code}"
        );
        assert_eq!(execution.failure().report.as_ref().unwrap().run, run_42());
    }
    let execution = execute(SyncGoal::Await(run_42()), single_poll.clone(), |_, _| {
        Reply::Silence
    });
    assert_eq!(execution.failure().kind, FailureKind::Unreachable);
    assert!(execution.ended_at <= ANSWER_WAIT + MAX_WAKE_DELAY);
}

#[test]
fn a_run_that_is_started_with_a_wait_of_zero_is_reported() {
    let single_poll = Options {
        answer_wait: ANSWER_WAIT,
        ..with_max_wait(Duration::ZERO)
    };
    let execution = execute(SyncGoal::Run(sync_7()), single_poll.clone(), |_, _| {
        trigger_response()
    });
    assert_eq!(
        (execution.failure().kind, execution.sent.len()),
        (FailureKind::StillRunning, 1)
    );
    assert_eq!(execution.failure().report.as_ref().unwrap().run, run_42());
}

#[test]
fn a_short_wait_does_not_cut_off_the_trigger_response() {
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..with_max_wait(Duration::from_millis(50))
    };
    let execution = execute(SyncGoal::Run(sync_7()), options, |_, _| trigger_response());
    assert_eq!(execution.failure().report.as_ref().unwrap().run, run_42());
}

#[test]
fn a_run_that_is_never_listed_is_awaited_until_the_deadline() {
    let execution = execute(
        SyncGoal::Await(run_42()),
        with_max_wait(seconds(30)),
        |_, _| run_list(&[]),
    );
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.report.as_ref().unwrap().jobs.len()),
        (FailureKind::StillRunning, 0)
    );
    assert!(
        failure.message.contains("has not listed run 42 of sync 7"),
        "no poll has listed the run: {}",
        failure.message
    );
}

#[test]
fn an_outage_after_a_successful_poll_ends_as_still_running() {
    let mut polls = 0;
    let execution = execute(
        SyncGoal::Await(run_42()),
        with_max_wait(seconds(60)),
        |_, _| {
            polls += 1;
            if polls == 1 {
                run_list(&[(42, "processing")])
            } else {
                status(503)
            }
        },
    );
    let failure = execution.failure();
    assert_eq!(failure.kind, FailureKind::StillRunning);
    assert!(
        failure
            .details
            .as_ref()
            .unwrap()
            .contains("503 Service Unavailable"),
        "{failure:?}"
    );
}

#[test]
fn a_run_that_is_an_hour_old_is_polled_rarely() {
    let response_with_date = |date: Option<&str>| {
        let mut response = Response::new(
            200,
            r#"{"data":[{"id":42,"status":"processing","createdAt":"2022-02-08T15:11:00.000Z"}],"hasMore":false}"#,
        );
        if let Some(date) = date {
            response.record_header("date", date.as_bytes());
        }
        Reply::Response(response)
    };
    let an_hour_later = Some("Tue, 08 Feb 2022 16:11:00 GMT");
    let old = execute(
        SyncGoal::Await(run_42()),
        with_max_wait(seconds(25)),
        |_, _| response_with_date(an_hour_later),
    );
    let without_date = execute(
        SyncGoal::Await(run_42()),
        with_max_wait(seconds(25)),
        |_, _| response_with_date(None),
    );
    assert_eq!(
        old.sent.len(),
        2,
        "one poll at the start and one at the deadline"
    );
    assert!(without_date.sent.len() > 10, "{}", without_date.sent.len());
}

/// Awaits run 42 of sync 7. The list contains only these other runs, newest or oldest first.
fn await_missing_run(
    others: &[u64],
    newest_first: bool,
    max_wait: Duration,
) -> Execution<SyncReport> {
    let mut all: Vec<(u64, &str)> = others.iter().map(|id| (*id, "success")).collect();
    all.sort_unstable();
    if newest_first {
        all.reverse();
    }
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..with_max_wait(max_wait)
    };
    execute(SyncGoal::Await(run_42()), options, |request, _| {
        let response = match request.target.contains("runId=") {
            true => run_list(&[]),
            false => run_page(&all, request, 100),
        };
        let Reply::Response(mut response) = response else {
            unreachable!()
        };
        response.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
        Reply::Response(response)
    })
}

#[test]
fn a_run_that_is_missing_from_a_list_with_newer_runs_does_not_exist() {
    let many: Vec<u64> = (1..20_000).filter(|id| *id != 42).collect();
    for newest_first in [true, false] {
        for others in [&[43][..], &[40, 41, 43, 44], &many] {
            for max_wait in [Duration::ZERO, seconds(25)] {
                let execution = await_missing_run(others, newest_first, max_wait);
                let failure = execution.failure();
                assert_eq!(
                    (failure.kind, failure.message.as_str()),
                    (FailureKind::NotFound, "Not Found")
                );
                assert!(
                    failure
                        .details
                        .as_ref()
                        .unwrap()
                        .contains("run 42 of sync 7"),
                    "{failure:?}"
                );
                assert!(
                    execution.sent.len() <= 22,
                    "{} requests",
                    execution.sent.len()
                );
            }
        }
        // No newer run is listed, so run 42 may be listed next.
        for others in [&[][..], &[40, 41], &[41]] {
            assert_eq!(
                await_missing_run(others, newest_first, seconds(25))
                    .failure()
                    .kind,
                FailureKind::StillRunning,
                "{others:?}"
            );
        }
    }
}

#[test]
fn a_run_is_not_reported_as_missing_just_after_newer_runs_are_listed() {
    // Without a `Date` header, the age of the newer run is measured by the local clock.
    let execution = execute(
        SyncGoal::Await(run_42()),
        with_max_wait(seconds(25)),
        |request, at| match request.target.contains("runId=") {
            true if at > seconds(7) => run_list(&[(42, "success")]),
            true => run_list(&[]),
            false if at > seconds(7) => run_list(&[(43, "queued"), (42, "success")]),
            false => run_list(&[(43, "queued")]),
        },
    );
    assert!(execution.outcome.is_ok(), "{:?}", execution.outcome);
}
