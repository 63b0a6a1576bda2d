//! Drives a batch. Only [`Driver::wait`] waits.

use super::adapter::Exchange;
use super::clock::Clock;
use super::connection::{Connection, Redact};
use super::waits::Waits;
use crate::engine::{Batch, BatchOptions, Event, Goal, Options, Outcome, Send, TransportError};

/// A batch and its requests in flight.
pub(crate) struct Driver<G: Goal> {
    batch: Batch<G>,
    exchanges: Exchanges,
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
        }
    }

    /// Advances all operations without waiting. Returns whether all of them are over.
    pub(crate) fn advance(&mut self) -> bool {
        while self.receive() | self.send() {}
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

    /// Waits until an operation can make progress, or for one of `waits`.
    pub(crate) async fn wait<'a>(&'a mut self, mut waits: Waits<'a>) {
        let clock = self.exchanges.clock;
        waits.wake_at(self.batch.wake_at());
        self.exchanges.watch(&mut waits);
        waits.wait(clock).await;
    }

    /// Returns the outcome of an operation that is over, once.
    pub(crate) fn take_outcome(&mut self, index: usize) -> Option<Outcome<G::Report>> {
        let outcome = self.batch.take_outcome(index)?;
        Some(self.exchanges.connection.redacted(outcome))
    }

    /// Drives all operations to their ends. Returns their outcomes, in the order of the goals.
    pub(crate) async fn finish(mut self) -> Vec<Outcome<G::Report>> {
        while !self.advance() {
            self.wait(Waits::default()).await;
        }
        (0..).map_while(|index| self.take_outcome(index)).collect()
    }

    /// Drives the first operation to its end.
    pub(crate) async fn finish_first(mut self) -> Outcome<G::Report> {
        loop {
            self.advance();
            if let Some(outcome) = self.take_outcome(0) {
                return outcome;
            }
            self.wait(Waits::default()).await;
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
            match exchange.advance() {
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
        let outgoing = self.connection.outgoing(send.request);
        let exchange = Exchange::start(outgoing, self.clock, send.give_up)?;
        self.in_flight.push((send.index, exchange));
        Ok(())
    }

    /// Adds the requests in flight.
    fn watch<'a>(&'a mut self, waits: &mut Waits<'a>) {
        for (_, exchange) in &mut self.in_flight {
            exchange.watch(waits);
        }
    }
}

/// What only the endpoint uses.
#[cfg(feature = "endpoint")]
impl<G: Goal<Report: Redact>> Driver<G> {
    /// Returns a driver that awaits runs after this one has ended. Both share the rate limit.
    pub(crate) fn following(self, goals: Vec<G>, options: Options) -> Self {
        let Exchanges {
            connection, clock, ..
        } = self.exchanges;
        let mut driver = Self::new(goals, options, connection, clock);
        driver.batch = driver.batch.following(&self.batch);
        driver
    }

    /// Returns the number of operations.
    pub(crate) fn operations(&self) -> usize {
        self.batch.operations()
    }

    /// Ends the operations that are in progress, because the caller does not await them any more.
    pub(crate) fn cancel(&mut self) {
        self.batch.cancel(self.exchanges.clock.now());
    }

    /// Returns a run that an operation has started or adopted, as soon as Hightouch has named it,
    /// and the index of the operation. Returns each run once.
    pub(crate) fn next_started(&mut self) -> Option<(usize, G::Report)> {
        let (index, mut report) = self.batch.next_started(self.exchanges.clock.now())?;
        report.redact(&self.exchanges.connection.key);
        Some((index, report))
    }

    /// Returns whether an operation has started its run, or has seen it in progress.
    pub(crate) fn has_seen_progress(&self, index: usize) -> bool {
        self.batch.has_seen_progress(index)
    }

    /// Returns the time that Hightouch's clock shows now, if an operation knows it.
    pub(crate) fn server_time(&self, index: usize) -> Option<crate::hightouch::Timestamp> {
        let now = self.exchanges.clock.now();
        self.batch.server_time(index, now)
    }

    /// Sends a request to Hightouch that does not belong to an operation, after all requests of
    /// operations. Returns `None` if it may not be sent now.
    pub(crate) fn send_last(
        &mut self,
        request: crate::hightouch::Request,
        timeout: core::time::Duration,
    ) -> Option<Result<Exchange, TransportError>> {
        let Exchanges {
            connection, clock, ..
        } = &self.exchanges;
        let now = clock.now();
        let may_send = self.batch.take_turn(now);
        may_send.then(|| Exchange::start(connection.outgoing(request), *clock, now + timeout))
    }

    /// Empties a response that contains the API key as an ID.
    pub(crate) fn without_echo(&self, reply: Event) -> Event {
        self.exchanges.connection.without_echo(reply)
    }

    /// Returns when [`send_last`](Self::send_last) may send a request, if no operation sends one
    /// before.
    pub(crate) fn next_turn(&self) -> crate::engine::Instant {
        self.batch.next_turn()
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
