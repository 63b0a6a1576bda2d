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

mod aims;
mod course;
mod picture;
mod table;

use std::path::Path;
use std::time::Instant;

use course::{Class, FIXED, Figures, Known, compare};
use serde::Serialize;

/// Number of simulated runs of each class.
const RUNS: usize = 1_000;

/// One class, with one kind of additional information.
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
        let fixed = FIXED
            .iter()
            .map(|(interval, _)| *interval)
            .zip(fixed)
            .collect();
        Self {
            class: class.name,
            spread: class.spread,
            known: known.name(),
            ours,
            fixed,
        }
    }
}

fn main() {
    // Cargo passes `--bench` to a bench target, and no argument to the same target as a test.
    if std::env::args().any(|argument| argument == "--bench") {
        print_figures();
    } else {
        check_aims();
    }
}

fn check_aims() {
    aims::no_fixed_interval_takes_fewer_looks_and_lags_less();
    aims::a_run_of_a_minute_and_more_takes_half_the_looks_of_every_three_seconds_and_lags_by_a_thirtieth();
    aims::a_run_of_less_than_ten_seconds_is_reported_within_six_tenths_of_one();
    println!("The poll schedule satisfies its aims.");
}

fn print_figures() {
    let began = Instant::now();
    let rows: Vec<Row> = Class::all()
        .flat_map(|class| Known::ALL.map(move |known| Row::of(&class, known)))
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
        "{RUNS} runs a row, in {:.0} s. Written: target/benches/polling.json, tests/benches/polling.svg",
        began.elapsed().as_secs_f64()
    );
}
