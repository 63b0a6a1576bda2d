//! Starting a run unless one began since a timestamp. A repeated event then starts no second run.

use super::*;
use crate::hightouch::Timestamp;

/// Hightouch's clock at the start of a script, in milliseconds since the Unix epoch.
const BASE: i64 = 1_644_336_660_000;

fn rfc3339(millis: i64) -> String {
    use ::time::format_description::well_known::Rfc3339;
    let time =
        ::time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap();
    time.format(&Rfc3339).unwrap()
}

/// A run of [`FakeHightouch`]. All times are milliseconds after [`BASE`].
struct Entry {
    id: u64,
    created: i64,
    started: i64,
    finished: i64,
    /// The time from which the list shows the run.
    listed: i64,
}

/// A server that keeps its runs between operations.
struct FakeHightouch {
    runs: Vec<Entry>,
    now: i64,
    newest_first: bool,
    /// The duration of a new run, in milliseconds.
    run_duration: i64,
    /// The delay after which the list shows a new run, in milliseconds.
    list_delay: i64,
    /// The replies to the next triggers. Later triggers get the ID of their run.
    trigger_replies: Vec<Reply>,
    /// The source of random faults, if requests may fail.
    fault_rng: Option<fastrand::Rng>,
}

/// A random fault that may affect any request.
fn random_fault(rng: &mut fastrand::Rng) -> Reply {
    match rng.u8(..6) {
        0 => Reply::Silence,
        1 => lost(),
        2 => status(503),
        3 => status(504),
        4 => status(429),
        _ => ok("<html>"),
    }
}

impl FakeHightouch {
    /// Returns a server with one run from yesterday and one run from a minute ago.
    fn new() -> Self {
        let entry = |id, created: i64| Entry {
            id,
            created,
            started: created,
            finished: created + 7_000,
            listed: created,
        };
        Self {
            runs: vec![entry(40, -86_400_000), entry(41, -60_000)],
            now: 0,
            newest_first: true,
            run_duration: 5_000,
            list_delay: 0,
            trigger_replies: Vec::new(),
            fault_rng: None,
        }
    }

    fn with_run(mut self, id: u64, created: i64, started: i64, finished: i64) -> Self {
        self.runs.push(Entry {
            id,
            created,
            started,
            finished,
            listed: created,
        });
        self
    }

    fn start_run(&mut self, at: i64) -> u64 {
        let previous = self.runs.last().unwrap();
        let (id, started) = (previous.id + 1, at.max(previous.finished));
        self.runs.push(Entry {
            id,
            created: at,
            started,
            finished: started + self.run_duration,
            listed: at + self.list_delay,
        });
        id
    }

    fn list(&self, at: i64) -> Reply {
        let mut entries = Vec::new();
        for run in self.runs.iter().filter(|run| run.listed <= at) {
            let status = match at {
                at if at < run.started => "queued",
                at if at < run.finished => "processing",
                _ => "success",
            };
            let started = if at < run.started {
                "null".into()
            } else {
                format!("{:?}", rfc3339(BASE + run.started))
            };
            let created = rfc3339(BASE + run.created);
            let id = run.id;
            entries.push(format!(
                r#"{{"id":{id},"status":"{status}","createdAt":"{created}","startedAt":{started}}}"#
            ));
        }
        if self.newest_first {
            entries.reverse();
        }
        let mut response = Response::new(
            200,
            format!(r#"{{"data":[{}],"hasMore":false}}"#, entries.join(",")),
        );
        response.date = Some(Timestamp::from_millis((BASE + at) / 1000 * 1000));
        Reply::Response(response)
    }

    /// Delivers the dbt event which says that the tests of the source data ended at this time, in
    /// milliseconds after [`BASE`].
    fn deliver(&mut self, tests_ended: i64) -> Execution<SyncReport> {
        let since = Timestamp::from_millis(BASE + tests_ended);
        let options = Options {
            unless_since: Some(since),
            ..with_max_wait(seconds(8))
        };
        let start = self.now;
        let execution = execute(SyncGoal::Start(sync_7()), options, |request, at| {
            let at = start + i64::try_from(at.as_millis()).unwrap();
            // The fault of this request, if any, and whether the request reaches the server.
            let (fault, arrives) = self.fault_rng.as_mut().map_or((None, true), |rng| {
                (rng.bool().then(|| random_fault(rng)), rng.bool())
            });
            if !is_trigger(request) {
                return fault.unwrap_or_else(|| self.list(at));
            }
            if let Some(fault) = fault {
                if arrives && !matches!(&fault, Reply::Response(response) if response.status == 429)
                {
                    self.start_run(at);
                }
                return fault;
            }
            let id = self.start_run(at);
            if self.trigger_replies.is_empty() {
                ok(format!(r#"{{"id":"{id}"}}"#))
            } else {
                self.trigger_replies.remove(0)
            }
        });
        self.now += i64::try_from(execution.ended_at.as_millis()).unwrap();
        execution
    }

    fn new_runs(&self) -> usize {
        self.runs.iter().filter(|run| run.created >= 0).count()
    }
}

/// The ID of the run, and whether it existed before the operation.
fn run_and_joined(execution: &Execution<SyncReport>) -> (u64, bool) {
    (execution.report().run.run.get(), execution.report().joined)
}

/// The time when the dbt tests ended, four seconds before the first delivery.
const TESTS_ENDED: i64 = -4_000;

#[test]
fn a_repeated_event_starts_no_second_run() {
    for newest_first in [true, false] {
        // A run that began before the tests ended is in progress, so the new run is queued.
        let mut server = FakeHightouch {
            newest_first,
            ..FakeHightouch::new()
        }
        .with_run(42, -10_000, -10_000, 20_000);
        assert_eq!(run_and_joined(&server.deliver(TESTS_ENDED)), (43, false));
        for (later, status) in [
            (1_000, "queued"),
            (21_000, "processing"),
            (26_000, "success"),
            (86_400_000, "success"),
        ] {
            server.now = later;
            let execution = server.deliver(TESTS_ENDED);
            assert_eq!(
                (run_and_joined(&execution), execution.trigger_count()),
                ((43, true), 0),
                "after {later} ms"
            );
            assert_eq!(
                (execution.report().status.as_str(), execution.sent.len()),
                (status, 1)
            );
        }
        assert_eq!(server.new_runs(), 1);
    }
}

#[test]
fn a_repeated_event_finds_the_run_of_an_unclear_trigger() {
    for reply in [
        Reply::TransportError(TransportErrorKind::Lost),
        Reply::Silence,
        status(502),
        status(504),
        ok("<html>"),
    ] {
        for list_delay in [0, 2_000, 8_000] {
            let mut server = FakeHightouch {
                list_delay,
                trigger_replies: vec![],
                ..FakeHightouch::new()
            };
            server.trigger_replies.push(match &reply {
                Reply::Response(response) => Reply::Response(response.clone()),
                Reply::TransportError(kind) => Reply::TransportError(*kind),
                Reply::Silence => Reply::Silence,
            });
            let first = server.deliver(TESTS_ENDED);
            assert_eq!(
                (first.failure().kind, first.trigger_count()),
                (FailureKind::TriggerUnconfirmed, 1),
                "{list_delay}"
            );
            server.now += 1_000;
            let second = server.deliver(TESTS_ENDED);
            assert_eq!(
                (
                    run_and_joined(&second),
                    second.trigger_count(),
                    server.new_runs()
                ),
                ((42, true), 0, 1),
                "{list_delay}"
            );
        }
    }
}

#[test]
fn repeated_deliveries_of_one_event_start_at_most_one_run_despite_errors() {
    let mut successes = 0;
    for seed in 0..2_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (newest_first, list_delay) = (rng.bool(), rng.i64(..1_000));
        let mut server = FakeHightouch {
            newest_first,
            list_delay,
            fault_rng: Some(rng.fork()),
            ..FakeHightouch::new()
        };
        if rng.bool() {
            server = server.with_run(42, -10_000, -10_000, rng.i64(-9_000..60_000));
        }
        // dbt sends each event once and repeats it up to five times.
        let deliveries: Vec<Execution<SyncReport>> = (0..6)
            .map(|_| {
                let execution = server.deliver(TESTS_ENDED);
                assert!(
                    execution.ended_at <= seconds(8) + MAX_WAKE_DELAY
                        && execution.trigger_count() <= 4
                );
                server.now += rng.i64(1_000..60_000);
                execution
            })
            .collect();
        assert!(
            server.new_runs() <= 1,
            "{} runs, seed {seed}",
            server.new_runs()
        );
        for report in deliveries
            .iter()
            .filter(|execution| execution.outcome.is_ok())
            .map(Execution::report)
        {
            assert_eq!(
                report.run.run.get(),
                server.runs.last().unwrap().id,
                "seed {seed}"
            );
            assert_eq!(server.new_runs(), 1, "seed {seed}");
            successes += 1;
        }
    }
    assert!(successes > 4_000, "{successes}");
}

#[test]
fn a_repeated_event_starts_a_run_if_the_lost_trigger_started_none() {
    let mut server = FakeHightouch {
        trigger_replies: vec![Reply::TransportError(TransportErrorKind::Lost)],
        ..FakeHightouch::new()
    };
    assert_eq!(
        server.deliver(TESTS_ENDED).failure().kind,
        FailureKind::TriggerUnconfirmed
    );
    server.runs.pop();
    server.now += 10_000;
    assert_eq!(
        (
            run_and_joined(&server.deliver(TESTS_ENDED)),
            server.new_runs()
        ),
        ((42, false), 1)
    );
}

#[test]
fn each_new_event_starts_its_own_run() {
    let mut server = FakeHightouch::new();
    assert_eq!(run_and_joined(&server.deliver(TESTS_ENDED)), (42, false));
    server.now = 600_000;
    assert_eq!(run_and_joined(&server.deliver(596_000)), (43, false));
    // The first event is repeated late and out of order. The first run since the event's time is
    // reported.
    assert_eq!(run_and_joined(&server.deliver(TESTS_ENDED)), (42, true));
    assert_eq!(server.new_runs(), 2);
}

#[test]
fn only_a_run_that_began_since_the_timestamp_is_adopted() {
    for (created, started, finished, is_adopted) in [
        // The run began before the event. It has ended or is in progress.
        (-5_000, -4_001, -2_000, false),
        (-5_000, -4_001, 60_000, false),
        // Somebody else started the run. It began at the time of the event, or it was queued before
        // the event and began later, or it has not begun.
        (-4_000, -4_000, -2_000, true),
        (-50_000, -3_000, 60_000, true),
        (-50_000, 30_000, 60_000, true),
    ] {
        let mut server = FakeHightouch::new().with_run(42, created, started, finished);
        let execution = server.deliver(TESTS_ENDED);
        assert_eq!(
            run_and_joined(&execution),
            if is_adopted { (42, true) } else { (43, false) },
            "{created} {started}"
        );
    }
}

#[test]
fn an_adopted_run_is_polled_until_it_ends() {
    let options = Options {
        unless_since: Some(Timestamp::from_millis(0)),
        ..Options::default()
    };
    let mut polls = 0;
    let execution = execute(SyncGoal::Run(sync_7()), options, |_, _| {
        polls += 1;
        run_list(&[(42, if polls < 4 { "queued" } else { "success" })])
    });
    assert_eq!(
        (
            run_and_joined(&execution),
            execution.trigger_count(),
            execution.sent.len()
        ),
        ((42, true), 0, 4)
    );
}

/// Runs the sync unless a run began since `since`, in milliseconds after [`BASE`].
fn run_since(server: &mut FakeHightouch, since: i64) -> Execution<SyncReport> {
    let options = Options {
        unless_since: Some(Timestamp::from_millis(BASE + since)),
        ..with_max_wait(seconds(60))
    };
    execute(SyncGoal::Run(sync_7()), options, |request, time| {
        let now = i64::try_from(time.as_millis()).unwrap();
        if is_trigger(request) {
            ok(format!(r#"{{"id":"{}"}}"#, server.start_run(now)))
        } else {
            server.list(now)
        }
    })
}

#[test]
fn a_time_in_the_future_is_waited_for_and_a_far_one_is_invalid() {
    let execution = run_since(&mut FakeHightouch::new(), 20_000);
    let triggered = |execution: &Execution<SyncReport>| {
        let mut sent = execution.sent.iter();
        sent.find(|(_, request)| is_trigger(request))
            .map(|(time, _)| *time)
    };
    assert!(execution.outcome.is_ok() && triggered(&execution) >= Some(seconds(20)));
    let execution = run_since(&mut FakeHightouch::new(), 40_000);
    assert_eq!(
        (execution.failure().kind, execution.sent.len()),
        (FailureKind::InvalidInput, 1)
    );
}

#[test]
fn an_old_response_from_a_cache_does_not_set_the_clock() {
    let options = Options {
        unless_since: Some(Timestamp::from_millis(BASE + 10_000)),
        ..with_max_wait(seconds(60))
    };
    let mut server = FakeHightouch::new();
    let mut is_cached = true;
    let execution = execute(SyncGoal::Start(sync_7()), options, |request, time| {
        let now = i64::try_from(time.as_millis()).unwrap();
        if is_trigger(request) {
            assert!(now >= 10_000, "a run was started at {now} ms");
            return ok(format!(r#"{{"id":"{}"}}"#, server.start_run(now)));
        }
        let mut reply = server.list(now);
        if let Reply::Response(response) = &mut reply
            && core::mem::replace(&mut is_cached, false)
        {
            response.date = Some(Timestamp::from_millis(BASE - 60_000));
            response.record_header("age", b"60");
        }
        reply
    });
    assert_eq!(execution.trigger_count(), 1);
}

#[test]
fn a_queued_run_counts_only_once_the_time_has_come() {
    // Run 43 is queued, and begins 5 s after the call. That is before the first given time, and
    // after the second one.
    let server = || FakeHightouch::new().with_run(43, -1_000, 5_000, 9_000);
    let execution = run_since(&mut server(), 10_000);
    assert_eq!(
        (run_and_joined(&execution), execution.trigger_count()),
        ((44, false), 1)
    );
    let execution = run_since(&mut server(), 2_000);
    assert_eq!(
        (run_and_joined(&execution), execution.trigger_count()),
        ((43, true), 0)
    );
    // The time is too far in the future, whatever is queued.
    let execution = run_since(&mut server(), 40_000);
    assert_eq!(execution.failure().kind, FailureKind::InvalidInput);
}

fn start_unless_since_base(
    options: Options,
    mut list: impl FnMut(&Request) -> Reply,
) -> Execution<SyncReport> {
    let options = Options {
        unless_since: Some(Timestamp::from_millis(BASE)),
        ..options
    };
    execute(SyncGoal::Start(sync_7()), options, |request, _| {
        if is_trigger(request) {
            ok(r#"{"id":"1042"}"#)
        } else {
            list(request)
        }
    })
}

#[test]
fn no_run_is_started_if_the_list_may_hide_a_matching_run() {
    let old = r#"{"id":40,"status":"success","createdAt":"2022-02-01T00:00:00Z"}"#;
    for entry in [
        r#"{"id":41,"status":"success"}"#,
        r#"{"id":41,"status":"processing","createdAt":"yesterday"}"#,
        r#"{"status":"success","createdAt":"2022-02-08T16:12:00Z"}"#,
        "null",
    ] {
        let execution = start_unless_since_base(with_max_wait(seconds(60)), |_| {
            ok(format!(r#"{{"data":[{entry},{old}],"hasMore":false}}"#))
        });
        assert_eq!(
            (execution.failure().kind, execution.trigger_count()),
            (FailureKind::MalformedAnswer, 0),
            "{entry}"
        );
    }
    let execution = start_unless_since_base(with_max_wait(seconds(60)), |_| {
        let mut response = Response::new(200, r#"{"data":[],"hasMore":false}"#);
        response.record_header("age", b"7");
        Reply::Response(response)
    });
    assert_eq!(
        (execution.failure().kind, execution.trigger_count()),
        (FailureKind::MalformedAnswer, 0)
    );
    for reply in [status(401), status(503), lost(), ok("<html>")] {
        let mut reply = Some(reply);
        let execution =
            start_unless_since_base(with_max_wait(Duration::ZERO), |_| reply.take().unwrap());
        assert!(execution.outcome.is_err() && execution.trigger_count() == 0);
    }
    // Run 39 has no timestamp. Run 40 has a higher ID and began before the event, so run 39 also
    // began before the event.
    let execution = start_unless_since_base(with_max_wait(seconds(60)), |_| {
        ok(format!(r#"{{"data":[{old},{{"id":39}}],"hasMore":false}}"#))
    });
    assert_eq!(
        (run_and_joined(&execution), execution.trigger_count()),
        ((1042, false), 1)
    );
}

fn lost() -> Reply {
    Reply::TransportError(TransportErrorKind::Lost)
}

#[test]
fn the_list_is_read_as_far_as_it_may_contain_a_matching_run() {
    let page = |ids: &[u64], created: &str| {
        let entry =
            |id: &u64| format!(r#"{{"id":{id},"status":"success","createdAt":"{created}"}}"#);
        ok(format!(
            r#"{{"data":[{}],"hasMore":true}}"#,
            ids.iter().map(entry).collect::<Vec<_>>().join(",")
        ))
    };
    let before = "2022-02-01T00:00:00Z";
    let oldest_first: Vec<u64> = (1..=100).collect();
    let newest_first: Vec<u64> = (1..=100).rev().collect();
    let execution =
        start_unless_since_base(with_max_wait(seconds(60)), |_| page(&newest_first, before));
    assert_eq!(
        (run_and_joined(&execution), execution.sent.len()),
        ((1042, false), 2)
    );
    let execution = start_unless_since_base(with_max_wait(seconds(60)), |request| {
        match request.target.contains("offset=") {
            true => ok(
                r#"{"data":[{"id":101,"status":"success","createdAt":"2022-02-08T16:11:01Z"}],"hasMore":false}"#,
            ),
            false => page(&oldest_first, before),
        }
    });
    assert_eq!(
        (run_and_joined(&execution), execution.sent.len()),
        ((101, true), 3)
    );
}

#[test]
fn the_newest_of_100_000_runs_are_found_within_eight_seconds_and_25_requests() {
    for count in [150, 1_999, 2_001, 100_000] {
        let all: Vec<(u64, &str)> = (1..=count).map(|id| (id, "success")).collect();
        let (mut now, mut event) = (Instant::default(), Event::Woke);
        let options = Options {
            unless_since: Some(Timestamp::from_millis(BASE)),
            ..with_max_wait(seconds(8))
        };
        let mut operation = Operation::new(SyncGoal::Start(sync_7()), options, now, 1);
        let mut requests = 0;
        let outcome = loop {
            match operation.step(now, event) {
                Action::Send { request, .. } => {
                    requests += 1;
                    now = now + Duration::from_millis(250);
                    let Reply::Response(response) = (if is_trigger(&request) {
                        ok(r#"{"id":"100001"}"#)
                    } else {
                        run_page(&all, &request, 100)
                    }) else {
                        unreachable!()
                    };
                    event = Event::Response(response);
                }
                Action::Wait { until } => (now, event) = (until, Event::Woke),
                Action::Done(outcome) => break outcome,
            }
        };
        assert!(outcome.is_ok(), "{count}: {outcome:?}");
        assert!(requests <= 25, "{count}: {requests} requests");
    }
}
