//! Formats the values as a table.

use super::Row;
use super::simulation::{FIXED, Figures};

pub fn print(rows: &[Row]) {
    println!("Polls of a run, and the lag of its report in seconds (mean, 95th percentile).");
    println!("An asterisk marks a fixed interval with fewer polls and less lag.\n");
    let head: Vec<String> = FIXED
        .iter()
        .map(|(interval, client)| format!("{interval} s: {client}"))
        .collect();
    println!(
        "{:<8}{:>5}  {:<22}{:^26}{}",
        "run",
        "",
        "also known",
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
                    if figures.is_better_than(&row.engine) {
                        "*"
                    } else {
                        " "
                    }
                )
            })
            .collect();
        println!(
            "{:<8}±{:>2.0} %  {:<22}{} {fixed}",
            row.class,
            row.spread * 100.0,
            row.known,
            cell(&row.engine)
        );
    }
    println!();
}

fn cell(figures: &Figures) -> String {
    format!(
        "{:>8.1} {:>7.2} {:>8.2}",
        figures.polls, figures.lag, figures.lag_p95
    )
}
