//! Answers in place of a network.

use std::fmt;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use wasmtime_wasi_http::WasiBody;

type Script = dyn Fn(&str, &str) -> String + Send + Sync;

/// Answers in place of a network: what is measured then is a guest, and no socket. Clones are the same.
#[derive(Clone)]
pub struct Answers(Arc<Script>);

impl Answers {
    /// Each is a 200 with the JSON that `script` has for method and target, such as `GET` and `/api/v1/syncs?slug=demo`.
    pub fn new(script: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(script))
    }

    pub(super) async fn answer(self, request: Request<WasiBody>) -> Response<WasiBody> {
        let (head, body) = request.into_parts();
        // A guest that gives up its request has no use for an answer.
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

impl fmt::Debug for Answers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Answers")
    }
}
