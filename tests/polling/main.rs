//! Polls of a run and the lag of its report, compared with clients that poll at fixed intervals.
//! Everything is simulated, so no value varies.
//!
//! `cargo bench --bench polling` prints the values and draws the picture. `cargo test` checks the
//! requirements.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod picture;
mod requirements;
mod simulation;
mod table;

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use simulation::{Class, FIXED, Figures, Knowledge, compare};

/// Number of simulated runs of each class.
const RUNS: usize = 1_000;

/// One class, with one kind of additional information.
#[derive(Serialize)]
pub struct Row {
    class: &'static str,
    spread: f64,
    known: &'static str,
    engine: Figures,
    fixed: Vec<(f64, Figures)>,
}

impl Row {
    fn of(class: &Class, known: Knowledge) -> Self {
        let (engine, fixed) = compare(class, known, RUNS);
        let fixed = FIXED
            .iter()
            .map(|(interval, _)| *interval)
            .zip(fixed)
            .collect();
        Self {
            class: class.name,
            spread: class.spread,
            known: known.name(),
            engine,
            fixed,
        }
    }
}

fn main() {
    // Cargo passes `--bench` to a bench target, and no argument to the same target as a test.
    if std::env::args().any(|argument| argument == "--bench") {
        print_figures();
    } else {
        check_requirements();
    }
}

fn check_requirements() {
    requirements::no_fixed_interval_has_fewer_polls_and_less_lag();
    requirements::a_run_of_a_minute_or_more_has_half_the_polls_of_a_three_second_interval_and_a_lag_of_three_percent();
    requirements::a_run_of_less_than_ten_seconds_has_a_lag_of_less_than_six_tenths_of_a_second();
    println!("The poll schedule meets its requirements.");
}

fn print_figures() {
    let began = Instant::now();
    let rows: Vec<Row> = Class::all()
        .flat_map(|class| Knowledge::ALL.map(move |known| Row::of(&class, known)))
        .collect();
    table::print(&rows);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/benches");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("polling.json"),
        serde_json::to_vec_pretty(&rows).unwrap(),
    )
    .unwrap();
    picture::draw(&rows, &root.join("tests/benches/polling.svg"));
    println!(
        "{RUNS} runs per row, in {:.0} s. Written: target/benches/polling.json, tests/benches/polling.svg",
        began.elapsed().as_secs_f64()
    );
}
