//! What the host's process takes while it is under load.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::guest_host::{GuestHost, Sample};

/// How often the process is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// The figures of one load.
#[derive(Debug)]
pub(super) struct Figures {
    /// Before the first caller of many.
    pub(super) before: Sample,
    /// When the most instances were alive.
    pub(super) fullest: Sample,
    /// When it took the most memory.
    pub(super) largest: Sample,
    /// How long each round took, and how it stood when its last instance had ended.
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
        if (sample.counts.instances, sample.resident)
            > (self.fullest.counts.instances, self.fullest.resident)
        {
            self.fullest = sample;
        }
        if sample.resident > self.largest.resident {
            self.largest = sample;
        }
    }

    /// Takes note of a round that is over.
    pub(super) fn after(&mut self, took: Duration, sample: Sample) {
        self.rounds.push((took, sample));
    }

    /// Bytes of resident memory for each instance that was alive at the peak, beyond what was there before.
    pub(super) fn per_instance(&self) -> Option<u64> {
        let more = self.fullest.resident?.saturating_sub(self.before.resident?);
        more.checked_div(u64::try_from(self.fullest.counts.instances).ok()?)
    }
}

/// Looks at the process again and again.
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

    /// Gives the process back, and the figures.
    pub(super) async fn stop(self) -> Result<(GuestHost, Figures)> {
        drop(self.enough);
        self.looking
            .await
            .context("the host's process could not be watched")?
    }
}

/// The resident memory of a process, in bytes, where the system tells.
pub(super) fn resident(process: u32) -> Option<u64> {
    resident_of(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_found_in_the_systems_table() {
        assert_eq!(
            resident_of("Name:\tx\nVmHWM:\t  9000 kB\nVmRSS:\t    5100 kB\nRssAnon:\t 1 kB\n"),
            Some(5100 * 1024)
        );
        assert_eq!(resident_of("Name:\tx\n"), None);
    }
}
