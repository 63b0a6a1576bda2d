//! The API over HTTP.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answers::{Answer, Outcome};
use super::api::Api;
use super::clock::{Clock, http_date};
use super::recorded::{Recorded, read};

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    latency: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) api: Api,
    pub(super) recorded: Vec<Recorded>,
}

impl Shared {
    pub(super) fn new(clock: Clock, latency: Duration, api: Api) -> Self {
        Self {
            clock,
            latency,
            state: Mutex::new(State {
                api,
                recorded: Vec::new(),
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until it is dropped, and every connection with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, shared.clone()));
                }
                // Out of file handles, most likely: the others must get on to give some back.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    // Without this a poll on a kept-alive connection may wait 40 ms for nothing. It is no worse if it fails.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, shared.clone()));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A connection that fails is the client's to notice; half of the scenarios do it on purpose.
    let ended = (&mut connection).await;
    if ended.is_err_and(|error| is_reset(&error)) {
        // With no time to linger, closing it resets it. It is no worse than a plain end if that cannot be.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// Whether it is [`Outcome::Reset`] that ended a connection.
fn is_reset(error: &hyper::Error) -> bool {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionReset)
}

/// An error closes the connection without an answer.
async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
) -> io::Result<hyper::Response<AnswerBody>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (request, mut recorded) = read(&head, &body);
    let outcome = {
        let mut state = shared.state();
        let now = shared.clock.now();
        recorded.at = shared.clock.elapsed();
        recorded.account = state.api.account_of(&request);
        let (outcome, mishap) = state.api.answer(&request, now);
        recorded.mishap = mishap;
        state.recorded.push(recorded);
        outcome
    };
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    let date = http_date(shared.clock.now());
    match outcome {
        Outcome::Answered(answer) => Ok(response(answer, &date, false)),
        Outcome::CutOff(answer) => Ok(response(answer, &date, true)),
        Outcome::Closed => Err(io::ErrorKind::ConnectionAborted.into()),
        Outcome::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        Outcome::Late(answer, by) => {
            tokio::time::sleep(by).await;
            Ok(response(answer, &http_date(shared.clock.now()), false))
        }
        Outcome::Silence => std::future::pending().await,
    }
}

fn response(answer: Answer, date: &str, cut_off: bool) -> hyper::Response<AnswerBody> {
    let length = answer.body.len();
    let mut bytes = Bytes::from(answer.body);
    if cut_off {
        bytes.truncate(length / 2);
    }
    let mut response = hyper::Response::new(AnswerBody {
        bytes: Some(bytes),
        cut_off,
        is_flushed: false,
    });
    *response.status_mut() = answer.status;
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(DATE, date);
    set(CONTENT_LENGTH, &length.to_string());
    if let Some(content_type) = answer.content_type {
        set(CONTENT_TYPE, content_type);
    }
    if let Some(retry_after) = answer.retry_after {
        set(RETRY_AFTER, &retry_after);
    }
    response
}

/// A body that can break off.
#[derive(Debug)]
struct AnswerBody {
    bytes: Option<Bytes>,
    cut_off: bool,
    is_flushed: bool,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.cut_off {
            return Poll::Ready(None);
        }
        // What was written leaves the buffer only when there is nothing more to write for now.
        if !self.is_flushed {
            self.is_flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.cut_off
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(bytes) if !self.cut_off => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
