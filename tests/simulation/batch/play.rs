//! Drives a batch in its world: sends the requests, delivers the replies, and lets time pass.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

use fastrand::Rng;
use hightouch_sync::engine::{
    Batch, BatchOptions, Event, FailureKind, IfRunning as EngineIfRunning, Instant, Options,
    Outcome, Send, SyncGoal, SyncReport, TransportError, TransportErrorKind, Warnings,
};
use hightouch_sync::hightouch::{
    BodyEnd, Method, Request, Response, RetryAfter, RunId, RunRef, SyncId, SyncRef, Timestamp,
};

use super::server::{Reply, Server, slug_of};
use super::truth::Broken;
use super::world::{BatchGoal, BatchWorld, OperationPlan};
use crate::hightouch::START;
use crate::play::{LATEST_WAKE, millis, span};
use crate::world::{Asked, Exchange, Fault, IfRunning, Millis};

/// Maximum number of times that the driver wakes. A batch that needs more does not end.
const MAX_WAKES: u32 = 500_000;

/// A request that was sent, and its result.
#[derive(Debug)]
pub struct SentRequest {
    pub at: Millis,
    /// The index of the operation.
    pub index: usize,
    pub request: Request,
    pub fault: Option<Fault>,
    /// When the request takes effect, if it starts a run.
    pub effect: Option<Millis>,
    /// When the reply was delivered; `None` while the request is in flight.
    pub back: Option<Millis>,
    /// The status of the response; `None` without a response.
    pub status: Option<u16>,
    /// The run that the response to a trigger names.
    pub named: Option<u64>,
}

impl SentRequest {
    pub fn is_trigger(&self) -> bool {
        self.request.method == Method::Post
    }

    /// Returns whether the request polls one run.
    pub fn is_poll(&self) -> bool {
        self.request.target.contains("runId=")
    }
}

/// The end of an operation.
#[derive(Debug)]
pub struct Ended {
    pub at: Millis,
    pub outcome: Outcome<SyncReport>,
}

/// A batch that was driven to its end.
pub struct PlayedBatch<'w> {
    pub world: &'w BatchWorld,
    pub server: Server<'w>,
    pub sent: Vec<SentRequest>,
    /// The end of each operation, in the order of the operations.
    pub ended: Vec<Option<Ended>>,
    /// The runs that [`Batch::next_started`] returned.
    pub announced: Vec<SyncReport>,
    /// The first failure after which no run is started, and its operation.
    pub stopped: Option<(Millis, usize)>,
}

/// Returns whether no run is started after this outcome, if the batch stops after a failure. A wait
/// that is over is over for all operations.
pub fn stops(outcome: &Outcome<SyncReport>) -> bool {
    let goes_on = [FailureKind::StillRunning, FailureKind::NotStarted];
    matches!(outcome, Err(failure) if !goes_on.contains(&failure.kind))
}

/// Something that happens at a time in the future. `request` is the index of the request.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Upcoming {
    /// The request arrives at the server.
    Arrival { request: usize },
    /// The reply arrives at the driver.
    Reply { request: usize },
    /// The driver gives the request up.
    GiveUp { request: usize },
}

struct Driver<'w> {
    batch: Batch<SyncGoal>,
    played: PlayedBatch<'w>,
    upcoming: BinaryHeap<Reverse<(Millis, usize, Upcoming)>>,
    /// Number of events that were scheduled. Events at the same time keep their order.
    scheduled: usize,
    /// The responses on their way, by request.
    responses: Vec<Option<Event>>,
    exchanges: Vec<Exchange>,
    give_ups: Vec<Millis>,
    /// Number of requests of each operation.
    requests: Vec<u64>,
    in_flight: usize,
    lateness: Rng,
    now: Millis,
}

/// Drives the batch of a world to its end.
///
/// # Errors
///
/// Returns an error if the batch breaks a rule of the driver loop.
pub fn play(world: &BatchWorld) -> Result<PlayedBatch<'_>, (Broken, PlayedBatch<'_>)> {
    let mut driver = Driver::new(world);
    match driver.run() {
        Ok(()) => Ok(driver.played),
        Err(broken) => Err((broken, driver.played)),
    }
}

fn goal(plan: &OperationPlan, server: &Server<'_>) -> SyncGoal {
    let id = SyncId::try_from(plan.sync).unwrap();
    let sync = if plan.by_slug {
        SyncRef::Slug(slug_of(plan.sync).parse().unwrap())
    } else {
        SyncRef::Id(id)
    };
    match plan.goal {
        BatchGoal::Run => SyncGoal::Run(sync),
        BatchGoal::Start => SyncGoal::Start(sync),
        BatchGoal::Await => SyncGoal::Await(RunRef {
            sync: id,
            run: RunId::try_from(server.awaited(plan.sync)).unwrap(),
        }),
    }
}

fn at(now: Millis) -> Instant {
    Instant::after_start(span(now))
}

impl<'w> Driver<'w> {
    fn new(world: &'w BatchWorld) -> Self {
        let server = Server::new(world);
        let goals: Vec<SyncGoal> = world
            .operations
            .iter()
            .map(|plan| goal(plan, &server))
            .collect();
        let options = Options {
            warnings: Warnings::accepted(world.accept_warnings),
            if_running: match world.if_running {
                IfRunning::Queue => EngineIfRunning::Queue,
                IfRunning::Join => EngineIfRunning::Join,
                IfRunning::Refuse => EngineIfRunning::Refuse,
            },
            max_wait: span(world.max_wait),
            answer_wait: span(world.answer_wait),
            ..Options::default()
        };
        let operations = goals.len();
        let parallel = u64::try_from(world.parallel).unwrap();
        let order = BatchOptions::new(Some(parallel), world.stop_on_failure).unwrap();
        order.check(operations, span(world.max_wait)).unwrap();
        Self {
            batch: Batch::new(goals, options, order, at(0), world.seed),
            played: PlayedBatch {
                world,
                server,
                sent: Vec::new(),
                ended: (0..operations).map(|_| None).collect(),
                announced: Vec::new(),
                stopped: None,
            },
            upcoming: BinaryHeap::new(),
            scheduled: 0,
            responses: Vec::new(),
            exchanges: Vec::new(),
            give_ups: Vec::new(),
            requests: vec![0; operations],
            in_flight: 0,
            lateness: Rng::with_seed(world.seed),
            now: 0,
        }
    }

    /// Runs the driver loop.
    fn run(&mut self) -> Result<(), Broken> {
        for _ in 0..MAX_WAKES {
            while let Some(send) = self.batch.next_request(at(self.now)) {
                self.take_outcomes();
                self.send(send)?;
            }
            self.take_outcomes();
            if self.batch.is_over() {
                self.finish();
                return Ok(());
            }
            let wake_at = self.batch.wake_at().map(millis);
            if wake_at.is_some_and(|wake_at| wake_at <= self.now) {
                return broken(
                    "never busy",
                    format!(
                        "at {} ms the batch returns no request, and asks to be woken at once",
                        self.now
                    ),
                );
            }
            let woken = wake_at.map(|wake_at| wake_at + self.late());
            self.now = match (woken, self.next_event()) {
                (Some(woken), Some(event)) => woken.min(event),
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => {
                    return broken(
                        "never hangs",
                        "the batch waits, and no request is in flight",
                    );
                }
            };
            self.deliver();
        }
        broken("never hangs", "the batch does not end")
    }

    fn late(&mut self) -> Millis {
        self.lateness.i64(0..=LATEST_WAKE)
    }

    fn schedule(&mut self, time: Millis, event: Upcoming) {
        self.upcoming.push(Reverse((time, self.scheduled, event)));
        self.scheduled += 1;
    }

    fn next_event(&self) -> Option<Millis> {
        self.upcoming.peek().map(|Reverse((time, ..))| *time)
    }

    /// Takes the outcomes of the operations that are over.
    fn take_outcomes(&mut self) {
        let announced = &mut self.played.announced;
        // `never_lost` reports a run that is announced twice.
        while announced.len() <= self.played.ended.len()
            && let Some((_, report)) = self.batch.next_started(at(self.now))
        {
            announced.push(report);
        }
        for (index, ended) in self.played.ended.iter_mut().enumerate() {
            if ended.is_none()
                && let Some(outcome) = self.batch.take_outcome(index)
            {
                if self.played.stopped.is_none()
                    && self.played.world.stop_on_failure
                    && stops(&outcome)
                {
                    self.played.stopped = Some((self.now, index));
                }
                *ended = Some(Ended {
                    at: self.now,
                    outcome,
                });
            }
        }
    }

    fn send(&mut self, send: Send) -> Result<(), Broken> {
        let Send {
            index,
            request,
            give_up,
        } = send;
        let (now, give_up, world) = (self.now, millis(give_up), self.played.world);
        if give_up <= now || give_up > world.max_wait.max(world.answer_wait) {
            return broken(
                "never hangs",
                format!("at {now} ms a request is sent that is given up at {give_up} ms"),
            );
        }
        if self.played.ended[index].is_some() {
            return broken(
                "never hangs",
                format!("operation {index} sends a request after its end"),
            );
        }
        let is_trigger = request.method == Method::Post;
        let exchange = world.exchange(&world.operations[index], self.requests[index], is_trigger);
        let number = self.played.sent.len();
        self.requests[index] += 1;
        self.in_flight += 1;
        if self.in_flight > 8 {
            return broken(
                "slots",
                format!("at {now} ms {} requests are in flight", self.in_flight),
            );
        }
        let in_progress = self.requests.iter().zip(&self.played.ended);
        let in_progress = in_progress
            .filter(|(requests, ended)| **requests > 0 && ended.is_none())
            .count();
        if in_progress > world.parallel {
            return broken(
                "concurrency",
                format!("at {now} ms {in_progress} operations are in progress"),
            );
        }
        self.check_order(index, &request)?;
        self.played.sent.push(SentRequest {
            at: now,
            index,
            request,
            fault: exchange.fault.clone(),
            effect: None,
            back: None,
            status: None,
            named: None,
        });
        self.schedule(now + exchange.there, Upcoming::Arrival { request: number });
        let late = self.late();
        self.schedule(give_up + late, Upcoming::GiveUp { request: number });
        self.responses.push(None);
        self.exchanges.push(exchange);
        self.give_ups.push(give_up);
        Ok(())
    }

    /// Checks that the operation may send a request now.
    fn check_order(&self, index: usize, request: &Request) -> Result<(), Broken> {
        let (now, played) = (self.now, &self.played);
        let before = self.requests.iter().zip(&played.ended).take(index);
        let is_first = self.requests[index] == 1;
        if let Some(passed) = before
            .enumerate()
            .find(|(_, (requests, ended))| **requests == 0 && ended.is_none())
            .map(|(passed, _)| passed)
            .filter(|_| is_first)
        {
            return broken(
                "order",
                format!("at {now} ms operation {index} begins before operation {passed}"),
            );
        }
        let Some((failed, by)) = played.stopped else {
            return Ok(());
        };
        if request.method == Method::Post {
            return broken(
                "stop on failure",
                format!(
                    "at {now} ms operation {index} sends a trigger, and operation {by} failed at \
                     {failed} ms"
                ),
            );
        }
        // An operation whose request was in flight may send one more.
        let own = || played.sent.iter().filter(|sent| sent.index == index);
        let was_idle = own().all(|sent| sent.back.is_some_and(|back| back < failed));
        // A run that is polled was awaited or adopted, and needs no start.
        let is_poll = request.target.contains("runId=");
        let has_begun = own().any(|sent| sent.is_trigger() || sent.is_poll());
        if was_idle && !has_begun && !is_poll {
            return broken(
                "stop on failure",
                format!(
                    "at {now} ms operation {index} sends a request, and operation {by} failed at \
                     {failed} ms"
                ),
            );
        }
        Ok(())
    }

    /// Lets everything happen that is due.
    fn deliver(&mut self) {
        while let Some(Reverse((time, _, event))) = self
            .upcoming
            .peek()
            .is_some_and(|Reverse((time, ..))| *time <= self.now)
            .then(|| self.upcoming.pop())
            .flatten()
        {
            match event {
                Upcoming::Arrival { request } => self.arrive(request, time),
                Upcoming::Reply { request } => self.reply(request, None),
                Upcoming::GiveUp { request } => {
                    self.reply(request, Some(TransportErrorKind::TimedOut));
                }
            }
        }
    }

    /// Passes the reply to a request to the batch, unless the request has been given up.
    fn reply(&mut self, request: usize, error: Option<TransportErrorKind>) {
        let sent = &mut self.played.sent[request];
        if sent.back.is_some() {
            return;
        }
        sent.back = Some(self.now);
        self.in_flight -= 1;
        let event = match error {
            Some(kind) => transport_error(kind),
            None => self.responses[request].take().unwrap(),
        };
        if let Event::Response(response) = &event {
            sent.status = Some(response.status);
            if sent.is_trigger() && response.status == 200 && response.end == BodyEnd::Complete {
                sent.named = core::str::from_utf8(&response.body)
                    .ok()
                    .and_then(|body| body.strip_prefix(r#"{"id":""#)?.strip_suffix(r#""}"#))
                    .and_then(|id| id.parse().ok());
            }
        }
        self.batch.on_reply(sent.index, event);
    }

    /// Handles the arrival of a request at the server, unless a fault prevents it.
    fn arrive(&mut self, number: usize, now: Millis) {
        let server = &mut self.played.server;
        let sent = &mut self.played.sent[number];
        let exchange = &self.exchanges[number];
        let reply = match &exchange.fault {
            Some(Fault::Refused) => Some(transport_error(TransportErrorKind::NotSent)),
            Some(Fault::LostBefore) => Some(transport_error(TransportErrorKind::Lost)),
            Some(Fault::SilentBefore) => None,
            _ if !server.admit(now) => Some(response(server.limit_reply(), now)),
            Some(Fault::LostAfter { takes_effect }) => {
                take_effect(server, sent, now + takes_effect);
                Some(transport_error(TransportErrorKind::Lost))
            }
            Some(Fault::SilentAfter { takes_effect }) => {
                take_effect(server, sent, now + takes_effect);
                None
            }
            Some(Fault::Status {
                code,
                retry_after,
                takes_effect,
            }) => {
                if let Some(takes_effect) = takes_effect {
                    take_effect(server, sent, now + takes_effect);
                }
                let retry_after = retry_after.map(|asked| match asked {
                    Asked::Seconds(seconds) => seconds,
                    Asked::Date(_) => unreachable!("batch worlds ask for seconds"),
                });
                let reply = Reply {
                    status: *code,
                    body: String::new(),
                    retry_after,
                };
                Some(response(reply, now))
            }
            fault => {
                if sent.is_trigger() {
                    sent.effect = Some(now);
                }
                let reply = server.respond(&sent.request, sent.index, now);
                let mut event = response(reply, now);
                if let (Event::Response(response), Some(Fault::Cut { percent })) =
                    (&mut event, fault)
                {
                    response.body.truncate(response.body.len() * percent / 100);
                    response.end = BodyEnd::Incomplete;
                }
                Some(event)
            }
        };
        let back = now + exchange.back;
        if let Some(event) = reply
            && back <= self.give_ups[number]
        {
            self.responses[number] = Some(event);
            self.schedule(back, Upcoming::Reply { request: number });
        }
    }

    /// Lets the server receive the requests that are still on their way.
    fn finish(&mut self) {
        while let Some(Reverse((time, _, event))) = self.upcoming.pop() {
            if let Upcoming::Arrival { request } = event {
                self.arrive(request, time);
            }
        }
    }
}

/// Starts a run at `time` without a response that names it.
fn take_effect(server: &mut Server<'_>, sent: &mut SentRequest, time: Millis) {
    if sent.is_trigger() {
        sent.effect = Some(time);
        server.trigger(&sent.request, sent.index, time);
    }
}

fn transport_error(kind: TransportErrorKind) -> Event {
    Event::TransportError(TransportError {
        kind,
        text: "the simulated network failed".into(),
    })
}

fn response(reply: Reply, now: Millis) -> Event {
    let mut response = Response::new(reply.status, reply.body);
    response.date = Some(Timestamp::from_millis(
        (START + now).div_euclid(1000) * 1000,
    ));
    response.retry_after = reply
        .retry_after
        .map(|seconds| RetryAfter::Delay(Duration::from_secs(seconds)));
    Event::Response(response)
}

fn broken<T>(promise: &'static str, how: impl Into<String>) -> Result<T, Broken> {
    Err(Broken {
        promise,
        how: how.into(),
    })
}
