//! An instance takes little memory, at first and while it reads all that Hightouch puts on a page.

use xtask::build::{Kind, components};

use xtask::pages::{at_most_with_a_list_of_runs, at_most_with_a_run_of_jobs, fresh};

/// The pages of 64 KiB that an instance may have to begin with.
const FRESH: usize = 4;
/// The pages that it may have while it reads 100 entries.
const READING: usize = 16;

#[test]
fn a_fresh_instance_is_small() {
    for kind in Kind::ALL {
        let pages = fresh(components().unwrap().path(kind));
        assert!(pages <= FRESH, "{kind:?}: {pages} pages");
    }
}

#[test]
fn a_hundred_runs_fit() {
    for kind in Kind::ALL {
        let pages = at_most_with_a_list_of_runs(kind);
        assert!(pages <= READING, "{kind:?}: {pages} pages");
    }
}

#[test]
fn a_hundred_jobs_fit() {
    for kind in Kind::ALL {
        let pages = at_most_with_a_run_of_jobs(kind);
        assert!(pages <= READING, "{kind:?}: {pages} pages");
    }
}
