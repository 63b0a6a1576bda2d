//! Serves a component over HTTP.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use wasmtime_wasi_http::handler::ProxyHandler;

use super::instance::Count;
use super::outcome::Body;
use super::reuse::{Instances, Stop};
use super::virtual_time::{InFlight, VirtualTime};
use super::{Component, Host};
use super::{guest, reuse};

impl Host {
    /// Serves the component's HTTP handler over HTTP/1.1, as `wasmtime serve` does. A guest may
    /// continue to run after its response has begun. Each request gets a new instance, or shares
    /// one as [`Config::reuse`](super::Config::reuse) allows.
    ///
    /// If a guest traps or returns before its response begins, the client gets status 500. If it
    /// traps later, the response is truncated. The cause goes to
    /// [`Config::stderr`](super::Config::stderr).
    ///
    /// # Errors
    ///
    /// Fails if it cannot listen on the address.
    pub async fn serve(&self, listen: SocketAddr) -> io::Result<Serving> {
        let listener = crate::listen::listen(listen)?;
        let (service, stop) = self
            .component
            .loaded
            .service
            .as_ref()
            .map(|_| Instances::new(Arc::clone(&self.component)))
            .map(|(instances, stop)| (ProxyHandler::new(instances), stop))
            .unzip();
        let serving = Serving {
            address: listener.local_addr()?,
            tasks: Tasks::default(),
            requests: Count::default(),
            clients: Count::default(),
            stop,
            host: self.clone(),
        };
        let clock = &self.component.setup.config.clock;
        serving.tasks.spawn(accept(
            listener,
            Server {
                component: Arc::clone(&self.component),
                tasks: serving.tasks.clone(),
                requests: serving.requests.clone(),
                clients: serving.clients.clone(),
                service,
                listening: clock
                    .as_virtual()
                    .map(|time| Arc::new(VirtualTime::listening(time))),
            },
        ));
        Ok(serving)
    }
}

/// A component that is being served. Dropping it stops the server and ends all guests.
#[must_use = "nothing is served once it is dropped"]
pub struct Serving {
    address: SocketAddr,
    tasks: Tasks,
    requests: Count,
    clients: Count,
    /// Ends the instances that requests share.
    stop: Option<Stop>,
    pub(super) host: Host,
}

impl Serving {
    /// Returns the address. If port 0 was requested, it contains the port that the system chose.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns `http://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the number of requests whose guest still runs or whose client does not have the
    /// whole response. If requests share an instance, its requests count until it has no work.
    pub fn requests(&self) -> usize {
        self.requests.get()
    }

    /// Returns the number of clients that do not have their whole response.
    pub fn clients(&self) -> usize {
        self.clients.get()
    }

    /// Returns the number of live instances of the host, for requests and for calls.
    pub fn instances(&self) -> usize {
        self.host.instances()
    }

    /// Stops the server, and returns when all guests have ended.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        if let Some(stop) = self.stop.take() {
            stop.stop().await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

/// State that all connections share.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) component: Arc<Component>,
    pub(super) tasks: Tasks,
    pub(super) requests: Count,
    pub(super) clients: Count,
    /// Handles the requests to a component of WASI 0.3.
    service: Option<ProxyHandler<Instances>>,
    listening: Option<Arc<InFlight>>,
}

impl Server {
    async fn handle_request(&self, request: Request<Incoming>) -> Response<Body> {
        match &self.service {
            Some(service) => reuse::handle_request(self, service, request).await,
            None => guest::handle_request(self, request).await,
        }
    }

    /// Records network activity.
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
                server
                    .tasks
                    .spawn(handle_connection(stream, server.clone()));
            }
            // The client disconnected already, or too many files are open. Wait briefly because of
            // the second case, then continue.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn handle_connection(stream: TcpStream, server: Server) {
    // Ignore an error here: this option only affects latency.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.handle_request(request).await) }
    });
    // Ignore an error here: a client that disconnects or does not speak HTTP has received its
    // response, if any.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// A set of tasks that are aborted together. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    /// Spawns a task.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.with(|tasks| {
            // The set keeps finished tasks until they are joined.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        });
    }

    /// Aborts all tasks. Each ends at its next await point.
    pub(super) fn abort(&self) {
        self.with(JoinSet::abort_all);
    }

    /// Aborts all tasks and waits until they have ended.
    pub(super) async fn shutdown(&self) {
        let mut tasks = self.with(std::mem::take);
        tasks.shutdown().await;
    }

    fn with<T>(&self, f: impl FnOnce(&mut JoinSet<()>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
