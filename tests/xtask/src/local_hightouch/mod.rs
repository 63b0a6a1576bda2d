//! A local mock of the Hightouch API ("local Hightouch"), for tests and for trials. It implements
//! the calls that a sync run needs.
//!
//! The API key is `local`, or `local-two` for another workspace with its own runs. The runs of
//! syncs 1 to 8 end in all the ways in which a run can end (see [`fixtures`]). Sync 404 does not
//! exist. A [`Scenario`] makes the responses as bad as real ones can be, and [`Mishaps`] make
//! random calls fail. The state of a run depends only on tokio's clock: if the clock is paused, a
//! run of an hour takes milliseconds.
//!
//! ```no_run
//! # use xtask::local_hightouch::{LocalHightouch, Options, Scenario};
//! # async fn example() -> std::io::Result<()> {
//! let hightouch = LocalHightouch::start(Options::default().with_scenario(Scenario::Flaky)).await?;
//! // … send requests to hightouch.origin() with the key `local` …
//! assert_eq!(hightouch.triggers(), 1);
//! # Ok(())
//! # }
//! ```

mod api;
mod clock;
mod details;
mod faults;
pub mod fixtures;
mod json;
mod listing;
mod mishap;
mod options;
mod params;
mod quirks;
mod rate_limit;
mod recorded;
mod request;
mod responses;
mod run;
mod scenario;
mod sequence;
mod server;
mod status;
mod timeline;
mod workspace;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;

use self::api::Api;
use self::clock::Clock;
use self::server::Shared;

pub use self::api::{KEY, KEY_OF_ANOTHER_WORKSPACE};
pub use self::details::{DetailsFault, DetailsFaults};
pub use self::fixtures::{DestinationFixture, SequenceFixture, SyncFixture};
pub use self::mishap::{Mishap, Mishaps};
pub use self::options::Options;
pub use self::rate_limit::{RateLimit, RetryAfter};
pub use self::recorded::Recorded;
pub use self::run::{Flags, RunSnapshot};
pub use self::scenario::{Scenario, UnknownScenario};
pub use self::status::Status;
pub use self::timeline::{RowCounts, Timeline};

/// A running server. Dropping it stops the server.
#[derive(Debug)]
pub struct LocalHightouch {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl LocalHightouch {
    /// Starts a server in the current tokio runtime. It listens when this function returns.
    ///
    /// # Errors
    ///
    /// Fails if it cannot listen on the requested address.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = crate::listen::listen(options.listen)?;
        let addr = listener.local_addr()?;
        let clock = Clock::start();
        let api = Api::new(&options, clock.now());
        let shared = Arc::new(Shared::new(clock, options.latency, api));
        let server = tokio::spawn(server::serve(listener, shared.clone()));
        Ok(Self {
            addr,
            shared,
            server,
        })
    }

    /// Returns `http://127.0.0.1:PORT`, which replaces `https://api.hightouch.com`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the received requests, in order, without their keys.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.state().recorded.clone()
    }

    /// Returns the number of runs that were started since the server started, in all workspaces,
    /// whatever the responses were. Each sync run of a sequence counts.
    pub fn triggers(&self) -> usize {
        let now = self.shared.clock.now();
        self.shared.state().api.started(now)
    }

    /// Returns the runs of a sync that were started since the server started, whatever the
    /// responses were. They are sorted by workspace and then by trigger.
    pub fn runs(&self, sync_id: u64) -> Vec<RunSnapshot> {
        let now = self.shared.clock.now();
        self.shared.state().api.snapshots(sync_id, now)
    }
}

impl Drop for LocalHightouch {
    fn drop(&mut self) {
        self.server.abort();
    }
}
