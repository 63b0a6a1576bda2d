//! Formats the values as a table.

use super::figure::{Comparison, Figure, Section};
use super::machine::Machine;

/// Width of the text in columns.
const WIDTH: usize = 118;

pub fn print(machine: &Machine, sections: &[Section]) {
    let load = |load: Option<f64>| load.map_or("not known".into(), |load| format!("{load:.1}"));
    println!(
        "\nWhat hightouch-sync costs, on {} with {} cores; load {} before, {} after{}.",
        machine.processor,
        machine.cores,
        load(machine.load_before),
        load(machine.load_after),
        if machine.was_busy() {
            ". The machine was busy, so times may be longer and vary more"
        } else {
            ""
        }
    );
    println!(
        "\n{:<44}{:>14}  {:>14} {:<26}{:>12}",
        "", "ours", "compared with", "", "target"
    );
    for section in sections {
        println!("{}", section.name);
        section.figures.iter().for_each(row);
    }
    println!();
    for section in sections {
        paragraph(&format!("{}: {}", section.name, section.how));
    }
}

fn paragraph(text: &str) {
    let mut length = 0;
    for word in text.split(' ') {
        if length > 0 && length + word.len() >= WIDTH {
            println!();
            length = 0;
        }
        print!("{}{word}", if length > 0 { " " } else { "" });
        length += word.len() + 1;
    }
    println!();
}

fn row(figure: &Figure) {
    let Figure {
        name,
        unit,
        ours,
        comparison,
        target,
    } = figure;
    let ours = ours.map_or("not known".into(), |ours| unit.show(ours).to_string());
    let (amount, what) = comparison
        .as_ref()
        .map_or_else(Default::default, |Comparison { what, amount }| {
            (unit.show(*amount).to_string(), *what)
        });
    let target = target.map_or(String::new(), |target| format!("≤ {}", unit.show(target)));
    println!("  {name:<42}{ours:>14}  {amount:>14} {what:<26}{target:>12}");
}
