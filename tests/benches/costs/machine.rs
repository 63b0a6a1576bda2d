//! The machine on which the values were measured, and its load.

use std::fs;
use std::time::Duration;

use serde::Serialize;

#[derive(Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    /// Mean number of runnable tasks in the last minute, before and after the measurement. `None`
    /// if the system does not provide it.
    pub load_before: Option<f64>,
    pub load_after: Option<f64>,
}

impl Machine {
    pub fn inspect() -> Self {
        let table = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = table
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: model
                .map_or("an unknown processor", |(_, name)| name)
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load_before: load(),
            load_after: None,
        }
    }

    pub fn finish(&mut self) {
        self.load_after = load();
    }

    /// Returns whether the machine was busy just before. Durations are less reliable then.
    pub fn was_busy(&self) -> bool {
        self.load_before.is_some_and(|load| load > 0.5)
    }
}

/// Returns the processor time of this thread. It is more reliable than wall time on a busy machine.
/// `None` if the system does not provide it.
pub fn processor_time() -> Option<Duration> {
    let nanos = fs::read_to_string("/proc/thread-self/schedstat")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(Duration::from_nanos(nanos))
}

fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}
