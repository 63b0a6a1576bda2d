//! Instantiates and calls components without a socket, to measure the minimum cost of a component.

use std::convert::Infallible;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{Error, WasiHttpView as _};

use super::Host;
use super::into_anyhow;

impl Host {
    /// Creates an instance and drops it.
    ///
    /// # Errors
    ///
    /// Fails if the component cannot be instantiated.
    pub async fn instantiate(&self) -> anyhow::Result<()> {
        let mut store = self.component.setup.store(&self.component.engine);
        self.component
            .pre
            .instantiate_async(&mut store)
            .await
            .map(drop)
            .map_err(into_anyhow)
    }

    /// Sends `GET path` to a new instance. Returns when the instance has ended.
    ///
    /// # Errors
    ///
    /// Fails if the component does not export `wasi:http/incoming-handler`, cannot be instantiated,
    /// traps, or does not return a complete response.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response<Bytes>> {
        let pre = self
            .component
            .handler
            .as_ref()
            .context("the component does not export wasi:http/incoming-handler")?;
        let request = Request::get(format!("http://localhost{path}"))
            .body(Empty::new().map_err(|never: Infallible| -> Error { match never {} }))?;
        let (response_sender, response) = oneshot::channel();
        let setup = &self.component.setup;
        let mut store = setup.store(&self.component.engine);
        let handled = async move {
            let incoming = store
                .data_mut()
                .http()
                .new_incoming_request(Scheme::Http, request)?;
            let out = store
                .data_mut()
                .http()
                .new_response_outparam(response_sender)?;
            let proxy = pre.instantiate_async(&mut store).await?;
            proxy
                .wasi_http_incoming_handler()
                .call_handle(&mut store, incoming, out)
                .await?;
            setup.fuel.record(&store);
            wasmtime::Result::Ok(())
        };
        let received = async {
            let (head, body) = response
                .await
                .context("the component returned no response")??
                .into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        let (handled, received) = tokio::join!(handled, received);
        handled.map_err(into_anyhow).and(received)
    }
}
