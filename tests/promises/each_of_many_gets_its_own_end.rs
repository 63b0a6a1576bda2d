//! Of many callers at once, some of whose requests go wrong, each gets its own run's true end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use xtask::build::Kind;
use xtask::load::{Caller, Judgement, Plan, Story, Truth, check, client, converse_all, truths};
use xtask::local_hightouch::{self as local, LocalHightouch, Mishap, Mishaps, Options, RateLimit};

use super::support::stage::{Stage, stage, with_each_endpoint};

/// What callers were told, and what is true.
struct Course {
    callers: Vec<Caller>,
    stories: Vec<Story>,
    truths: Vec<Truth>,
}

impl Course {
    async fn run(stage: Stage, kind: Kind, count: u64, options: Options) -> Self {
        let callers = Plan {
            callers: count,
            seed: 1,
            longest: Duration::from_secs(20),
        }
        .callers();
        let syncs = callers.iter().map(|caller| caller.sync.clone()).collect();
        let hightouch = LocalHightouch::start(Options {
            syncs,
            sequences: Vec::new(),
            ..options
        })
        .await
        .unwrap();
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await.serving;
        let stories = converse_all(
            &callers,
            Instant::now(),
            &endpoint.url(),
            local::KEY,
            &client().unwrap(),
        )
        .await;
        let truths = truths(&callers, &hightouch);
        Self {
            callers,
            stories,
            truths,
        }
    }

    fn judgement(&self) -> Judgement {
        Judgement::of(&self.callers, &self.stories, &self.truths)
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
        let judgement = course.judgement();
        assert!(judgement.wrong.is_empty(), "{}", judgement.wrong.join("\n"));
        assert!(
            judgement.mishaps.len() == quick().count() && judgement.endings.len() > 5,
            "{judgement:?}"
        );
    });
}

#[test]
fn answers_that_are_late_or_never_come() {
    stage(async |stage| {
        let course = Course::run(
            stage,
            Kind::Endpoint,
            40,
            with_mishaps(20, Mishap::ALL.iter().copied()),
        )
        .await;
        let judgement = course.judgement();
        assert!(judgement.wrong.is_empty(), "{}", judgement.wrong.join("\n"));
        assert!(
            judgement.mishaps.keys().any(|mishap| mishap.takes_time()),
            "{judgement:?}"
        );
    });
}

#[test]
fn under_a_rate_limit_that_is_far_too_low_for_all() {
    stage(async |stage| {
        let course = Course::run(stage, Kind::Endpoint, 100, Options::default()).await;
        let judgement = course.judgement();
        assert!(judgement.wrong.is_empty(), "{}", judgement.wrong.join("\n"));
        assert!(
            judgement.mishaps.contains_key(&Mishap::TooMany),
            "{judgement:?}"
        );
    });
}

/// What is told that is not true, of whom, and how his story becomes so.
type Lie<'a> = (&'static str, usize, &'a dyn Fn(&mut Story));

/// Without this, the tests above would hold of a check that lets everything pass.
#[test]
fn a_story_that_is_not_true_is_found_out() {
    stage(async |stage| {
        let course = Course::run(stage, Kind::Endpoint, 40, without_limit()).await;
        assert!(
            course.judgement().wrong.is_empty(),
            "{}",
            course.judgement().wrong.join("\n")
        );
        let with_status = |status| {
            let has = |story: &Story| story.last().unwrap().status == status;
            course
                .stories
                .iter()
                .position(has)
                .expect("such an end is among them")
        };
        let (well, badly) = (with_status(200), with_status(424));
        let followed = course
            .stories
            .iter()
            .position(|story| story.exchanges.len() > 1)
            .expect("one was told 202");

        let told = |index: usize, change: &dyn Fn(&mut Story)| {
            let mut story = course.stories[index].clone();
            change(&mut story);
            check(&course.callers[index], &story, &course.truths[index])
        };
        assert!(told(well, &|_| {}).is_ok());
        let body = |story: &mut Story, pointer: &str, value: Value| {
            let answer = story.exchanges.last_mut().unwrap().answer.as_mut().unwrap();
            *answer
                .body
                .pointer_mut(pointer)
                .unwrap_or_else(|| panic!("{pointer}")) = value;
        };
        let status = |story: &mut Story, status| {
            story
                .exchanges
                .last_mut()
                .unwrap()
                .answer
                .as_mut()
                .unwrap()
                .status = status;
        };
        let lies: [Lie<'_>; 13] = [
            ("another caller's story", well, &|story| {
                *story = course.stories[well + 1].clone()
            }),
            ("a run of somebody else's", well, &|story| {
                body(story, "/runId", 999_999.into())
            }),
            ("another sync", well, &|story| {
                body(story, "/syncId", 1.into())
            }),
            ("a better end than the true one", badly, &|story| {
                status(story, 200)
            }),
            ("a worse end than the true one", well, &|story| {
                status(story, 424)
            }),
            ("another status", well, &|story| {
                body(story, "/status", "warning".into())
            }),
            ("another status of a job", badly, &|story| {
                body(story, "/jobs/0/status", "processing".into())
            }),
            ("a job too few", well, &|story| {
                body(story, "/jobs", json!([]))
            }),
            ("other rows", well, &|story| {
                body(story, "/jobs/0/plannedRows/addedCount", 0.into())
            }),
            ("an end at another time", well, &|story| {
                body(story, "/jobs/0/finishedAt", Value::Null)
            }),
            ("a request too few", well, &|story| {
                body(story, "/requests", 1.into())
            }),
            ("no end", followed, &|story| drop(story.exchanges.pop())),
            ("no answer", well, &|story| {
                story.exchanges.last_mut().unwrap().answer = Err("cut off".into())
            }),
        ];
        for (lie, index, change) in lies {
            assert!(told(index, change).is_err(), "{lie} passes for the truth");
        }

        let really = |change: &dyn Fn(&mut Truth)| {
            let mut truth = course.truths[well].clone();
            change(&mut truth);
            check(&course.callers[well], &course.stories[well], &truth)
        };
        let twice = really(&|truth| truth.runs.push(truth.runs[0].clone()));
        assert!(
            twice
                .unwrap_err()
                .iter()
                .any(|sentence| sentence.contains("2 runs"))
        );
        assert!(
            really(&|truth| truth.runs.clear()).is_err(),
            "a run that is not there passes for one"
        );
        assert!(really(&|truth| truth.strays.push(truth.requests[0].clone())).is_err());
        assert!(
            really(&|truth| truth.requests[0].headers = vec![("traceparent".into(), "x".into())])
                .is_err()
        );
    });
}

#[test]
fn not_to_know_is_true_only_where_it_could_not_be_known() {
    stage(async |stage| {
        let course = Course::run(stage, Kind::Endpoint, 40, without_limit()).await;
        let (caller, truth) = (&course.callers[0], &course.truths[0]);
        let run = truth.runs[0].id;
        let unconfirmed = |details: String, mishap: Option<Mishap>| {
            let mut story = course.stories[0].clone();
            story.exchanges.truncate(1);
            let answer = story.exchanges[0].answer.as_mut().unwrap();
            (answer.status, answer.location) = (502, None);
            answer.body = json!({"kind": "trigger-unconfirmed", "details": details, "requests": truth.requests.len()});
            let mut truth = truth.clone();
            truth
                .requests
                .iter_mut()
                .filter(|request| request.method == "POST")
                .for_each(|one| one.mishap = mishap);
            check(caller, &story, &truth)
        };
        assert!(unconfirmed(format!("It may be {run}."), Some(Mishap::LostAnswer)).is_ok());
        assert!(
            unconfirmed(format!("It may be {run}."), None).is_err(),
            "its trigger was answered"
        );
        assert!(
            unconfirmed(format!("It may be {run}."), Some(Mishap::TooMany)).is_err(),
            "a 429 hides no run"
        );
        assert!(
            unconfirmed(String::new(), Some(Mishap::LostAnswer)).is_err(),
            "the list showed the run"
        );
    });
}
