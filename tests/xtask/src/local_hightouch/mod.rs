//! A local Hightouch: as much of its REST API as a sync's run needs, for tests and for trying things out.
//!
//! The key is `local`, or `local-two` for another workspace with runs of its own. Syncs 1 to 8 end in each way
//! that a run can end ([`fixtures`]); there is no sync 404. A [`Scenario`] makes it answer as
//! badly as real answers get, and [`Mishaps`] hit single calls by chance. Where a run stands follows from the time
//! alone, and the time is tokio's, so under a paused clock a run of an hour takes milliseconds.
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

mod answers;
mod api;
mod clock;
mod faults;
pub mod fixtures;
mod listing;
mod mishap;
mod options;
mod params;
mod quirks;
mod rate_limit;
mod recorded;
mod request;
mod run;
mod scenario;
mod sequence;
mod server;
mod shapes;
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
pub use self::fixtures::{SequenceFixture, SyncFixture};
pub use self::mishap::{Mishap, Mishaps};
pub use self::options::Options;
pub use self::rate_limit::{RateLimit, RetryAfter};
pub use self::recorded::Recorded;
pub use self::run::{Flags, RunSnapshot};
pub use self::scenario::{Scenario, UnknownScenario};
pub use self::status::Status;
pub use self::timeline::{RowCounts, Timeline};

/// A running server. It stops when this is dropped.
#[derive(Debug)]
pub struct LocalHightouch {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl LocalHightouch {
    /// Starts a server in the current tokio runtime. It listens when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot listen where it should.
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

    /// `http://127.0.0.1:PORT`, which stands for `https://api.hightouch.com`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The requests that arrived, in order. Their keys are not kept.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.state().recorded.clone()
    }

    /// How many runs were really started since the server was, in all workspaces, whatever was answered. Each
    /// sync that a sequence ran counts.
    pub fn triggers(&self) -> usize {
        let now = self.shared.clock.now();
        self.shared.state().api.started(now)
    }

    /// The runs of a sync that were really started since the server was, whatever was answered: by workspace,
    /// then in the order they were started.
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
