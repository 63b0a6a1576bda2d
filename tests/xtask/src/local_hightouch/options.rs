//! Options of the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::details::DetailsFaults;
use super::fixtures::{self, DestinationFixture, SequenceFixture, SyncFixture};
use super::mishap::Mishaps;
use super::rate_limit::RateLimit;
use super::scenario::Scenario;

/// Options of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on. With port 0, the system chooses a port.
    pub listen: SocketAddr,
    /// The deviation from normal behaviour.
    pub scenario: Scenario,
    /// Additional random failures.
    pub mishaps: Option<Mishaps>,
    /// The syncs of every workspace.
    pub syncs: Vec<SyncFixture>,
    /// The destinations of every workspace.
    pub destinations: Vec<DestinationFixture>,
    /// The failures of the calls that read the details of a sync or of a destination.
    pub details: DetailsFaults,
    /// The sequences of every workspace.
    pub sequences: Vec<SequenceFixture>,
    /// Further API keys of workspace 1. [`Recorded::further_key`](super::Recorded::further_key)
    /// distinguishes them.
    pub further_keys: Vec<String>,
    /// The rate limit of each workspace.
    pub rate_limit: RateLimit,
    /// Delay of each response.
    pub latency: Duration,
    /// Whether run lists are sorted from newest to oldest. Hightouch does not document its order.
    pub newest_first: bool,
    /// Whether a trigger during a sequence run queues another run, as in workspaces with run
    /// queueing. Otherwise the trigger returns the ID of the run in progress.
    pub queues_sequence_runs: bool,
}

impl Default for Options {
    /// Returns options for a free local port, normal behaviour and the standard fixtures.
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            scenario: Scenario::default(),
            mishaps: None,
            syncs: fixtures::syncs(),
            destinations: fixtures::destinations(),
            details: DetailsFaults::default(),
            sequences: fixtures::sequences(),
            further_keys: Vec::new(),
            rate_limit: RateLimit::default(),
            latency: Duration::ZERO,
            newest_first: true,
            queues_sequence_runs: true,
        }
    }
}

impl Options {
    /// Adds a sync, or replaces the one with the same ID.
    pub fn with_sync(mut self, sync: SyncFixture) -> Self {
        self.syncs.retain(|other| other.id != sync.id);
        self.syncs.push(sync);
        self
    }

    /// Adds a destination, or replaces the one with the same ID.
    pub fn with_destination(mut self, destination: DestinationFixture) -> Self {
        self.destinations.retain(|other| other.id != destination.id);
        self.destinations.push(destination);
        self
    }

    /// Sets the failures of the calls that read details.
    pub fn with_details(mut self, details: DetailsFaults) -> Self {
        self.details = details;
        self
    }

    /// Sets the scenario.
    pub fn with_scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }
}
