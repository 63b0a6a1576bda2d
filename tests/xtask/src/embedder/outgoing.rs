//! Sends the guest's HTTP requests.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::{Request, Response};
use wasmtime_wasi_http::{
    Error, RequestOptions, Result, WasiBody, WasiHttpHooks, default_send_request,
};

use super::outbound::Allowed;
use super::virtual_time::{InFlight, VirtualTime};

type Boxed<T> = Box<dyn Future<Output = Result<T>> + Send>;

/// Sends the allowed requests with wasmtime's default implementation.
pub(super) struct Outgoing {
    allowed: Allowed,
    generated: Option<GeneratedResponses>,
    time: Option<VirtualTime>,
}

impl Outgoing {
    pub(super) fn new(
        allowed: Allowed,
        generated: Option<GeneratedResponses>,
        time: Option<&VirtualTime>,
    ) -> Self {
        Self {
            allowed,
            generated,
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
        if let Some(generated) = self.generated.clone() {
            return Box::new(async move {
                Ok((
                    generated.respond(request).await,
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

/// Makes each timeout of a request fire late, like the guest's other timers.
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

/// A response body that counts as in flight until its end is read.
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

type Script = dyn Fn(&str, &str) -> String + Send + Sync;

/// Generated responses that replace the network, so that a measurement covers only the guest.
/// Clones share them.
#[derive(Clone)]
pub struct GeneratedResponses(Arc<Script>);

impl GeneratedResponses {
    /// Creates responses with status 200. `script` returns the JSON body for a method and target,
    /// such as `GET` and `/api/v1/syncs?slug=demo`.
    pub fn new(script: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(script))
    }

    pub(super) async fn respond(self, request: Request<WasiBody>) -> Response<WasiBody> {
        let (head, body) = request.into_parts();
        // Ignore an error here: a guest that abandons its request does not need the response.
        drop(body.collect().await);
        let target = head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let text = (self.0)(head.method.as_str(), target);
        Response::new(
            Full::new(Bytes::from(text))
                .map_err(|never| match never {})
                .boxed_unsync(),
        )
    }
}

impl fmt::Debug for GeneratedResponses {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("GeneratedResponses")
    }
}
