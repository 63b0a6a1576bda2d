//! Operations and what each of them waits for.

use waki::bindings::wasi::io::poll::{Pollable, poll};

use super::clock::Clock;
use super::connection::Connection;
use super::exchange::Exchange;
use crate::engine::{Action, Event, Goal, Instant, Operation, Options, Outcome};

/// One operation on its way.
pub(crate) struct Task {
    operation: Operation,
    connection: Connection,
    pending: Pending,
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
    /// An operation that begins now.
    pub(crate) fn new(goal: Goal, options: Options, connection: Connection, clock: Clock) -> Self {
        let operation = Operation::new(goal, options, clock.now(), clock.seed());
        Self { operation, connection, pending: Pending::Step(Event::Woke) }
    }

    /// How it ended, if it has.
    fn outcome(&self) -> Option<&Outcome> {
        match &self.pending {
            Pending::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Goes as far as it goes without waiting.
    fn advance(&mut self, clock: Clock) {
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
            self.pending = match self.operation.step(clock.now(), event) {
                Action::Wait { until } => Pending::Timer(until),
                Action::Send { request, give_up } => {
                    match Exchange::start(request, &self.connection, clock.now(), give_up) {
                        Ok(exchange) => Pending::Exchange(Box::new(exchange)),
                        Err(trouble) => Pending::Step(Event::Trouble(trouble)),
                    }
                }
                Action::Done(mut outcome) => {
                    self.connection.redact(&mut outcome);
                    Pending::Over(outcome)
                }
            };
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

/// Drives operations to their ends, all at once, through one `poll`.
pub(crate) fn drive(mut tasks: Vec<Task>, clock: Clock) -> Vec<Outcome> {
    loop {
        for task in &mut tasks {
            task.advance(clock);
        }
        let mut all = Vec::new();
        let Some(nearest) = tasks.iter().filter_map(|task| task.wait(&mut all)).min() else { break };
        let timer = clock.wake_at(nearest);
        all.push(&timer);
        poll(&all);
    }
    tasks.iter().filter_map(Task::outcome).cloned().collect()
}
