//! Formats the results as a table.

use std::fmt::{Display, Write as _};

use super::Arguments;
use super::measure::Figures;
use crate::load::Summary;

/// Size of a page of linear memory, in bytes.
const PAGE: usize = 64 << 10;

/// Returns the table.
pub(super) fn of(arguments: &Arguments, summary: &Summary, figures: &Figures) -> String {
    let Arguments {
        runs,
        rounds,
        kind,
        wasmtime,
        ..
    } = arguments;
    let Figures {
        before,
        fullest,
        largest,
        ..
    } = figures;
    let times = if *rounds > 1 {
        format!(", {rounds} times")
    } else {
        String::new()
    };
    let endings: usize = summary.endings.values().sum();
    let mishaps: usize = summary.mishaps.values().sum();

    let mut rows = Rows(String::new());
    rows.add(
        "callers",
        format!(
            "1 caller to warm up, then {runs} callers at the same time through the {}{times}",
            kind.world()
        ),
    );
    rows.add(
        "correct results",
        format!("{endings} of {}", endings + summary.incorrect),
    );
    for (ending, count) in &summary.endings {
        rows.add(&format!("  {ending}"), count);
    }
    rows.add("followed a 202 response", summary.followed);
    rows.add("simultaneous conversations, peak", summary.at_once);
    rows.add("runs started", summary.runs);
    rows.add(
        "requests to Hightouch",
        format!(
            "{}, {} of them triggers",
            summary.requests, summary.triggers
        ),
    );
    rows.add("failed requests", mishaps);
    for (mishap, count) in &summary.mishaps {
        rows.add(&format!("  {}", mishap.as_str()), count);
    }
    rows.add("host process", "");
    if wasmtime.is_none() {
        rows.add("  waiting callers, peak", fullest.counts.waiting);
        rows.add("  live instances at that time", fullest.counts.instances);
        rows.add("  linear memory of an instance", {
            let most = fullest.counts.peak_memory;
            format!("at most {} pages, {} KiB", most / PAGE, most >> 10)
        });
    }
    let each = |memory| {
        figures
            .per_caller(memory, *runs)
            .map_or_else(unknown, |bytes| format!("{:.1} KiB", bytes as f64 / 1024.0))
    };
    rows.add(
        "  private memory per waiting caller",
        each(|memory| memory.private),
    );
    rows.add(
        "  resident memory per waiting caller",
        each(|memory| memory.resident),
    );
    rows.add("  resident memory before", mebibytes(before.resident()));
    rows.add(
        "  resident memory at that time",
        mebibytes(fullest.resident()),
    );
    rows.add("  maximum resident memory", mebibytes(largest.resident()));
    for (took, after) in &figures.rounds {
        rows.add("wall time", format!("{:.1} s", took.as_secs_f64()));
        rows.add("  resident memory after", mebibytes(after.resident()));
    }
    rows.0
}

struct Rows(String);

impl Rows {
    fn add(&mut self, name: &str, value: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{name:<38}{value}");
    }
}

fn unknown() -> String {
    "not known".into()
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(unknown, |bytes| {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    })
}
