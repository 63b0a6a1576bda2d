//! Handles one request with a new guest, for components of WASI 0.2.

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

type ResponseResult = Result<Response<wasmtime_wasi_http::p2::body::HyperOutgoingBody>, ErrorCode>;

/// Handles a request with a new instance.
pub(super) async fn handle_request(server: &Server, request: Request<Incoming>) -> Response<Body> {
    server.progress();
    let counted = Arc::new(server.requests.one());
    let outcome = Arc::new(OnceLock::new());
    let (presence, gone) = Presence::new(Arc::clone(&counted), server.clients.one());
    let (response_sender, response) = oneshot::channel();
    server.tasks.spawn(run(
        server.clone(),
        request,
        response_sender,
        gone,
        Arc::clone(&outcome),
        counted,
    ));
    match response.await {
        Ok(Ok(response)) => response.map(|body| Body::new(body, presence, outcome, server.clone())),
        Ok(Err(code)) => refusal(&Err(format!("{code:?}"))),
        Err(_) => refusal(&Ok(outcome.get())),
    }
}

/// Returns the response to a request if the guest gave none. `reason` is the outcome of the guest,
/// or the error with which the guest responded.
pub(super) fn refusal(reason: &Result<Option<&Outcome>, String>) -> Response<Body> {
    match reason {
        Err(code) => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("The component responded with an error: {code}"),
        ),
        Ok(Some(Outcome::TooManyInstances)) => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "The maximum number of instances is running. The request was not handled. Retry later.",
        ),
        Ok(Some(Outcome::BadRequest)) => plain(
            StatusCode::BAD_REQUEST,
            "The request has no Host header. It was not handled.",
        ),
        Ok(Some(Outcome::Failed)) => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The component failed. The host's log contains the cause.",
        ),
        Ok(Some(Outcome::Returned | Outcome::TimedOut) | None) => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The component returned no response.",
        ),
    }
}

/// Runs the guest until it ends, but at most for `Limits::after_response` after its client is gone.
async fn run(
    server: Server,
    request: Request<Incoming>,
    response_sender: oneshot::Sender<ResponseResult>,
    gone: oneshot::Receiver<()>,
    outcome: Arc<OnceLock<Outcome>>,
    _counted: Arc<Counted>,
) {
    let setup = &server.component.setup;
    let mut store = setup.store(&server.component.loaded.engine);
    let abandoned = async {
        drop(gone.await);
        tokio::time::sleep(setup.config.limits.after_response).await;
    };
    let ended = tokio::select! {
        result = call_handler(&server, &mut store, request, response_sender) => match result {
            Ok(outcome) => outcome,
            Err(error) if error.is::<PoolConcurrencyLimitError>() => Outcome::TooManyInstances,
            Err(error) => {
                setup.config.stderr.line(&format_args!("a request failed: {error:?}"));
                Outcome::Failed
            }
        },
        () = abandoned => Outcome::TimedOut,
    };
    // Set the outcome first: dropping the store ends the response body, which then reads the
    // outcome.
    drop(outcome.set(ended));
    drop(store);
}

async fn call_handler(
    server: &Server,
    store: &mut Store<Instance>,
    request: Request<Incoming>,
    response_sender: oneshot::Sender<ResponseResult>,
) -> wasmtime::Result<Outcome> {
    let Some(pre) = &server.component.loaded.handler else {
        wasmtime::bail!("the component does not export wasi:http/incoming-handler");
    };
    let Ok(request) = store
        .data_mut()
        .http()
        .new_incoming_request(Scheme::Http, request)
    else {
        return Ok(Outcome::BadRequest);
    };
    let out = store
        .data_mut()
        .http()
        .new_response_outparam(response_sender)?;
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
