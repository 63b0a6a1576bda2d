//! How a component is hosted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answers::Answers;
use super::outbound::Outbound;
use super::stderr::Stderr;
use super::virtual_time::VirtualTime;

/// How a component is hosted.
///
/// The default grants nothing: no outbound call, no environment, no variables.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where the guest's HTTP requests may go.
    pub outbound: Outbound,
    /// `wasi:cli/environment`, the whole of it.
    pub environment: Vec<(String, String)>,
    /// `fermyon:spin/variables`, by name. Spin's rules hold: a name that is not here is `undefined`; one that starts with
    /// anything but a lower-case letter, ends in `_`, holds `__` or anything but lower-case letters, digits and `_` is an
    /// `invalid-name`.
    pub variables: BTreeMap<String, String>,
    /// The guest's `wasi:clocks/monotonic-clock`.
    pub clock: Clock,
    /// Where the guest's standard error goes, and what the host has to say of a guest that failed.
    pub stderr: Stderr,
    /// What the guest's HTTP requests are answered with in place of being sent.
    pub answers: Option<Answers>,
    /// Whether [`Host::fuel`](super::Host::fuel) is counted, which makes guests slower.
    pub metered: bool,
    /// What one guest, and all of them together, may use.
    pub limits: Limits,
}

/// The guest's clock.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's monotonic clock.
    #[default]
    Real,
    /// A clock on which an hour passes in milliseconds. See [`in_virtual_time`](super::in_virtual_time) for its rules.
    Virtual(VirtualTime),
}

impl Clock {
    /// The virtual time, if this is it.
    pub(super) fn as_virtual(&self) -> Option<&VirtualTime> {
        match self {
            Self::Real => None,
            Self::Virtual(time) => Some(time),
        }
    }
}

/// What guests may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many bytes of linear memory one instance may have. Growing beyond fails in the guest, as `memory.grow` does.
    pub memory: usize,
    /// How many instances may be alive at once, over all the hosts of this process with the same figure: they share a pool.
    /// One more fails; an HTTP request gets a 503.
    pub instances: u32,
    /// How long a guest may go on once its HTTP client has the whole answer or has hung up.
    ///
    /// A guest learns of a client that hung up only when it next writes to it, here as with `wasmtime serve`; that one never
    /// ends it, this host does.
    pub afterwards: Duration,
}

impl Default for Limits {
    /// 64 MiB, 1,500 instances, 30 seconds.
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            instances: 1500,
            afterwards: Duration::from_secs(30),
        }
    }
}
