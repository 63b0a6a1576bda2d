//! The engine against scripted answers, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod awaiting;
mod confirming;
mod running;
mod sequences;
mod since;
mod starting;

use core::time::Duration;

use super::*;
use crate::hightouch::{Method, Request, Response, RunId, RunRef, SyncId, SyncRef};

/// What came of an operation.
#[derive(Debug)]
struct Played<R> {
    outcome: Outcome<R>,
    /// What was sent, and when.
    sent: Vec<(Duration, Request)>,
    /// When it was over.
    over: Duration,
}

impl<R: core::fmt::Debug> Played<R> {
    fn report(&self) -> &R {
        self.outcome.as_ref().expect("a success")
    }

    fn failure(&self) -> &Failure<R> {
        self.outcome.as_ref().expect_err("a failure")
    }

    fn triggers(&self) -> usize {
        self.sent
            .iter()
            .filter(|(_, request)| request.method == Method::Post)
            .count()
    }

    fn targets(&self) -> Vec<&str> {
        self.sent
            .iter()
            .map(|(_, request)| request.target.strip_prefix("/api/v1").unwrap())
            .collect()
    }
}

/// What a script answers.
enum Say {
    Response(Response),
    TransportError(TransportErrorKind),
    /// Nothing, ever.
    Silence,
}

/// How long every answer takes.
const LATENCY: Duration = Duration::from_millis(100);

/// The most by which the tests' clock wakes late, as real clocks do.
const LATEST_WAKE: Duration = Duration::from_millis(20);

/// By how much each wake is late: pseudo-random, up to [`LATEST_WAKE`], the same in each run.
#[derive(Default)]
struct Lateness(u32);

impl Lateness {
    fn next(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        LATEST_WAKE.mul_f64(f64::from(self.0 >> 16) / f64::from(u16::MAX))
    }
}

/// Carries out an operation against a script, which sees each request and when it was sent.
fn play<G: Goal>(
    goal: G,
    options: Options,
    mut script: impl FnMut(&Request, Duration) -> Say,
) -> Played<G::Report> {
    let mut now = Instant::default();
    let mut operation = Operation::new(goal, options, now, 1);
    let mut sent = Vec::new();
    let mut event = Event::Woke;
    let mut lateness = Lateness::default();
    for _ in 0..100_000 {
        match operation.step(now, event) {
            Action::Done(outcome) => {
                return Played {
                    outcome: *outcome,
                    sent,
                    over: now.since_start(),
                };
            }
            Action::Wait { until } => {
                assert!(until > now, "a wait that is over");
                now = until + lateness.next();
                event = Event::Woke;
            }
            Action::Send { request, give_up } => {
                assert!(
                    give_up > now,
                    "a request that is given up before it is sent"
                );
                let said = script(&request, now.since_start());
                sent.push((now.since_start(), request));
                let answered = now + LATENCY;
                let lost = |kind| {
                    Event::TransportError(TransportError {
                        kind,
                        text: "as the script says".into(),
                    })
                };
                (now, event) = match said {
                    Say::Response(answer) if answered <= give_up => {
                        (answered, Event::Response(answer))
                    }
                    Say::TransportError(kind) if answered <= give_up => (answered, lost(kind)),
                    _ => (
                        (give_up + lateness.next()),
                        lost(TransportErrorKind::TimedOut),
                    ),
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
    RunRef {
        sync: SyncId::try_from(7).unwrap(),
        run: RunId::try_from(42).unwrap(),
    }
}

fn ok(body: impl Into<Vec<u8>>) -> Say {
    Say::Response(Response::new(200, body))
}

fn status(status: u16) -> Say {
    Say::Response(Response::new(status, ""))
}

/// The answer to a trigger that started run 42.
fn triggered() -> Say {
    ok(r#"{"id":"42"}"#)
}

/// A list of runs by ID and status.
fn runs(runs: &[(u64, &str)]) -> Say {
    let runs: Vec<String> = runs
        .iter()
        .map(|(id, status)| format!(r#"{{"id":{id},"status":"{status}"}}"#))
        .collect();
    ok(format!(
        r#"{{"data":[{}],"hasMore":false}}"#,
        runs.join(",")
    ))
}

/// The page of a list that a request asks for, of a server with pages of at most `page` entries.
fn list(all: &[(u64, &str)], request: &Request, page: usize) -> Say {
    let param = |name: &str| {
        let value = request
            .target
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix(name))?;
        value.parse::<usize>().ok()
    };
    let (offset, limit) = (
        param("offset=").unwrap_or(0),
        param("limit=").unwrap_or(100).min(page),
    );
    let shown: Vec<String> = all
        .iter()
        .skip(offset)
        .take(limit)
        .map(|(id, status)| {
            format!(r#"{{"id":{id},"status":"{status}","createdAt":"2022-02-01T00:00:00Z"}}"#)
        })
        .collect();
    ok(format!(
        r#"{{"data":[{}],"hasMore":{}}}"#,
        shown.join(","),
        offset.saturating_add(limit) < all.len()
    ))
}

fn is_trigger(request: &Request) -> bool {
    request.method == Method::Post
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wait(span: Duration) -> Options {
    Options {
        max_wait: span,
        ..Options::default()
    }
}
