//! One request and the guest that answers it.

use std::sync::{Arc, OnceLock};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response, StatusCode};
use tokio::sync::oneshot;
use wasmtime::{PoolConcurrencyLimitError, Store};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};

use super::instance::{Counted, Instance};
use super::outcome::{Body, Outcome, Presence};
use super::serving::Server;

type Answer = Result<Response<wasmtime_wasi_http::p2::body::HyperOutgoingBody>, ErrorCode>;

/// Lets a fresh instance answer.
pub(super) async fn answer(server: &Server, request: Request<Incoming>) -> Response<Body> {
    server.progress();
    let counted = Arc::new(server.requests.one());
    let outcome = Arc::new(OnceLock::new());
    let (presence, gone) = Presence::new(Arc::clone(&counted));
    let (begin, begun) = oneshot::channel();
    server.tasks.spawn(run(
        server.clone(),
        request,
        begin,
        gone,
        Arc::clone(&outcome),
        counted,
    ));
    match begun.await {
        Ok(Ok(response)) => response.map(|body| Body::new(body, presence, outcome, server.clone())),
        Ok(Err(code)) => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("the component answered with an error: {code:?}"),
        ),
        Err(_) => match outcome.get() {
            Some(Outcome::NoRoom) => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "as many instances as may be are running",
            ),
            Some(Outcome::BadRequest) => plain(StatusCode::BAD_REQUEST, "the request has no host"),
            Some(Outcome::Failed) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the component failed; its host's log says why",
            ),
            Some(Outcome::Returned | Outcome::Ended) | None => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the component gave no answer",
            ),
        },
    }
}

/// Runs the guest to its end, or to the end of the time that it has when its client needs it no more.
async fn run(
    server: Server,
    request: Request<Incoming>,
    begin: oneshot::Sender<Answer>,
    gone: oneshot::Receiver<()>,
    outcome: Arc<OnceLock<Outcome>>,
    _counted: Arc<Counted>,
) {
    let setup = &server.component.setup;
    let mut store = setup.store(&server.component.engine);
    let given_up = async {
        drop(gone.await);
        tokio::time::sleep(setup.config.limits.afterwards).await;
    };
    let ended = tokio::select! {
        result = handle(&server, &mut store, request, begin) => match result {
            Ok(outcome) => outcome,
            Err(error) if error.is::<PoolConcurrencyLimitError>() => Outcome::NoRoom,
            Err(error) => {
                setup.config.stderr.line(&format_args!("a request failed: {error:?}"));
                Outcome::Failed
            }
        },
        () = given_up => Outcome::Ended,
    };
    // The answer ends when the store is dropped: by then it has to be known whether that is its end or not.
    drop(outcome.set(ended));
    drop(store);
}

async fn handle(
    server: &Server,
    store: &mut Store<Instance>,
    request: Request<Incoming>,
    begin: oneshot::Sender<Answer>,
) -> wasmtime::Result<Outcome> {
    let Some(pre) = &server.component.handler else {
        wasmtime::bail!("the component does not export wasi:http/incoming-handler");
    };
    let Ok(request) = store
        .data_mut()
        .http()
        .new_incoming_request(Scheme::Http, request)
    else {
        return Ok(Outcome::BadRequest);
    };
    let out = store.data_mut().http().new_response_outparam(begin)?;
    let proxy = pre.instantiate_async(&mut *store).await?;
    proxy
        .wasi_http_incoming_handler()
        .call_handle(&mut *store, request, out)
        .await?;
    Ok(Outcome::Returned)
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let whole = Full::new(Bytes::from(format!("{text}\n"))).map_err(|never| match never {});
    let mut response = Response::new(Body::whole(whole));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
