//! Shows progress on stderr: a bar for each run on a terminal, otherwise a line for each new
//! status.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::report::Job;
use super::summary::printable;

/// Number of steps of a bar.
const STEPS: f64 = 100.0;

/// The bars of all runs. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bars(MultiProgress);

impl Bars {
    /// Prints a line to stderr, above the bars.
    pub(super) fn print(&self, line: &str) {
        self.0.suspend(|| anstream::eprintln!("{line}"));
    }

    /// Adds a bar with this label.
    pub(super) fn add(&self, label: String) -> Bar {
        let bar = self.0.add(ProgressBar::new(STEPS as u64));
        let style = ProgressStyle::with_template(
            "{spinner} {prefix} [{bar:30}] {percent:>3} % {elapsed} {msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label);
        // A hidden bar needs no ticks.
        if !self.0.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Bar {
            bars: self.clone(),
            bar,
        }
    }

    /// Removes all bars.
    pub(super) fn clear(&self) {
        // Ignore an error here: the terminal may be gone.
        drop(self.0.clear());
    }
}

/// The bar of one run. Dropping it removes it from the terminal.
#[derive(Debug)]
pub(super) struct Bar {
    bars: Bars,
    bar: ProgressBar,
}

impl Bar {
    /// Shows the state of a run.
    pub(super) fn show(&self, run: u64, status: &str, jobs: &[Job]) {
        let message = format!("{} (run {run})", printable(status));
        if self.bars.0.is_hidden() && self.bar.message() != message {
            self.bars
                .print(&format!("{}: {message}", self.bar.prefix()));
        }
        self.bar.set_message(message);
        self.bar
            .set_position((ratio(jobs).clamp(0.0, 1.0) * STEPS) as u64);
    }

    /// Shows that the run has ended, and stops the clock of the bar.
    pub(super) fn end(&self) {
        let message = self.bar.message();
        self.bar.abandon_with_message(message);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns the completed share of a run. A job that does not report its share counts as not begun.
fn ratio(jobs: &[Job]) -> f64 {
    let sum: f64 = jobs.iter().filter_map(|job| job.completion_ratio).sum();
    if jobs.is_empty() {
        0.0
    } else {
        sum / jobs.len() as f64
    }
}
