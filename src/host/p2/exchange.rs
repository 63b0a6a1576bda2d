//! One request and its response, without blocking.

use waki::bindings::wasi::http::outgoing_handler;
use waki::bindings::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, OutgoingRequest,
};
use waki::bindings::wasi::io::poll::Pollable;
use waki::bindings::wasi::io::streams::{InputStream, StreamError};

use super::unsent::unsent;
use super::upload::Upload;
use crate::engine::{Event, Instant, TransportError};
use crate::hightouch::{BodyEnd, MAX_BODY_LEN, Response};
use crate::host::clock::Clock;
use crate::host::outgoing::{Outgoing, rejected, wasi_method, wasi_scheme};
use crate::host::reply;
use crate::host::transport_error::{from_code, lost};
use crate::host::waits::Waits;

/// Maximum number of bytes to read at a time.
const CHUNK: u64 = 64 * 1024;

/// A request in flight.
pub(crate) struct Exchange {
    stage: Stage,
    upload: Option<Upload>,
    /// Whether the body of the response is read.
    reads_body: bool,
    clock: Clock,
    sent: Instant,
    /// The deadline for the response.
    give_up: Instant,
}

/// The part of the response that is awaited.
///
/// Child resources are declared before their parents, because WASI requires that they are dropped
/// first.
enum Stage {
    Head {
        ready: Pollable,
        future: FutureIncomingResponse,
    },
    Body {
        ready: Pollable,
        stream: InputStream,
        _body: IncomingBody,
        response: Response,
    },
}

impl Exchange {
    /// Sends a request.
    ///
    /// # Errors
    ///
    /// Returns an error if the host did not send the request.
    pub(crate) fn start(
        outgoing: Outgoing<'_>,
        clock: Clock,
        give_up: Instant,
    ) -> Result<Self, TransportError> {
        let invalid = |()| rejected();
        let fields = Fields::from_list(&outgoing.all_headers()).map_err(|_| rejected())?;
        let Outgoing {
            method,
            origin,
            target,
            body: bytes,
            reads_body,
            ..
        } = outgoing;
        let outgoing = OutgoingRequest::new(fields);
        outgoing.set_method(&wasi_method(method)).map_err(invalid)?;
        outgoing
            .set_scheme(Some(&wasi_scheme(origin)))
            .map_err(invalid)?;
        outgoing
            .set_authority(Some(origin.authority()))
            .map_err(invalid)?;
        outgoing
            .set_path_with_query(Some(&target))
            .map_err(invalid)?;
        let body = outgoing.body().map_err(invalid)?;

        // No request options are passed, because a host may apply one timeout as another. This type
        // enforces the deadline itself.
        let future = outgoing_handler::handle(outgoing, None).map_err(|code| unsent(&code))?;
        let ready = future.subscribe();
        Ok(Self {
            stage: Stage::Head { ready, future },
            upload: Upload::start(body, bytes),
            reads_body,
            clock,
            sent: clock.now(),
            give_up,
        })
    }

    /// Adds what shows progress, and the deadline.
    pub(crate) fn watch<'a>(&'a mut self, waits: &mut Waits<'a>) {
        let (Stage::Head { ready, .. } | Stage::Body { ready, .. }) = &self.stage;
        waits.push(ready);
        if let Some(upload) = &self.upload {
            waits.push(upload.pollable());
        }
        waits.wake_at(Some(self.give_up));
    }

    /// Advances without blocking.
    ///
    /// # Errors
    ///
    /// Returns the reply as an error if the exchange is over.
    pub(crate) fn advance(mut self) -> Result<Self, Event> {
        self.upload = self.upload.and_then(Upload::advance);
        loop {
            self.stage = match self.stage {
                Stage::Head { ready, future } => match future.get() {
                    None => {
                        self.stage = Stage::Head { ready, future };
                        break;
                    }
                    Some(head) => {
                        // Dropped in this order: the child before its parent.
                        drop((ready, future));
                        let incoming = match head {
                            Ok(Ok(incoming)) => incoming,
                            Ok(Err(code)) => {
                                return Err(Event::TransportError(from_code(&code)));
                            }
                            Err(()) => {
                                let error =
                                    lost("the host reports that the response was already read");
                                return Err(Event::TransportError(error));
                            }
                        };
                        let response = head_of(&incoming).map_err(Event::TransportError)?;
                        if !self.reads_body {
                            return Err(Event::Response(response));
                        }
                        open(incoming, response).map_err(Event::TransportError)?
                    }
                },
                Stage::Body {
                    ready,
                    stream,
                    _body,
                    mut response,
                } => {
                    match stream.read(CHUNK) {
                        Ok(bytes) if bytes.is_empty() => {
                            self.stage = Stage::Body {
                                ready,
                                stream,
                                _body,
                                response,
                            };
                            break;
                        }
                        Ok(bytes) if response.body.len() + bytes.len() > MAX_BODY_LEN => {
                            response.end = BodyEnd::TooLong
                        }
                        Ok(bytes) => {
                            append(&mut response.body, &bytes);
                            self.stage = Stage::Body {
                                ready,
                                stream,
                                _body,
                                response,
                            };
                            continue;
                        }
                        Err(StreamError::Closed) => {}
                        Err(StreamError::LastOperationFailed(_)) => {
                            response.end = BodyEnd::Incomplete
                        }
                    }
                    // Dropped in this order: the child before its parent.
                    drop((ready, stream));
                    return Err(Event::Response(response));
                }
            };
        }
        if self.clock.now() < self.give_up {
            Ok(self)
        } else {
            Err(self.timed_out())
        }
    }

    /// Returns the reply of an exchange at its deadline.
    fn timed_out(self) -> Event {
        match self.stage {
            Stage::Head { .. } => reply::timed_out(self.give_up.duration_since(self.sent)),
            Stage::Body { response, .. } => Event::Response(Response {
                end: BodyEnd::Incomplete,
                ..response
            }),
        }
    }
}

/// Appends bytes to a body.
///
/// A body of more than one chunk reserves the maximum at once: repeated growth would leave freed
/// blocks that are too small to reuse.
fn append(body: &mut Vec<u8>, bytes: &[u8]) {
    if body.capacity() - body.len() < bytes.len() {
        let length = body.len() + bytes.len();
        // A body that arrives in parts may still be short.
        let capacity = [CHUNK as usize, MAX_BODY_LEN]
            .into_iter()
            .find(|capacity| length <= *capacity);
        let capacity = if body.is_empty() {
            length
        } else {
            capacity.unwrap_or(length)
        };
        body.reserve_exact(capacity - body.len());
    }
    body.extend_from_slice(bytes);
}

/// Reads the head of a response.
fn head_of(incoming: &IncomingResponse) -> Result<Response, TransportError> {
    let headers = incoming.headers();
    reply::head(incoming.status(), |name| headers.get(&String::from(name)))
}

/// Opens the body of a response.
fn open(incoming: IncomingResponse, response: Response) -> Result<Stage, TransportError> {
    let taken = |()| lost("the host reports that the response body was already read");
    let body = incoming.consume().map_err(taken)?;
    let stream = body.stream().map_err(taken)?;
    Ok(Stage::Body {
        ready: stream.subscribe(),
        stream,
        _body: body,
        response,
    })
}
