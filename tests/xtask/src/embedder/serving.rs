//! Serving a component over HTTP.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::guest::answer;
use super::instance::Count;
use super::tasks::Tasks;
use super::virtual_time::{InFlight, VirtualTime};
use super::{Component, Host};

impl Host {
    /// Serves the component's `wasi:http/incoming-handler` over HTTP/1.1, as `wasmtime serve` does: each request on a fresh
    /// instance, which may go on after its answer has begun.
    ///
    /// A guest that traps or returns before it has begun an answer makes a 500; one that traps within it, an answer that is
    /// cut off. What it died of goes to [`Config::stderr`](super::Config::stderr).
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn serve(&self, listen: SocketAddr) -> io::Result<Serving> {
        let listener = crate::listen::listen(listen)?;
        let serving = Serving {
            address: listener.local_addr()?,
            tasks: Tasks::default(),
            requests: Count::default(),
            host: self.clone(),
        };
        let clock = &self.component.setup.config.clock;
        serving.tasks.spawn(accept(
            listener,
            Server {
                component: Arc::clone(&self.component),
                tasks: serving.tasks.clone(),
                requests: serving.requests.clone(),
                listening: clock
                    .as_virtual()
                    .map(|time| Arc::new(VirtualTime::listening(time))),
            },
        ));
        Ok(serving)
    }
}

/// A component that is being served. Dropping it stops that, and ends what runs.
#[must_use = "nothing is served once it is dropped"]
pub struct Serving {
    address: SocketAddr,
    tasks: Tasks,
    requests: Count,
    pub(super) host: Host,
}

impl Serving {
    /// The address it is served at, with the port that was chosen where 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests are going: the guest still runs, or the client has not got the whole answer.
    pub fn requests(&self) -> usize {
        self.requests.get()
    }

    /// How many instances the host has alive, for requests and for calls.
    pub fn instances(&self) -> usize {
        self.host.instances()
    }

    /// Stops serving, and returns when all that ran has ended.
    pub async fn stop(self) {
        self.tasks.shutdown().await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) component: Arc<Component>,
    pub(super) tasks: Tasks,
    pub(super) requests: Count,
    listening: Option<Arc<InFlight>>,
}

impl Server {
    /// Says that bytes came or went.
    pub(super) fn progress(&self) {
        if let Some(listening) = &self.listening {
            listening.progress();
        }
    }
}

async fn accept(listener: TcpListener, server: Server) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                server.progress();
                server.tasks.spawn(converse(stream, server.clone()));
            }
            // A client that has gone already, or too many open files: neither is a reason to stop, the second one to wait.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn converse(stream: TcpStream, server: Server) {
    // Only a matter of latency.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(answer(&server, request).await) }
    });
    // A client that breaks off or speaks no HTTP has had its answer, if there is one.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}
