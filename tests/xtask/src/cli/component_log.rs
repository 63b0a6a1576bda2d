//! The log of the embedded component: JSON lines that name the runs that it starts or joins.

use serde::Deserialize;
use tokio::sync::watch;

use super::bars::Bars;
use crate::embedder::{Lines, Stderr};

/// A run whose ID Hightouch has returned: the ID of its sync, and the run's own ID.
pub(super) type Named = (u64, u64);

/// The runs that the component has started or joined so far.
pub(super) type NamedRuns = watch::Receiver<Vec<Named>>;

/// Returns the stderr for the component, and the runs that its log names.
///
/// Log lines are hidden unless `verbose`. All other lines are always printed: they are panics of
/// the component and messages of the host. Lines are printed above the bars.
pub(super) fn component_log(bars: Bars, verbose: bool) -> (Stderr, NamedRuns) {
    let (sender, named) = watch::channel(Vec::new());
    let lines = Lines::new(move |line| {
        let line_of_log = serde_json::from_str::<LogLine>(line).ok();
        if verbose || line_of_log.is_none() {
            bars.print(line);
        }
        if let Some(run) = line_of_log.and_then(LogLine::named) {
            sender.send_modify(|runs| runs.push(run));
        }
    });
    (Stderr::Lines(lines), named)
}

/// A line of the log.
#[derive(Deserialize)]
struct LogLine {
    event: String,
    sync: Option<String>,
    run: Option<u64>,
}

impl LogLine {
    /// Returns the run if the line says that the component has started or joined it.
    fn named(self) -> Option<Named> {
        let is_named = matches!(self.event.as_str(), "started" | "adopted");
        Some((self.sync?.parse().ok()?, self.run?)).filter(|_| is_named)
    }
}
