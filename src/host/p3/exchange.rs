//! One request and its response.

use core::pin::Pin;
use core::task::{Context, Poll};

use wit_bindgen::{FutureWriter, StreamWriter};

use super::Progress;
use super::body::{Body, BodyStatus};
use super::deadline::{Deadline, alongside};
use super::http_types::{self, ErrorCode, Fields, Request, Trailers};
use crate::bindings::wasi::http0_3_0::client;
use crate::bindings::{wit_future, wit_stream};
use crate::engine::{Event, Instant, TransportError};
use crate::hightouch::{BodyEnd, MAX_BODY_LEN, Response};
use crate::host::clock::Clock;
use crate::host::outgoing::{Outgoing, rejected, wasi_method, wasi_scheme};
use crate::host::reply;
use crate::host::transport_error::from_code;
use crate::host::waits::Waits;

/// A request in flight, or its reply.
pub(crate) struct Exchange(State);

enum State {
    InFlight(Pin<Box<dyn Future<Output = Event>>>),
    Replied(Event),
}

impl Exchange {
    /// Prepares a request. The host sends it when the exchange is waited for.
    ///
    /// # Errors
    ///
    /// Returns an error if the host rejects the request. It is not sent then.
    pub(crate) fn start(
        outgoing: Outgoing<'_>,
        clock: Clock,
        give_up: Instant,
    ) -> Result<Self, TransportError> {
        let message = Message::new(outgoing)?;
        let exchange = message.exchange(clock, clock.now(), give_up);
        Ok(Self(State::InFlight(Box::pin(exchange))))
    }

    /// Adds the exchange, which includes its deadline.
    pub(crate) fn watch<'a>(&'a mut self, waits: &mut Waits<'a>) {
        waits.push(self);
    }

    /// Returns the exchange if it is in flight.
    ///
    /// # Errors
    ///
    /// Returns the reply as an error if the exchange is over.
    pub(crate) fn advance(self) -> Result<Self, Event> {
        match self.0 {
            State::InFlight(_) => Ok(self),
            State::Replied(reply) => Err(reply),
        }
    }
}

impl Progress for Exchange {
    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let State::InFlight(exchange) = &mut self.0 {
            match exchange.as_mut().poll(context) {
                Poll::Ready(reply) => self.0 = State::Replied(reply),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

/// A request that was not sent.
struct Message {
    request: Request,
    body: Vec<u8>,
    /// The end of the body that this component writes. There is none if the body is empty.
    writer: Option<StreamWriter<u8>>,
    /// Reports to the host that there are no trailers, when it is dropped.
    trailers: FutureWriter<Result<Option<Trailers>, ErrorCode>>,
    reads_body: bool,
}

impl Message {
    fn new(outgoing: Outgoing<'_>) -> Result<Self, TransportError> {
        let invalid = |()| rejected();
        let fields = Fields::from_list(&outgoing.all_headers()).map_err(|_| rejected())?;
        let Outgoing {
            method,
            origin,
            target,
            body,
            reads_body,
            ..
        } = outgoing;
        let (writer, contents) = if body.is_empty() {
            (None, None)
        } else {
            let (writer, contents) = wit_stream::new();
            (Some(writer), Some(contents))
        };
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        // No request options are passed, because a host may apply one timeout as another. The
        // exchange enforces the deadline itself.
        let (request, _) = Request::new(fields, contents, no_trailers, None);
        request.set_method(&wasi_method(method)).map_err(invalid)?;
        request
            .set_scheme(Some(&wasi_scheme(origin)))
            .map_err(invalid)?;
        request
            .set_authority(Some(origin.authority()))
            .map_err(invalid)?;
        request
            .set_path_with_query(Some(&target))
            .map_err(invalid)?;
        Ok(Self {
            request,
            body,
            writer,
            trailers,
            reads_body,
        })
    }

    /// Sends the request and returns the reply, at the deadline at the latest.
    async fn exchange(self, clock: Clock, sent: Instant, give_up: Instant) -> Event {
        let Self {
            request,
            body,
            writer,
            trailers,
            reads_body,
        } = self;
        let upload = async {
            drop(trailers);
            if let Some(mut writer) = writer {
                // If the host accepts no more, the response contains the reason.
                writer.write_all(body).await;
            }
        };
        alongside(upload, async {
            let mut deadline = Deadline::new(clock, give_up);
            match deadline.before(client::send(request)).await {
                Some(Ok(incoming)) => receive(incoming, reads_body, &mut deadline).await,
                Some(Err(code)) => Event::TransportError(from_code(&code)),
                None => reply::timed_out(give_up.duration_since(sent)),
            }
        })
        .await
    }
}

/// Reads a response.
async fn receive(
    incoming: http_types::Response,
    reads_body: bool,
    deadline: &mut Deadline,
) -> Event {
    let headers = incoming.get_headers();
    let head = reply::head(incoming.get_status_code(), |name| headers.get(name));
    drop(headers);
    let response = match head {
        Ok(response) if reads_body => response,
        Ok(response) => return Event::Response(response),
        Err(error) => return Event::TransportError(error),
    };
    let (processed, result) = wit_future::new(|| Ok(()));
    let body = Body::new(
        http_types::Response::consume_body(incoming, result),
        processed,
    );
    let (body, status) = body.read(MAX_BODY_LEN, deadline).await;
    Event::Response(Response {
        body,
        end: match status {
            BodyStatus::Complete => response.end,
            BodyStatus::CutOff | BodyStatus::TimedOut => BodyEnd::Incomplete,
            BodyStatus::TooLong => BodyEnd::TooLong,
        },
        ..response
    })
}
