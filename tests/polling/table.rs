//! Formats the values as a table.

use super::Row;
use super::course::{FIXED, Figures};

pub fn print(rows: &[Row]) {
    println!(
        "Looks at a run, and the lag from its end to the report in seconds (mean, 95th percentile)."
    );
    println!("An asterisk marks a fixed interval that takes fewer looks and lags less.\n");
    let head: Vec<String> = FIXED
        .iter()
        .map(|(interval, whose)| format!("{interval} s: {whose}"))
        .collect();
    println!(
        "{:<8}{:>5}  {:<22}{:^26}{}",
        "run",
        "",
        "known beside",
        "hightouch-sync",
        head.iter()
            .map(|head| format!("{head:^26}"))
            .collect::<String>()
    );
    for row in rows {
        let fixed: String = row
            .fixed
            .iter()
            .map(|(_, figures)| {
                format!(
                    "{}{}",
                    cell(figures),
                    if figures.beat(&row.ours) { "*" } else { " " }
                )
            })
            .collect();
        println!(
            "{:<8}±{:>2.0} %  {:<22}{} {fixed}",
            row.class,
            row.spread * 100.0,
            row.known,
            cell(&row.ours)
        );
    }
    println!();
}

fn cell(figures: &Figures) -> String {
    format!(
        "{:>8.1} {:>7.2} {:>8.2}",
        figures.looks, figures.lag, figures.lag_p95
    )
}
