//! What a server is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::fixtures::{self, SequenceFixture, SyncFixture};
use super::mishap::Mishaps;
use super::rate_limit::RateLimit;
use super::scenario::Scenario;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What goes otherwise than on the best day.
    pub scenario: Scenario,
    /// What goes wrong by chance beside that.
    pub mishaps: Option<Mishaps>,
    /// The syncs of every workspace.
    pub syncs: Vec<SyncFixture>,
    /// The sequences of every workspace.
    pub sequences: Vec<SequenceFixture>,
    /// The limit on each workspace's requests.
    pub rate_limit: RateLimit,
    /// How long each answer takes.
    pub latency: Duration,
    /// Whether lists of runs begin with the latest. Nobody has published which way Hightouch sorts.
    pub newest_first: bool,
    /// Whether a trigger while a sequence runs queues one more run, as it does where run queueing is enabled for the workspace. Without it
    /// the answer is the ID of the run that is going.
    pub queues_sequence_runs: bool,
}

impl Default for Options {
    /// A free port of this machine, all goes well, and the fixtures.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            scenario: Scenario::default(),
            mishaps: None,
            syncs: fixtures::syncs(),
            sequences: fixtures::sequences(),
            rate_limit: RateLimit::default(),
            latency: Duration::ZERO,
            newest_first: true,
            queues_sequence_runs: true,
        }
    }
}

impl Options {
    /// With this sync, in place of one with the same id.
    pub fn with_sync(mut self, sync: SyncFixture) -> Self {
        self.syncs.retain(|other| other.id != sync.id);
        self.syncs.push(sync);
        self
    }

    /// Under this scenario.
    pub fn with_scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }
}
