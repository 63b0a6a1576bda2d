//! Looks at a run and the lag of its report, beside clients that look at fixed intervals: simulated, so the same each time.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../polling/course.rs"]
mod course;
#[path = "polling/picture.rs"]
mod picture;
#[path = "polling/table.rs"]
mod table;

use std::path::Path;
use std::time::Instant;

use course::{Class, FIXED, Figures, Known, compare};
use serde::Serialize;

/// How many runs of each class are watched.
const RUNS: usize = 1_000;

/// One class, with one thing known beside the status.
#[derive(Serialize)]
pub struct Row {
    class: &'static str,
    spread: f64,
    known: &'static str,
    ours: Figures,
    fixed: Vec<(f64, Figures)>,
}

impl Row {
    fn of(class: &Class, known: Known) -> Self {
        let (ours, fixed) = compare(class, known, RUNS);
        let fixed = FIXED.iter().map(|(interval, _)| *interval).zip(fixed).collect();
        Self { class: class.name, spread: class.spread, known: known.name(), ours, fixed }
    }
}

fn main() {
    let began = Instant::now();
    let rows: Vec<Row> = Class::all().flat_map(|class| Known::ALL.map(move |known| Row::of(&class, known))).collect();
    table::print(&rows);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/benches");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("polling.json"), serde_json::to_vec_pretty(&rows).unwrap()).unwrap();
    picture::draw(&rows, &root.join("tests/benches/polling.svg"));
    println!(
        "{RUNS} runs a row, in {:.0} s. Written: target/benches/polling.json, tests/benches/polling.svg",
        began.elapsed().as_secs_f64()
    );
}
