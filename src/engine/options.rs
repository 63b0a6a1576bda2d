//! What is asked for.

use core::time::Duration;

use crate::hightouch::{Resync, RunRef, SequenceId, SequenceRunId, SyncRef, Timestamp};

/// How long to wait where nobody says: one hour.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(60 * 60);

/// What an operation is to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Start a run of the sync and wait for its end.
    Run(SyncRef),
    /// Start a run of the sync. The report that comes back is the run as it then stands, not a success of the run.
    Start(SyncRef),
    /// Wait for the end of a run that was started before.
    Await(RunRef),
    /// Start a run of the sequence and wait for its end.
    RunSequence(SequenceId),
    /// Start a run of the sequence. The report that comes back is the run as it then stands, not a success of the run.
    StartSequence(SequenceId),
    /// Wait for the end of a run of a sequence that was started before.
    AwaitSequence(SequenceRunId),
}

impl Goal {
    /// The names that the caller gave: of the sync, the sequence or the run.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Run(sync) | Self::Start(sync) => vec![sync.to_string()],
            Self::Await(run) => vec![run.sync.to_string(), run.run.to_string()],
            Self::RunSequence(sequence) | Self::StartSequence(sequence) => {
                vec![sequence.to_string()]
            }
            Self::AwaitSequence(run) => vec![run.to_string()],
        }
    }
}

/// What to do when a run of the sync is already going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfRunning {
    /// Start another, which Hightouch queues behind it.
    #[default]
    Queue,
    /// Wait for the one that is going.
    Join,
    /// Fail with [`FailureKind::Busy`](super::FailureKind::Busy).
    Refuse,
}

/// How to run a sync. Of a sequence, `resync` and `if_running` say nothing: Hightouch starts it in one way only, and never beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What the run does beyond sending the rows that changed.
    pub resync: Resync,
    /// Whether a run that ended in `warning` counts as a success.
    pub accept_warnings: bool,
    /// What to do when a run is already going.
    pub if_running: IfRunning,
    /// Start none where Hightouch's list has a run of the sync that began at this moment or later, or that is queued: it reads what was
    /// there at that moment. The first of those is taken up as it is, with `joined` in its report, even if it has ended and whatever it was
    /// started with. So a call that is made again after its run was started starts no other.
    pub unless_since: Option<Timestamp>,
    /// How long the whole operation may take. With zero, each request is sent once.
    pub max_wait: Duration,
    /// How long the answers may take, where that is more than `max_wait`, up to the one that names the run or, where it is named
    /// already, tells where it stands. A shorter wait would cut off the very answer that it is for.
    pub answer_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resync: Resync::default(),
            accept_warnings: false,
            if_running: IfRunning::Queue,
            unless_since: None,
            max_wait: DEFAULT_WAIT,
            answer_wait: Duration::ZERO,
        }
    }
}

/// A fitting `answer_wait`: a round trip over a new TLS connection takes a good part of a second, and starting a run more.
/// Ten seconds for the response that names the run, and one to read the list if it did not come.
pub const ANSWER_WAIT: Duration = Duration::from_secs(11);
