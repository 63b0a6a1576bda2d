//! Drives a batch in its world: sends the requests, delivers the replies, and lets time pass.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::BinaryHeap;

use fastrand::Rng;
use hightouch_sync::engine::{
    Batch, BatchOptions, DETAILS_TIMEOUT, DetailsReader, Event, Failure, FailureKind, Goal as _,
    IfRunning as EngineIfRunning, Instant, MAX_CONCURRENT_RUNS, Options, Outcome, Send, SyncGoal,
    SyncReport, TransportError, TransportErrorKind, Warnings,
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
/// Maximum time that details are read after the last operation is over, as in the endpoint.
const LAST_DETAILS: Millis = 3_000;
/// A follower uses the exchanges of its operation from this index on.
const FIRST_FOLLOWING: u64 = 1 << 32;

/// The sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The operation of the batch with this index.
    Operation(usize),
    /// The follower with this index: an operation that awaits a run after the batch.
    Follower(usize),
    /// The reader of details.
    Details,
}

/// A request that was sent, and its result.
#[derive(Debug)]
pub struct SentRequest {
    pub at: Millis,
    pub sender: Sender,
    pub request: Request,
    pub fault: Option<Fault>,
    /// When the server read its state for the response; `None` if a fault or the rate limit
    /// prevented that.
    pub read: Option<Millis>,
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
    /// Returns the index of the operation of the batch that sent the request.
    pub fn operation(&self) -> Option<usize> {
        match self.sender {
            Sender::Operation(index) => Some(index),
            Sender::Follower(_) | Sender::Details => None,
        }
    }

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
    /// The result of [`Batch::has_seen_progress`].
    pub has_seen_progress: bool,
    /// The result of [`Batch::server_time`].
    pub server_time: Option<Timestamp>,
}

/// A run that is followed after the batch.
#[derive(Debug)]
pub struct Followed {
    /// The index of the operation of the batch that left the run in progress.
    pub operation: usize,
    pub run: RunRef,
    pub ended: Option<Ended>,
}

/// A run that [`Batch::next_started`] returned.
#[derive(Debug)]
pub struct Announced {
    pub sender: Sender,
    pub report: SyncReport,
}

/// A batch that was driven to its end.
pub struct PlayedBatch<'w> {
    pub world: &'w BatchWorld,
    pub server: Server<'w>,
    pub sent: Vec<SentRequest>,
    /// The end of each operation, in the order of the operations.
    pub ended: Vec<Option<Ended>>,
    pub announced: Vec<Announced>,
    /// When following began; `None` if no run is followed.
    pub follow_began: Option<Millis>,
    pub followed: Vec<Followed>,
    pub reader: DetailsReader,
    /// Number of times that a request for details had to wait for its turn.
    pub details_waited: u64,
    /// The first failure after which no run is started, and its operation.
    pub stopped: Option<(Millis, usize)>,
}

/// Returns whether no run is started after this outcome, if the batch stops after a failure. A
/// timeout stops nothing, because the time is up for all operations.
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
    /// Number of requests of each operation of the current batch.
    requests: Vec<u64>,
    /// Whether each operation of the current batch is over.
    is_over: Vec<bool>,
    /// Number of requests for details.
    details_requests: u64,
    /// Number of requests in flight, without those for details.
    in_flight: usize,
    lateness: Rng,
    now: Millis,
}

/// Drives the batch of a world to its end.
///
/// # Errors
///
/// Returns an error if the batch breaks a rule of the driver loop.
pub fn play(world: &BatchWorld) -> Result<PlayedBatch<'_>, Box<(Broken, PlayedBatch<'_>)>> {
    let mut driver = Driver::new(world);
    match driver.run() {
        Ok(()) => Ok(driver.played),
        Err(broken) => Err(Box::new((broken, driver.played))),
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

/// Returns the run that is still in progress after an operation with this goal.
fn still_running(goal: BatchGoal, outcome: &Outcome<SyncReport>) -> Option<&SyncReport> {
    match outcome {
        Err(Failure {
            kind: FailureKind::StillRunning,
            report,
            ..
        }) => report.as_ref(),
        Ok(report) if goal == BatchGoal::Start && !report.joined => Some(report),
        _ => None,
    }
}

fn options(world: &BatchWorld) -> Options {
    Options {
        warnings: Warnings::accepted(world.accept_warnings),
        if_running: match world.if_running {
            IfRunning::Queue => EngineIfRunning::Queue,
            IfRunning::Join => EngineIfRunning::Join,
            IfRunning::Refuse => EngineIfRunning::Refuse,
        },
        max_wait: span(world.max_wait),
        answer_wait: span(world.answer_wait),
        ..Options::default()
    }
}

impl<'w> Driver<'w> {
    fn new(world: &'w BatchWorld) -> Self {
        let server = Server::new(world);
        let goals: Vec<SyncGoal> = world
            .operations
            .iter()
            .map(|plan| goal(plan, &server))
            .collect();
        let operations = goals.len();
        let parallel = u64::try_from(world.parallel).unwrap();
        let order = BatchOptions::new(Some(parallel), world.stop_on_failure).unwrap();
        order.check(operations, span(world.max_wait)).unwrap();
        Self {
            batch: Batch::new(goals, options(world), order, at(0), world.seed),
            played: PlayedBatch {
                world,
                server,
                sent: Vec::new(),
                ended: (0..operations).map(|_| None).collect(),
                announced: Vec::new(),
                follow_began: None,
                followed: Vec::new(),
                reader: DetailsReader::default(),
                details_waited: 0,
                stopped: None,
            },
            upcoming: BinaryHeap::new(),
            scheduled: 0,
            responses: Vec::new(),
            exchanges: Vec::new(),
            give_ups: Vec::new(),
            requests: vec![0; operations],
            is_over: vec![false; operations],
            details_requests: 0,
            in_flight: 0,
            lateness: Rng::with_seed(world.seed),
            now: 0,
        }
    }

    /// Drives the batch, follows the runs that are still in progress, and reads the last details.
    fn run(&mut self) -> Result<(), Broken> {
        self.drive()?;
        if self.begin_following() {
            self.drive()?;
        }
        self.finish_details()?;
        self.finish();
        Ok(())
    }

    /// Runs the driver loop.
    fn drive(&mut self) -> Result<(), Broken> {
        for _ in 0..MAX_WAKES {
            while let Some(send) = self.batch.next_request(at(self.now)) {
                self.take_outcomes();
                self.send(send)?;
            }
            self.take_outcomes();
            if self.batch.is_over() {
                return Ok(());
            }
            // At this point no operation can send a request, so one for details may be sent.
            let mut wake_at = self.wake_at();
            if wake_at.is_some_and(|wake_at| wake_at <= self.now) {
                return broken(
                    "never busy",
                    format!(
                        "at {} ms the batch returns no request, and asks to be woken at once",
                        self.now
                    ),
                );
            }
            if self.played.reader.next_request().is_some() {
                let turn = self.read_details()?;
                wake_at = self.wake_at().into_iter().chain(turn).min();
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

    fn wake_at(&self) -> Option<Millis> {
        self.batch.wake_at().map(millis)
    }

    /// Replaces the batch by one that awaits the runs that are still in progress. Returns whether
    /// there are any.
    fn begin_following(&mut self) -> bool {
        let (now, world) = (self.now, self.played.world);
        if world.follow == 0 {
            return false;
        }
        let mut goals = Vec::new();
        let ended = world.operations.iter().zip(&self.played.ended);
        for (operation, (plan, ended)) in ended.enumerate() {
            let outcome = &ended.as_ref().expect("the batch is over").outcome;
            let Some(report) = still_running(plan.goal, outcome) else {
                continue;
            };
            goals.extend(SyncGoal::awaiting(report));
            self.played.followed.push(Followed {
                operation,
                run: report.run,
                ended: None,
            });
        }
        if goals.is_empty() {
            return false;
        }
        self.played.follow_began = Some(now);
        self.requests = vec![0; goals.len()];
        self.is_over = vec![false; goals.len()];
        let options = Options {
            max_wait: span(world.follow),
            answer_wait: Duration::ZERO,
            ..options(world)
        };
        let seed = world.seed + FIRST_FOLLOWING;
        let batch = Batch::new(goals, options, BatchOptions::default(), at(now), seed);
        self.batch = batch.following(&self.batch);
        true
    }

    /// Sends the next request for details, if it may be sent now. If not, returns when it may be
    /// sent.
    fn read_details(&mut self) -> Result<Option<Millis>, Broken> {
        let now = self.now;
        let Some(request) = self.played.reader.next_request() else {
            return Ok(None);
        };
        let turn = millis(self.batch.next_turn());
        let has_turn = self.batch.take_turn(at(now));
        if has_turn != (turn <= now) {
            return broken(
                "turns",
                format!("at {now} ms the turn of {turn} ms was taken: {has_turn}"),
            );
        }
        if !has_turn {
            self.played.details_waited += 1;
            return Ok(Some(turn));
        }
        self.played.reader.sent();
        let exchange = self.played.world.details_exchange(self.details_requests);
        self.details_requests += 1;
        let give_up = now + millis(at(0) + DETAILS_TIMEOUT);
        self.dispatch(Sender::Details, request, exchange, give_up);
        Ok(None)
    }

    /// Reads details after the last operation is over.
    fn finish_details(&mut self) -> Result<(), Broken> {
        let until = self.now + LAST_DETAILS;
        loop {
            let turn = self.read_details()?;
            let sent = self.played.sent.iter();
            let mut details = sent.filter(|sent| sent.sender == Sender::Details);
            let is_in_flight = details.any(|sent| sent.back.is_none());
            if turn.is_none() && !is_in_flight {
                return Ok(());
            }
            let woken = turn.map(|turn| turn + self.late());
            let next = woken.into_iter().chain(self.next_event()).min();
            let Some(next) = next.filter(|next| *next < until) else {
                self.played.reader.stop();
                return Ok(());
            };
            self.now = next;
            self.deliver();
        }
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

    /// Returns the sender with this index in the current batch.
    fn sender(&self, index: usize) -> Sender {
        match self.played.follow_began {
            None => Sender::Operation(index),
            Some(_) => Sender::Follower(index),
        }
    }

    /// Takes the outcomes of the operations that are over.
    fn take_outcomes(&mut self) {
        // `never_lost` reports a run that is announced twice.
        while self.played.announced.len() <= self.played.ended.len()
            && let Some((index, report)) = self.batch.next_started(at(self.now))
        {
            if self.played.world.reads_details {
                self.played.reader.add(report.run.sync);
            }
            let sender = self.sender(index);
            self.played.announced.push(Announced { sender, report });
        }
        for (index, is_over) in self.is_over.iter_mut().enumerate() {
            if *is_over {
                continue;
            }
            let Some(outcome) = self.batch.take_outcome(index) else {
                continue;
            };
            *is_over = true;
            let played = &mut self.played;
            let is_followed = played.follow_began.is_some();
            if played.stopped.is_none()
                && !is_followed
                && played.world.stop_on_failure
                && stops(&outcome)
            {
                played.stopped = Some((self.now, index));
            }
            let ended = Some(Ended {
                at: self.now,
                outcome,
                has_seen_progress: self.batch.has_seen_progress(index),
                server_time: self.batch.server_time(index, at(self.now)),
            });
            if is_followed {
                played.followed[index].ended = ended;
            } else {
                played.ended[index] = ended;
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
        let (sender, follow_began) = (self.sender(index), self.played.follow_began);
        let latest = match follow_began {
            None => world.max_wait.max(world.answer_wait),
            Some(began) => began + world.follow,
        };
        if give_up <= now || give_up > latest {
            return broken(
                "never hangs",
                format!("at {now} ms a request is sent that is given up at {give_up} ms"),
            );
        }
        if self.is_over[index] {
            return broken(
                "never hangs",
                format!("{sender:?} sends a request after its end"),
            );
        }
        if follow_began.is_some() && request.method != Method::Get {
            return broken(
                "following starts nothing",
                format!(
                    "at {now} ms {sender:?} sends {:?} {}",
                    request.method, request.target
                ),
            );
        }
        let is_trigger = request.method == Method::Post;
        let (operation, first) = match follow_began {
            None => (index, 0),
            Some(_) => (self.played.followed[index].operation, FIRST_FOLLOWING),
        };
        let nth = first + self.requests[index];
        let exchange = world.exchange(&world.operations[operation], nth, is_trigger);
        self.requests[index] += 1;
        self.in_flight += 1;
        if self.in_flight > 8 {
            return broken(
                "slots",
                format!("at {now} ms {} requests are in flight", self.in_flight),
            );
        }
        let in_progress = self.requests.iter().zip(&self.is_over);
        let in_progress = in_progress
            .filter(|(requests, is_over)| **requests > 0 && !**is_over)
            .count();
        let parallel = match follow_began {
            None => world.parallel,
            Some(_) => usize::try_from(MAX_CONCURRENT_RUNS).unwrap(),
        };
        if in_progress > parallel {
            return broken(
                "concurrency",
                format!("at {now} ms {in_progress} operations are in progress"),
            );
        }
        self.check_order(index, &request)?;
        self.dispatch(sender, request, exchange, give_up);
        Ok(())
    }

    /// Sends a request into the network.
    fn dispatch(&mut self, sender: Sender, request: Request, exchange: Exchange, give_up: Millis) {
        let (now, number) = (self.now, self.played.sent.len());
        self.played.sent.push(SentRequest {
            at: now,
            sender,
            request,
            fault: exchange.fault.clone(),
            read: None,
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
    }

    /// Checks that the operation may send a request now.
    fn check_order(&self, index: usize, request: &Request) -> Result<(), Broken> {
        let now = self.now;
        let is_first = self.requests[index] == 1;
        let before = self.requests.iter().zip(&self.is_over).take(index);
        let passed = before
            .enumerate()
            .find(|(_, (requests, is_over))| **requests == 0 && !**is_over)
            .map(|(passed, _)| passed)
            .filter(|_| is_first);
        if let Some(passed) = passed {
            return broken(
                "order",
                format!("at {now} ms operation {index} begins before operation {passed}"),
            );
        }
        let played = &self.played;
        if played.follow_began.is_some() {
            return Ok(());
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
        let own = || {
            let sent = played.sent.iter();
            sent.filter(|sent| sent.operation() == Some(index))
        };
        let was_idle = own().all(|sent| sent.back.is_some_and(|back| back < failed));
        // A polled run was awaited or adopted, so the operation does not have to start one.
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

    /// Processes all events that are due.
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

    /// Passes the reply to a request to the batch or to the reader of details, unless the request
    /// has been given up.
    fn reply(&mut self, request: usize, error: Option<TransportErrorKind>) {
        let sent = &mut self.played.sent[request];
        if sent.back.is_some() {
            return;
        }
        sent.back = Some(self.now);
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
        match sent.sender {
            Sender::Operation(index) | Sender::Follower(index) => {
                self.in_flight -= 1;
                self.batch.on_reply(index, event);
            }
            Sender::Details => self.played.reader.on_reply(&event),
        }
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
                sent.read = Some(now);
                let reply = server.respond(&sent.request, sent.operation(), now);
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
        let by = sent.operation().expect("only operations start runs");
        server.trigger(&sent.request, by, time);
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
