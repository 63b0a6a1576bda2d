//! Listing the most recent runs of a sync.

use super::*;

fn list_runs(limit: u64, script: impl FnMut(&Request, Duration) -> Reply) -> Execution<RunsReport> {
    let goal = RunsGoal::new(sync_7(), Some(limit)).unwrap();
    execute(goal, with_max_wait(LIST_WAIT), script)
}

/// Returns the IDs of the listed runs.
fn ids(execution: &Execution<RunsReport>) -> Vec<u64> {
    let runs = execution.report().runs.iter();
    runs.map(|run| run.id.get()).collect()
}

#[test]
fn the_highest_ids_come_first_whatever_the_order_of_the_list() {
    let newest_first = [(5, "success"), (4, "failed"), (3, "success"), (2, "queued")];
    let mut oldest_first = newest_first;
    oldest_first.reverse();
    let mixed = [(3, "success"), (5, "success"), (2, "queued"), (4, "failed")];
    for (runs, page, requests) in [
        (newest_first, 100, 1),
        (oldest_first, 100, 1),
        (mixed, 100, 1),
    ] {
        let execution = list_runs(2, |request, _| run_page(&runs, request, page));
        assert_eq!(
            (ids(&execution), execution.sent.len()),
            (vec![5, 4], requests),
            "{runs:?}"
        );
    }
}

#[test]
fn a_list_from_a_cache_is_requested_again() {
    let mut is_cached = true;
    let execution = list_runs(10, |_, _| {
        if core::mem::replace(&mut is_cached, false) {
            let mut response = Response::new(200, r#"{"data":[],"hasMore":false}"#);
            response.record_header("age", b"7");
            Reply::Response(response)
        } else {
            run_list(&[(42, "success")])
        }
    });
    assert_eq!((ids(&execution), execution.sent.len()), (vec![42], 2));
}

#[test]
fn a_run_that_is_inserted_between_two_pages_repeats_no_entry() {
    let runs = [
        (5, "queued"),
        (4, "success"),
        (3, "failed"),
        (2, "success"),
        (1, "success"),
    ];
    let mut requests = 0;
    let execution = list_runs(4, |request, _| {
        requests += 1;
        // Run 5 is inserted after the first page was read.
        let listed = if requests == 1 { &runs[1..] } else { &runs };
        run_page(listed, request, 2)
    });
    assert_eq!(ids(&execution), [5, 4, 3, 2]);
}

#[test]
fn a_run_with_several_jobs_may_span_two_pages() {
    let runs = [
        (3, "success"),
        (2, "success"),
        (2, "failed"),
        (2, "success"),
        (1, "success"),
    ];
    let execution = list_runs(4, |request, _| run_page(&runs, request, 2));
    assert_eq!(ids(&execution), [3, 2, 2, 2]);
}

#[test]
fn a_server_that_ignores_the_page_size_repeats_no_entry() {
    let runs = [1, 2, 3, 4, 5].map(|id| (id, "success"));
    let execution = list_runs(10, |request, _| {
        // The server puts three entries on each page.
        let mut request = request.clone();
        request.target = request
            .target
            .replace("limit=1", "limit=3")
            .replace("limit=2", "limit=3");
        run_page(&runs, &request, 3)
    });
    assert_eq!(ids(&execution), [5, 4, 3, 2, 1]);
}

#[test]
fn runs_that_are_inserted_anywhere_in_an_unordered_list_are_all_found() {
    let before = [3, 1, 5, 2, 4].map(|id| (id, "success"));
    // Run 6 is inserted on the page that was read, and run 7 on the next one.
    let after = [3, 6, 1, 5, 2, 7, 4].map(|id| (id, "success"));
    let mut requests = 0;
    let execution = list_runs(2, |request, _| {
        requests += 1;
        let listed = if requests == 1 { &before[..] } else { &after };
        run_page(listed, request, 3)
    });
    assert_eq!(ids(&execution), [7, 6]);
}
