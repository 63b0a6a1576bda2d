//! The guest's HTTP requests.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::{Request, Response};
use wasmtime_wasi_http::{
    Error, RequestOptions, Result, WasiBody, WasiHttpHooks, default_send_request,
};

use super::answers::Answers;
use super::outbound::Allowed;
use super::virtual_time::{InFlight, VirtualTime};

type Boxed<T> = Box<dyn Future<Output = Result<T>> + Send>;

/// Sends the requests that are allowed, as wasmtime does by default.
pub(super) struct Outgoing {
    allowed: Allowed,
    answers: Option<Answers>,
    time: Option<VirtualTime>,
}

impl Outgoing {
    pub(super) fn new(
        allowed: Allowed,
        answers: Option<Answers>,
        time: Option<&VirtualTime>,
    ) -> Self {
        Self {
            allowed,
            answers,
            time: time.cloned(),
        }
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        mut options: Option<RequestOptions>,
        _: Boxed<()>,
    ) -> Boxed<(Response<WasiBody>, Boxed<()>)> {
        if !self.allowed.allows(request.uri()) {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        if let Some(answers) = self.answers.clone() {
            return Box::new(async move {
                Ok((
                    answers.answer(request).await,
                    Box::new(std::future::ready(Ok(()))) as Boxed<()>,
                ))
            });
        }
        if let (Some(time), Some(options)) = (&self.time, &mut options) {
            fire_late(options, time);
        }
        let in_flight = self.time.as_ref().map(VirtualTime::in_flight);
        Box::new(async move {
            let (response, rest) = default_send_request(request, options).await?;
            let response = response.map(|body| Incoming::new(body, in_flight).boxed_unsync());
            Ok((response, Box::new(rest) as Boxed<()>))
        })
    }
}

/// Lets each timeout of a request fire late, as the guest's other timers do.
fn fire_late(options: &mut RequestOptions, time: &VirtualTime) {
    let timeouts = [
        &mut options.connect_timeout,
        &mut options.first_byte_timeout,
        &mut options.between_bytes_timeout,
    ];
    for timeout in timeouts.into_iter().flatten() {
        *timeout = timeout.saturating_add(time.lateness());
    }
}

/// A response's body, in flight until its end was read.
struct Incoming<B> {
    body: Pin<Box<B>>,
    in_flight: Option<InFlight>,
}

impl<B: Body> Incoming<B> {
    fn new(body: B, in_flight: Option<InFlight>) -> Self {
        Self {
            in_flight: in_flight.filter(|_| !body.is_end_stream()),
            body: Box::pin(body),
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Incoming<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        match (&frame, &self.in_flight) {
            (Some(Ok(_)), Some(in_flight)) => in_flight.progress(),
            (Some(Ok(_)), None) => {}
            (Some(Err(_)) | None, _) => self.in_flight = None,
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
