//! A run that came since a moment stands for the one that is asked for: what is asked for again starts nothing again.

use super::*;
use crate::hightouch::Timestamp;

/// Hightouch's clock when a script begins, in milliseconds.
const BASE: i64 = 1_644_336_660_000;

fn rfc3339(millis: i64) -> String {
    use ::time::format_description::well_known::Rfc3339;
    let moment =
        ::time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap();
    moment.format(&Rfc3339).unwrap()
}

/// A run of [`World`]: its times are milliseconds after [`BASE`].
struct Entry {
    id: u64,
    created: i64,
    started: i64,
    finished: i64,
    /// From when on a list shows it.
    listed: i64,
}

/// A Hightouch that lives on between calls.
struct World {
    runs: Vec<Entry>,
    now: i64,
    newest_first: bool,
    /// How long a run takes, and how long it is in no list at first.
    takes: i64,
    lag: i64,
    /// What comes of the answers to the next triggers, where it is not the run's ID.
    spoilt: Vec<Say>,
    /// By what chance requests go wrong, where they do.
    chance: Option<fastrand::Rng>,
}

/// What can go wrong with any request.
fn fault(rng: &mut fastrand::Rng) -> Say {
    match rng.u8(..6) {
        0 => Say::Silence,
        1 => lost(),
        2 => status(503),
        3 => status(504),
        4 => status(429),
        _ => ok("<html>"),
    }
}

impl World {
    /// With a run of yesterday, and one that ended a minute ago.
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
            takes: 5_000,
            lag: 0,
            spoilt: Vec::new(),
            chance: None,
        }
    }

    fn with(mut self, id: u64, created: i64, started: i64, finished: i64) -> Self {
        self.runs.push(Entry {
            id,
            created,
            started,
            finished,
            listed: created,
        });
        self
    }

    fn triggered(&mut self, at: i64) -> u64 {
        let before = self.runs.last().unwrap();
        let (id, started) = (before.id + 1, at.max(before.finished));
        self.runs.push(Entry {
            id,
            created: at,
            started,
            finished: started + self.takes,
            listed: at + self.lag,
        });
        id
    }

    fn list(&self, at: i64) -> Say {
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
        let mut answer = Response::new(
            200,
            format!(r#"{{"data":[{}],"hasMore":false}}"#, entries.join(",")),
        );
        answer.date = Some(Timestamp::from_millis((BASE + at) / 1000 * 1000));
        Say::Response(answer)
    }

    /// A delivery of the news that what the sync reads was tested at a moment, in milliseconds after [`BASE`].
    fn told(&mut self, tested: i64) -> Played<SyncReport> {
        let since = Timestamp::from_millis(BASE + tested);
        let options = Options {
            unless_since: Some(since),
            ..wait(seconds(8))
        };
        let began = self.now;
        let played = play(SyncGoal::Start(sync()), options, |request, at| {
            let at = began + i64::try_from(at.as_millis()).unwrap();
            // Whether the answer is spoilt, and whether the request did not even arrive.
            let chance = self.chance.as_mut();
            let (spoilt, arrives) = chance.map_or((None, true), |rng| {
                (rng.bool().then(|| fault(rng)), rng.bool())
            });
            if !is_trigger(request) {
                return spoilt.unwrap_or_else(|| self.list(at));
            }
            if let Some(spoilt) = spoilt {
                if arrives && !matches!(&spoilt, Say::Response(answer) if answer.status == 429) {
                    self.triggered(at);
                }
                return spoilt;
            }
            let id = self.triggered(at);
            if self.spoilt.is_empty() {
                ok(format!(r#"{{"id":"{id}"}}"#))
            } else {
                self.spoilt.remove(0)
            }
        });
        self.now += i64::try_from(played.over.as_millis()).unwrap();
        played
    }

    fn started(&self) -> usize {
        self.runs.iter().filter(|run| run.created >= 0).count()
    }
}

/// The run, and whether it was there before.
fn came(played: &Played<SyncReport>) -> (u64, bool) {
    (played.report().run.run.get(), played.report().joined)
}

/// Four seconds before the first delivery.
const TESTED: i64 = -4_000;

#[test]
fn what_is_told_again_starts_nothing_again_whether_the_run_is_queued_goes_or_has_ended() {
    for newest_first in [true, false] {
        // A run goes that began before the tests ended, so that the new one waits behind it.
        let mut world = World {
            newest_first,
            ..World::new()
        }
        .with(42, -10_000, -10_000, 20_000);
        assert_eq!(came(&world.told(TESTED)), (43, false));
        for (later, status) in [
            (1_000, "queued"),
            (21_000, "processing"),
            (26_000, "success"),
            (86_400_000, "success"),
        ] {
            world.now = later;
            let played = world.told(TESTED);
            assert_eq!(
                (came(&played), played.triggers()),
                ((43, true), 0),
                "after {later} ms"
            );
            assert_eq!(
                (played.report().status.as_str(), played.sent.len()),
                (status, 1)
            );
        }
        assert_eq!(world.started(), 1);
    }
}

#[test]
fn where_the_first_trigger_was_lost_the_run_that_came_of_it_is_found_when_it_is_told_again() {
    for spoilt in [
        Say::TransportError(TransportErrorKind::Lost),
        Say::Silence,
        status(502),
        status(504),
        ok("<html>"),
    ] {
        for lag in [0, 2_000, 8_000] {
            let mut world = World {
                lag,
                spoilt: vec![],
                ..World::new()
            };
            world.spoilt.push(match &spoilt {
                Say::Response(answer) => Say::Response(answer.clone()),
                Say::TransportError(kind) => Say::TransportError(*kind),
                Say::Silence => Say::Silence,
            });
            let first = world.told(TESTED);
            assert_eq!(
                (first.failure().kind, first.triggers()),
                (FailureKind::TriggerUnconfirmed, 1),
                "{lag}"
            );
            world.now += 1_000;
            let again = world.told(TESTED);
            assert_eq!(
                (came(&again), again.triggers(), world.started()),
                ((42, true), 0, 1),
                "{lag}"
            );
        }
    }
}

#[test]
fn whatever_goes_wrong_one_success_that_is_told_until_it_is_taken_starts_one_run() {
    let mut taken = 0;
    for seed in 0..2_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (newest_first, lag) = (rng.bool(), rng.i64(..1_000));
        let mut world = World {
            newest_first,
            lag,
            chance: Some(rng.fork()),
            ..World::new()
        };
        if rng.bool() {
            world = world.with(42, -10_000, -10_000, rng.i64(-9_000..60_000));
        }
        // dbt sends each event once, and five times again.
        let told: Vec<Played<SyncReport>> = (0..6)
            .map(|_| {
                let played = world.told(TESTED);
                assert!(played.over <= seconds(8) + LATEST_WAKE && played.triggers() <= 4);
                world.now += rng.i64(1_000..60_000);
                played
            })
            .collect();
        assert!(
            world.started() <= 1,
            "{} runs, seed {seed}",
            world.started()
        );
        for report in told
            .iter()
            .filter(|played| played.outcome.is_ok())
            .map(Played::report)
        {
            assert_eq!(
                report.run.run.get(),
                world.runs.last().unwrap().id,
                "seed {seed}"
            );
            assert_eq!(world.started(), 1, "seed {seed}");
            taken += 1;
        }
    }
    assert!(taken > 4_000, "{taken}");
}

#[test]
fn where_no_run_came_of_it_the_next_one_starts_it() {
    let mut world = World {
        spoilt: vec![Say::TransportError(TransportErrorKind::Lost)],
        ..World::new()
    };
    assert_eq!(
        world.told(TESTED).failure().kind,
        FailureKind::TriggerUnconfirmed
    );
    world.runs.pop();
    world.now += 10_000;
    assert_eq!(
        (came(&world.told(TESTED)), world.started()),
        ((42, false), 1)
    );
}

#[test]
fn each_new_success_starts_a_run_of_its_own() {
    let mut world = World::new();
    assert_eq!(came(&world.told(TESTED)), (42, false));
    world.now = 600_000;
    assert_eq!(came(&world.told(596_000)), (43, false));
    // What was told before is told again, late and out of order: the first run since is named.
    assert_eq!(came(&world.told(TESTED)), (42, true));
    assert_eq!(world.started(), 2);
}

#[test]
fn a_run_that_began_before_does_not_stand_for_a_new_one_and_one_that_began_since_does() {
    for (created, started, finished, stands) in [
        // It has read what was there before, and has ended, or goes.
        (-5_000, -4_001, -2_000, false),
        (-5_000, -4_001, 60_000, false),
        // Somebody else's: it began just then, or was queued before and began after, or has yet to.
        (-4_000, -4_000, -2_000, true),
        (-50_000, -3_000, 60_000, true),
        (-50_000, 30_000, 60_000, true),
    ] {
        let mut world = World::new().with(42, created, started, finished);
        let played = world.told(TESTED);
        assert_eq!(
            came(&played),
            if stands { (42, true) } else { (43, false) },
            "{created} {started}"
        );
    }
}

#[test]
fn a_run_that_is_taken_up_is_followed_where_its_end_is_asked_for() {
    let options = Options {
        unless_since: Some(Timestamp::from_millis(0)),
        ..Options::default()
    };
    let mut looks = 0;
    let played = play(SyncGoal::Run(sync()), options, |_, _| {
        looks += 1;
        runs(&[(42, if looks < 4 { "queued" } else { "success" })])
    });
    assert_eq!(
        (came(&played), played.triggers(), played.sent.len()),
        ((42, true), 0, 4)
    );
}

fn ask(options: Options, mut list: impl FnMut(&Request) -> Say) -> Played<SyncReport> {
    let options = Options {
        unless_since: Some(Timestamp::from_millis(BASE)),
        ..options
    };
    let triggered = || ok(r#"{"id":"1042"}"#);
    play(SyncGoal::Start(sync()), options, |request, _| {
        if is_trigger(request) {
            triggered()
        } else {
            list(request)
        }
    })
}

#[test]
fn a_list_that_may_hide_such_a_run_is_no_reason_to_start_one() {
    let old = r#"{"id":40,"status":"success","createdAt":"2022-02-01T00:00:00Z"}"#;
    for entry in [
        r#"{"id":41,"status":"success"}"#,
        r#"{"id":41,"status":"processing","createdAt":"yesterday"}"#,
        r#"{"status":"success","createdAt":"2022-02-08T16:12:00Z"}"#,
        "null",
    ] {
        let played = ask(wait(seconds(60)), |_| {
            ok(format!(r#"{{"data":[{entry},{old}],"hasMore":false}}"#))
        });
        assert_eq!(
            (played.failure().kind, played.triggers()),
            (FailureKind::MalformedAnswer, 0),
            "{entry}"
        );
    }
    let played = ask(wait(seconds(60)), |_| {
        let mut answer = Response::new(200, r#"{"data":[],"hasMore":false}"#);
        answer.record_header("age", b"7");
        Say::Response(answer)
    });
    assert_eq!(
        (played.failure().kind, played.triggers()),
        (FailureKind::MalformedAnswer, 0)
    );
    for say in [status(401), status(503), lost(), ok("<html>")] {
        let mut say = Some(say);
        let played = ask(wait(Duration::ZERO), |_| say.take().unwrap());
        assert!(played.outcome.is_err() && played.triggers() == 0);
    }
    // Older than one that surely began before, it can only have begun before.
    let played = ask(wait(seconds(60)), |_| {
        ok(format!(r#"{{"data":[{old},{{"id":39}}],"hasMore":false}}"#))
    });
    assert_eq!((came(&played), played.triggers()), ((1042, false), 1));
}

fn lost() -> Say {
    Say::TransportError(TransportErrorKind::Lost)
}

#[test]
fn the_list_is_read_as_far_as_it_may_hold_such_a_run() {
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
    let played = ask(wait(seconds(60)), |_| page(&newest_first, before));
    assert_eq!((came(&played), played.sent.len()), ((1042, false), 2));
    let played = ask(wait(seconds(60)), |request| {
        match request.target.contains("offset=") {
            true => ok(
                r#"{"data":[{"id":101,"status":"success","createdAt":"2022-02-08T16:11:01Z"}],"hasMore":false}"#,
            ),
            false => page(&oldest_first, before),
        }
    });
    assert_eq!((came(&played), played.sent.len()), ((101, true), 3));
}

#[test]
fn the_newest_of_a_hundred_thousand_runs_are_found_within_eight_seconds_at_a_quarter_of_a_second_a_request()
 {
    for count in [150, 1_999, 2_001, 100_000] {
        let all: Vec<(u64, &str)> = (1..=count).map(|id| (id, "success")).collect();
        let (mut now, mut event) = (Instant::default(), Event::Woke);
        let options = Options {
            unless_since: Some(Timestamp::from_millis(BASE)),
            ..wait(seconds(8))
        };
        let mut operation = Operation::new(SyncGoal::Start(sync()), options, now, 1);
        let mut requests = 0;
        let outcome = loop {
            match operation.step(now, event) {
                Action::Send { request, .. } => {
                    requests += 1;
                    now = now + Duration::from_millis(250);
                    let Say::Response(answer) = (if is_trigger(&request) {
                        ok(r#"{"id":"100001"}"#)
                    } else {
                        list(&all, &request, 100)
                    }) else {
                        unreachable!()
                    };
                    event = Event::Response(answer);
                }
                Action::Wait { until } => (now, event) = (until, Event::Woke),
                Action::Done(outcome) => break outcome,
            }
        };
        assert!(outcome.is_ok(), "{count}: {outcome:?}");
        assert!(requests <= 25, "{count}: {requests} requests");
    }
}
