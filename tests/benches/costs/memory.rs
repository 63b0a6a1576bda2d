//! Initial and peak linear memory of an instance.

use xtask::build::{Guest, Kind, components, guest};

use xtask::load::instance_memory::{
    new_instance_pages, peak_pages_with_100_jobs, peak_pages_with_100_runs,
};

use super::figure::{Figure, Section, Unit};

pub fn measure() -> Section {
    let floor = new_instance_pages(&guest(Guest::Ok).unwrap()).unwrap() as f64;
    let mut figures = Vec::new();
    for kind in Kind::ALL {
        let pages = new_instance_pages(components().unwrap().path(kind)).unwrap() as f64;
        let name = format!("{}, new instance", kind.world());
        figures.push(
            Figure::new(name, Unit::Pages, pages)
                .compared_with("minimal component", floor)
                .target(4.0),
        );
    }
    for kind in Kind::LIBRARIES {
        let name = |what: &str| format!("{}, {what}", kind.world());
        let list = peak_pages_with_100_runs(kind).unwrap() as f64;
        figures.push(Figure::new(name("list of 100 runs"), Unit::Pages, list).target(16.0));
        let jobs = peak_pages_with_100_jobs(kind).unwrap() as f64;
        figures.push(Figure::new(name("run of 100 jobs"), Unit::Pages, jobs));
    }
    let how = "Peak linear memory of one instance in pages of 64 KiB: counted.".into();
    Section {
        name: "memory",
        how,
        figures,
    }
}
