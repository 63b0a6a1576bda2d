//! Time that passes only while nothing else does.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::Instant;
use wasmtime_wasi::HostMonotonicClock;

use crate::dice::Dice;

/// The environment variable that sets the seed of the lateness, so that a failure can be repeated.
pub const SEED_VARIABLE: &str = "VIRTUAL_TIME_SEED";
/// The most by which a guest's timer fires late.
pub const MAX_LATENESS: Duration = Duration::from_millis(20);

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
/// - A guest's timers (`wasi:clocks`, and the timeouts of its HTTP requests) fire late, by up to [`MAX_LATENESS`], because the timers of
///   every real host do. tokio's own timers are exact to its millisecond. Real time is another matter: [`std::time::Instant`] still
///   tells it.
/// - The lateness follows from a random seed. A test that panics prints the seed; [`SEED_VARIABLE`] sets it.
///
/// # Panics
///
/// When the system has no resources left for a runtime, or [`SEED_VARIABLE`] is not a whole number.
pub fn in_virtual_time<T>(body: impl AsyncFnOnce(VirtualTime) -> T) -> T {
    let seed = match std::env::var(SEED_VARIABLE) {
        // For tests: a seed that was ignored would repeat nothing.
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
    // For tests, where there is nothing else to do about it.
    #[allow(clippy::expect_used)]
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let started = Instant::now();
        body(VirtualTime { started, state }).await
    })
}

/// Prints the seed of a test that panics.
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

    /// Returns by how much the next timer fires late: less than [`MAX_LATENESS`], even after tokio has rounded up to its millisecond.
    pub(super) fn lateness(&self) -> Duration {
        let mut dice = self
            .state
            .dice
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let most = u64::try_from(MAX_LATENESS.as_millis())
            .unwrap_or_default()
            .saturating_sub(1);
        Duration::from_millis(dice.between(0, most))
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
        Self {
            state: Arc::clone(state),
            counter,
        }
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
#[derive(Debug)]
struct State {
    exchanges: AtomicUsize,
    servers: AtomicUsize,
    /// How often the runtime was found idle since anything was last known to happen.
    idle: AtomicU32,
    dice: Mutex<Dice>,
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            exchanges: AtomicUsize::default(),
            servers: AtomicUsize::default(),
            idle: AtomicU32::default(),
            dice: Mutex::new(Dice::new(seed, "lateness")),
        }
    }

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
