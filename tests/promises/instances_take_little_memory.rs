//! An instance takes little memory, at its start and while it reads a full page of a Hightouch list.

use xtask::build::{Kind, components};
use xtask::load::instance_memory::{
    new_instance_pages, peak_pages_with_100_jobs, peak_pages_with_100_runs,
};

/// Maximum memory of a new instance, in pages of 64 KiB.
const MAX_NEW: usize = 4;
/// Maximum memory of an instance that reads 100 entries, in pages of 64 KiB.
const MAX_READING: usize = 16;

#[test]
fn a_fresh_instance_is_small() {
    for kind in Kind::ALL {
        let pages = new_instance_pages(components().unwrap().path(kind)).unwrap();
        assert!(pages <= MAX_NEW, "{kind:?}: {pages} pages");
    }
}

#[test]
fn a_hundred_runs_fit() {
    for kind in Kind::ALL {
        let pages = peak_pages_with_100_runs(kind).unwrap();
        assert!(pages <= MAX_READING, "{kind:?}: {pages} pages");
    }
}

#[test]
fn a_hundred_jobs_fit() {
    for kind in Kind::ALL {
        let pages = peak_pages_with_100_jobs(kind).unwrap();
        assert!(pages <= MAX_READING, "{kind:?}: {pages} pages");
    }
}
