//! Operations and what each of them waits for.

use wasi::io::poll::{Pollable, poll};

use super::clock::Clock;
use super::connection::Connection;
use super::exchange::Exchange;
use crate::engine::{
    AT_ONCE, Action, Event, FailureKind, Goal, Instant, Operation, Options, Outcome, RateLimiter,
    Report,
};
use crate::hightouch::{Method, SyncId};

/// How many requests are: each may bring an answer of a mebibyte, and hosts allow a component only so many connections.
const REQUESTS: usize = 8;

/// One operation on its way.
pub(crate) struct Task {
    operation: Operation,
    connection: Connection,
    pending: Pending,
    steps: u64,
    /// Whether the run is still to be told to whoever observes: it is one that this operation starts or joins, and not one that it was given.
    unobserved: bool,
}

/// Whose turn it is to send.
struct Turns {
    /// How many more requests may be under way.
    slots: usize,
    allowance: RateLimiter,
}

impl Turns {
    fn free(&self, now: Instant) -> bool {
        self.slots > 0 && now >= self.allowance.next()
    }

    /// A request is under way.
    fn take(&mut self, now: Instant) {
        self.slots = self.slots.saturating_sub(1);
        self.allowance.take(now);
    }
}

enum Pending {
    /// The operation is to be stepped.
    Step(Event),
    /// An answer is awaited.
    Exchange(Box<Exchange>),
    /// A moment is awaited.
    Timer(Instant),
    Over(Box<Outcome>),
}

impl Task {
    /// Operations that begin now and share what Hightouch allows one key.
    pub(crate) fn several(
        goals: Vec<Goal>,
        options: Options,
        connection: &Connection,
        clock: Clock,
    ) -> Vec<Self> {
        let crowd = u32::try_from(goals.len()).unwrap_or(u32::MAX);
        let now = clock.now();
        let mut tasks = Vec::with_capacity(goals.len());
        for (goal, seed) in goals.into_iter().zip(clock.seed()..) {
            let unobserved = !matches!(goal, Goal::Await(_) | Goal::AwaitSequence(_));
            let operation = Operation::new(goal, options, now, seed).among(crowd);
            tasks.push(Self {
                operation,
                connection: connection.clone(),
                pending: Pending::Step(Event::Woke),
                steps: 0,
                unobserved,
            });
        }
        tasks
    }

    /// How it ended, if it has.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        match &self.pending {
            Pending::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn into_outcome(self) -> Option<Outcome> {
        match self.pending {
            Pending::Over(outcome) => Some(*outcome),
            _ => None,
        }
    }

    /// Where the run stands, as soon as Hightouch has said so.
    pub(crate) fn standing(&self, clock: Clock) -> Option<Report> {
        if !self.operation.sighted() {
            return None;
        }
        let mut standing = self.operation.standing(clock.now())?;
        self.connection.redact(&mut standing);
        Some(standing)
    }

    /// The run, once: as soon as Hightouch has named it. A run that is in the way (`busy`) is not this operation's.
    fn first_sight(&mut self, clock: Clock) -> Option<Report> {
        if !self.unobserved {
            return None;
        }
        let in_the_way =
            matches!(self.outcome(), Some(Err(failure)) if failure.kind == FailureKind::Busy);
        let standing = if in_the_way {
            None
        } else {
            self.standing(clock)
        };
        self.unobserved = standing.is_none();
        standing
    }

    /// How many steps it has taken: as long as this stays the same, so does where the run stands but for its times.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes as far as it goes without waiting, and without a request that it is not its turn to send. `claims` are the syncs that runs were
    /// asked for, and for which operation, by its place.
    fn advance(
        &mut self,
        clock: Clock,
        place: usize,
        turns: &mut Turns,
        claims: &mut Vec<(SyncId, usize)>,
    ) {
        loop {
            let now = clock.now();
            // What wakes may send, but for one whose wait is over.
            let may_step = turns.free(now) || now >= self.operation.deadline();
            let event = match std::mem::replace(&mut self.pending, Pending::Step(Event::Woke)) {
                Pending::Step(event) if may_step => event,
                Pending::Timer(until) if may_step && now >= until => Event::Woke,
                Pending::Exchange(exchange) => match exchange.advance(now) {
                    Err(event) => {
                        turns.slots += 1;
                        event
                    }
                    Ok(exchange) => {
                        self.pending = Pending::Exchange(Box::new(exchange));
                        return;
                    }
                },
                waiting => {
                    self.pending = waiting;
                    return;
                }
            };
            let event = self.connection.without_echo(event);
            self.steps += 1;
            self.pending = match self.operation.step(clock.now(), event) {
                Action::Wait { until } => Pending::Timer(until),
                Action::Send { request, .. }
                    if request.method == Method::Post && !self.claims(place, claims) =>
                {
                    Pending::Over(Box::new(Err(self.operation.twin(clock.now()))))
                }
                Action::Send { request, give_up } => {
                    match Exchange::start(request, &self.connection, clock.now(), give_up) {
                        Ok(exchange) => {
                            turns.take(now);
                            Pending::Exchange(Box::new(exchange))
                        }
                        Err(trouble) => Pending::Step(Event::TransportError(trouble)),
                    }
                }
                Action::Done(outcome) => {
                    Pending::Over(Box::new(self.connection.redacted(*outcome)))
                }
            };
        }
    }

    /// Claims the sync that is to run; false where another operation has claimed it before.
    fn claims(&self, place: usize, claims: &mut Vec<(SyncId, usize)>) -> bool {
        let Some(sync) = self.operation.sync() else {
            return true;
        };
        match claims.iter().find(|(claimed, _)| *claimed == sync) {
            Some((_, by)) => *by == place,
            None => {
                claims.push((sync, place));
                true
            }
        }
    }

    fn holds_slot(&self) -> bool {
        matches!(self.pending, Pending::Exchange(_))
    }

    /// What to wait for, and until when at the latest, where it may send from `turn` on; none where that depends on the others' answers.
    fn wait<'a>(&'a self, all: &mut Vec<&'a Pollable>, turn: Option<Instant>) -> Option<Instant> {
        let due = match &self.pending {
            Pending::Exchange(exchange) => {
                exchange.pollables(all);
                return Some(exchange.give_up);
            }
            Pending::Timer(until) => *until,
            Pending::Step(_) => Instant::default(),
            Pending::Over(_) => return None,
        };
        let deadline = self.operation.deadline();
        Some(turn.map_or(deadline, |turn| turn.min(deadline)).max(due))
    }
}

/// Operations that are driven at once, through one `poll`.
pub(crate) struct Drive {
    tasks: Vec<Task>,
    claims: Vec<(SyncId, usize)>,
    allowance: RateLimiter,
    clock: Clock,
    observer: Option<Observer>,
}

/// What is called with each run that an operation has started or joined, as soon as Hightouch has named it.
pub(crate) type Observer = Box<dyn FnMut(&Report)>;

impl Drive {
    pub(crate) fn new(tasks: Vec<Task>, clock: Clock) -> Self {
        Self {
            tasks,
            claims: Vec::new(),
            allowance: RateLimiter::default(),
            clock,
            observer: None,
        }
    }

    /// Calls this with each run that an operation has started or joined, as soon as Hightouch has named it.
    #[cfg(feature = "endpoint")]
    pub(crate) fn observed(self, observer: Observer) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Goes as far as it goes without waiting; true where every operation has ended.
    pub(crate) fn advance(&mut self) -> bool {
        let mut going = 0;
        let mut turns = Turns {
            slots: self.slots(),
            allowance: self.allowance,
        };
        for (place, task) in self.tasks.iter_mut().enumerate() {
            if task.outcome().is_none() {
                if going == AT_ONCE {
                    break;
                }
                task.advance(self.clock, place, &mut turns, &mut self.claims);
                if let Some(observer) = &mut self.observer
                    && let Some(standing) = task.first_sight(self.clock)
                {
                    observer(&standing);
                }
                going += u32::from(task.outcome().is_none());
            }
        }
        self.allowance = turns.allowance;
        going == 0
    }

    /// How many more requests may be under way.
    fn slots(&self) -> usize {
        REQUESTS.saturating_sub(self.tasks.iter().filter(|task| task.holds_slot()).count())
    }

    /// Waits until an operation can go on, `also` is ready, or the moment has come.
    pub(crate) fn wait(&self, also: Option<&Pollable>, until: Option<Instant>) {
        let mut all: Vec<&Pollable> = also.into_iter().collect();
        // Who waits for a slot waits for the answers of those who have them.
        let turn = (self.slots() > 0).then(|| self.allowance.next());
        let under_way = self
            .tasks
            .iter()
            .filter(|task| task.outcome().is_none())
            .take(AT_ONCE as usize);
        let moments = under_way.filter_map(|task| task.wait(&mut all, turn));
        let nearest = moments.chain(until).min();
        let timer = nearest.map(|moment| self.clock.wake_at(moment));
        all.extend(&timer);
        if !all.is_empty() {
            poll(&all);
        }
    }

    /// The operations, as they stand.
    pub(crate) fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Drives all of them to their ends.
    pub(crate) fn finish(mut self) -> Vec<Outcome> {
        while !self.advance() {
            self.wait(None, None);
        }
        let mut outcomes = Vec::with_capacity(self.tasks.len());
        for task in self.tasks {
            outcomes.extend(task.into_outcome());
        }
        outcomes
    }
}
