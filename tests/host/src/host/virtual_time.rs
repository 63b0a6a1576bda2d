//! Time that passes only while nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::Instant;
use wasmtime_wasi::HostMonotonicClock;

/// How often an idle runtime looks for I/O without pausing before time may pass.
const LOOKS: u32 = 4;
/// How often it looks with a [`SHORT_PAUSE`] before each look while a server listens: a client may be about to speak.
const SHORT_LOOKS: u32 = 4;
const SHORT_PAUSE: Duration = Duration::from_micros(50);
/// How often it looks with a [`LONG_PAUSE`] before each look while an exchange is in flight: bytes may be on their way.
const LONG_LOOKS: u32 = 20;
const LONG_PAUSE: Duration = Duration::from_micros(500);

/// Runs `body` on a runtime of its own where time is virtual: when every task waits for a time to come, it comes at once.
///
/// A runtime that tokio paused is not enough where sockets are used. Whenever it has no task to run, tokio moves a paused
/// clock to the next timer unless bytes have arrived at that very moment (before tokio 1.53.3 even if they had): a request
/// whose answer is still on its way through the kernel runs into its timeout. On this runtime the clock moves only after the
/// runtime has looked for I/O again and again and found nothing; while a request of a guest is in flight, for some ten
/// milliseconds of real time. So an exchange takes no virtual time at all, while a server that sleeps before it answers, or
/// never answers, makes time pass.
///
/// What a test has to keep to:
/// - Use this function, not `#[tokio::test(start_paused = true)]`. `tokio::time` works as ever within, and
///   `tokio::time::Instant` tells the virtual time.
/// - Every server that a guest or the test talks to runs as a task within, and waits only by `tokio::time`. Nothing may take
///   its time elsewhere (another thread, another process, a sleep of the thread), but for `spawn_blocking`: tokio's clock
///   stands still while one runs.
/// - A server's backlog holds all the connections that may be opened at the same instant: beyond it the kernel makes clients
///   wait for a second of real time, which looks as if nothing happened. [`Serving`](super::Serving) has room for thousands,
///   what `tokio::net::TcpListener::bind` makes for a hundred or so; `tokio::net::TcpSocket::listen` takes a figure.
/// - A client of the test's own that talks to anything but a [`Serving`](super::Serving) holds a
///   [`VirtualTime::in_flight`] meanwhile.
/// - Where nothing waits for a time, none passes: a wait for what never comes hangs unless the test has a timeout.
/// - Times are exact to tokio's millisecond. Real time is another matter: [`std::time::Instant`] still tells it.
///
/// # Panics
///
/// When the system has no resources left for a runtime.
pub fn in_virtual_time<T>(body: impl AsyncFnOnce(VirtualTime) -> T) -> T {
    let state = Arc::new(State::default());
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .on_thread_park({
            let state = Arc::clone(&state);
            move || state.before_park()
        })
        .build();
    // For tests, where there is nothing else to do about it.
    #[allow(clippy::expect_used)]
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let started = Instant::now();
        body(VirtualTime { started, state }).await
    })
}

/// The time within [`in_virtual_time`]. Clones tell the same.
#[derive(Clone, Debug)]
pub struct VirtualTime {
    started: Instant,
    state: Arc<State>,
}

impl VirtualTime {
    /// How much virtual time has passed since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Says that bytes may be on their way, until the guard is dropped.
    pub fn in_flight(&self) -> InFlight {
        InFlight::new(&self.state, |state| &state.exchanges)
    }

    /// Says that a server listens, until the guard is dropped.
    pub(super) fn listening(&self) -> InFlight {
        InFlight::new(&self.state, |state| &state.servers)
    }
}

impl HostMonotonicClock for VirtualTime {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Keeps virtual time from passing before the runtime has waited for I/O.
#[derive(Debug)]
pub struct InFlight {
    state: Arc<State>,
    counter: fn(&State) -> &AtomicUsize,
}

impl InFlight {
    fn new(state: &Arc<State>, counter: fn(&State) -> &AtomicUsize) -> Self {
        state.progress();
        counter(state).fetch_add(1, Ordering::Relaxed);
        Self { state: Arc::clone(state), counter }
    }

    /// Says that bytes came or went.
    pub(super) fn progress(&self) {
        self.state.progress();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.state.progress();
        (self.counter)(&self.state).fetch_sub(1, Ordering::Relaxed);
    }
}

/// All on one thread: the atomics are for the compiler.
#[derive(Debug, Default)]
struct State {
    exchanges: AtomicUsize,
    servers: AtomicUsize,
    /// How often the runtime was found idle since anything was last known to happen.
    idle: AtomicU32,
}

impl State {
    fn progress(&self) {
        self.idle.store(0, Ordering::Relaxed);
    }

    /// Called when the runtime has no task to run. Returns with one if it is to look for I/O and come back, and without if
    /// the clock may move: it does so once, to the next timer.
    fn before_park(&self) {
        let (looks, pause) = if self.exchanges.load(Ordering::Relaxed) > 0 {
            (LOOKS + LONG_LOOKS, LONG_PAUSE)
        } else if self.servers.load(Ordering::Relaxed) > 0 {
            (LOOKS + SHORT_LOOKS, SHORT_PAUSE)
        } else {
            (LOOKS, Duration::ZERO)
        };
        let idle = self.idle.fetch_add(1, Ordering::Relaxed);
        if idle >= looks {
            self.progress();
            return;
        }
        if idle >= LOOKS {
            std::thread::sleep(pause);
        }
        // With a task to run, tokio looks for I/O without blocking and leaves the clock alone.
        drop(tokio::spawn(async {}));
    }
}
