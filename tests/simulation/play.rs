//! Plays the calls of a world: sends the requests, delivers the responses, and lets time pass.

use core::time::Duration;

use fastrand::Rng;
use hightouch_sync::engine::{
    Action, AllowedSyncs, Batch, BatchOptions, Event, Goal as EngineGoal,
    IfRunning as EngineIfRunning, Instant, Operation, Options, Outcome, RejectedLimit, RunsGoal,
    RunsReport, SequenceGoal, SequenceReport, SyncGoal, SyncReport, TransportError,
    TransportErrorKind, Warnings,
};
use hightouch_sync::hightouch::{
    BodyEnd, Method, Request, Response, Resync, RetryAfter, RunId, RunRef, SyncId, SyncRef,
    Timestamp,
};

use super::hightouch::{Hightouch, ResponseFaults, Run, SLUG, SYNC};
use super::sequences::{self, SEQUENCE};
use super::world::{
    Allowed, Asked, Call, Exchange, Fault, Goal, IfRunning, Millis, Nonsense, World,
};

/// A request that was sent, and its result.
#[derive(Debug)]
pub struct Sent {
    pub at: Millis,
    pub back: Millis,
    pub target: String,
    pub trigger: bool,
    /// Whether the request is for the list of all runs.
    pub list: bool,
    pub fault: Option<Fault>,
    /// The time of the state that the response shows.
    pub as_of: Millis,
    /// The run that a complete response to a trigger names. For a sequence, the number of the run.
    pub named: Option<u64>,
    /// The older run that the response to a trigger names.
    pub older: Option<u64>,
    /// The delay that the response asks for.
    pub asked: Option<Duration>,
    pub status: Option<u16>,
    /// Why no response arrived.
    pub trouble: Option<TransportErrorKind>,
    /// The description of the result.
    pub what: String,
    /// The body of the response, if it is complete.
    pub body: Option<String>,
}

/// The report of an operation of any kind.
#[derive(Debug)]
pub enum AnyReport {
    Sync(SyncReport),
    Sequence(SequenceReport),
    Runs(RunsReport),
}

impl From<SyncReport> for AnyReport {
    fn from(report: SyncReport) -> Self {
        Self::Sync(report)
    }
}

impl From<SequenceReport> for AnyReport {
    fn from(report: SequenceReport) -> Self {
        Self::Sequence(report)
    }
}

impl From<RunsReport> for AnyReport {
    fn from(report: RunsReport) -> Self {
        Self::Runs(report)
    }
}

/// A call that has ended.
#[derive(Debug)]
pub struct PlayedCall {
    /// The number of the call in its world, from 0.
    pub nth: usize,
    pub began: Millis,
    pub sent: Vec<Sent>,
    pub outcome: Outcome<AnyReport>,
    pub over: Millis,
}

/// A world after all its calls have ended.
pub struct PlayedWorld<'w> {
    pub world: &'w World,
    pub hightouch: Hightouch<'w>,
    pub calls: Vec<PlayedCall>,
}

/// Returns the run that a call with the goal `Goal::Await` awaits.
pub fn awaited(world: &World) -> u64 {
    let before = world.others.iter().filter(|theirs| theirs.at <= 0).count();
    100 + u64::try_from(before.max(1)).unwrap()
}

fn sync_goal(world: &World) -> Option<SyncGoal> {
    let sync = SyncId::try_from(SYNC).unwrap();
    let slug = || SyncRef::Slug(SLUG.parse().unwrap());
    match world.call.goal {
        Goal::Run => Some(SyncGoal::Run(SyncRef::Id(sync))),
        Goal::RunBySlug => Some(SyncGoal::Run(slug())),
        Goal::Start => Some(SyncGoal::Start(SyncRef::Id(sync))),
        Goal::StartBySlug => Some(SyncGoal::Start(slug())),
        Goal::Await => Some(SyncGoal::Await(RunRef {
            sync,
            run: RunId::try_from(awaited(world)).unwrap(),
        })),
        Goal::RunSequence | Goal::StartSequence | Goal::AwaitSequence => None,
        Goal::List | Goal::ListBySlug => None,
    }
}

fn sequence_goal(world: &World, hightouch: &Hightouch<'_>) -> SequenceGoal {
    match world.call.goal {
        Goal::StartSequence => SequenceGoal::Start(SEQUENCE.parse().unwrap()),
        Goal::AwaitSequence => {
            let awaited = hightouch.sequences.as_ref().unwrap().awaited;
            SequenceGoal::Await(sequences::run_id(awaited).parse().unwrap())
        }
        _ => SequenceGoal::Run(SEQUENCE.parse().unwrap()),
    }
}

fn call_warnings(call: &Call) -> Warnings {
    let Some(limit) = &call.tolerate else {
        return Warnings::accepted(call.accept_warnings);
    };
    let percent = limit.share.map(|share| {
        // The number that a caller writes, such as `0.57`.
        let text = format!("{}.{:02}", share / 100, share % 100);
        text.parse().unwrap()
    });
    Warnings::Tolerate(RejectedLimit::new(limit.rows, percent).unwrap())
}

fn options(world: &World, hightouch: &Hightouch<'_>) -> Options {
    let call = &world.call;
    let only = |sync: u64| AllowedSyncs::only([SyncId::try_from(sync).unwrap()]);
    Options {
        resync: Resync {
            full: call.resync,
            ..Resync::default()
        },
        warnings: call_warnings(call),
        if_running: match call.if_running {
            IfRunning::Queue => EngineIfRunning::Queue,
            IfRunning::Join => EngineIfRunning::Join,
            IfRunning::Refuse => EngineIfRunning::Refuse,
        },
        unless_since: call
            .unless_since
            .map(|since| Timestamp::from_millis(hightouch.shows(since))),
        allowed: match call.allowed {
            Allowed::All => AllowedSyncs::all(),
            Allowed::This => only(SYNC),
            Allowed::Others => only(SYNC + 1),
        },
        max_wait: span(call.max_wait),
        answer_wait: span(call.answer_wait),
    }
}

pub fn span(millis: Millis) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap())
}

pub fn millis(instant: Instant) -> Millis {
    // Rounded up, so that no wait is cut short.
    Millis::try_from(instant.since_start().as_nanos().div_ceil(1_000_000)).unwrap()
}

/// Maximum delay of a wake, as with real clocks.
pub const LATEST_WAKE: Millis = 20;

/// The delays with which the host wakes a call: up to [`LATEST_WAKE`], plus what the world adds.
struct Lateness {
    rng: Rng,
    more: Millis,
}

impl Lateness {
    fn next(&mut self) -> Millis {
        self.rng.i64(0..=LATEST_WAKE) + self.more
    }
}

/// Plays all calls of a world, one after the other.
///
/// # Errors
///
/// Returns an error, and the requests so far, if a call breaks a rule of the driver loop.
pub fn play(world: &World) -> Result<PlayedWorld<'_>, (String, Vec<Sent>)> {
    let mut played = PlayedWorld {
        world,
        hightouch: Hightouch::new(world),
        calls: Vec::new(),
    };
    let mut began = 0;
    for nth in 0..=world.call.repeats.len() {
        let call = play_call(&mut played, nth, began)?;
        let pause = world.call.repeats.get(nth).copied().unwrap_or_default();
        began = call.over + pause;
        played.calls.push(call);
    }
    Ok(played)
}

fn play_call(
    played: &mut PlayedWorld<'_>,
    nth: usize,
    began: Millis,
) -> Result<PlayedCall, (String, Vec<Sent>)> {
    let world = played.world;
    if world.call.goal.lists() {
        let sync = match world.call.goal {
            Goal::ListBySlug => SyncRef::Slug(SLUG.parse().unwrap()),
            _ => SyncRef::Id(SyncId::try_from(SYNC).unwrap()),
        };
        let goal = RunsGoal::new(sync, Some(world.call.listed)).unwrap();
        return drive(played, goal, nth, began);
    }
    match sync_goal(world) {
        Some(goal) => drive(played, goal, nth, began),
        None => {
            let goal = sequence_goal(world, &played.hightouch);
            drive(played, goal, nth, began)
        }
    }
}

/// The driver's side of an operation.
///
/// An operation that is alone runs in a batch of one. An operation that shares the key with others
/// runs alone, with its share of the limits: the simulation of batches covers the other operations.
enum Caller<G: EngineGoal> {
    Batch(Batch<G>),
    Operation(Box<Operation<G>>),
}

impl<G: EngineGoal> Caller<G> {
    fn new(goal: G, options: Options, now: Instant, world: &World, nth: usize) -> Self {
        let nth = u64::try_from(nth).unwrap();
        let (seed, operations) = (world.call.seed.wrapping_add(nth), world.call.among);
        if operations == 1 {
            Self::Batch(Batch::new(
                vec![goal],
                options,
                BatchOptions::default(),
                now,
                seed,
            ))
        } else {
            Self::Operation(Box::new(
                Operation::new(goal, options, now, seed).sharing_with(operations, operations),
            ))
        }
    }

    fn step(&mut self, now: Instant, event: Event) -> Action<G::Report> {
        let batch = match self {
            Self::Batch(batch) => batch,
            Self::Operation(operation) => return operation.step(now, event),
        };
        if !matches!(event, Event::Woke) {
            batch.on_reply(0, event);
        }
        if let Some(send) = batch.next_request(now) {
            return Action::Send {
                request: send.request,
                give_up: send.give_up,
            };
        }
        match batch.take_outcome(0) {
            Some(outcome) => Action::Done(Box::new(outcome)),
            None => Action::Wait {
                until: batch.wake_at().expect("a batch of one waits or sends"),
            },
        }
    }
}

fn drive<G: EngineGoal<Report: Into<AnyReport>>>(
    played: &mut PlayedWorld<'_>,
    goal: G,
    nth: usize,
    began: Millis,
) -> Result<PlayedCall, (String, Vec<Sent>)> {
    let PlayedWorld {
        world,
        hightouch,
        calls,
    } = played;
    let world = *world;
    hightouch.call = nth;
    let earlier: usize = calls.iter().map(|call| call.sent.len()).sum();
    let mut now: Millis = began;
    let at = |now| Instant::after_start(span(now));
    let options = options(world, hightouch);
    let mut caller = Caller::new(goal, options, at(began), world, nth);
    let mut sent: Vec<Sent> = Vec::new();
    let mut event = Event::Woke;
    let mut lateness = Lateness {
        rng: Rng::with_seed(world.call.seed),
        more: world.call.oversleeps,
    };
    let end = began + world.call.max_wait.max(world.call.answer_wait);
    for _ in 0..50_000 {
        match caller.step(at(now), event) {
            Action::Done(outcome) => {
                return Ok(PlayedCall {
                    nth,
                    began,
                    sent,
                    outcome: outcome
                        .map(Into::into)
                        .map_err(|failure| failure.map_report(Into::into)),
                    over: now,
                });
            }
            Action::Wait { until } => {
                let until = millis(until);
                if until < now || until > end {
                    return Err((format!("at {now} ms a wait until {until} ms"), sent));
                }
                now = until + lateness.next();
                event = Event::Woke;
            }
            Action::Send { request, give_up } => {
                let give_up = millis(give_up);
                if give_up <= now || give_up > end {
                    return Err((
                        format!("at {now} ms a request that is given up at {give_up} ms"),
                        sent,
                    ));
                }
                let late = lateness.next();
                let exchange = world.exchange(earlier + sent.len());
                let deadlines = Deadlines { give_up, late };
                let (back, said) =
                    send(world, hightouch, &sent, exchange, &request, now, deadlines);
                sent.push(said.0);
                (now, event) = (back, said.1);
            }
        }
    }
    Err(("it does not end".into(), sent))
}

/// When a request is given up, and how much later the host notices.
struct Deadlines {
    give_up: Millis,
    late: Millis,
}

/// Sends a request. Returns when its result arrives, and the result.
fn send(
    world: &World,
    hightouch: &mut Hightouch<'_>,
    before: &[Sent],
    exchange: &Exchange,
    request: &Request,
    now: Millis,
    Deadlines { give_up, late }: Deadlines,
) -> (Millis, (Sent, Event)) {
    let outage = world
        .outages
        .iter()
        .find(|outage| (outage.from..outage.to).contains(&now));
    let (arrives, fault) = (
        now + exchange.there,
        outage
            .map(|outage| &outage.fault)
            .or(exchange.fault.as_ref()),
    );
    let trigger = request.method == Method::Post;
    let list = request.target.contains("/runs?") && !request.target.contains("runId=");
    let (what, came, as_of) = carry_out(hightouch, before, request, fault, arrives);
    let (back, came) = match came {
        Some(came) if arrives + exchange.back <= give_up => (arrives + exchange.back, came),
        _ => (give_up + late, Err(TransportErrorKind::TimedOut)),
    };
    let mut said = Sent {
        at: now,
        back,
        target: request.target.clone(),
        trigger,
        list,
        fault: fault.cloned(),
        as_of,
        named: None,
        older: None,
        asked: None,
        status: None,
        trouble: None,
        what,
        body: None,
    };
    let event = match came {
        Err(kind) => {
            said.trouble = Some(kind);
            Event::TransportError(TransportError {
                kind,
                text: "the simulated network failed".into(),
            })
        }
        Ok(answer) => {
            said.status = Some(answer.status);
            said.asked = answer.retry_delay();
            if answer.status == 200 && answer.end == BodyEnd::Complete {
                said.body = String::from_utf8(answer.body.clone()).ok();
                let id = said
                    .body
                    .as_deref()
                    .and_then(|body| body.strip_prefix(r#"{"id":"#))
                    .filter(|_| trigger);
                let id = id.map(|id| id.trim_matches(['"', '}']));
                let id = match world.sequence {
                    Some(_) => id.and_then(sequences::number),
                    None => id.and_then(|id| id.parse().ok()),
                };
                let own = |run: &Run| Some(run.id) == id && run.by == Some(hightouch.call);
                let is_own = hightouch.runs.iter().any(own);
                if matches!(fault, Some(Fault::OlderRun { .. })) && !is_own {
                    said.older = id;
                } else {
                    said.named = id;
                }
            }
            Event::Response(answer)
        }
    };
    (back, (said, event))
}

/// Returns the description of the result of a request, the result, and the time of the state that
/// it shows. The result is `None` if no response ever arrives.
fn carry_out(
    hightouch: &mut Hightouch<'_>,
    before: &[Sent],
    request: &Request,
    fault: Option<&Fault>,
    arrives: Millis,
) -> (String, Option<Result<Response, TransportErrorKind>>, Millis) {
    let trigger = request.method == Method::Post;
    let late = |hightouch: &mut Hightouch<'_>, takes_effect: Millis| {
        if trigger {
            hightouch.trigger(request, arrives + takes_effect);
        }
    };
    let trouble = |kind| (format!("{kind:?}"), Some(Err(kind)), arrives);
    let mut faults = ResponseFaults::default();
    let list = request.target.contains("/runs?limit=") && !request.target.contains("offset=");
    let mut kept = 0;
    match fault {
        Some(Fault::Refused) => return trouble(TransportErrorKind::NotSent),
        Some(Fault::NotGranted) => return trouble(TransportErrorKind::NotGranted),
        Some(Fault::LostBefore) => return trouble(TransportErrorKind::Lost),
        Some(Fault::LostAfter { takes_effect }) => {
            late(hightouch, *takes_effect);
            return trouble(TransportErrorKind::Lost);
        }
        Some(Fault::SilentBefore) => return ("silence".into(), None, arrives),
        Some(Fault::SilentAfter { takes_effect }) => {
            late(hightouch, *takes_effect);
            return ("silence".into(), None, arrives);
        }
        Some(Fault::Status {
            code,
            retry_after,
            takes_effect,
        }) => {
            if let Some(takes_effect) = takes_effect {
                late(hightouch, *takes_effect);
            }
            let mut answer = dated(hightouch, arrives, *code, "");
            answer.retry_after = retry_after.map(|asked| match asked {
                Asked::Seconds(seconds) => RetryAfter::Delay(Duration::from_secs(seconds)),
                Asked::Date(ahead) => RetryAfter::Timestamp(Timestamp::from_millis(
                    hightouch.date(arrives).unwrap_or(0) + ahead,
                )),
            });
            return (format!("{code}"), Some(Ok(answer)), arrives);
        }
        Some(Fault::OlderRun { takes_effect }) if trigger => {
            // Every list that was read shows the run, so the engine knows that it is older.
            let lists = before
                .iter()
                .filter(|sent| sent.list && sent.body.is_some());
            let older = match lists.map(|list| list.as_of).min() {
                Some(then) => hightouch.newest(then),
                // Its end shows that it is older.
                None => hightouch.ended_long_before(arrives),
            };
            if let Some(older) = older.map(|run| run.id) {
                if *takes_effect {
                    hightouch.trigger(request, arrives);
                }
                let body = format!(r#"{{"id":"{older}"}}"#);
                return (
                    format!("200 {body}"),
                    Some(Ok(dated(hightouch, arrives, 200, &body))),
                    arrives,
                );
            }
        }
        Some(Fault::Envelope) => {
            let body = r#"{"message":"Validation failed","details":{"sync":"is locked"}}"#;
            return (
                "an envelope".into(),
                Some(Ok(dated(hightouch, arrives, 200, body))),
                arrives,
            );
        }
        Some(Fault::Repeated) if !trigger => {
            if let Some((answer, as_of)) = repeated_response(before, hightouch, request, arrives) {
                return ("the previous response".into(), Some(Ok(answer)), as_of);
            }
        }
        // A page that is older than the previous page lacks runs, and the engine cannot notice
        // that.
        Some(Fault::Kept { by }) if list => kept = *by,
        Some(Fault::Behind { by }) if !request.target.contains("offset=") => faults.behind = *by,
        Some(Fault::Short { by }) => {
            let of_it = |sent: &&Sent| {
                sent.target == request.target && sent.fault != Some(Fault::OfAnother)
            };
            let told = before
                .iter()
                .filter(of_it)
                .filter_map(|sent| sent.body.as_deref());
            faults.shown_before = told
                .map(|body| body.matches("syncRunId").count())
                .max()
                .unwrap_or(0);
            faults.short = *by;
        }
        Some(Fault::OfAnother) => faults.of_another = true,
        _ => {}
    }
    faults.behind += kept;
    let (status, mut body) = hightouch.answer(request, arrives, faults);
    if request.target.contains("/runs?") {
        match fault {
            Some(Fault::Nonsense(Nonsense::NoTimes)) => body = body.replace(r#"edAt":"#, r#"":"#),
            Some(Fault::Nonsense(Nonsense::NoIds)) => {
                body = body.replace(r#""id":"#, r#""runId":"#)
            }
            Some(Fault::Nonsense(Nonsense::EmptyPage)) => {
                body = r#"{"data":[],"hasMore":true}"#.into()
            }
            Some(Fault::Nonsense(Nonsense::MoreAsText)) => {
                body = body
                    .replace(r#""hasMore":true"#, r#""hasMore":"true""#)
                    .replace(r#""hasMore":false"#, r#""hasMore":"false""#);
            }
            Some(Fault::Nonsense(Nonsense::StrangeEntry)) => {
                if let Some((before, (_, behind))) = body
                    .split_once("[{")
                    .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
                {
                    body = format!(r#"{before}["failed"{behind}"#);
                }
            }
            _ => {}
        }
    }
    let mut answer = dated(hightouch, arrives - kept, status, &body);
    answer.is_from_cache = kept > 0;
    match fault {
        Some(Fault::Cut { percent }) => {
            answer.body.truncate(answer.body.len() * percent / 100);
            answer.end = BodyEnd::Incomplete;
        }
        Some(Fault::Nonsense(nonsense)) => match nonsense {
            Nonsense::Html => answer.body = b"<html><body>Sign in</body></html>".to_vec(),
            Nonsense::Empty => answer.body.clear(),
            Nonsense::Null => answer.body = b"null".to_vec(),
            Nonsense::WrongTypes => answer.body = br#"{"id":[],"data":{"id":true}}"#.to_vec(),
            Nonsense::TooLong => answer.end = BodyEnd::TooLong,
            Nonsense::Part => answer.status = 206,
            Nonsense::CutBehind => answer.end = BodyEnd::Incomplete,
            Nonsense::NoTimes
            | Nonsense::NoIds
            | Nonsense::EmptyPage
            | Nonsense::MoreAsText
            | Nonsense::StrangeEntry => {}
        },
        _ => {}
    }
    (
        format!("{status} {}", String::from_utf8_lossy(&answer.body)),
        Some(Ok(answer)),
        arrives - faults.behind + kept,
    )
}

fn dated(hightouch: &Hightouch<'_>, now: Millis, status: u16, body: &str) -> Response {
    let mut answer = Response::new(status, body);
    answer.date = hightouch.date(now).map(Timestamp::from_millis);
    answer
}

/// Returns the response to the previous request, if that request was the same, and the time of the
/// state that the response shows.
fn repeated_response(
    before: &[Sent],
    hightouch: &Hightouch<'_>,
    request: &Request,
    now: Millis,
) -> Option<(Response, Millis)> {
    let last = before
        .last()
        .filter(|last| last.target == request.target && last.fault.is_none())?;
    let mut answer = dated(hightouch, last.at, 200, last.body.as_deref()?);
    answer.is_from_cache = now - last.at >= 1_000;
    Some((answer, last.as_of))
}
