//! Properties of every operation, for all responses of Hightouch and all network errors.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use core::time::Duration;

use super::{
    ANSWER_WAIT, Action, AllowedSyncs, Event, Failure, FailureKind, Goal, IfRunning, Instant,
    Operation, Options, Outcome, RejectedLimit, Report, SequenceGoal, SyncGoal, TransportError,
    TransportErrorKind, Warnings, report_of,
};
use crate::hightouch::{
    BASE_PATH, BodyEnd, Method, Response, Resync, RetryAfter, Run, RunRef, RunStatus,
    SequenceStatus, SyncRef, Timestamp, read_sequence_trigger, read_trigger,
};

/// The maximum `max_wait`, in seconds. It bounds the number of steps of an operation.
const MAX_WAIT_SECONDS: u64 = 600;

/// The ID of the sequence that is run or of the sequence run that is awaited.
const UUID: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

/// Executes an operation against a script and checks that all properties hold.
///
/// The first line of the script contains the goal and the options. Each further line is the reply
/// to one request. The last line is the reply to all further requests.
///
/// ```text
/// run demo join 60
/// 200 {"data":[{"id":7,"slug":"demo"}]}
/// +1500 429 after=7
/// dated 200 {"id":"42"}
/// lost
/// cut 200 {"data":[{"id":42
/// 200 {"data":[{"id":42,"status":"success"}]}
/// ```
pub fn operation(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let line = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let options = options(&line);
    match sequence_goal(&line) {
        Some(goal) => execute(goal, options, true, lines),
        None => execute(sync_goal(&line), options, false, lines),
    }
}

/// Executes an operation to its end and checks each step. Each line is the reply to one request.
fn execute<'a, G: Goal<Report: Into<Report>>>(
    goal: G,
    options: Options,
    is_sequence: bool,
    mut lines: impl Iterator<Item = &'a [u8]>,
) {
    let mut checker = Checker::new(&goal, options.clone(), is_sequence);
    let mut operation = Operation::new(goal, options, Instant::default(), 1);
    let (mut now, mut event, mut line) = (Instant::default(), Event::Woke, &b"lost"[..]);
    for _ in 0..100_000 {
        let action = operation.step(now, event);
        let report = match &action {
            Action::Done(outcome) => report_of(outcome).cloned(),
            Action::Send { .. } | Action::Wait { .. } => operation.report(now),
        };
        checker.check_report(report.map(Into::into).as_ref());
        match action {
            Action::Done(outcome) => {
                let outcome = outcome
                    .map(Into::into)
                    .map_err(|failure| failure.map_report(Into::into));
                return checker.check_outcome(now, outcome);
            }
            Action::Wait { until } => {
                assert!(
                    now <= until && until <= checker.deadline,
                    "{now:?} {until:?}"
                );
                (now, event) = (until, Event::Woke);
            }
            Action::Send { request, give_up } => {
                assert!(
                    now <= give_up && give_up <= checker.deadline,
                    "{now:?} {give_up:?}"
                );
                assert!(request.target.starts_with(BASE_PATH), "{request:?}");
                line = lines.next().filter(|line| !line.is_empty()).unwrap_or(line);
                checker.on_request(request.method);
                (now, event) = read_reply(line, now, give_up);
                checker.on_reply(request.method, &event);
            }
        }
    }
    panic!("the operation does not end");
}

fn has_word(line: &str, name: &str) -> bool {
    line.split(' ').any(|word| word == name)
}

fn sequence_goal(line: &str) -> Option<SequenceGoal> {
    has_word(line, "sequence").then(|| {
        if has_word(line, "await") {
            SequenceGoal::Await(UUID.parse().expect("a UUID"))
        } else if has_word(line, "start") {
            SequenceGoal::Start(UUID.parse().expect("a UUID"))
        } else {
            SequenceGoal::Run(UUID.parse().expect("a UUID"))
        }
    })
}

fn sync_goal(line: &str) -> SyncGoal {
    let sync = line.split(' ').nth(1).and_then(|sync| sync.parse().ok());
    match sync.unwrap_or(SyncRef::Id(1.try_into().expect("an ID"))) {
        SyncRef::Id(sync) if has_word(line, "await") => SyncGoal::Await(RunRef {
            sync,
            run: 42.try_into().expect("an ID"),
        }),
        sync if has_word(line, "start") => SyncGoal::Start(sync),
        sync => SyncGoal::Run(sync),
    }
}

/// The limit of the option `tolerate`.
const MAX_REJECTED: u64 = 3;

fn options(line: &str) -> Options {
    let word = |name| has_word(line, name);
    let number = |text: &str| text.parse().ok();
    let if_running = match () {
        () if word("join") => IfRunning::Join,
        () if word("refuse") => IfRunning::Refuse,
        () => IfRunning::Queue,
    };
    Options {
        resync: Resync {
            full: word("resync"),
            ..Resync::default()
        },
        warnings: match () {
            () if word("warnings") => Warnings::Accept,
            () if word("tolerate") => {
                let limit = RejectedLimit::new(Some(MAX_REJECTED), None);
                Warnings::Tolerate(limit.expect("a limit"))
            }
            () => Warnings::Fail,
        },
        if_running,
        allowed: AllowedSyncs::all(),
        unless_since: Timestamp::rfc3339("2022-02-08T16:11:00Z").filter(|_| word("since")),
        max_wait: Duration::from_secs(
            line.rsplit(' ')
                .next()
                .and_then(number)
                .unwrap_or(60)
                .min(MAX_WAIT_SECONDS),
        ),
        answer_wait: if word("answer") {
            ANSWER_WAIT
        } else {
            Duration::ZERO
        },
    }
}

/// Reads the reply to a request, and returns it with its time.
fn read_reply(line: &[u8], now: Instant, give_up: Instant) -> (Instant, Event) {
    let (mut rest, mut latency) = (line, Duration::ZERO);
    let mut response = Response::new(200, "");
    loop {
        let end = rest
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(rest.len());
        let word = core::str::from_utf8(&rest[..end]).unwrap_or_default();
        let error = |kind| {
            (
                (now + latency).min(give_up),
                Event::TransportError(TransportError {
                    kind,
                    text: word.into(),
                }),
            )
        };
        match word {
            "denied" => return error(TransportErrorKind::NotGranted),
            "unsent" => return error(TransportErrorKind::NotSent),
            "tls" => return error(TransportErrorKind::TlsFailed),
            "lost" => return error(TransportErrorKind::Lost),
            "silence" => return (give_up, error(TransportErrorKind::TimedOut).1),
            "cut" => response.end = BodyEnd::Incomplete,
            "long" => response.end = BodyEnd::TooLong,
            "dated" => response.date = Timestamp::rfc3339("2022-02-08T16:11:05Z"),
            _ => match (
                word.strip_prefix('+'),
                word.strip_prefix("after="),
                word.parse(),
            ) {
                (Some(millis), ..) => {
                    latency = Duration::from_millis(millis.parse().unwrap_or_default())
                }
                (_, Some(delay), _) => response.retry_after = RetryAfter::read(delay),
                (.., Ok(status)) => response.status = status,
                _ => break,
            },
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let arrival = now + latency;
    if arrival > give_up {
        return (
            give_up,
            Event::TransportError(TransportError {
                kind: TransportErrorKind::TimedOut,
                text: "late".into(),
            }),
        );
    }
    response.date = response.date.map(|date| date + arrival.since_start());
    response.body = rest.into();
    (arrival, Event::Response(response))
}

/// The state of the last trigger.
#[derive(Debug)]
enum Trigger {
    NeverSent,
    InFlight,
    /// The trigger started the run with this ID.
    Started(String),
    NotStarted,
    /// The connection was lost, and no list of runs has been read since.
    Lost,
    /// The connection was lost, and a list of runs has been read since.
    LostAndListed,
    /// The trigger may have started a run, or the server may still process it.
    Unknown,
}

/// Checks the properties from the requests, replies and reports of an operation.
#[derive(Debug)]
struct Checker {
    is_sequence: bool,
    may_start_run: bool,
    waits_for_end: bool,
    options: Options,
    deadline: Instant,
    trigger: Trigger,
    requests: u32,
    /// The ID of the reported run.
    run: Option<String>,
}

impl Checker {
    fn new(goal: &impl Goal, options: Options, is_sequence: bool) -> Self {
        let deadline = Instant::default() + options.max_wait.max(options.answer_wait);
        Self {
            is_sequence,
            may_start_run: goal.may_start_run(),
            waits_for_end: goal.waits_for_end(),
            options,
            deadline,
            trigger: Trigger::NeverSent,
            requests: 0,
            run: None,
        }
    }

    /// Returns the ID of the run in the response to a trigger.
    fn started_run(&self, body: &[u8]) -> Option<String> {
        if self.is_sequence {
            read_sequence_trigger(body).ok().map(|run| run.to_string())
        } else {
            read_trigger(body).ok().map(|run| run.to_string())
        }
    }

    fn on_request(&mut self, method: Method) {
        self.requests += 1;
        if method == Method::Post {
            assert!(
                self.may_start_run,
                "an operation that awaits a run sends no trigger"
            );
            assert_eq!(self.run, None, "no trigger is sent after a run is known");
            let confirmed_by_list =
                matches!(self.trigger, Trigger::LostAndListed) && !self.is_sequence;
            assert!(
                matches!(self.trigger, Trigger::NeverSent | Trigger::NotStarted)
                    || confirmed_by_list,
                "a trigger is sent again only if the previous one started no run: {self:?}"
            );
            self.trigger = Trigger::InFlight;
        }
    }

    fn on_reply(&mut self, method: Method, event: &Event) {
        if method == Method::Get {
            let listed = matches!(event, Event::Response(response) if response.is_success()
                && response.complete_body().is_ok_and(|body| Run::read_page(body, &mut |_| {}).is_ok()));
            if matches!(self.trigger, Trigger::Lost) && listed {
                self.trigger = Trigger::LostAndListed;
            }
            return;
        }
        self.trigger = match event {
            Event::TransportError(error) => match error.kind {
                TransportErrorKind::NotGranted
                | TransportErrorKind::NotSent
                | TransportErrorKind::TlsFailed => Trigger::NotStarted,
                TransportErrorKind::Lost => Trigger::Lost,
                TransportErrorKind::TimedOut => Trigger::Unknown,
            },
            Event::Response(response) if response.is_success() => {
                match response
                    .complete_body()
                    .ok()
                    .and_then(|body| self.started_run(body))
                {
                    Some(run) => Trigger::Started(run),
                    None => Trigger::Unknown,
                }
            }
            Event::Response(response) if matches!(response.status, 408 | 500..=599) => {
                Trigger::Unknown
            }
            Event::Response(_) | Event::Woke => Trigger::NotStarted,
        };
    }

    /// Checks the report after a step. The reported run never changes.
    fn check_report(&mut self, report: Option<&Report>) {
        let reported = report.map(run_id);
        if let Trigger::Started(run) = &self.trigger {
            assert_eq!(reported.as_ref(), Some(run), "a started run is reported");
        }
        assert!(
            self.run.is_none() || self.run == reported,
            "{:?} became {reported:?}",
            self.run
        );
        self.run = reported;
    }

    fn check_outcome(&self, now: Instant, outcome: Outcome) {
        assert!(now <= self.deadline, "{now:?} {self:?}");
        let mut remainder = outcome.clone();
        let (report, requests, elapsed) = match &mut remainder {
            Ok(report) => (Some(report.clone()), requests(report), elapsed(report)),
            Err(failure) => (failure.report.take(), failure.requests, failure.elapsed),
        };
        assert_eq!((requests, elapsed), (self.requests, now.since_start()));
        assert_eq!(
            report.as_ref().map(run_id),
            self.run,
            "every outcome reports the run"
        );
        let has_ended = match &report {
            Some(Report::Sync(report)) => report.status.ended(),
            Some(Report::Sequence(report)) => report.run.status.ended(),
            None => false,
        };
        let is_success = |status: &RunStatus| {
            *status == RunStatus::Success
                || *status == RunStatus::Warning && self.options.warnings != Warnings::Fail
        };
        match outcome {
            Ok(Report::Sync(report)) if self.waits_for_end => {
                assert!(!report.jobs.is_empty(), "a successful job is listed");
                let is_limited = matches!(self.options.warnings, Warnings::Tolerate(_));
                if report.status == RunStatus::Warning && is_limited {
                    let rejected = report.jobs.iter().map(|job| {
                        let rows = job.failed_rows.expect("the rows of every job are known");
                        let counts = [rows.added, rows.changed, rows.removed];
                        counts.map(|count| u128::from(count.expect("every count is known")))
                    });
                    let sum: u128 = rejected.flatten().sum();
                    assert!(sum <= MAX_REJECTED.into(), "{sum} rejected rows");
                }
                for job in &report.jobs {
                    assert!(
                        job.id == report.run.run && is_success(&job.status),
                        "{job:?}"
                    );
                }
            }
            Ok(Report::Sequence(report)) if self.waits_for_end => {
                assert!(
                    report.run.status == SequenceStatus::Done && !report.run.sync_runs.is_empty(),
                    "{report:?}"
                );
                assert!(
                    report
                        .run
                        .sync_runs
                        .iter()
                        .all(|run| is_success(&run.status)),
                    "{report:?}"
                );
            }
            Ok(_) => {}
            Err(failure) => {
                if failure.kind == FailureKind::SyncFailed {
                    assert!(has_ended, "{failure:?}");
                }
                let started_no_run =
                    matches!(self.trigger, Trigger::NeverSent | Trigger::NotStarted);
                if failure.kind == FailureKind::TriggerUnconfirmed {
                    assert!(!started_no_run && self.run.is_none(), "{failure:?}");
                }
                assert!(!failure.message.is_empty());
                let trimmed = failure.trimmed();
                let texts = [Some(&trimmed.message), trimmed.details.as_ref()];
                assert!(
                    texts
                        .into_iter()
                        .flatten()
                        .all(|text| text.len() <= Failure::MAX_TEXT),
                    "{trimmed:?}"
                );
            }
        }
    }
}

fn run_id(report: &Report) -> String {
    match report {
        Report::Sync(report) => report.run.run.to_string(),
        Report::Sequence(report) => report.run.id.to_string(),
    }
}

fn requests(report: &Report) -> u32 {
    match report {
        Report::Sync(report) => report.requests,
        Report::Sequence(report) => report.requests,
    }
}

fn elapsed(report: &Report) -> Duration {
    match report {
        Report::Sync(report) => report.elapsed,
        Report::Sequence(report) => report.elapsed,
    }
}
