//! The outcome of a guest, and its effect on the response.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

use super::instance::Counted;
use super::serving::Server;

/// The outcome of a guest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It returned.
    Returned,
    /// It trapped or could not be instantiated.
    Failed,
    /// It was not instantiated, because the maximum number of instances was running already.
    TooManyInstances,
    /// It was not instantiated, because the request had no `Host` header.
    BadRequest,
    /// Its client was gone, and its remaining time had passed.
    TimedOut,
}

/// A client that still waits for part of its response. Dropping it means that the client is gone.
pub(super) struct Presence {
    _gone: oneshot::Sender<()>,
    _request: Arc<Counted>,
    _client: Counted,
}

impl Presence {
    /// Creates a presence and a receiver that resolves when the client is gone.
    pub(super) fn new(request: Arc<Counted>, client: Counted) -> (Self, oneshot::Receiver<()>) {
        let (sender, gone) = oneshot::channel();
        (
            Self {
                _gone: sender,
                _request: request,
                _client: client,
            },
            gone,
        )
    }
}

/// The body of a response.
pub(super) struct Body {
    body: WasiBody,
    guest: Option<Guest>,
}

struct Guest {
    _presence: Presence,
    outcome: Arc<OnceLock<Outcome>>,
    server: Server,
}

impl Body {
    /// Creates a body that a guest writes.
    pub(super) fn new(
        body: WasiBody,
        presence: Presence,
        outcome: Arc<OnceLock<Outcome>>,
        server: Server,
    ) -> Self {
        Self {
            body,
            guest: Some(Guest {
                _presence: presence,
                outcome,
                server,
            }),
        }
    }

    /// Creates a body that the host itself writes.
    pub(super) fn whole(
        body: impl hyper::body::Body<Data = Bytes, Error = Error> + Send + 'static,
    ) -> Self {
        Self {
            body: body.boxed_unsync(),
            guest: None,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let Some(guest) = &self.guest else {
            return Poll::Ready(frame);
        };
        guest.server.progress();
        // Without an error, the truncated body of a failed guest would look complete to the client.
        if frame.is_none() && guest.outcome.get() == Some(&Outcome::Failed) {
            return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
