//! How much linear memory an instance takes, at first and at the most.

use xtask::build::{Guest, Kind, components, guest};

use super::figure::{Figure, Section, Unit};
use xtask::pages::{at_most_with_a_list_of_runs, at_most_with_a_run_of_jobs, fresh};

pub fn measure() -> Section {
    let floor = fresh(&guest(Guest::Ok).unwrap()) as f64;
    let mut figures = Vec::new();
    for kind in Kind::ALL {
        let pages = fresh(components().unwrap().path(kind)) as f64;
        let name = format!("{}, fresh", kind.world());
        figures.push(
            Figure::new(name, Unit::Pages, pages)
                .beside("only says ok", floor)
                .target(4.0),
        );
    }
    let list = at_most_with_a_list_of_runs(Kind::Library) as f64;
    figures.push(Figure::new("library, list of 100 runs", Unit::Pages, list).target(16.0));
    let jobs = at_most_with_a_run_of_jobs(Kind::Library) as f64;
    figures.push(Figure::new("library, run of 100 jobs", Unit::Pages, jobs));
    let how = "Pages of 64 KiB of one instance, at its peak: counted.".into();
    Section {
        name: "memory",
        how,
        figures,
    }
}
