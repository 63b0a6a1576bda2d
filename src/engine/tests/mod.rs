//! Runs the engine against scripted responses, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod awaiting;
mod cancelling;
mod confirming;
mod listing;
mod running;
mod sequences;
mod since;
mod starting;

use core::time::Duration;

use super::*;
use crate::hightouch::{Method, Request, Response, RunId, RunRef, SyncId, SyncRef};

/// One execution of an operation against a script.
#[derive(Debug)]
struct Execution<R> {
    outcome: Outcome<R>,
    /// The requests, each with its time since the start.
    sent: Vec<(Duration, Request)>,
    /// The time from the start to the end of the operation.
    ended_at: Duration,
}

impl<R: core::fmt::Debug> Execution<R> {
    fn report(&self) -> &R {
        self.outcome.as_ref().expect("a success")
    }

    fn failure(&self) -> &Failure<R> {
        self.outcome.as_ref().expect_err("a failure")
    }

    fn trigger_count(&self) -> usize {
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

/// The reply of a script to one request.
enum Reply {
    Response(Response),
    TransportError(TransportErrorKind),
    /// No response ever arrives.
    Silence,
}

/// The latency of every response.
const LATENCY: Duration = Duration::from_millis(100);

/// The maximum delay with which the tests' clock wakes an operation. Real clocks wake late too.
const MAX_WAKE_DELAY: Duration = Duration::from_millis(20);

/// Pseudo-random wake delays up to [`MAX_WAKE_DELAY`]. The sequence is the same in every test.
#[derive(Default)]
struct WakeDelays(u32);

impl WakeDelays {
    fn next(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        MAX_WAKE_DELAY.mul_f64(f64::from(self.0 >> 16) / f64::from(u16::MAX))
    }
}

/// Executes an operation against a script. The script receives each request and its time since the
/// start.
fn execute<G: Goal>(
    goal: G,
    options: Options,
    mut script: impl FnMut(&Request, Duration) -> Reply,
) -> Execution<G::Report> {
    let mut now = Instant::default();
    let mut operation = Operation::new(goal, options, now, 1);
    let mut sent = Vec::new();
    let mut event = Event::Woke;
    let mut wake_delays = WakeDelays::default();
    for _ in 0..100_000 {
        match operation.step(now, event) {
            Action::Done(outcome) => {
                return Execution {
                    outcome: *outcome,
                    sent,
                    ended_at: now.since_start(),
                };
            }
            Action::Wait { until } => {
                assert!(until > now, "a wait that has already ended");
                now = until + wake_delays.next();
                event = Event::Woke;
            }
            Action::Send { request, give_up } => {
                assert!(give_up > now, "a request whose deadline has already passed");
                let reply = script(&request, now.since_start());
                sent.push((now.since_start(), request));
                let arrival = now + LATENCY;
                let error_event = |kind| {
                    Event::TransportError(TransportError {
                        kind,
                        text: "the error that the script replies with".into(),
                    })
                };
                (now, event) = match reply {
                    Reply::Response(response) if arrival <= give_up => {
                        (arrival, Event::Response(response))
                    }
                    Reply::TransportError(kind) if arrival <= give_up => {
                        (arrival, error_event(kind))
                    }
                    _ => (
                        (give_up + wake_delays.next()),
                        error_event(TransportErrorKind::TimedOut),
                    ),
                };
            }
        }
    }
    panic!("the operation does not end");
}

fn sync_7() -> SyncRef {
    SyncRef::Id(SyncId::try_from(7).unwrap())
}

fn run_42() -> RunRef {
    RunRef {
        sync: SyncId::try_from(7).unwrap(),
        run: RunId::try_from(42).unwrap(),
    }
}

fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Response(Response::new(200, body))
}

fn status(status: u16) -> Reply {
    Reply::Response(Response::new(status, ""))
}

/// The response to a trigger that started run 42.
fn trigger_response() -> Reply {
    ok(r#"{"id":"42"}"#)
}

/// A list of runs with these IDs and statuses.
fn run_list(runs: &[(u64, &str)]) -> Reply {
    let runs: Vec<String> = runs
        .iter()
        .map(|(id, status)| format!(r#"{{"id":{id},"status":"{status}"}}"#))
        .collect();
    ok(format!(
        r#"{{"data":[{}],"hasMore":false}}"#,
        runs.join(",")
    ))
}

/// The requested page of a list, from a server that returns at most `max_page` entries per page.
fn run_page(all: &[(u64, &str)], request: &Request, max_page: usize) -> Reply {
    let param = |name: &str| {
        let value = request
            .target
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix(name))?;
        value.parse::<usize>().ok()
    };
    let (offset, limit) = (
        param("offset=").unwrap_or(0),
        param("limit=").unwrap_or(100).min(max_page),
    );
    let entries: Vec<String> = all
        .iter()
        .skip(offset)
        .take(limit)
        .map(|(id, status)| {
            format!(r#"{{"id":{id},"status":"{status}","createdAt":"2022-02-01T00:00:00Z"}}"#)
        })
        .collect();
    ok(format!(
        r#"{{"data":[{}],"hasMore":{}}}"#,
        entries.join(","),
        offset.saturating_add(limit) < all.len()
    ))
}

fn is_trigger(request: &Request) -> bool {
    request.method == Method::Post
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with_max_wait(max_wait: Duration) -> Options {
    Options {
        max_wait,
        ..Options::default()
    }
}
