//! The configuration of a hosted component.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outbound::Outbound;
use super::outgoing::GeneratedResponses;
use super::stderr::Stderr;
use super::virtual_time::VirtualTime;

/// The configuration of a hosted component.
///
/// The default grants nothing: no outbound requests, no environment variables, no Spin variables.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The allowed destinations of the guest's HTTP requests.
    pub outbound: Outbound,
    /// All environment variables of the guest, for `wasi:cli/environment`.
    pub environment: Vec<(String, String)>,
    /// The guest's Spin variables by name, for `fermyon:spin/variables` and `spin:variables`. Spin's
    /// rules apply. A name that is not in this map gives `undefined`. A name gives `invalid-name`
    /// if it does not start with a lower-case letter, ends in `_`, contains `__`, or contains
    /// anything but lower-case letters, digits and `_`.
    pub variables: BTreeMap<String, String>,
    /// The guest's `wasi:clocks/monotonic-clock`.
    pub clock: Clock,
    /// The destination of the guest's stderr and of the host's messages about guests that failed.
    pub stderr: Stderr,
    /// Responses to the guest's HTTP requests. If set, no request is sent.
    pub generated_responses: Option<GeneratedResponses>,
    /// Whether [`Host::fuel`](super::Host::fuel) counts. Counting makes guests slower.
    pub metered: bool,
    /// Limits of one guest and of all guests together.
    pub limits: Limits,
    /// How requests share instances of a component of WASI 0.3.
    pub reuse: Reuse,
}

/// How requests share instances of a component of WASI 0.3. A component of WASI 0.2 gets a new
/// instance for each request.
#[derive(Clone, Copy, Debug)]
pub struct Reuse {
    /// Maximum number of requests that one instance handles at the same time.
    pub at_once: usize,
    /// Maximum number of requests that one instance handles in total.
    pub in_total: usize,
    /// Time after which an instance without work ends.
    pub idle: Duration,
}

impl Reuse {
    /// Each request gets a new instance.
    pub const NONE: Self = Self {
        at_once: 1,
        in_total: 1,
        idle: Duration::ZERO,
    };
}

impl Default for Reuse {
    /// Returns the defaults of `wasmtime serve` 48: 16 requests at a time, 128 in total, and one
    /// second without work.
    fn default() -> Self {
        Self {
            at_once: 16,
            in_total: 128,
            idle: Duration::from_secs(1),
        }
    }
}

/// The guest's clock.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's monotonic clock.
    #[default]
    Real,
    /// A virtual clock, on which an hour passes within milliseconds. See
    /// [`in_virtual_time`](super::in_virtual_time) for its rules.
    Virtual(VirtualTime),
}

impl Clock {
    /// Returns the virtual time, or `None` for the system's clock.
    pub(super) fn as_virtual(&self) -> Option<&VirtualTime> {
        match self {
            Self::Real => None,
            Self::Virtual(time) => Some(time),
        }
    }
}

/// Resource limits of guests.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum linear memory of one instance, in bytes. Beyond it, `memory.grow` fails in the
    /// guest.
    pub memory: usize,
    /// Maximum number of instances at the same time. All hosts of this process with the same value
    /// share one pool. Beyond the limit, instantiation fails, and an HTTP request gets status 503.
    pub instances: u32,
    /// Maximum time that a guest may continue to run after its HTTP client received the whole
    /// response or disconnected.
    ///
    /// As with `wasmtime serve`, a guest notices that its client disconnected only at its next
    /// write. Unlike `wasmtime serve`, this host then ends the guest after this time. A guest that
    /// several clients share is ended this long after its last client is gone.
    pub after_response: Duration,
}

impl Default for Limits {
    /// Returns limits of 64 MiB, 1,500 instances and 30 seconds.
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            instances: 1500,
            after_response: Duration::from_secs(30),
        }
    }
}
