//! Sends the messages of a reporter, and the requests for the details that the messages contain.

use core::time::Duration;

use super::adapter::write_log;
use super::log::undelivered;
use super::reporting::Reporter;
use super::reporting::outbox::Try;
use super::reporting::targets::Consumer;
use crate::engine::{DETAILS_TIMEOUT, Event, Goal, Instant, TransportError};
use crate::hightouch::{Method, Request};
use crate::host::adapter::Exchange;
use crate::host::outgoing::Outgoing;
use crate::host::waits::Waits;
use crate::host::{Clock, Driver, Redact};

/// Maximum duration of reading details after the last operation is over.
const LAST_DETAILS: Duration = DETAILS_TIMEOUT;
/// Maximum duration of sending messages after the last operation is over.
const LAST_MESSAGES: Duration = Duration::from_secs(10);

/// Sends requests to Hightouch that do not belong to an operation.
pub(super) trait SendLast {
    /// Sends a request. Returns `None` if it may not be sent now.
    fn send_last(&mut self, request: Request) -> Option<Result<Exchange, TransportError>>;

    /// Returns when a request may be sent.
    fn next_turn(&self) -> Instant;

    /// Removes the body of a response in which an ID equals the API key.
    fn without_echo(&self, reply: Event) -> Event;
}

impl<G: Goal<Report: Redact>> SendLast for Driver<G> {
    fn send_last(&mut self, request: Request) -> Option<Result<Exchange, TransportError>> {
        self.send_last(request, DETAILS_TIMEOUT)
    }

    fn next_turn(&self) -> Instant {
        self.next_turn()
    }

    fn without_echo(&self, reply: Event) -> Event {
        self.without_echo(reply)
    }
}

/// The messages and the request for details in flight.
pub(super) struct Courier {
    pub(super) reporter: Box<Reporter>,
    clock: Clock,
    /// The request for details in flight.
    details: Option<Exchange>,
    /// The messages in flight, each with its ID.
    messages: Vec<(u64, Exchange)>,
}

impl Courier {
    pub(super) fn new(reporter: Box<Reporter>, clock: Clock) -> Self {
        Self {
            reporter,
            clock,
            details: None,
            messages: Vec::new(),
        }
    }

    /// Sends and receives without waiting. `hightouch` is `None` if no details are read.
    pub(super) fn advance(&mut self, mut hightouch: Option<&mut dyn SendLast>) {
        let mut has_progress = true;
        while has_progress {
            has_progress = match &mut hightouch {
                Some(hightouch) => self.advance_details(*hightouch),
                None => false,
            };
            has_progress |= self.receive() | self.send();
        }
    }

    /// Reads details. Returns whether a request was sent or got its reply.
    fn advance_details(&mut self, hightouch: &mut dyn SendLast) -> bool {
        let reader = self.reporter.details();
        if let Some(exchange) = self.details.take() {
            match exchange.advance() {
                Ok(exchange) => self.details = Some(exchange),
                Err(reply) => {
                    reader.on_reply(&hightouch.without_echo(reply));
                    return true;
                }
            }
        }
        let Some(request) = reader.next_request() else {
            return false;
        };
        match hightouch.send_last(request) {
            None => return false,
            Some(Ok(exchange)) => {
                reader.sent();
                self.details = Some(exchange);
            }
            Some(Err(error)) => reader.on_reply(&Event::TransportError(error)),
        }
        true
    }

    /// Receives what has arrived. Returns whether a message got its reply.
    fn receive(&mut self) -> bool {
        let now = self.clock.now();
        let mut has_reply = false;
        for (id, exchange) in core::mem::take(&mut self.messages) {
            match exchange.advance() {
                Ok(exchange) => self.messages.push((id, exchange)),
                Err(reply) => {
                    has_reply = true;
                    self.on_reply(id, now, &reply);
                }
            }
        }
        has_reply
    }

    /// Sends the messages that are due. Returns whether there was one.
    fn send(&mut self) -> bool {
        let mut has_sent = false;
        let now = self.clock.now();
        while let Some((next, consumer)) = self.reporter.next_try(now) {
            has_sent = true;
            let id = next.id;
            let give_up = next.give_up;
            match Exchange::start(outgoing(consumer, next), self.clock, give_up) {
                Ok(exchange) => self.messages.push((id, exchange)),
                Err(error) => self.on_reply(id, now, &Event::TransportError(error)),
            }
        }
        has_sent
    }

    fn on_reply(&mut self, id: u64, now: Instant, reply: &Event) {
        if let Some(failed) = self.reporter.on_reply(id, now, reply) {
            write_log(undelivered(&failed, self.reporter.host(failed.channel)));
        }
    }

    /// Adds the exchanges, and the time when [`advance`](Self::advance) has to be called at the
    /// latest. `next_turn` is when a request for details may be sent.
    pub(super) fn watch<'a>(&'a mut self, next_turn: Option<Instant>, waits: &mut Waits<'a>) {
        let wants_turn = self.reporter.details().next_request().is_some();
        waits.wake_at(next_turn.filter(|_| wants_turn));
        waits.wake_at(self.reporter.wake_at());
        let messages = self.messages.iter_mut().map(|(_, exchange)| exchange);
        for exchange in self.details.iter_mut().chain(messages) {
            exchange.watch(waits);
        }
    }

    /// Sends the last messages. Returns when all of them are delivered or given up.
    pub(super) async fn finish(mut self, mut hightouch: Option<&mut dyn SendLast>) {
        let start = self.clock.now();
        let details_deadline = start + LAST_DETAILS;
        let messages_deadline = start + LAST_MESSAGES;
        loop {
            match &mut hightouch {
                Some(hightouch) => self.advance(Some(*hightouch)),
                None => self.advance(None),
            }
            let now = self.clock.now();
            if self.reporter.is_done() {
                return;
            }
            if now >= messages_deadline {
                break;
            }
            if now >= details_deadline && hightouch.take().is_some() {
                self.details = None;
                self.reporter.details().stop();
                continue;
            }
            let next_turn = hightouch.as_ref().map(|hightouch| hightouch.next_turn());
            let limit = if hightouch.is_some() {
                details_deadline
            } else {
                messages_deadline
            };
            let clock = self.clock;
            let mut waits = Waits::default();
            self.watch(next_turn, &mut waits);
            // If there is nothing to wait for, only events that lack a time are left, and nothing
            // can change.
            if waits.is_empty() {
                break;
            }
            waits.wake_at(Some(limit));
            waits.wait(clock).await;
        }
        for failed in self.reporter.give_up() {
            write_log(undelivered(&failed, self.reporter.host(failed.channel)));
        }
    }
}

/// Returns the request that carries a message.
fn outgoing(consumer: &Consumer, next: Try) -> Outgoing<'_> {
    let token = consumer.token.as_ref();
    let authorization = token.map(|token| ("authorization", token.bearer()));
    Outgoing {
        method: Method::Post,
        origin: &consumer.origin,
        target: consumer.target.clone(),
        headers: authorization.into_iter().collect(),
        body: next.body,
        reads_body: false,
    }
}
