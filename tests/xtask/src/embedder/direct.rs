//! Instantiates and calls components without a socket, to measure the minimum cost of a component.

use std::convert::Infallible;
use std::future::{pending, poll_fn};

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::sync::oneshot;
use wasmtime::AsContextMut as _;
use wasmtime_wasi_http::handler::{Prepared, Proxy};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView as _};

use super::Host;
use super::instance::Instance;
use super::into_anyhow;

impl Host {
    /// Creates an instance and drops it.
    ///
    /// # Errors
    ///
    /// Fails if the component cannot be instantiated.
    pub async fn instantiate(&self) -> anyhow::Result<()> {
        let mut store = self.component.setup.store(&self.component.loaded.engine);
        self.component
            .loaded
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
    /// Fails if the component exports no HTTP handler, cannot be instantiated, traps, or does not
    /// return a complete response.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response<Bytes>> {
        if let Some(pre) = &self.component.loaded.service {
            return self.get_from_service(pre, path).await;
        }
        let pre = self
            .component
            .loaded
            .handler
            .as_ref()
            .context("the component exports no HTTP handler")?;
        let request = request(path)?;
        let (response_sender, response) = oneshot::channel();
        let setup = &self.component.setup;
        let mut store = setup.store(&self.component.loaded.engine);
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
            let response = response
                .await
                .context("the component returned no response")??;
            complete(response).await
        };
        let (handled, received) = tokio::join!(handled, received);
        handled.map_err(into_anyhow).and(received)
    }

    /// Does [`get`](Self::get) for a component of WASI 0.3.
    async fn get_from_service(
        &self,
        pre: &ServicePre<Instance>,
        path: &str,
    ) -> anyhow::Result<Response<Bytes>> {
        let request = request(path)?;
        let (response_sender, response) = futures_channel::oneshot::channel();
        let setup = &self.component.setup;
        let mut store = setup.store(&self.component.loaded.engine);
        let handled = async move {
            let proxy = Proxy::P3(pre.instantiate_async(&mut store).await?);
            let prepared = Prepared::new(
                store.as_context_mut(),
                &proxy,
                request,
                Instance::http,
                response_sender,
            )?;
            store
                .run_concurrent(async |accessor| {
                    prepared.run(accessor, pending()).await?;
                    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                    wasmtime::error::Ok(())
                })
                .await
                .flatten()?;
            setup.fuel.record(&store);
            wasmtime::error::Ok(())
        };
        let received = async {
            let response = response
                .await
                .context("the component returned no response")?;
            complete(response.map_err(into_anyhow)?).await
        };
        let (handled, received) = tokio::join!(handled, received);
        handled.map_err(into_anyhow).and(received)
    }
}

fn request(path: &str) -> anyhow::Result<Request<WasiBody>> {
    let body = Empty::new().map_err(|never: Infallible| -> Error { match never {} });
    let request = Request::get(format!("http://localhost{path}"));
    Ok(request.body(body.boxed_unsync())?)
}

async fn complete(response: Response<WasiBody>) -> anyhow::Result<Response<Bytes>> {
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}
