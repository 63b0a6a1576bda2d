//! Measures the host process under load.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::guest_host::{GuestHost, Sample};

/// Interval between measurements.
const EVERY: Duration = Duration::from_millis(100);

/// The measurements of a load test.
#[derive(Debug)]
pub(super) struct Figures {
    /// The measurement before the first round begins.
    pub(super) before: Sample,
    /// The measurement at the maximum number of waiting callers.
    pub(super) fullest: Sample,
    /// The measurement at the maximum resident memory.
    pub(super) largest: Sample,
    /// Duration of each round, and the measurement after its last instance ended.
    pub(super) rounds: Vec<(Duration, Sample)>,
}

impl Figures {
    pub(super) fn begin(before: Sample) -> Self {
        Self {
            before,
            fullest: before,
            largest: before,
            rounds: Vec::new(),
        }
    }

    fn note(&mut self, sample: Sample) {
        if (sample.counts.waiting, sample.resident())
            > (self.fullest.counts.waiting, self.fullest.resident())
        {
            self.fullest = sample;
        }
        if sample.resident() > self.largest.resident() {
            self.largest = sample;
        }
    }

    /// Records a finished round.
    pub(super) fn after(&mut self, took: Duration, sample: Sample) {
        self.rounds.push((took, sample));
    }

    /// Returns the memory per waiting caller at the maximum number of waiting callers, in bytes,
    /// without the memory used before. `memory` selects the kind of memory, and `callers` is the
    /// number of callers of a host that does not count those that wait.
    pub(super) fn per_caller(&self, memory: fn(&Memory) -> u64, callers: u64) -> Option<u64> {
        let [before, fullest] = [&self.before, &self.fullest].map(|sample| sample.memory);
        let more = memory(&fullest?).saturating_sub(memory(&before?));
        let waiting = u64::try_from(self.fullest.counts.waiting).ok()?;
        more.checked_div(if waiting > 0 { waiting } else { callers })
    }
}

/// A task that measures the process regularly.
pub(super) struct Watch {
    enough: oneshot::Sender<()>,
    looking: JoinHandle<Result<(GuestHost, Figures)>>,
}

impl Watch {
    pub(super) fn start(mut host: GuestHost, mut figures: Figures) -> Self {
        let (enough, mut stop) = oneshot::channel();
        let looking = tokio::spawn(async move {
            while tokio::time::timeout(EVERY, &mut stop).await.is_err() {
                figures.note(host.sample().await?);
            }
            Ok((host, figures))
        });
        Self { enough, looking }
    }

    /// Stops measuring. Returns the process and the measurements.
    pub(super) async fn stop(self) -> Result<(GuestHost, Figures)> {
        drop(self.enough);
        self.looking
            .await
            .context("the host's process could not be watched")?
    }
}

/// The memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The resident memory in bytes. It counts a page once per mapping. The instances of a component
    /// share its initial data until they write to it, but it is mapped once per instance.
    pub resident: u64,
    /// The part of the resident memory that is not mapped from a file, in bytes. Each of its pages
    /// is a page of the machine's memory, so this is the memory that another instance costs.
    pub private: u64,
}

impl Memory {
    /// Returns the memory of a process, or `None` if the system does not provide it.
    pub(super) fn of(process: u32) -> Option<Self> {
        Self::from_status(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
    }

    fn from_status(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kilobytes.checked_mul(1024)
        };
        Some(Self {
            resident: bytes("VmRSS:")?,
            private: bytes("RssAnon:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_found_in_the_systems_table() {
        assert_eq!(
            Memory::from_status(
                "Name:\tx\nVmHWM:\t  9000 kB\nVmRSS:\t    5100 kB\nRssAnon:\t 1 kB\n"
            ),
            Some(Memory {
                resident: 5100 * 1024,
                private: 1024
            })
        );
        assert_eq!(Memory::from_status("Name:\tx\n"), None);
    }
}
