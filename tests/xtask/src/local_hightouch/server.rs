//! Serves the API over HTTP.

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

use super::api::Api;
use super::clock::{Clock, http_date};
use super::recorded::{Recorded, read};
use super::responses::{ApiResponse, Outcome};

/// State that all connections share.
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

/// Serves until the future is dropped, which also ends all connections.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, shared.clone()));
                }
                // Most likely, too many files are open. Let other tasks close some.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    // Without this option, a poll on a reused connection may wait 40 ms. Ignore an error, because
    // the option is not necessary.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(request, shared.clone()));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // Ignore an error: many scenarios fail a connection on purpose, and the client handles it.
    let ended = (&mut connection).await;
    if ended.is_err_and(|error| is_reset(&error)) {
        // With a linger time of zero, closing the connection resets it. If this fails, the
        // connection closes normally, which is good enough.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

/// Returns whether [`Outcome::Reset`] ended the connection.
fn is_reset(error: &hyper::Error) -> bool {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionReset)
}

/// Handles a request. An error closes the connection without a response.
async fn respond(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
) -> io::Result<hyper::Response<ResponseBody>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let (request, mut recorded) = read(&head, &body);
    let outcome = {
        let mut state = shared.state();
        let now = shared.clock.now();
        recorded.at = shared.clock.elapsed();
        recorded.account = state.api.account_of(&request);
        recorded.further_key = state.api.further_key_of(&request);
        let (outcome, mishap) = state.api.response(&request, now);
        recorded.mishap = mishap;
        state.recorded.push(recorded);
        outcome
    };
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    let date = http_date(shared.clock.now());
    match outcome {
        Outcome::Responded(response) => Ok(http_response(response, &date, false)),
        Outcome::Truncated(response) => Ok(http_response(response, &date, true)),
        Outcome::Closed => Err(io::ErrorKind::ConnectionAborted.into()),
        Outcome::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        Outcome::Late(response, by) => {
            tokio::time::sleep(by).await;
            Ok(http_response(
                response,
                &http_date(shared.clock.now()),
                false,
            ))
        }
        Outcome::Silence => std::future::pending().await,
    }
}

fn http_response(
    api_response: ApiResponse,
    date: &str,
    truncated: bool,
) -> hyper::Response<ResponseBody> {
    let length = api_response.body.len();
    let mut bytes = Bytes::from(api_response.body);
    if truncated {
        bytes.truncate(length / 2);
    }
    let mut response = hyper::Response::new(ResponseBody {
        bytes: Some(bytes),
        truncated,
        is_flushed: false,
    });
    *response.status_mut() = api_response.status;
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(DATE, date);
    set(CONTENT_LENGTH, &length.to_string());
    if let Some(content_type) = api_response.content_type {
        set(CONTENT_TYPE, content_type);
    }
    if let Some(retry_after) = api_response.retry_after {
        set(RETRY_AFTER, &retry_after);
    }
    response
}

/// A response body that can be truncated.
#[derive(Debug)]
struct ResponseBody {
    bytes: Option<Bytes>,
    truncated: bool,
    is_flushed: bool,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.truncated {
            return Poll::Ready(None);
        }
        // The connection sends its buffered data only when the body is pending. So return `Pending`
        // once before the error. Otherwise the client would not receive the data.
        if !self.is_flushed {
            self.is_flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.truncated
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(bytes) if !self.truncated => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
