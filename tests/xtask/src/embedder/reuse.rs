//! Handles requests with instances that several callers share, as `wasmtime serve` does for
//! components of WASI 0.3.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant as Time, Sleep, sleep};
use wasmtime::component::GuestTaskId;
use wasmtime::{PoolConcurrencyLimitError, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    self, HandlerState, InstantiationError, Proxy, ProxyHandler, ShouldAccept, TrapOrPanicError,
    WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, WasiHttpView as _};

use super::Component;
use super::config::{Limits, Reuse};
use super::guest::refusal;
use super::instance::{Counted, Instance};
use super::outcome::{Body, Outcome, Presence};
use super::serving::Server;

/// Handles a request with an instance that has room for it, or with a new instance.
pub(super) async fn handle_request(
    server: &Server,
    service: &ProxyHandler<Instances>,
    request: Request<Incoming>,
) -> Response<Body> {
    server.progress();
    let counted = Arc::new(server.requests.one());
    let (presence, gone) = Presence::new(Arc::clone(&counted), server.clients.one());
    let outcome = Arc::new(OnceLock::new());
    let caller = Caller {
        counted,
        gone,
        outcome: Arc::clone(&outcome),
    };
    let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
    let error = match service.handle(caller, request).await {
        Ok(response) => {
            return response.map(|body| Body::new(body, presence, outcome, server.clone()));
        }
        Err(error) => error,
    };
    if let Some(code) = error.downcast_ref::<ErrorCode>() {
        return refusal(&Err(format!("{code:?}")));
    }
    let refused = error
        .downcast_ref::<InstantiationError<Caller>>()
        .is_some_and(|failed| failed.error.is::<PoolConcurrencyLimitError>());
    if refused {
        return refusal(&Ok(Some(&Outcome::TooManyInstances)));
    }
    // The instance's end is logged where it ends.
    if !error.is::<TrapOrPanicError>() && outcome.get().is_none() {
        let stderr = &server.component.setup.config.stderr;
        stderr.line(&format_args!("a request failed: {error:?}"));
    }
    refusal(&Ok(Some(&Outcome::Failed)))
}

/// A caller that waits for a response, or for the rest of its body.
pub(super) struct Caller {
    counted: Arc<Counted>,
    gone: oneshot::Receiver<()>,
    /// Set if the instance fails before the caller is gone.
    outcome: Arc<OnceLock<Outcome>>,
}

/// Creates the instances of a component for [`ProxyHandler`].
pub(super) struct Instances {
    component: Arc<Component>,
    stop: watch::Receiver<()>,
    /// Dropped when the last instance has ended.
    _ended: oneshot::Sender<()>,
}

/// Ends all instances if it is dropped.
pub(super) struct Stop {
    stop: watch::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Stop {
    /// Ends all instances. Returns when they have ended.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // The sender is dropped without a message.
        drop(self.ended.await);
    }
}

impl Instances {
    pub(super) fn new(component: Arc<Component>) -> (Self, Stop) {
        let (stop, receiver) = watch::channel(());
        let (sender, ended) = oneshot::channel();
        (
            Self {
                component,
                stop: receiver,
                _ended: sender,
            },
            Stop { stop, ended },
        )
    }
}

impl HandlerState for Instances {
    type StoreData = Instance;
    type WorkerExpiration = Expiration;
    type WorkerState = Shared;

    async fn instantiate(
        &self,
    ) -> wasmtime::Result<handler::Instance<Instance, Expiration, Shared>> {
        let Some(pre) = &self.component.loaded.service else {
            wasmtime::bail!("the component does not export wasi:http/handler");
        };
        let setup = &self.component.setup;
        let mut store = setup.store(&self.component.loaded.engine);
        let proxy = Proxy::P3(pre.instantiate_async(&mut store).await?);
        let callers = Callers::default();
        let mut stop = self.stop.clone();
        let expiration = Expiration {
            callers: callers.clone(),
            reuse: setup.config.reuse,
            limits: setup.config.limits.clone(),
            stop: Box::pin(async move { drop(stop.changed().await) }),
            state: State::Busy,
            since: Time::now(),
            timer: Box::pin(sleep(setup.config.reuse.idle)),
        };
        Ok(handler::Instance {
            store,
            proxy,
            view: Instance::http,
            expiration,
            state: Shared {
                component: Arc::clone(&self.component),
                callers,
            },
        })
    }
}

/// The callers of one instance. Clones share them.
#[derive(Clone, Default)]
struct Callers(Arc<CallersState>);

#[derive(Default)]
struct CallersState {
    present: Mutex<Vec<Caller>>,
    /// The requests since the instance last had no work.
    counted: Mutex<Vec<Arc<Counted>>>,
    /// Whether the host itself ended the instance.
    expired: AtomicBool,
}

impl Callers {
    fn with<T>(&self, f: impl FnOnce(&mut Vec<Caller>) -> T) -> T {
        f(&mut self
            .0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, caller: Caller) {
        self.counted().push(Arc::clone(&caller.counted));
        self.with(|callers| callers.push(caller));
    }

    fn counted(&self) -> MutexGuard<'_, Vec<Arc<Counted>>> {
        self.0
            .counted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the callers that are gone. Returns whether any is left.
    fn poll_present(&self, cx: &mut Context<'_>) -> bool {
        self.with(|callers| {
            callers.retain_mut(|caller| Pin::new(&mut caller.gone).poll(cx).is_pending());
            !callers.is_empty()
        })
    }
}

/// An instance that several callers share.
pub(super) struct Shared {
    component: Arc<Component>,
    callers: Callers,
}

impl WorkerState for Shared {
    type StoreData = Instance;
    type RequestData = Caller;

    fn should_accept_request(&self, at_once: usize, in_total: usize) -> ShouldAccept {
        let reuse = &self.component.setup.config.reuse;
        if in_total >= reuse.in_total {
            ShouldAccept::Never
        } else if at_once >= reuse.at_once {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Instance>,
        caller: Caller,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        self.callers.add(caller);
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Instance>, result: wasmtime::Result<()>) {
        let setup = &self.component.setup;
        setup.fuel.record(&store);
        let expired = self.callers.0.expired.load(Ordering::Relaxed);
        if let Err(error) = result {
            if !expired {
                setup
                    .config
                    .stderr
                    .line(&format_args!("an instance failed: {error:?}"));
            }
            // Set the outcomes first: dropping the store ends the bodies of the responses, which
            // then read the outcomes.
            for caller in self.callers.with(std::mem::take) {
                let outcome = if expired {
                    Outcome::TimedOut
                } else {
                    Outcome::Failed
                };
                drop(caller.outcome.set(outcome));
            }
        }
        drop(store);
    }
}

/// What an instance does, as far as its end depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A caller waits for a response or for the rest of its body.
    Busy,
    /// All callers are gone, but the guest still works.
    Abandoned,
    /// The guest has no work.
    Idle,
}

/// Decides when an instance ends.
pub(super) struct Expiration {
    callers: Callers,
    reuse: Reuse,
    limits: Limits,
    stop: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    state: State,
    since: Time,
    timer: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    /// Ignores the given start time, because it is not in virtual time.
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        _: std::time::Instant,
    ) -> Poll<()> {
        let me = &mut *self;
        if status == WorkerStatus::Idle {
            me.callers.counted().clear();
        }
        let state = match (me.callers.poll_present(cx), status) {
            (true, _) => State::Busy,
            (false, WorkerStatus::Idle) => State::Idle,
            (false, WorkerStatus::Requests | WorkerStatus::PostReturn) => State::Abandoned,
        };
        if state != me.state {
            (me.state, me.since) = (state, Time::now());
        }
        let limit = match state {
            State::Busy => None,
            State::Abandoned => Some(me.limits.after_response),
            State::Idle => Some(me.reuse.idle),
        };
        let ended = me.stop.as_mut().poll(cx).is_ready()
            || limit
                .and_then(|limit| me.since.checked_add(limit))
                .is_some_and(|end| {
                    if me.timer.deadline() != end {
                        me.timer.as_mut().reset(end);
                    }
                    me.timer.as_mut().poll(cx).is_ready()
                });
        if ended {
            me.callers.0.expired.store(true, Ordering::Relaxed);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
