//! After a trigger whose answer never came or told nothing.

use super::*;
use crate::hightouch::Resync;

/// The server's clock when the script begins.
const DATE: &str = "Tue, 08 Feb 2022 16:11:00 GMT";

/// A list of runs by ID, status and by how many seconds they are older than the script.
fn listed(at: Duration, entries: &[(u64, &str, f64)]) -> Say {
    use ::time::format_description::well_known::Rfc2822;
    let start = ::time::OffsetDateTime::parse(DATE, &Rfc2822).unwrap();
    let stamp = |moment: ::time::OffsetDateTime| {
        format!(
            "{}T{:02}:{:02}:{:02}.{:03}Z",
            moment.date(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.millisecond()
        )
    };
    let entries: Vec<String> = entries
        .iter()
        .map(|(id, status, age)| {
            let created = stamp(start - ::time::Duration::seconds_f64(*age));
            format!(r#"{{"id":{id},"status":"{status}","createdAt":"{created}"}}"#)
        })
        .collect();
    let mut answer = Response::new(
        200,
        format!(r#"{{"data":[{}],"hasMore":false}}"#, entries.join(",")),
    );
    answer.date = Some(crate::hightouch::Timestamp::from_millis(
        (start + at).unix_timestamp() * 1000,
    ));
    Say::Response(answer)
}

/// Runs sync 7; the first trigger ends so, and the list is as the script says.
fn unclear(
    options: Options,
    first: Say,
    mut list: impl FnMut(Duration) -> Say,
) -> Played<SyncReport> {
    let mut first = Some(first);
    play(
        SyncGoal::Run(sync()),
        options,
        |request, at| match request {
            request if is_trigger(request) => first.take().unwrap_or_else(triggered),
            request if request.target.contains("runId=") => runs(&[(42, "success")]),
            _ => list(at),
        },
    )
}

fn lost() -> Say {
    Say::TransportError(TransportErrorKind::Lost)
}

#[test]
fn a_run_that_came_of_it_is_taken_up_and_none_is_started_beside_it() {
    for first in [
        lost(),
        Say::Silence,
        status(502),
        status(408),
        ok("<html>"),
        ok(""),
    ] {
        let played = unclear(Options::default(), first, |at| {
            // Listed only three seconds after.
            let old = (41, "success", 300.0);
            if at < seconds(3) {
                listed(at, &[old])
            } else {
                listed(at, &[(42, "queued", -0.05), old])
            }
        });
        assert_eq!((played.report().run, played.triggers()), (the_run(), 1));
    }
}

#[test]
fn where_none_came_of_it_a_trigger_that_was_lost_is_sent_again() {
    let played = unclear(Options::default(), lost(), |at| {
        listed(at, &[(41, "success", 300.0)])
    });
    assert_eq!((played.report().run, played.triggers()), (the_run(), 2));
    let second = played
        .sent
        .iter()
        .filter(|(_, request)| is_trigger(request))
        .nth(1)
        .unwrap()
        .0;
    assert!(second > seconds(8), "a list may lag behind: {second:?}");
}

#[test]
fn where_none_came_of_it_an_error_status_fails_by_the_rule() {
    let played = unclear(Options::default(), status(502), |at| listed(at, &[]));
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str(), failure.http_status),
        (FailureKind::Api, "Bad Gateway", Some(502))
    );
    assert_eq!(played.triggers(), 1);
}

#[test]
fn a_trigger_that_is_always_lost_is_not_sent_for_ever() {
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, at| {
        if is_trigger(request) {
            lost()
        } else {
            listed(at, &[])
        }
    });
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::Unreachable, 3)
    );
}

#[test]
fn where_it_cannot_be_told_nothing_is_sent_again_and_the_runs_are_named() {
    let flags = Options {
        resync: Resync {
            full: true,
            ..Resync::default()
        },
        ..Options::default()
    };
    let new = (42, "queued", -0.05);

    let played = unclear(flags, lost(), |at| listed(at, &[new]));
    let failure = played.failure();
    assert_eq!(
        (failure.kind, played.triggers(), &failure.report),
        (FailureKind::TriggerUnconfirmed, 1, &None)
    );
    assert!(
        failure
            .details
            .as_ref()
            .unwrap()
            .contains("These runs may be the one that the request started: 42."),
        "{failure:?}"
    );

    let played = unclear(Options::default(), lost(), |at| {
        listed(at, &[(43, "queued", -0.06), new])
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, played.triggers(), &failure.report),
        (FailureKind::TriggerUnconfirmed, 1, &None)
    );
    assert!(
        failure.details.as_ref().unwrap().contains("43, 42"),
        "{failure:?}"
    );

    // Without the server's clock, no run's age can be told.
    let played = unclear(Options::default(), lost(), |_| runs(&[(42, "queued")]));
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
}

#[test]
fn where_the_list_cannot_be_read_it_cannot_be_told() {
    for list in [status as fn(u16) -> Say, |_| lost(), |_| ok("{")] {
        let played = unclear(Options::default(), lost(), |_| list(503));
        assert_eq!(
            (played.failure().kind, played.triggers()),
            (FailureKind::TriggerUnconfirmed, 1)
        );
        assert!(played.over < seconds(40), "{:?}", played.over);
    }
    let played = play(SyncGoal::Run(sync()), Options::default(), |_, _| {
        status(502)
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::TriggerUnconfirmed, "Bad Gateway")
    );
    assert_eq!((failure.http_status, played.triggers()), (Some(502), 1));
}

#[test]
fn where_the_wait_is_over_first_it_cannot_be_told() {
    for millis in [300, 3_000, 8_000] {
        let max_wait = Duration::from_millis(millis);
        let played = unclear(wait(max_wait), lost(), |at| listed(at, &[]));
        assert_eq!(
            (played.failure().kind, played.triggers()),
            (FailureKind::TriggerUnconfirmed, 1),
            "{millis}"
        );
        assert!(played.over <= max_wait);
    }
}

#[test]
fn a_run_that_was_there_before_is_not_taken_for_the_one_in_question() {
    // By its age: it was made a minute before the trigger was sent, whatever the local clock says.
    let played = unclear(Options::default(), lost(), |at| {
        listed(at, &[(41, "processing", 60.0)])
    });
    assert_eq!((played.report().run, played.triggers()), (the_run(), 2));
    // Clocks may differ by three seconds, so this one may be it.
    let played = unclear(Options::default(), lost(), |at| {
        listed(at, &[(41, "processing", 3.0)])
    });
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    // By its ID, where a look was made before.
    let options = Options {
        if_running: IfRunning::Refuse,
        ..Options::default()
    };
    let played = unclear(options, lost(), |_| runs(&[(41, "success")]));
    assert_eq!((played.report().run, played.triggers()), (the_run(), 2));
}

#[test]
fn a_trigger_that_the_server_may_still_be_at_is_not_sent_again_however_empty_the_list() {
    for first in [
        Say::Silence,
        Say::TransportError(TransportErrorKind::TimedOut),
        status(504),
        status(408),
    ] {
        let played = unclear(Options::default(), first, |at| {
            listed(at, &[(41, "success", 300.0)])
        });
        assert_eq!(
            (played.failure().kind, played.triggers()),
            (FailureKind::TriggerUnconfirmed, 1)
        );
    }
}

#[test]
fn a_list_counts_from_when_it_was_asked_for() {
    // The first list takes nine seconds to come, and the run is listed from three seconds on.
    let mut now = Instant::default();
    let mut operation = Operation::new(SyncGoal::Run(sync()), Options::default(), now, 1);
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
                let asked = now.since_start();
                let looks = request.target.contains("runId=");
                let said = match looks {
                    true => runs(&[(42, "success")]),
                    false if asked < seconds(3) => listed(asked, &[]),
                    false => listed(asked, &[(42, "queued", -0.05)]),
                };
                now = now
                    + if looks || lists > 0 {
                        LATENCY
                    } else {
                        seconds(9)
                    };
                lists += u32::from(!looks);
                let Say::Response(answer) = said else {
                    panic!("a list")
                };
                event = Event::Response(answer);
            }
        }
    };
    let Ok(report) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((report.run, triggers), (the_run(), 1));
}

#[test]
fn an_answer_that_may_be_news_of_a_run_is_not_taken_for_a_refusal() {
    for body in [
        r#"{"runId":"42","message":"ok"}"#,
        r#"{"data":{"id":"42"},"message":"ok"}"#,
    ] {
        let played = unclear(Options::default(), ok(body), |at| {
            listed(at, &[(42, "queued", -0.05)])
        });
        assert_eq!(
            (played.report().run, played.triggers()),
            (the_run(), 1),
            "{body}"
        );
    }
}

#[test]
fn a_run_beside_it_that_is_listed_later_is_seen_before_one_is_taken_for_it() {
    // Somebody else's, started just after ours, is listed at once; ours five seconds later.
    let played = unclear(Options::default(), lost(), |at| {
        let theirs = (43, "success", -0.2);
        if at < seconds(5) {
            listed(at, &[theirs])
        } else {
            listed(at, &[theirs, (42, "failed", -0.05)])
        }
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, played.triggers()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    assert!(
        failure.details.as_ref().unwrap().contains("43, 42"),
        "{failure:?}"
    );
}

#[test]
fn a_run_that_surely_is_older_does_not_stand_in_the_way_of_the_one_that_is_newer() {
    let played = unclear(Options::default(), lost(), |at| {
        listed(at, &[(42, "queued", -0.05), (41, "success", 10.0)])
    });
    assert_eq!((played.report().run, played.triggers()), (the_run(), 1));
}

#[test]
fn a_clock_that_contradicts_itself_tells_nothing() {
    // It goes back by a minute between two answers; or runs are listed that it says are yet to come.
    for (back, age) in [(60, 300.0), (0, -20.0)] {
        let played = unclear(Options::default(), lost(), |at| {
            let shown = if at < seconds(1) {
                at
            } else {
                at.saturating_sub(seconds(back))
            };
            listed(shown, &[(41, "success", age)])
        });
        assert_eq!(
            (played.failure().kind, played.triggers()),
            (FailureKind::TriggerUnconfirmed, 1),
            "{back} {age}"
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
    let played = unclear(flags, lost(), |at| listed(at, &[]));
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
}

#[test]
fn a_list_of_what_cannot_be_read_does_not_prove_that_there_is_no_run() {
    for data in ["[[]]", "[null]", r#"[{"status":"queued"}]"#, r#"["42"]"#] {
        let body = format!(r#"{{"data":{data},"hasMore":false}}"#);
        for first in [lost(), ok("<html>")] {
            let played = unclear(Options::default(), first, |_| ok(body.clone()));
            assert_eq!(
                (played.failure().kind, played.triggers()),
                (FailureKind::TriggerUnconfirmed, 1),
                "{data}"
            );
        }
    }
}

#[test]
fn a_response_of_success_that_cannot_be_read_is_never_taken_for_no_run() {
    let cut = Say::Response(Response {
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
        let played = unclear(Options::default(), first, |at| {
            listed(at, &[(41, "success", 300.0)])
        });
        let failure = played.failure();
        assert_eq!(
            (failure.kind, played.triggers()),
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
fn a_run_that_was_there_before_the_trigger_is_not_believed_to_be_the_one_it_started() {
    // By its ID, where the list was read before.
    let options = Options {
        if_running: IfRunning::Refuse,
        ..Options::default()
    };
    let played = play(SyncGoal::Run(sync()), options, |request, _| match request {
        request if is_trigger(request) => triggered(),
        _ => list(&[(42, "success"), (41, "success")], request, 100),
    });
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    assert!(
        played.failure().details.as_ref().unwrap().contains("42"),
        "{:?}",
        played.failure()
    );
    // By the time of its end, where the list was not read.
    let played = play(SyncGoal::Run(sync()), Options::default(), |request, _| {
        let body = match is_trigger(request) {
            true => r#"{"id":"42"}"#,
            false => {
                r#"{"data":[{"id":42,"status":"success","finishedAt":"2022-02-08T15:11:00Z"}],"hasMore":false}"#
            }
        };
        let mut answer = Response::new(200, body);
        answer.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
        Say::Response(answer)
    });
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::TriggerUnconfirmed, 1)
    );
    assert_eq!(
        played.failure().report.as_ref().map(|report| report.run),
        Some(the_run())
    );
}
