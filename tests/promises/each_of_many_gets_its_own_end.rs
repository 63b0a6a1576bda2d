//! Many callers at the same time, while some requests fail: each caller receives the result of its
//! own run.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use xtask::build::Kind;
use xtask::load::{
    Actual, Caller, Plan, Record, Summary, actual_states, check, client, options_for, run_callers,
};
use xtask::local_hightouch::{LocalHightouch, Mishap, Mishaps, Options, RateLimit};

use super::support::stage::{Stage, stage, with_each_endpoint};

/// The callers, their records and the actual states.
struct Course {
    callers: Vec<Caller>,
    records: Vec<Record>,
    actual_states: Vec<Actual>,
    /// Peak number of live instances.
    most_instances: usize,
    /// The component's log.
    log: String,
}

impl Course {
    async fn run(stage: Stage, kind: Kind, count: u64, options: Options) -> Self {
        Self::run_spaced(stage, kind, count, Duration::ZERO, options).await
    }

    /// As [`run`](Self::run). Each caller begins this long after the one before it.
    async fn run_spaced(
        stage: Stage,
        kind: Kind,
        count: u64,
        spacing: Duration,
        options: Options,
    ) -> Self {
        let callers = Plan {
            callers: count,
            seed: 1,
            longest: Duration::from_secs(20),
        }
        .callers();
        let hightouch = LocalHightouch::start(Options {
            mishaps: options.mishaps,
            rate_limit: options.rate_limit,
            ..options_for(&callers)
        });
        let hightouch = hightouch.await.unwrap();
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await.serving;
        let (url, client) = (endpoint.url(), client().unwrap());
        let calls = run_callers(&callers, Instant::now(), spacing, &url, &client);
        let mut most_instances = 0;
        let records = {
            let mut calls = pin!(calls);
            loop {
                match timeout(Duration::from_millis(100), calls.as_mut()).await {
                    Ok(records) => break records,
                    Err(_) => most_instances = most_instances.max(endpoint.instances()),
                }
            }
        };
        let actual_states = actual_states(&callers, &hightouch);
        Self {
            callers,
            records,
            actual_states,
            most_instances,
            log: stage.stderr.text(),
        }
    }

    /// Checks that each line of the log names the sync and the run of one caller, and that no line
    /// contains a key.
    fn check_log(&self) {
        for caller in &self.callers {
            assert!(!self.log.contains(&caller.key), "a key is in the log");
        }
        let by_sync: BTreeMap<String, &Actual> = self
            .callers
            .iter()
            .zip(&self.actual_states)
            .map(|(caller, actual)| (caller.sync.id.to_string(), actual))
            .collect();
        let mut named = 0;
        for line in self.log.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(actual) = line["sync"].as_str().and_then(|sync| by_sync.get(sync)) else {
                continue;
            };
            if let Some(run) = line["run"].as_u64() {
                assert!(actual.runs.iter().any(|own| own.id == run), "{line}");
                named += 1;
            }
        }
        assert!(named >= self.callers.len(), "{named} lines name a run");
    }

    fn summary(&self) -> Summary {
        Summary::of(&self.callers, &self.records, &self.actual_states)
    }
}

fn without_limit() -> Options {
    let rate_limit = RateLimit {
        requests: usize::MAX,
        ..RateLimit::default()
    };
    Options {
        rate_limit,
        ..Options::default()
    }
}

fn with_mishaps(percent: u64, kinds: impl IntoIterator<Item = Mishap>) -> Options {
    let mishaps = Mishaps {
        seed: 1,
        percent,
        kinds: kinds.into_iter().collect(),
    };
    Options {
        mishaps: Some(mishaps),
        ..without_limit()
    }
}

fn quick() -> impl Iterator<Item = Mishap> {
    Mishap::ALL
        .iter()
        .copied()
        .filter(|mishap| !mishap.takes_time())
}

#[test]
fn a_hundred_at_once_with_a_third_of_all_requests_going_wrong() {
    with_each_endpoint(async |stage, kind| {
        let course = Course::run(stage, kind, 100, with_mishaps(33, quick())).await;
        let summary = course.summary();
        assert!(summary.wrong.is_empty(), "{}", summary.wrong.join("\n"));
        assert!(
            summary.mishaps.len() == quick().count() && summary.endings.len() > 5,
            "{summary:?}"
        );
    });
}

/// Number of callers that share the instances of a component of WASI 0.3.
const THOUSAND: u64 = 1_000;
/// Open files of a caller: both ends of its connection and of the component's connection.
const FILES_PER_CALLER: u64 = 4;

/// Raises the limit on open files of this process to its maximum. Panics if it is too low for a
/// thousand callers.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let needed = THOUSAND * FILES_PER_CALLER;
    assert!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "this test needs {needed} open files: raise the limit with `ulimit -Hn {needed}`"
    );
}

#[test]
fn a_thousand_at_once_who_share_instances_and_have_secrets() {
    allow_open_files();
    stage(async |stage| {
        // An instance takes no caller while it computes, and virtual time does not pass then.
        let spacing = Duration::from_millis(2);
        let mishaps = with_mishaps(20, quick());
        let course = Course::run_spaced(stage, Kind::Service, THOUSAND, spacing, mishaps).await;
        let summary = course.summary();
        assert!(summary.wrong.is_empty(), "{}", summary.wrong.join("\n"));
        assert!(
            summary.mishaps.len() == quick().count() && summary.at_once as u64 > THOUSAND / 2,
            "{summary:?}"
        );
        println!("{summary:?}, {} instances", course.most_instances);
        // 16 callers share an instance. More instances are made if the others compute.
        assert!(
            course.most_instances as u64 <= THOUSAND / 8,
            "{} instances",
            course.most_instances
        );
        course.check_log();
    });
}

#[test]
fn answers_that_are_late_or_never_come() {
    with_each_endpoint(async |stage, kind| {
        let course = Course::run(
            stage,
            kind,
            40,
            with_mishaps(20, Mishap::ALL.iter().copied()),
        )
        .await;
        let summary = course.summary();
        assert!(summary.wrong.is_empty(), "{}", summary.wrong.join("\n"));
        assert!(
            summary.mishaps.keys().any(|mishap| mishap.takes_time()),
            "{summary:?}"
        );
    });
}

#[test]
fn under_a_rate_limit_that_is_far_too_low_for_all() {
    with_each_endpoint(async |stage, kind| {
        let course = Course::run(stage, kind, 100, Options::default()).await;
        let summary = course.summary();
        assert!(summary.wrong.is_empty(), "{}", summary.wrong.join("\n"));
        assert!(
            summary.mishaps.contains_key(&Mishap::TooMany),
            "{summary:?}"
        );
    });
}

/// A false statement: its description, the index of the caller, and a change of the record.
type Lie<'a> = (&'static str, usize, &'a dyn Fn(&mut Record));

/// Shows that the check that the other tests use detects errors.
#[test]
fn a_story_that_is_not_true_is_found_out() {
    stage(async |stage| {
        let course = Course::run(stage, Kind::Endpoint, 40, without_limit()).await;
        assert!(
            course.summary().wrong.is_empty(),
            "{}",
            course.summary().wrong.join("\n")
        );
        let with_status = |status| {
            let has = |record: &Record| record.last().unwrap().status == status;
            course
                .records
                .iter()
                .position(has)
                .expect("a record ends with this status")
        };
        let (well, badly) = (with_status(200), with_status(424));
        let followed = course
            .records
            .iter()
            .position(|record| record.exchanges.len() > 1)
            .expect("a caller received 202");

        let received = |index: usize, change: &dyn Fn(&mut Record)| {
            let mut record = course.records[index].clone();
            change(&mut record);
            check(
                &course.callers[index],
                &record,
                &course.actual_states[index],
            )
        };
        assert!(received(well, &|_| {}).is_ok());
        let body = |record: &mut Record, pointer: &str, value: Value| {
            let response = record
                .exchanges
                .last_mut()
                .unwrap()
                .response
                .as_mut()
                .unwrap();
            *response
                .body
                .pointer_mut(pointer)
                .unwrap_or_else(|| panic!("{pointer}")) = value;
        };
        let status = |record: &mut Record, status| {
            record
                .exchanges
                .last_mut()
                .unwrap()
                .response
                .as_mut()
                .unwrap()
                .status = status;
        };
        let makes_false_statements: [Lie<'_>; 13] = [
            ("another caller's record", well, &|record| {
                *record = course.records[well + 1].clone()
            }),
            ("a run of somebody else's", well, &|record| {
                body(record, "/runId", 999_999.into())
            }),
            ("another sync", well, &|record| {
                body(record, "/syncId", 1.into())
            }),
            ("a better end than the true one", badly, &|record| {
                status(record, 200)
            }),
            ("a worse end than the true one", well, &|record| {
                status(record, 424)
            }),
            ("another status", well, &|record| {
                body(record, "/status", "warning".into())
            }),
            ("another status of a job", badly, &|record| {
                body(record, "/jobs/0/status", "processing".into())
            }),
            ("one job is missing", well, &|record| {
                body(record, "/jobs", json!([]))
            }),
            ("other rows", well, &|record| {
                body(record, "/jobs/0/plannedRows/addedCount", 0.into())
            }),
            ("an end at another time", well, &|record| {
                body(record, "/jobs/0/finishedAt", Value::Null)
            }),
            ("one request is missing", well, &|record| {
                body(record, "/requests", 1.into())
            }),
            ("no end", followed, &|record| drop(record.exchanges.pop())),
            ("no response", well, &|record| {
                record.exchanges.last_mut().unwrap().response = Err("cut off".into())
            }),
        ];
        for (lie, index, change) in makes_false_statements {
            assert!(received(index, change).is_err(), "{lie} is not detected");
        }

        let really = |change: &dyn Fn(&mut Actual)| {
            let mut actual = course.actual_states[well].clone();
            change(&mut actual);
            check(&course.callers[well], &course.records[well], &actual)
        };
        let twice = really(&|actual| actual.runs.push(actual.runs[0].clone()));
        assert!(
            twice
                .unwrap_err()
                .iter()
                .any(|sentence| sentence.contains("2 runs"))
        );
        assert!(
            really(&|actual| actual.runs.clear()).is_err(),
            "a missing run is not detected"
        );
        assert!(really(&|actual| actual.strays.push(actual.requests[0].clone())).is_err());
        assert!(really(&|actual| actual.requests[0].further_key = Some(1)).is_err());
        assert!(
            really(&|actual| actual.requests[0].headers = vec![("traceparent".into(), "x".into())])
                .is_err()
        );
    });
}

#[test]
fn not_to_know_is_true_only_where_it_could_not_be_known() {
    stage(async |stage| {
        let course = Course::run(stage, Kind::Endpoint, 40, without_limit()).await;
        let (caller, actual) = (&course.callers[0], &course.actual_states[0]);
        let run = actual.runs[0].id;
        let unconfirmed = |details: String, mishap: Option<Mishap>| {
            let mut record = course.records[0].clone();
            record.exchanges.truncate(1);
            let response = record.exchanges[0].response.as_mut().unwrap();
            (response.status, response.location) = (502, None);
            response.body = json!({"kind": "trigger-unconfirmed", "details": details, "requests": actual.requests.len()});
            let mut actual = actual.clone();
            actual
                .requests
                .iter_mut()
                .filter(|request| request.method == "POST")
                .for_each(|one| one.mishap = mishap);
            check(caller, &record, &actual)
        };
        assert!(unconfirmed(format!("It may be {run}."), Some(Mishap::LostResponse)).is_ok());
        assert!(
            unconfirmed(format!("It may be {run}."), None).is_err(),
            "its trigger was answered"
        );
        assert!(
            unconfirmed(format!("It may be {run}."), Some(Mishap::TooMany)).is_err(),
            "a 429 hides no run"
        );
        assert!(
            unconfirmed(String::new(), Some(Mishap::LostResponse)).is_err(),
            "the list showed the run"
        );
    });
}
