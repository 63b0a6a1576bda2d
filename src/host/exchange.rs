//! One request and its answer, without blocking.

use wasi::http::outgoing_handler;
use wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method as WasiMethod,
    OutgoingRequest, Scheme as WasiScheme,
};
use wasi::io::poll::Pollable;
use wasi::io::streams::{InputStream, StreamError};

use super::connection::Connection;
use super::transport_error::{from_code, lost, unsent};
use super::upload::Upload;
use crate::engine::{Event, Instant, TransportError, TransportErrorKind};
use crate::hightouch::{BodyEnd, Method, Request, Response, Scheme};

/// The most of an answer that is read.
const MOST: usize = 1 << 20;
/// How much is read at a time.
const CHUNK: u64 = 64 * 1024;

/// A request that was sent.
pub(super) struct Exchange {
    stage: Stage,
    upload: Option<Upload>,
    sent: Instant,
    /// When to give it up.
    pub(super) give_up: Instant,
}

/// How far the answer is. Children stand before parents: they must be dropped first.
enum Stage {
    Head {
        ready: Pollable,
        response: FutureIncomingResponse,
    },
    Body {
        ready: Pollable,
        stream: InputStream,
        _body: IncomingBody,
        answer: Response,
    },
}

impl Exchange {
    /// Sends a request.
    pub(super) fn start(
        request: Request,
        to: &Connection,
        sent: Instant,
        give_up: Instant,
    ) -> Result<Self, TransportError> {
        let bytes = request.body.unwrap_or_default().into_bytes();
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        let mut header = |name: &str, value: &str| headers.push((name.into(), value.into()));
        header("authorization", &to.key.bearer());
        header("accept", "application/json");
        // No host decodes a response, and neither does this component.
        header("accept-encoding", "identity");
        // A list that was kept on the way would not show a run that was started since.
        header("cache-control", "no-cache");
        header(
            "user-agent",
            concat!("hightouch-sync/", env!("CARGO_PKG_VERSION")),
        );
        for (name, value) in &to.trace {
            header(name, value);
        }
        if request.method == Method::Post {
            header("content-length", &bytes.len().to_string());
        }
        if !bytes.is_empty() {
            header("content-type", "application/json");
        }
        // What the setters below refuse was checked when origin, IDs and key were taken; a host that refuses all the same has not sent it.
        let unset = |()| TransportError {
            kind: TransportErrorKind::NotSent,
            text: "the host refused the request's form".into(),
        };
        let fields = Fields::from_list(&headers).map_err(|_| unset(()))?;
        let outgoing = OutgoingRequest::new(fields);
        let method = match request.method {
            Method::Get => WasiMethod::Get,
            Method::Post => WasiMethod::Post,
        };
        let scheme = match to.origin.scheme() {
            Scheme::Http => WasiScheme::Http,
            Scheme::Https => WasiScheme::Https,
        };
        outgoing.set_method(&method).map_err(unset)?;
        outgoing.set_scheme(Some(&scheme)).map_err(unset)?;
        outgoing
            .set_authority(Some(to.origin.authority()))
            .map_err(unset)?;
        outgoing
            .set_path_with_query(Some(&request.target))
            .map_err(unset)?;
        let body = outgoing.body().map_err(unset)?;

        // No options: a host may turn a timeout into another one (see `trouble`), and the deadline is enforced here.
        let response = outgoing_handler::handle(outgoing, None).map_err(|code| unsent(&code))?;
        let ready = response.subscribe();
        Ok(Self {
            stage: Stage::Head { ready, response },
            upload: Upload::start(body, bytes),
            sent,
            give_up,
        })
    }

    /// What to wait for.
    pub(super) fn pollables<'a>(&'a self, all: &mut Vec<&'a Pollable>) {
        let (Stage::Head { ready, .. } | Stage::Body { ready, .. }) = &self.stage;
        all.push(ready);
        all.extend(self.upload.as_ref().map(Upload::pollable));
    }

    /// Goes as far as it goes without waiting: the exchange as it then is, or what came of it.
    pub(super) fn advance(mut self, now: Instant) -> Result<Self, Event> {
        self.upload = self.upload.and_then(Upload::advance);
        loop {
            self.stage = match self.stage {
                Stage::Head { ready, response } => match response.get() {
                    None => {
                        self.stage = Stage::Head { ready, response };
                        break;
                    }
                    Some(head) => {
                        // Children before parents: left to themselves, these two go the other way round.
                        drop((ready, response));
                        let stage = match head {
                            Ok(Ok(incoming)) => open(incoming),
                            Ok(Err(code)) => Err(from_code(&code)),
                            Err(()) => Err(lost("the host gave the answer to nobody")),
                        };
                        stage.map_err(Event::TransportError)?
                    }
                },
                Stage::Body {
                    ready,
                    stream,
                    _body,
                    mut answer,
                } => {
                    match stream.read(CHUNK) {
                        Ok(bytes) if bytes.is_empty() => {
                            self.stage = Stage::Body {
                                ready,
                                stream,
                                _body,
                                answer,
                            };
                            break;
                        }
                        Ok(bytes) if answer.body.len() + bytes.len() > MOST => {
                            answer.end = BodyEnd::TooLong
                        }
                        Ok(bytes) => {
                            take(&mut answer.body, &bytes);
                            self.stage = Stage::Body {
                                ready,
                                stream,
                                _body,
                                answer,
                            };
                            continue;
                        }
                        Err(StreamError::Closed) => {}
                        Err(StreamError::LastOperationFailed(_)) => answer.end = BodyEnd::Cut,
                    }
                    // Children before parents.
                    drop((ready, stream));
                    return Err(Event::Response(answer));
                }
            };
        }
        if now < self.give_up {
            Ok(self)
        } else {
            Err(self.given_up())
        }
    }

    /// What came of it where the wait for it is over.
    fn given_up(self) -> Event {
        match self.stage {
            Stage::Head { .. } => {
                let waited = self.give_up.duration_since(self.sent);
                let text = format!(
                    "no answer came within {}.{} s",
                    waited.as_secs(),
                    waited.subsec_millis() / 100
                );
                Event::TransportError(TransportError {
                    kind: TransportErrorKind::TimedOut,
                    text,
                })
            }
            Stage::Body { answer, .. } => Event::Response(Response {
                end: BodyEnd::Cut,
                ..answer
            }),
        }
    }
}

/// Adds to a body. What is longer than one read gets all the room that it may need at once: room that grows by and by leaves as much again
/// behind, which nothing of that size fits into.
fn take(body: &mut Vec<u8>, bytes: &[u8]) {
    if body.capacity() - body.len() < bytes.len() {
        let length = body.len() + bytes.len();
        // What comes in pieces may still be short.
        let room = [CHUNK as usize, MOST]
            .into_iter()
            .find(|room| length <= *room);
        let room = if body.is_empty() {
            length
        } else {
            room.unwrap_or(length)
        };
        body.reserve_exact(room - body.len());
    }
    body.extend_from_slice(bytes);
}

/// Goes from the head of an answer to its body.
fn open(incoming: IncomingResponse) -> Result<Stage, TransportError> {
    let status = incoming.status();
    if status < 200 {
        return Err(lost(format!(
            "an answer with status {status}, which is none of an answer"
        )));
    }
    let mut answer = Response::new(status, "");
    let headers = incoming.headers();
    for name in Response::HEADERS {
        for value in headers.get(&String::from(*name)) {
            answer.note_header(name, &value);
        }
    }
    drop(headers);
    let taken = |()| lost("the host gave the answer's body to nobody");
    let body = incoming.consume().map_err(taken)?;
    let stream = body.stream().map_err(taken)?;
    Ok(Stage::Body {
        ready: stream.subscribe(),
        stream,
        _body: body,
        answer,
    })
}
