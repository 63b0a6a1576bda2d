//! Measures the costs of the components: size, memory, start-up, a sync and a waiting run. It
//! compares them with a minimal component and with the native engine. Prints a table and writes
//! `target/benches/costs.json`.
//!
//! Values that vary are measured many times, and no test checks them. Values that do not vary are
//! marked as counted.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod density;
mod figure;
mod machine;
mod memory;
mod native;
mod scene;
mod size;
mod start;
mod sync;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;
use xtask::build;
use xtask::cli;

use figure::Section;
use machine::Machine;

#[derive(Serialize)]
struct Costs {
    machine: Machine,
    sections: Vec<Section>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // This program is also the host process and the process that runs native syncs.
        ["load-host", ..] => return cli::main(),
        [native::COMMAND, syncs] => native::run(syncs.parse().unwrap()),
        ref sections => measure(sections),
    }
    ExitCode::SUCCESS
}

/// Measures a section.
type Measure = fn() -> Section;

/// Measures the named sections. Without a name, measures all sections. Ignores the options that cargo
/// passes.
fn measure(names: &[&str]) {
    let names: Vec<_> = names.iter().filter(|name| !name.starts_with('-')).collect();
    build::build(&build::Options::terminal().unwrap()).unwrap();
    let began = Instant::now();
    let mut machine = Machine::inspect();
    let all: [(&str, Measure); 5] = [
        ("size", size::measure),
        ("memory", memory::measure),
        ("start", start::measure),
        ("sync", sync::measure),
        ("density", density::measure),
    ];
    let selected = all
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.contains(&name));
    let sections = selected.map(|(name, measure)| {
        let section = measure();
        eprintln!("measured: {name}");
        section
    });
    let sections: Vec<Section> = sections.collect();
    machine.finish();
    let costs = Costs { machine, sections };
    table::print(&costs.machine, &costs.sections);
    let folder = xtask::build::workspace().join("target/benches");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("costs.json"),
        serde_json::to_vec_pretty(&costs).unwrap(),
    )
    .unwrap();
    println!(
        "In {:.0} s. Written: target/benches/costs.json\n",
        began.elapsed().as_secs_f64()
    );
}
