//! What holds of every operation, whatever Hightouch and the network do to it.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use core::time::Duration;

use super::{
    ANSWER_WAIT, Action, Event, Failure, FailureKind, Goal, IfRunning, Instant, Operation, Options,
    Outcome, Report, SequenceGoal, SyncGoal, TransportError, TransportErrorKind,
};
use crate::hightouch::{
    BASE_PATH, BodyEnd, Method, Response, Resync, RetryAfter, Run, RunRef, RunStatus,
    SequenceStatus, SyncRef, Timestamp, read_sequence_trigger, read_trigger,
};

/// The longest wait that is tried, so that each ends within a reasonable number of steps.
const LONGEST: u64 = 600;

/// The sequence that is run, and the run that is awaited.
const UUID: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

/// A script: what is asked for on the first line, then what comes of each request, one a line; the last goes for all that follow.
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
        Some(goal) => check(goal, options, true, lines),
        None => check(sync_goal(&line), options, false, lines),
    }
}

/// Drives an operation to its end. Each line is the reply to one request.
fn check<'a, G: Goal>(
    goal: G,
    options: Options,
    is_sequence: bool,
    mut lines: impl Iterator<Item = &'a [u8]>,
) {
    let mut witness = Witness::new(&goal, options, is_sequence);
    let mut operation = Operation::new(goal, options, Instant::default(), 1);
    let (mut now, mut event, mut line) = (Instant::default(), Event::Woke, &b"lost"[..]);
    for _ in 0..100_000 {
        let action = operation.step(now, event);
        let report = match &action {
            Action::Done(outcome) => match &**outcome {
                Ok(report) => Some(report.clone()),
                Err(failure) => failure.report.clone(),
            },
            Action::Send { .. } | Action::Wait { .. } => operation.report(now),
        };
        witness.knows(report.map(Into::into).as_ref());
        match action {
            Action::Done(outcome) => {
                let outcome = outcome
                    .map(Into::into)
                    .map_err(|failure| failure.map_report(Into::into));
                return witness.ended(now, outcome);
            }
            Action::Wait { until } => {
                assert!(
                    now <= until && until <= witness.deadline,
                    "{now:?} {until:?}"
                );
                (now, event) = (until, Event::Woke);
            }
            Action::Send { request, give_up } => {
                assert!(
                    now <= give_up && give_up <= witness.deadline,
                    "{now:?} {give_up:?}"
                );
                assert!(request.target.starts_with(BASE_PATH), "{request:?}");
                line = lines.next().filter(|line| !line.is_empty()).unwrap_or(line);
                witness.sends(request.method);
                (now, event) = comes(line, now, give_up);
                witness.receives(request.method, &event);
            }
        }
    }
    panic!("it does not end");
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
        accept_warnings: word("warnings"),
        if_running,
        unless_since: Timestamp::rfc3339("2022-02-08T16:11:00Z").filter(|_| word("since")),
        max_wait: Duration::from_secs(
            line.rsplit(' ')
                .next()
                .and_then(number)
                .unwrap_or(60)
                .min(LONGEST),
        ),
        answer_wait: if word("answer") {
            ANSWER_WAIT
        } else {
            Duration::ZERO
        },
    }
}

/// What comes of a request, and when.
fn comes(line: &[u8], now: Instant, give_up: Instant) -> (Instant, Event) {
    let (mut rest, mut took) = (line, Duration::ZERO);
    let mut answer = Response::new(200, "");
    loop {
        let end = rest
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(rest.len());
        let word = core::str::from_utf8(&rest[..end]).unwrap_or_default();
        let trouble = |kind| {
            (
                (now + took).min(give_up),
                Event::TransportError(TransportError {
                    kind,
                    text: word.into(),
                }),
            )
        };
        match word {
            "denied" => return trouble(TransportErrorKind::NotGranted),
            "unsent" => return trouble(TransportErrorKind::NotSent),
            "tls" => return trouble(TransportErrorKind::TlsFailed),
            "lost" => return trouble(TransportErrorKind::Lost),
            "silence" => return (give_up, trouble(TransportErrorKind::TimedOut).1),
            "cut" => answer.end = BodyEnd::Incomplete,
            "long" => answer.end = BodyEnd::TooLong,
            "dated" => answer.date = Timestamp::rfc3339("2022-02-08T16:11:05Z"),
            _ => match (
                word.strip_prefix('+'),
                word.strip_prefix("after="),
                word.parse(),
            ) {
                (Some(millis), ..) => {
                    took = Duration::from_millis(millis.parse().unwrap_or_default())
                }
                (_, Some(asked), _) => answer.retry_after = RetryAfter::read(asked),
                (.., Ok(status)) => answer.status = status,
                _ => break,
            },
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let came = now + took;
    if came > give_up {
        return (
            give_up,
            Event::TransportError(TransportError {
                kind: TransportErrorKind::TimedOut,
                text: "late".into(),
            }),
        );
    }
    answer.date = answer.date.map(|date| date + came.since_start());
    answer.body = rest.into();
    (came, Event::Response(answer))
}

/// What is known of the last request that starts a run.
#[derive(Debug)]
enum Trigger {
    NeverSent,
    UnderWay,
    /// By its name.
    Started(String),
    NotStarted,
    /// Its answer was lost on the way, and Hightouch has not been asked since what came of it.
    Lost,
    /// The same, and since then Hightouch has listed its runs.
    LostAndLookedFor,
    /// It cannot be told, or the server may still be at it.
    Unclear,
}

/// Somebody who watches an operation from outside.
#[derive(Debug)]
struct Witness {
    is_sequence: bool,
    may_start_run: bool,
    waits_for_end: bool,
    options: Options,
    deadline: Instant,
    trigger: Trigger,
    requests: u32,
    /// The run's name.
    run: Option<String>,
}

impl Witness {
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

    /// The run that the answer to a trigger names.
    fn named(&self, body: &[u8]) -> Option<String> {
        if self.is_sequence {
            read_sequence_trigger(body).ok().map(|run| run.to_string())
        } else {
            read_trigger(body).ok().map(|run| run.to_string())
        }
    }

    fn sends(&mut self, method: Method) {
        self.requests += 1;
        if method == Method::Post {
            assert!(self.may_start_run, "who awaits a run starts none");
            assert_eq!(self.run, None, "with a run at hand, no other is started");
            let looked_for = matches!(self.trigger, Trigger::LostAndLookedFor) && !self.is_sequence;
            assert!(
                matches!(self.trigger, Trigger::NeverSent | Trigger::NotStarted) || looked_for,
                "a run is started twice only where none came of the first: {self:?}"
            );
            self.trigger = Trigger::UnderWay;
        }
    }

    fn receives(&mut self, method: Method, event: &Event) {
        if method == Method::Get {
            let listed = matches!(event, Event::Response(answer) if answer.is_success()
                && answer.complete_body().is_ok_and(|body| Run::read_page(body, &mut |_| {}).is_ok()));
            if matches!(self.trigger, Trigger::Lost) && listed {
                self.trigger = Trigger::LostAndLookedFor;
            }
            return;
        }
        self.trigger = match event {
            Event::TransportError(trouble) => match trouble.kind {
                TransportErrorKind::NotGranted
                | TransportErrorKind::NotSent
                | TransportErrorKind::TlsFailed => Trigger::NotStarted,
                TransportErrorKind::Lost => Trigger::Lost,
                TransportErrorKind::TimedOut => Trigger::Unclear,
            },
            Event::Response(answer) if answer.is_success() => {
                match answer
                    .complete_body()
                    .ok()
                    .and_then(|body| self.named(body))
                {
                    Some(run) => Trigger::Started(run),
                    None => Trigger::Unclear,
                }
            }
            Event::Response(answer) if matches!(answer.status, 408 | 500..=599) => Trigger::Unclear,
            Event::Response(_) | Event::Woke => Trigger::NotStarted,
        };
    }

    /// What the operation says that it knows: a run that was named stays the run.
    fn knows(&mut self, report: Option<&Report>) {
        let known = report.map(name);
        if let Trigger::Started(run) = &self.trigger {
            assert_eq!(known.as_ref(), Some(run), "what was started is known");
        }
        assert!(
            self.run.is_none() || self.run == known,
            "{:?} became {known:?}",
            self.run
        );
        self.run = known;
    }

    fn ended(&self, now: Instant, outcome: Outcome) {
        assert!(now <= self.deadline, "{now:?} {self:?}");
        let mut over = outcome.clone();
        let (standing, requests, elapsed) = match &mut over {
            Ok(standing) => (
                Some(standing.clone()),
                requests(standing),
                elapsed(standing),
            ),
            Err(failure) => (failure.report.take(), failure.requests, failure.elapsed),
        };
        assert_eq!((requests, elapsed), (self.requests, now.since_start()));
        assert_eq!(
            standing.as_ref().map(name),
            self.run,
            "whatever the end, the run is named"
        );
        let ended = match &standing {
            Some(Report::Sync(report)) => report.status.ended(),
            Some(Report::Sequence(report)) => report.run.status.ended(),
            None => false,
        };
        let good = |status: &RunStatus| {
            *status == RunStatus::Success
                || *status == RunStatus::Warning && self.options.accept_warnings
        };
        match outcome {
            Ok(Report::Sync(report)) if self.waits_for_end => {
                assert!(!report.jobs.is_empty(), "a success was seen");
                for job in &report.jobs {
                    assert!(job.id == report.run.run && good(&job.status), "{job:?}");
                }
            }
            Ok(Report::Sequence(report)) if self.waits_for_end => {
                assert!(
                    report.run.status == SequenceStatus::Done && !report.run.sync_runs.is_empty(),
                    "{report:?}"
                );
                assert!(
                    report.run.sync_runs.iter().all(|run| good(&run.status)),
                    "{report:?}"
                );
            }
            Ok(_) => {}
            Err(failure) => {
                if failure.kind == FailureKind::SyncFailed {
                    assert!(ended, "{failure:?}");
                }
                let none_started = matches!(self.trigger, Trigger::NeverSent | Trigger::NotStarted);
                if failure.kind == FailureKind::TriggerUnconfirmed {
                    assert!(!none_started && self.run.is_none(), "{failure:?}");
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

fn name(standing: &Report) -> String {
    match standing {
        Report::Sync(report) => report.run.run.to_string(),
        Report::Sequence(report) => report.run.id.to_string(),
    }
}

fn requests(standing: &Report) -> u32 {
    match standing {
        Report::Sync(report) => report.requests,
        Report::Sequence(report) => report.requests,
    }
}

fn elapsed(standing: &Report) -> Duration {
    match standing {
        Report::Sync(report) => report.elapsed,
        Report::Sequence(report) => report.elapsed,
    }
}
