//! Virtual time, which passes only while the runtime is idle.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::Instant;
use wasmtime_wasi::HostMonotonicClock;

use crate::seeded_random::SeededRandom;

/// The environment variable that sets the seed of the timers' lateness, to repeat a failure.
pub const SEED_VARIABLE: &str = "VIRTUAL_TIME_SEED";
/// Maximum lateness of a guest's timer.
pub const MAX_LATENESS: Duration = Duration::from_millis(20);

/// Number of times that an idle runtime polls for I/O without a pause before time may pass.
const POLLS: u32 = 4;
/// Number of additional polls, each after a [`SHORT_PAUSE`], while a server listens. A client may
/// be about to send.
const SHORT_POLLS: u32 = 4;
const SHORT_PAUSE: Duration = Duration::from_micros(50);
/// Number of additional polls, each after a [`LONG_PAUSE`], while an exchange is in flight. Data
/// may be on its way.
const LONG_POLLS: u32 = 20;
const LONG_PAUSE: Duration = Duration::from_micros(500);

/// Runs `body` on its own runtime with virtual time. When every task waits for a time, the clock
/// jumps to the earliest one.
///
/// A runtime with tokio's paused clock does not suffice if sockets are used. When such a runtime
/// has no task to run, tokio moves the clock to the next timer unless data has arrived at that
/// moment. Before tokio 1.53.3, it moves the clock even if data has arrived. Then a request whose
/// response is still in the kernel runs into its timeout. On this runtime, the clock moves only
/// after the runtime has polled for I/O several times and found nothing. While a request of a guest
/// is in flight, this takes about 10 ms of real time. So an exchange takes no virtual time. A
/// server that sleeps before it responds, or never responds, makes time pass.
///
/// Rules for tests:
/// - Use this function, not `#[tokio::test(start_paused = true)]`. Inside it, `tokio::time` works
///   as usual, and `tokio::time::Instant` shows the virtual time.
/// - Every server that a guest or the test connects to must run as a task inside, and may wait only
///   with `tokio::time`. Nothing may wait in another way (another thread, another process, a sleep
///   of the thread). `spawn_blocking` is allowed, because tokio's clock stands still while such a
///   task runs.
/// - A server's backlog must be large enough for all connections that may be opened at the same
///   time. Beyond it, the kernel makes clients wait for a second of real time, in which the runtime
///   seems idle. [`Serving`](super::Serving) has a backlog of thousands, and
///   `tokio::net::TcpListener::bind` one of about a hundred. `tokio::net::TcpSocket::listen` takes
///   a size.
/// - A client in the test that connects to anything but a [`Serving`](super::Serving) must keep a
///   [`VirtualTime::in_flight`] guard during the exchange.
/// - If no task waits for a time, no time passes. A test that waits for an event that never occurs
///   hangs, unless it has a timeout.
/// - A guest's timers (`wasi:clocks` and the timeouts of its HTTP requests) fire up to
///   [`MAX_LATENESS`] late, because real timers do too. tokio's own timers are exact to one
///   millisecond. [`std::time::Instant`] shows real time.
/// - A random seed determines the lateness. A test that panics prints the seed, and
///   [`SEED_VARIABLE`] sets it.
///
/// # Panics
///
/// Panics if the system cannot create a runtime, or if [`SEED_VARIABLE`] is not a whole number.
pub fn in_virtual_time<T>(body: impl AsyncFnOnce(VirtualTime) -> T) -> T {
    let seed = match std::env::var(SEED_VARIABLE) {
        // Only tests use this. Ignoring an invalid seed would not repeat the failure.
        #[allow(clippy::panic)]
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{SEED_VARIABLE} is not a whole number")),
        Err(_) => RandomState::new().hash_one(SEED_VARIABLE),
    };
    let _printed = PrintedOnPanic(seed);
    let state = Arc::new(State::new(seed));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .on_thread_park({
            let state = Arc::clone(&state);
            move || state.before_park()
        })
        .build();
    // Only tests use this, and they cannot continue without a runtime.
    #[allow(clippy::expect_used)]
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let started = Instant::now();
        body(VirtualTime { started, state }).await
    })
}

/// Prints the seed if the test panics.
struct PrintedOnPanic(u64);

impl Drop for PrintedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "to repeat the lateness of the timers: {SEED_VARIABLE}={}",
                self.0
            );
        }
    }
}

/// The time inside [`in_virtual_time`]. Clones share it.
#[derive(Clone, Debug)]
pub struct VirtualTime {
    started: Instant,
    state: Arc<State>,
}

impl VirtualTime {
    /// Returns the virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Marks an exchange as in flight until the guard is dropped.
    pub fn in_flight(&self) -> InFlight {
        InFlight::new(&self.state, |state| &state.exchanges)
    }

    /// Returns the lateness of the next timer. It is less than [`MAX_LATENESS`], even after tokio
    /// has rounded up to a millisecond.
    pub(super) fn lateness(&self) -> Duration {
        let mut random = self
            .state
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let most = u64::try_from(MAX_LATENESS.as_millis())
            .unwrap_or_default()
            .saturating_sub(1);
        Duration::from_millis(random.between(0, most))
    }

    /// Marks a server as listening until the guard is dropped.
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

/// A guard. While it exists, virtual time passes only after the runtime has waited for I/O.
#[derive(Debug)]
pub struct InFlight {
    state: Arc<State>,
    counter: fn(&State) -> &AtomicUsize,
}

impl InFlight {
    fn new(state: &Arc<State>, counter: fn(&State) -> &AtomicUsize) -> Self {
        state.progress();
        counter(state).fetch_add(1, Ordering::Relaxed);
        Self {
            state: Arc::clone(state),
            counter,
        }
    }

    /// Records network activity.
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

/// All access is on one thread. The fields are atomic only because the compiler requires it.
#[derive(Debug)]
struct State {
    exchanges: AtomicUsize,
    servers: AtomicUsize,
    /// Number of times that the runtime was idle since the last activity.
    idle: AtomicU32,
    random: Mutex<SeededRandom>,
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            exchanges: AtomicUsize::default(),
            servers: AtomicUsize::default(),
            idle: AtomicU32::default(),
            random: Mutex::new(SeededRandom::new(seed, "lateness")),
        }
    }

    fn progress(&self) {
        self.idle.store(0, Ordering::Relaxed);
    }

    /// Called when the runtime has no task to run. If the runtime must poll for I/O again, it
    /// spawns a task. Otherwise the clock moves once, to the next timer.
    fn before_park(&self) {
        let (polls, pause) = if self.exchanges.load(Ordering::Relaxed) > 0 {
            (POLLS + LONG_POLLS, LONG_PAUSE)
        } else if self.servers.load(Ordering::Relaxed) > 0 {
            (POLLS + SHORT_POLLS, SHORT_PAUSE)
        } else {
            (POLLS, Duration::ZERO)
        };
        let idle = self.idle.fetch_add(1, Ordering::Relaxed);
        if idle >= polls {
            self.progress();
            return;
        }
        if idle >= POLLS {
            std::thread::sleep(pause);
        }
        // With a task to run, tokio polls for I/O without blocking and does not move the clock.
        drop(tokio::spawn(async {}));
    }
}
