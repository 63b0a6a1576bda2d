//! Drives a batch over WASI 0.2.

use waki::bindings::wasi::io::poll::{Pollable, poll};

use super::clock::Clock;
use super::connection::{Connection, Redact};
use super::exchange::Exchange;
use crate::engine::{
    Batch, BatchOptions, Event, Goal, Instant, Options, Outcome, Send, TransportError,
};

/// Called with each run that an operation has started or adopted, as soon as Hightouch has named
/// it.
pub(crate) type Observer<R> = Box<dyn FnMut(R)>;

/// A batch and its requests in flight.
pub(crate) struct Driver<G: Goal> {
    batch: Batch<G>,
    exchanges: Exchanges,
    observer: Option<Observer<G::Report>>,
}

impl<G: Goal<Report: Redact>> Driver<G> {
    /// Returns a driver of operations that begin now, one for each goal.
    pub(crate) fn new(
        goals: Vec<G>,
        options: Options,
        connection: Connection,
        clock: Clock,
    ) -> Self {
        Self::batch(goals, options, BatchOptions::default(), connection, clock)
    }

    /// Returns a driver of operations that run in this order.
    pub(crate) fn batch(
        goals: Vec<G>,
        options: Options,
        batch: BatchOptions,
        connection: Connection,
        clock: Clock,
    ) -> Self {
        Self {
            batch: Batch::new(goals, options, batch, clock.now(), clock.seed()),
            exchanges: Exchanges {
                in_flight: Vec::new(),
                connection,
                clock,
            },
            observer: None,
        }
    }

    /// Advances all operations without blocking. Returns whether all of them are over.
    pub(crate) fn advance(&mut self) -> bool {
        while self.receive() | self.send() {}
        self.announce();
        self.batch.is_over()
    }

    /// Receives what has arrived. Returns whether a request got its reply.
    fn receive(&mut self) -> bool {
        let replies = self.exchanges.receive();
        let has_reply = !replies.is_empty();
        for (index, reply) in replies {
            self.batch.on_reply(index, reply);
        }
        has_reply
    }

    /// Sends the requests that may be sent now. Returns whether there was one.
    fn send(&mut self) -> bool {
        let mut has_sent = false;
        while let Some(send) = self.batch.next_request(self.exchanges.clock.now()) {
            has_sent = true;
            let index = send.index;
            if let Err(error) = self.exchanges.start(send) {
                self.batch.on_reply(index, Event::TransportError(error));
            }
        }
        has_sent
    }

    /// Calls the observer with each run that was started or adopted.
    fn announce(&mut self) {
        let Some(observer) = &mut self.observer else {
            return;
        };
        while let Some(mut report) = self.batch.next_started(self.exchanges.clock.now()) {
            report.redact(&self.exchanges.connection.key);
            observer(report);
        }
    }

    /// Blocks until an operation can make progress, `also` is ready, or the time `until` has come.
    pub(crate) fn wait(&self, also: Option<&Pollable>, until: Option<Instant>) {
        let wake_at = self.batch.wake_at().into_iter().chain(until).min();
        self.exchanges.wait(also, wake_at);
    }

    /// Returns the outcome of an operation that is over, once.
    pub(crate) fn take_outcome(&mut self, index: usize) -> Option<Outcome<G::Report>> {
        let outcome = self.batch.take_outcome(index)?;
        Some(self.exchanges.connection.redacted(outcome))
    }

    /// Drives all operations to their ends. Returns their outcomes, in the order of the goals.
    pub(crate) fn finish(mut self) -> Vec<Outcome<G::Report>> {
        while !self.advance() {
            self.wait(None, None);
        }
        (0..).map_while(|index| self.take_outcome(index)).collect()
    }

    /// Drives the first operation to its end.
    pub(crate) fn finish_first(mut self) -> Outcome<G::Report> {
        loop {
            self.advance();
            if let Some(outcome) = self.take_outcome(0) {
                return outcome;
            }
            self.wait(None, None);
        }
    }
}

/// The requests of a driver that are in flight. This part does not depend on the goals, so it is
/// compiled once.
struct Exchanges {
    /// Each exchange, with the index of its operation.
    in_flight: Vec<(usize, Exchange)>,
    connection: Connection,
    clock: Clock,
}

impl Exchanges {
    /// Returns the replies that have arrived.
    fn receive(&mut self) -> Vec<(usize, Event)> {
        let mut replies = Vec::new();
        for (index, exchange) in core::mem::take(&mut self.in_flight) {
            match exchange.advance(self.clock.now()) {
                Ok(exchange) => self.in_flight.push((index, exchange)),
                Err(reply) => replies.push((index, self.connection.without_echo(reply))),
            }
        }
        replies
    }

    /// Starts to send a request.
    ///
    /// # Errors
    ///
    /// Returns an error if the host refuses the request.
    fn start(&mut self, send: Send) -> Result<(), TransportError> {
        let now = self.clock.now();
        let exchange = Exchange::start(send.request, &self.connection, now, send.give_up)?;
        self.in_flight.push((send.index, exchange));
        Ok(())
    }

    /// Blocks until a request makes progress, `also` is ready, or the time `wake_at` has come.
    fn wait(&self, also: Option<&Pollable>, wake_at: Option<Instant>) {
        let mut pollables: Vec<&Pollable> = also.into_iter().collect();
        for (_, exchange) in &self.in_flight {
            exchange.pollables(&mut pollables);
        }
        let give_ups = self.in_flight.iter().map(|(_, exchange)| exchange.give_up);
        let timer = give_ups
            .chain(wake_at)
            .min()
            .map(|wake_at| self.clock.wake_at(wake_at));
        pollables.extend(&timer);
        if !pollables.is_empty() {
            poll(&pollables);
        }
    }
}

/// What only the endpoint uses.
#[cfg(feature = "endpoint")]
impl<G: Goal<Report: Redact>> Driver<G> {
    /// Sets the function that is called with each run that an operation has started or adopted.
    pub(crate) fn with_observer(self, observer: Observer<G::Report>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Returns the number of steps that an operation has taken. If it stays the same, so does the
    /// state of the run, except for the elapsed time.
    pub(crate) fn steps(&self, index: usize) -> u64 {
        self.batch.steps(index)
    }

    /// Returns the state of a run that is known to exist.
    pub(crate) fn report(&self, index: usize) -> Option<G::Report> {
        let mut report = self.batch.report(index, self.exchanges.clock.now())?;
        report.redact(&self.exchanges.connection.key);
        Some(report)
    }
}
