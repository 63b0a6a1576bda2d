//! Instances and requests without a socket: the least that a component costs its host.

use std::convert::Infallible;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{Error, WasiHttpView as _};

use super::Host;
use super::error::into_anyhow;

impl Host {
    /// Makes a fresh instance, and drops it.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub async fn instantiate(&self) -> anyhow::Result<()> {
        let mut store = self.component.setup.store(&self.component.engine);
        self.component
            .pre
            .instantiate_async(&mut store)
            .await
            .map(drop)
            .map_err(into_anyhow)
    }

    /// Lets a fresh instance answer `GET` of this path, and returns when the instance is gone.
    ///
    /// # Errors
    ///
    /// When the component exports no `wasi:http/incoming-handler`, cannot be instantiated, traps, or gives no whole answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response<Bytes>> {
        let pre = self
            .component
            .handler
            .as_ref()
            .context("the component does not export wasi:http/incoming-handler")?;
        let request = Request::get(format!("http://localhost{path}"))
            .body(Empty::new().map_err(|never: Infallible| -> Error { match never {} }))?;
        let (begin, begun) = oneshot::channel();
        let setup = &self.component.setup;
        let mut store = setup.store(&self.component.engine);
        let handled = async move {
            let incoming = store
                .data_mut()
                .http()
                .new_incoming_request(Scheme::Http, request)?;
            let out = store.data_mut().http().new_response_outparam(begin)?;
            let proxy = pre.instantiate_async(&mut store).await?;
            proxy
                .wasi_http_incoming_handler()
                .call_handle(&mut store, incoming, out)
                .await?;
            setup.fuel.note(&store);
            wasmtime::Result::Ok(())
        };
        let answered = async {
            let (head, body) = begun.await.context("no answer came")??.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        let (handled, answered) = tokio::join!(handled, answered);
        handled.map_err(into_anyhow).and(answered)
    }
}
