//! The engine against scripted answers, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod awaiting;
mod confirming;
mod running;
mod sequences;
mod since;
mod starting;

use core::time::Duration;

use super::*;
use crate::hightouch::{Answer, Method, Request, RunId, RunRef, SyncId, SyncRef};

/// What came of an operation.
#[derive(Debug)]
struct Played {
    outcome: Outcome,
    /// What was sent, and when.
    sent: Vec<(Duration, Request)>,
    /// When it was over.
    over: Duration,
}

impl Played {
    fn report(&self) -> &Report {
        match &self.outcome {
            Ok(Standing::Sync(report)) => report,
            other => panic!("no run of a sync that succeeded: {other:#?}"),
        }
    }

    fn sequence(&self) -> &SequenceReport {
        match &self.outcome {
            Ok(Standing::Sequence(report)) => report,
            other => panic!("no run of a sequence that succeeded: {other:#?}"),
        }
    }

    fn failure(&self) -> &Failure {
        self.outcome.as_ref().expect_err("a failure")
    }

    fn triggers(&self) -> usize {
        self.sent.iter().filter(|(_, request)| request.method == Method::Post).count()
    }

    fn targets(&self) -> Vec<&str> {
        self.sent.iter().map(|(_, request)| request.target.strip_prefix("/api/v1").unwrap()).collect()
    }
}

/// What a script answers.
enum Say {
    Answer(Answer),
    Trouble(TroubleKind),
    /// Nothing, ever.
    Silence,
}

/// How long every answer takes.
const LATENCY: Duration = Duration::from_millis(100);

/// Carries out an operation against a script, which sees each request and when it was sent.
fn play(goal: Goal, options: Options, mut script: impl FnMut(&Request, Duration) -> Say) -> Played {
    let mut now = Instant::default();
    let mut operation = Operation::new(goal, options, now, 1);
    let mut sent = Vec::new();
    let mut event = Event::Woke;
    for _ in 0..100_000 {
        match operation.step(now, event) {
            Action::Done(outcome) => return Played { outcome: *outcome, sent, over: now.since_start() },
            Action::Wait { until } => {
                assert!(until > now, "a wait that is over");
                now = until;
                event = Event::Woke;
            }
            Action::Send { request, give_up } => {
                assert!(give_up > now, "a request that is given up before it is sent");
                let said = script(&request, now.since_start());
                sent.push((now.since_start(), request));
                let answered = now.plus(LATENCY);
                let lost = |kind| Event::Trouble(Trouble { kind, text: "as the script says".into() });
                (now, event) = match said {
                    Say::Answer(answer) if answered <= give_up => (answered, Event::Answer(answer)),
                    Say::Trouble(kind) if answered <= give_up => (answered, lost(kind)),
                    _ => (give_up, lost(TroubleKind::TimedOut)),
                };
            }
        }
    }
    panic!("the operation does not end");
}

fn sync() -> SyncRef {
    SyncRef::Id(SyncId::try_from(7).unwrap())
}

fn the_run() -> RunRef {
    RunRef { sync: SyncId::try_from(7).unwrap(), run: RunId::try_from(42).unwrap() }
}

fn ok(body: impl Into<Vec<u8>>) -> Say {
    Say::Answer(Answer::new(200, body))
}

fn status(status: u16) -> Say {
    Say::Answer(Answer::new(status, ""))
}

/// The answer to a trigger that started run 42.
fn triggered() -> Say {
    ok(r#"{"id":"42"}"#)
}

/// A list of runs by ID and status.
fn runs(runs: &[(u64, &str)]) -> Say {
    let runs: Vec<String> = runs.iter().map(|(id, status)| format!(r#"{{"id":{id},"status":"{status}"}}"#)).collect();
    ok(format!(r#"{{"data":[{}],"hasMore":false}}"#, runs.join(",")))
}

fn is_trigger(request: &Request) -> bool {
    request.method == Method::Post
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wait(span: Duration) -> Options {
    Options { max_wait: span, ..Options::default() }
}
