//! Operations and what each of them waits for.

use waki::bindings::wasi::io::poll::{Pollable, poll};

use super::clock::Clock;
use super::connection::Connection;
use super::exchange::Exchange;
use crate::engine::{Action, Event, Goal, Instant, Operation, Options, Outcome, Standing};
use crate::hightouch::{Method, SyncId};

/// How many operations are under way at a time. Each holds a connection now and then, and hosts allow a component only so many.
const AT_ONCE: u32 = 50;

/// One operation on its way.
pub(crate) struct Task {
    operation: Operation,
    connection: Connection,
    pending: Pending,
    steps: u64,
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
    pub(crate) fn several(goals: Vec<Goal>, options: Options, connection: &Connection, clock: Clock) -> Vec<Self> {
        let crowd = u32::try_from(goals.len()).unwrap_or(AT_ONCE).min(AT_ONCE);
        let now = clock.now();
        let mut tasks = Vec::with_capacity(goals.len());
        for (goal, seed) in goals.into_iter().zip(clock.seed()..) {
            let operation = Operation::new(goal, options, now, seed).among(crowd);
            tasks.push(Self {
                operation,
                connection: connection.clone(),
                pending: Pending::Step(Event::Woke),
                steps: 0,
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
    pub(crate) fn standing(&self, clock: Clock) -> Option<Standing> {
        if !self.operation.sighted() {
            return None;
        }
        let mut standing = self.operation.standing(clock.now())?;
        self.connection.redact(&mut standing);
        Some(standing)
    }

    /// How many steps it has taken: as long as this stays the same, so does where the run stands but for its times.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes as far as it goes without waiting. `claims` are the syncs that runs were asked for, and for which operation, by its place.
    fn advance(&mut self, clock: Clock, place: usize, claims: &mut Vec<(SyncId, usize)>) {
        loop {
            let now = clock.now();
            let event = match std::mem::replace(&mut self.pending, Pending::Step(Event::Woke)) {
                Pending::Step(event) => event,
                Pending::Timer(until) if now >= until => Event::Woke,
                Pending::Exchange(exchange) => match exchange.advance(now) {
                    Err(event) => event,
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
            self.steps += 1;
            self.pending = match self.operation.step(clock.now(), event) {
                Action::Wait { until } => Pending::Timer(until),
                Action::Send { request, .. } if request.method == Method::Post && !self.claims(place, claims) => {
                    Pending::Over(Box::new(Err(self.operation.twin(clock.now()))))
                }
                Action::Send { request, give_up } => {
                    match Exchange::start(request, &self.connection, clock.now(), give_up) {
                        Ok(exchange) => Pending::Exchange(Box::new(exchange)),
                        Err(trouble) => Pending::Step(Event::Trouble(trouble)),
                    }
                }
                Action::Done(outcome) => Pending::Over(Box::new(self.connection.redacted(*outcome))),
            };
        }
    }

    /// Claims the sync that is to run; false where another operation has claimed it before.
    fn claims(&self, place: usize, claims: &mut Vec<(SyncId, usize)>) -> bool {
        let Some(sync) = self.operation.sync() else { return true };
        match claims.iter().find(|(claimed, _)| *claimed == sync) {
            Some((_, by)) => *by == place,
            None => {
                claims.push((sync, place));
                true
            }
        }
    }

    /// What to wait for, and until when at the latest.
    fn wait<'a>(&'a self, all: &mut Vec<&'a Pollable>) -> Option<Instant> {
        match &self.pending {
            Pending::Exchange(exchange) => {
                exchange.pollables(all);
                Some(exchange.give_up)
            }
            Pending::Timer(until) => Some(*until),
            Pending::Step(_) | Pending::Over(_) => None,
        }
    }
}

/// Operations that are driven at once, through one `poll`.
pub(crate) struct Drive {
    tasks: Vec<Task>,
    claims: Vec<(SyncId, usize)>,
    clock: Clock,
}

impl Drive {
    pub(crate) fn new(tasks: Vec<Task>, clock: Clock) -> Self {
        Self { tasks, claims: Vec::new(), clock }
    }

    /// Goes as far as it goes without waiting; true where every operation has ended.
    pub(crate) fn advance(&mut self) -> bool {
        let mut going = 0;
        for (place, task) in self.tasks.iter_mut().enumerate() {
            if task.outcome().is_none() {
                if going == AT_ONCE {
                    break;
                }
                task.advance(self.clock, place, &mut self.claims);
                going += u32::from(task.outcome().is_none());
            }
        }
        going == 0
    }

    /// Waits until an operation can go on, `also` is ready, or the moment has come.
    pub(crate) fn wait(&self, also: Option<&Pollable>, until: Option<Instant>) {
        let mut all: Vec<&Pollable> = also.into_iter().collect();
        let nearest = self.tasks.iter().filter_map(|task| task.wait(&mut all)).chain(until).min();
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
