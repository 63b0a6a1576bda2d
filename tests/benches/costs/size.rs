//! Size of the components' files.

use std::path::Path;

use xtask::build::{Guest, Kind, components, guest};

use super::figure::{Figure, Section, Unit};

pub fn measure() -> Section {
    let floor = kibibytes(&guest(Guest::Ok).unwrap());
    let figures = Kind::ALL.map(|kind| {
        let target = (!kind.is_library()).then_some(448.0);
        let ours = kibibytes(components().unwrap().path(kind));
        Figure::new(kind.file_name(), Unit::Kibibytes, ours)
            .compared_with("minimal component", floor)
            .target(target)
    });
    let how = "Size of the component's file: counted. The minimal component is tests/guests/ok, which responds `ok` to every request and has \
               the same profile and flags."
        .into();
    Section {
        name: "size",
        how,
        figures: figures.into(),
    }
}

fn kibibytes(file: &Path) -> f64 {
    file.metadata().unwrap().len() as f64 / 1024.0
}
