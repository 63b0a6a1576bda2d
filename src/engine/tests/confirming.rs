//! Finding out whether a trigger without a usable response started a run.

use super::*;
use crate::hightouch::Resync;

/// The server's clock at the start of the script.
const DATE: &str = "Tue, 08 Feb 2022 16:11:00 GMT";

/// A list of runs, each with its ID, its status and its age in seconds at the start of the script.
fn dated_list(at: Duration, entries: &[(u64, &str, f64)]) -> Reply {
    use ::time::format_description::well_known::Rfc2822;
    let start = ::time::OffsetDateTime::parse(DATE, &Rfc2822).unwrap();
    let rfc3339 = |time: ::time::OffsetDateTime| {
        format!(
            "{}T{:02}:{:02}:{:02}.{:03}Z",
            time.date(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    };
    let entries: Vec<String> = entries
        .iter()
        .map(|(id, status, age)| {
            let created = rfc3339(start - ::time::Duration::seconds_f64(*age));
            format!(r#"{{"id":{id},"status":"{status}","createdAt":"{created}"}}"#)
        })
        .collect();
    let mut response = Response::new(
        200,
        format!(r#"{{"data":[{}],"hasMore":false}}"#, entries.join(",")),
    );
    response.date = Some(crate::hightouch::Timestamp::from_millis(
        (start + at).unix_timestamp() * 1000,
    ));
    Reply::Response(response)
}

/// Runs sync 7. The first trigger gets the reply `first`. Requests for the list get the reply that
/// `list` returns.
fn run_with_first_reply(
    options: Options,
    first: Reply,
    mut list: impl FnMut(Duration) -> Reply,
) -> Execution<SyncReport> {
    let mut first = Some(first);
    execute(
        SyncGoal::Run(sync_7()),
        options,
        |request, at| match request {
            request if is_trigger(request) => first.take().unwrap_or_else(trigger_response),
            request if request.target.contains("runId=") => run_list(&[(42, "success")]),
            _ => list(at),
        },
    )
}

fn lost() -> Reply {
    Reply::TransportError(TransportErrorKind::Lost)
}

#[test]
fn the_run_of_an_unclear_trigger_is_adopted_and_no_second_run_is_started() {
    for first in [
        lost(),
        Reply::Silence,
        status(502),
        status(408),
        ok("<html>"),
        ok(""),
    ] {
        let execution = run_with_first_reply(Options::default(), first, |at| {
            // The list shows the new run with a delay of three seconds.
            let old = (41, "success", 300.0);
            if at < seconds(3) {
                dated_list(at, &[old])
            } else {
                dated_list(at, &[(42, "queued", -0.05), old])
            }
        });
        assert_eq!(
            (execution.report().run, execution.trigger_count()),
            (run_42(), 1)
        );
    }
}

#[test]
fn a_lost_trigger_is_sent_again_if_it_started_no_run() {
    let execution = run_with_first_reply(Options::default(), lost(), |at| {
        dated_list(at, &[(41, "success", 300.0)])
    });
    assert_eq!(
        (execution.report().run, execution.trigger_count()),
        (run_42(), 2)
    );
    let second = execution
        .sent
        .iter()
        .filter(|(_, request)| is_trigger(request))
        .nth(1)
        .unwrap()
        .0;
    assert!(
        second > seconds(8),
        "the list may show the run with a delay: {second:?}"
    );
}

#[test]
fn an_error_status_is_reported_if_the_trigger_started_no_run() {
    let execution = run_with_first_reply(Options::default(), status(502), |at| dated_list(at, &[]));
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), failure.http_status),
        (FailureKind::Api, "Bad Gateway", Some(502))
    );
    assert_eq!(execution.trigger_count(), 1);
}

#[test]
fn a_trigger_that_is_always_lost_is_sent_three_times() {
    let execution = execute(
        SyncGoal::Run(sync_7()),
        Options::default(),
        |request, at| {
            if is_trigger(request) {
                lost()
            } else {
                dated_list(at, &[])
            }
        },
    );
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::Unreachable, 3)
    );
}

#[test]
fn an_ambiguous_trigger_is_not_sent_again_and_its_possible_runs_are_listed() {
    let flags = Options {
        resync: Resync {
            full: true,
            ..Resync::default()
        },
        ..Options::default()
    };
    let new_run = (42, "queued", -0.05);

    let execution = run_with_first_reply(flags, lost(), |at| dated_list(at, &[new_run]));
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, execution.trigger_count(), &failure.report),
        (FailureKind::TriggerUnconfirmed, 1, &None)
    );
    assert!(
        failure
            .details
            .as_ref()
            .unwrap()
            .contains("The request may have started one of these runs: 42."),
        "{failure:?}"
    );

    let execution = run_with_first_reply(Options::default(), lost(), |at| {
        dated_list(at, &[(43, "queued", -0.06), new_run])
    });
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, execution.trigger_count(), &failure.report),
        (FailureKind::TriggerUnconfirmed, 1, &None)
    );
    assert!(
        failure.details.as_ref().unwrap().contains("43, 42"),
        "{failure:?}"
    );

    // Without the server's clock, the age of a run is unknown.
    let execution =
        run_with_first_reply(Options::default(), lost(), |_| run_list(&[(42, "queued")]));
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
}

#[test]
fn a_trigger_is_unconfirmed_if_the_list_cannot_be_read() {
    for list in [status as fn(u16) -> Reply, |_| lost(), |_| ok("{")] {
        let execution = run_with_first_reply(Options::default(), lost(), |_| list(503));
        assert_eq!(
            (execution.failure().kind, execution.trigger_count()),
            (FailureKind::TriggerUnconfirmed, 1)
        );
        assert!(execution.ended_at < seconds(40), "{:?}", execution.ended_at);
    }
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |_, _| {
        status(502)
    });
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::TriggerUnconfirmed, "Bad Gateway")
    );
    assert_eq!(
        (failure.http_status, execution.trigger_count()),
        (Some(502), 1)
    );
}

#[test]
fn a_trigger_is_unconfirmed_if_the_deadline_passes_first() {
    for millis in [300, 3_000, 8_000] {
        let max_wait = Duration::from_millis(millis);
        let execution =
            run_with_first_reply(with_max_wait(max_wait), lost(), |at| dated_list(at, &[]));
        assert_eq!(
            (execution.failure().kind, execution.trigger_count()),
            (FailureKind::TriggerUnconfirmed, 1),
            "{millis}"
        );
        assert!(execution.ended_at <= max_wait);
    }
}

#[test]
fn an_older_run_is_not_adopted() {
    // The run's age rules it out: it was created a minute before the trigger by the server's clock.
    let execution = run_with_first_reply(Options::default(), lost(), |at| {
        dated_list(at, &[(41, "processing", 60.0)])
    });
    assert_eq!(
        (execution.report().run, execution.trigger_count()),
        (run_42(), 2)
    );
    // Clocks may differ by three seconds, so the trigger may have started this run.
    let execution = run_with_first_reply(Options::default(), lost(), |at| {
        dated_list(at, &[(41, "processing", 3.0)])
    });
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    // The run's ID rules it out: the list contained it before the trigger was sent.
    let options = Options {
        if_running: IfRunning::Refuse,
        ..Options::default()
    };
    let execution = run_with_first_reply(options, lost(), |_| run_list(&[(41, "success")]));
    assert_eq!(
        (execution.report().run, execution.trigger_count()),
        (run_42(), 2)
    );
}

#[test]
fn a_trigger_that_the_server_may_still_process_is_not_sent_again() {
    for first in [
        Reply::Silence,
        Reply::TransportError(TransportErrorKind::TimedOut),
        status(504),
        status(408),
    ] {
        let execution = run_with_first_reply(Options::default(), first, |at| {
            dated_list(at, &[(41, "success", 300.0)])
        });
        assert_eq!(
            (execution.failure().kind, execution.trigger_count()),
            (FailureKind::TriggerUnconfirmed, 1)
        );
    }
}

#[test]
fn a_list_shows_the_state_at_the_time_of_its_request() {
    // The response to the first list request takes nine seconds. The server lists the run after
    // three seconds.
    let mut now = Instant::default();
    let mut operation = Operation::new(SyncGoal::Run(sync_7()), Options::default(), now, 1);
    let (mut event, mut triggers, mut lists) = (Event::Woke, 0, 0);
    let outcome = loop {
        match operation.step(now, event) {
            Action::Done(outcome) => break *outcome,
            Action::Wait { until } => (now, event) = (until, Event::Woke),
            Action::Send { request, .. } if is_trigger(&request) => {
                triggers += 1;
                now = now + LATENCY;
                event = Event::TransportError(TransportError {
                    kind: TransportErrorKind::Lost,
                    text: "lost".into(),
                });
            }
            Action::Send { request, .. } => {
                let requested = now.since_start();
                let is_poll = request.target.contains("runId=");
                let reply = match is_poll {
                    true => run_list(&[(42, "success")]),
                    false if requested < seconds(3) => dated_list(requested, &[]),
                    false => dated_list(requested, &[(42, "queued", -0.05)]),
                };
                now = now
                    + if is_poll || lists > 0 {
                        LATENCY
                    } else {
                        seconds(9)
                    };
                lists += u32::from(!is_poll);
                let Reply::Response(response) = reply else {
                    panic!("the reply is not a response")
                };
                event = Event::Response(response);
            }
        }
    };
    let Ok(report) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((report.run, triggers), (run_42(), 1));
}

#[test]
fn a_response_that_may_report_a_run_is_not_a_rejection() {
    for body in [
        r#"{"runId":"42","message":"ok"}"#,
        r#"{"data":{"id":"42"},"message":"ok"}"#,
    ] {
        let execution = run_with_first_reply(Options::default(), ok(body), |at| {
            dated_list(at, &[(42, "queued", -0.05)])
        });
        assert_eq!(
            (execution.report().run, execution.trigger_count()),
            (run_42(), 1),
            "{body}"
        );
    }
}

#[test]
fn two_possible_runs_are_ambiguous_even_if_one_is_listed_later() {
    // Somebody else starts run 43 just after our run 42. The list shows run 43 at once and run 42
    // five seconds later.
    let execution = run_with_first_reply(Options::default(), lost(), |at| {
        let other_run = (43, "success", -0.2);
        if at < seconds(5) {
            dated_list(at, &[other_run])
        } else {
            dated_list(at, &[other_run, (42, "failed", -0.05)])
        }
    });
    let failure = execution.failure();
    assert_eq!(
        (failure.kind, execution.trigger_count()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    assert!(
        failure.details.as_ref().unwrap().contains("43, 42"),
        "{failure:?}"
    );
}

#[test]
fn an_older_run_does_not_prevent_the_adoption_of_a_newer_run() {
    let execution = run_with_first_reply(Options::default(), lost(), |at| {
        dated_list(at, &[(42, "queued", -0.05), (41, "success", 10.0)])
    });
    assert_eq!(
        (execution.report().run, execution.trigger_count()),
        (run_42(), 1)
    );
}

#[test]
fn an_inconsistent_server_clock_leaves_the_trigger_unconfirmed() {
    // In the first case, the clock goes back by a minute between two responses. In the second case,
    // the list contains a run with a creation time in the future.
    for (step_back, age) in [(60, 300.0), (0, -20.0)] {
        let execution = run_with_first_reply(Options::default(), lost(), |at| {
            let clock = if at < seconds(1) {
                at
            } else {
                at.saturating_sub(seconds(step_back))
            };
            dated_list(clock, &[(41, "success", age)])
        });
        assert_eq!(
            (execution.failure().kind, execution.trigger_count()),
            (FailureKind::TriggerUnconfirmed, 1),
            "{step_back} {age}"
        );
    }
}

#[test]
fn a_resync_is_never_sent_again() {
    let flags = Options {
        resync: Resync {
            reset_cdc: true,
            ..Resync::default()
        },
        ..Options::default()
    };
    let execution = run_with_first_reply(flags, lost(), |at| dated_list(at, &[]));
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
}

#[test]
fn a_list_with_unreadable_entries_does_not_prove_that_no_run_was_started() {
    for data in ["[[]]", "[null]", r#"[{"status":"queued"}]"#, r#"["42"]"#] {
        let body = format!(r#"{{"data":{data},"hasMore":false}}"#);
        for first in [lost(), ok("<html>")] {
            let execution = run_with_first_reply(Options::default(), first, |_| ok(body.clone()));
            assert_eq!(
                (execution.failure().kind, execution.trigger_count()),
                (FailureKind::TriggerUnconfirmed, 1),
                "{data}"
            );
        }
    }
}

#[test]
fn an_unreadable_success_response_does_not_prove_that_no_run_was_started() {
    let cut = Reply::Response(Response {
        end: crate::hightouch::BodyEnd::Incomplete,
        ..Response::new(200, r#"{"id":"42"}"#)
    });
    for (first, ids) in [
        (cut, &["42"][..]),
        (ok(r#"{"id":"42","id":"43"}"#), &["42", "43"]),
        (ok(r#"{"id":"4"#), &[]),
        (ok("<html>"), &[]),
        (ok(""), &[]),
    ] {
        let execution = run_with_first_reply(Options::default(), first, |at| {
            dated_list(at, &[(41, "success", 300.0)])
        });
        let failure = execution.failure();
        assert_eq!(
            (failure.kind, execution.trigger_count()),
            (FailureKind::TriggerUnconfirmed, 1),
            "{failure:?}"
        );
        let details = failure.details.as_ref().unwrap();
        assert!(
            ids.iter().all(|id| details.contains(id)),
            "{ids:?}: {details}"
        );
    }
}

#[test]
fn a_trigger_response_that_names_an_older_run_is_unconfirmed() {
    // The run's ID rules it out: the list contained it before the trigger was sent.
    let options = Options {
        if_running: IfRunning::Refuse,
        ..Options::default()
    };
    let execution = execute(
        SyncGoal::Run(sync_7()),
        options,
        |request, _| match request {
            request if is_trigger(request) => trigger_response(),
            _ => run_page(&[(42, "success"), (41, "success")], request, 100),
        },
    );
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    assert!(
        execution.failure().details.as_ref().unwrap().contains("42"),
        "{:?}",
        execution.failure()
    );
    // The run's end time rules it out: the list was not read before the trigger was sent.
    let execution = execute(SyncGoal::Run(sync_7()), Options::default(), |request, _| {
        let body = match is_trigger(request) {
            true => r#"{"id":"42"}"#,
            false => {
                r#"{"data":[{"id":42,"status":"success","finishedAt":"2022-02-08T15:11:00Z"}],"hasMore":false}"#
            }
        };
        let mut response = Response::new(200, body);
        response.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
        Reply::Response(response)
    });
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    assert_eq!(
        execution.failure().report.as_ref().map(|report| report.run),
        Some(run_42())
    );
}
