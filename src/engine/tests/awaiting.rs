//! Taking up a run that was started before.

use super::*;

#[test]
fn a_run_is_taken_up_again_after_a_wait_that_was_too_short() {
    let server = |request: &Request, at: Duration| match request {
        request if is_trigger(request) => triggered(),
        _ if at < seconds(40) => runs(&[(42, "processing")]),
        _ => runs(&[(42, "success")]),
    };
    let short = play(SyncGoal::Run(sync()), wait(seconds(25)), server);
    let run = short.failure().report.as_ref().unwrap().run;
    let again = play(SyncGoal::Await(run), wait(seconds(25)), |request, at| {
        server(request, at + short.over)
    });
    assert_eq!(again.report().run, the_run());
    assert_eq!(again.triggers(), 0);
}

#[test]
fn a_wait_of_zero_looks_once() {
    let once = Options {
        answer_wait: ANSWER_WAIT,
        ..wait(Duration::ZERO)
    };
    for (word, kind) in [
        ("processing", Some(FailureKind::StillRunning)),
        ("success", None),
        ("failed", Some(FailureKind::SyncFailed)),
    ] {
        let played = play(SyncGoal::Await(the_run()), once, |_, _| runs(&[(42, word)]));
        assert_eq!(
            (
                played.outcome.err().map(|failure| failure.kind),
                played.sent.len()
            ),
            (kind, 1),
            "{word}"
        );
    }
    for (say, kind) in [
        (500, FailureKind::Api),
        (404, FailureKind::NotFound),
        (401, FailureKind::Unauthorized),
        (429, FailureKind::Api),
    ] {
        let played = play(SyncGoal::Await(the_run()), once, |_, _| status(say));
        assert_eq!(
            (played.failure().kind, played.sent.len()),
            (kind, 1),
            "{say}"
        );
        assert_eq!(played.failure().report.as_ref().unwrap().run, the_run());
    }
    let played = play(SyncGoal::Await(the_run()), once, |_, _| Say::Silence);
    assert_eq!(played.failure().kind, FailureKind::Unreachable);
    assert!(played.over <= ANSWER_WAIT + LATEST_WAKE);
}

#[test]
fn a_wait_of_zero_starts_a_run_and_names_it() {
    let once = Options {
        answer_wait: ANSWER_WAIT,
        ..wait(Duration::ZERO)
    };
    let played = play(SyncGoal::Run(sync()), once, |_, _| triggered());
    assert_eq!(
        (played.failure().kind, played.sent.len()),
        (FailureKind::StillRunning, 1)
    );
    assert_eq!(played.failure().report.as_ref().unwrap().run, the_run());
}

#[test]
fn a_short_wait_does_not_cut_off_the_answer_that_names_the_run() {
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..wait(Duration::from_millis(50))
    };
    let played = play(SyncGoal::Run(sync()), options, |_, _| triggered());
    assert_eq!(played.failure().report.as_ref().unwrap().run, the_run());
}

#[test]
fn a_run_that_is_never_listed_is_awaited_until_the_deadline() {
    let played = play(SyncGoal::Await(the_run()), wait(seconds(30)), |_, _| {
        runs(&[])
    });
    let failure = played.failure();
    assert_eq!(
        (failure.kind, failure.report.as_ref().unwrap().jobs.len()),
        (FailureKind::StillRunning, 0)
    );
    assert!(
        failure.message.contains("has not listed run 42 of sync 7"),
        "nobody has seen it: {}",
        failure.message
    );
}

#[test]
fn a_look_that_saw_the_run_makes_a_later_outage_a_wait_that_is_over() {
    let mut looks = 0;
    let played = play(SyncGoal::Await(the_run()), wait(seconds(60)), |_, _| {
        looks += 1;
        if looks == 1 {
            runs(&[(42, "processing")])
        } else {
            status(503)
        }
    });
    let failure = played.failure();
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
fn a_run_that_was_going_for_an_hour_is_not_looked_at_as_if_it_had_just_begun() {
    let list = |date: Option<&str>| {
        let mut answer = Response::new(
            200,
            r#"{"data":[{"id":42,"status":"processing","createdAt":"2022-02-08T15:11:00.000Z"}],"hasMore":false}"#,
        );
        if let Some(date) = date {
            answer.record_header("date", date.as_bytes());
        }
        Say::Response(answer)
    };
    let an_hour_later = Some("Tue, 08 Feb 2022 16:11:00 GMT");
    let old = play(SyncGoal::Await(the_run()), wait(seconds(25)), |_, _| {
        list(an_hour_later)
    });
    let unknown = play(SyncGoal::Await(the_run()), wait(seconds(25)), |_, _| {
        list(None)
    });
    assert_eq!(old.sent.len(), 2, "one at the beginning, one at the end");
    assert!(unknown.sent.len() > 10, "{}", unknown.sent.len());
}

/// Awaits run 42 of a sync that has these runs besides, in a list that begins with the newest or the oldest.
fn missing(others: &[u64], newest_first: bool, wait_for: Duration) -> Played<SyncReport> {
    let mut all: Vec<(u64, &str)> = others.iter().map(|id| (*id, "success")).collect();
    all.sort_unstable();
    if newest_first {
        all.reverse();
    }
    let options = Options {
        answer_wait: ANSWER_WAIT,
        ..wait(wait_for)
    };
    play(SyncGoal::Await(the_run()), options, |request, _| {
        let answer = match request.target.contains("runId=") {
            true => runs(&[]),
            false => list(&all, request, 100),
        };
        let Say::Response(mut answer) = answer else {
            unreachable!()
        };
        answer.record_header("date", b"Tue, 08 Feb 2022 16:11:00 GMT");
        Say::Response(answer)
    })
}

#[test]
fn a_run_that_is_missing_among_newer_ones_does_not_exist() {
    let many: Vec<u64> = (1..20_000).filter(|id| *id != 42).collect();
    for newest_first in [true, false] {
        for others in [&[43][..], &[40, 41, 43, 44], &many] {
            for wait_for in [Duration::ZERO, seconds(25)] {
                let played = missing(others, newest_first, wait_for);
                let failure = played.failure();
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
                assert!(played.sent.len() <= 22, "{} requests", played.sent.len());
            }
        }
        // It may be the next to be listed.
        for others in [&[][..], &[40, 41], &[41]] {
            assert_eq!(
                missing(others, newest_first, seconds(25)).failure().kind,
                FailureKind::StillRunning,
                "{others:?}"
            );
        }
    }
}

#[test]
fn a_run_is_not_missing_while_newer_ones_have_only_just_been_listed() {
    // Without `Date`, only the call's own clock tells for how long they have been listed.
    let played = play(
        SyncGoal::Await(the_run()),
        wait(seconds(25)),
        |request, at| match request.target.contains("runId=") {
            true if at > seconds(7) => runs(&[(42, "success")]),
            true => runs(&[]),
            false if at > seconds(7) => runs(&[(43, "queued"), (42, "success")]),
            false => runs(&[(43, "queued")]),
        },
    );
    assert!(played.outcome.is_ok(), "{:?}", played.outcome);
}
