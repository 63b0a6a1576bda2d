//! What came of it, for a person.

use std::fmt::Write as _;
use std::time::Duration;

use super::measure::Figures;
use crate::build::Kind;
use crate::load::Judgement;

/// The bytes of a page of linear memory.
const PAGE: usize = 64 << 10;

/// The table.
pub(super) fn of(kind: Kind, runs: u64, took: Duration, judgement: &Judgement, figures: &Figures) -> String {
    let Figures { before, fullest, largest, after } = figures;
    let endings: usize = judgement.endings.values().sum();
    let mut rows = vec![
        ("callers".into(), format!("{runs} at once through the {}, after 1 to warm up", kind.world())),
        ("told the truth".into(), format!("{endings} of {runs}")),
    ];
    rows.extend(judgement.endings.iter().map(|(ending, count)| (format!("  {ending}"), count.to_string())));
    rows.push(("in flight at once".into(), format!("{} at the peak", judgement.at_once)));
    rows.push(("followed a 202".into(), judgement.followed.to_string()));
    rows.push(("runs started".into(), judgement.runs.to_string()));
    rows.push((
        "requests to Hightouch".into(),
        format!("{}, {} of them triggers", judgement.requests, judgement.triggers),
    ));
    let mishaps: usize = judgement.mishaps.values().sum();
    rows.push(("that went wrong".into(), mishaps.to_string()));
    rows.extend(judgement.mishaps.iter().map(|(mishap, count)| (format!("  {}", mishap.as_str()), count.to_string())));
    rows.push(("wall time".into(), format!("{:.1} s", took.as_secs_f64())));
    rows.push(("instances alive at the peak".into(), fullest.counts.instances.to_string()));
    rows.push(("linear memory of an instance".into(), {
        let most = after.counts.largest_memory;
        format!("at most {} pages, {} KiB", most / PAGE, most >> 10)
    }));
    for (name, sample) in
        [("before", before), ("at that peak", fullest), ("at its own peak", largest), ("after", after)]
    {
        let memory =
            sample.resident.map_or_else(|| "not known".into(), |bytes| format!("{:.1} MiB", bytes as f64 / 1048576.0));
        rows.push((format!("resident memory {name}"), memory));
    }
    let each =
        figures.per_instance().map_or_else(|| "not known".into(), |bytes| format!("{:.1} KiB", bytes as f64 / 1024.0));
    rows.push(("  per instance alive at the peak".into(), each));
    let mut table = String::new();
    for (name, value) in rows {
        // Writing to a string does not fail.
        let _ = writeln!(table, "{name:<38}{value}");
    }
    table
}
