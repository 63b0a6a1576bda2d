//! Runs several syncs with one request, and shows their progress.
//!
//! `POST /runs` runs all syncs in one instance of the component. So the component itself applies
//! the rules of a batch: the maximum number of runs at the same time, the stop after a failure, and
//! the shared limit on requests. The request has no events and gets a response only at the end. For
//! display only, this module reads the component's log, which names each run as soon as it is
//! started or joined. It polls those runs in turn with `GET`, at most one per second in total. That
//! is a twentieth of Hightouch's limit of 200 requests in ten seconds. A poll that fails shows no
//! progress and changes no result.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::MissedTickBehavior;

use super::bars::{Bar, Bars};
use super::client::{Client, UNREACHABLE, read};
use super::component_log::{Named, NamedRuns};
use super::outcome::{Content, Document};

/// Minimum time between two polls.
const INTERVAL: Duration = Duration::from_secs(1);

/// Sends the request and returns the endpoint's response.
///
/// # Errors
/// Fails if no run was started.
pub(super) async fn run_all(
    client: &Client,
    request: reqwest::RequestBuilder,
    bars: &Bars,
    named: NamedRuns,
) -> Result<Document> {
    let runs = named.clone();
    let response = async {
        match request.send().await {
            Ok(response) => read(response, Content::Batch).await,
            Err(error) => Err(error.into()),
        }
    };
    let result = tokio::select! {
        result = response => result,
        never = display(client, bars, named) => match never {},
    };
    result.or_else(|error| {
        let is_unsent = error
            .downcast_ref::<reqwest::Error>()
            .is_some_and(reqwest::Error::is_connect);
        if is_unsent {
            return Err(error).context(UNREACHABLE);
        }
        let detail = format!(
            "The connection to the endpoint was lost ({error:#}). {}",
            may_be_in_progress(&runs)
        );
        let title = "The connection to the endpoint was lost";
        Ok(Document::problem(
            "trigger-unconfirmed",
            title,
            &detail,
            None,
        ))
    })
}

/// Returns sentences that name the runs that may be in progress.
pub(super) fn may_be_in_progress(named: &NamedRuns) -> String {
    let runs: Vec<String> = named
        .borrow()
        .iter()
        .map(|(sync, run)| format!("run {run} of sync {sync}"))
        .collect();
    let check = "Check with `hightouch-sync runs SYNC` before you run a sync again.";
    if runs.is_empty() {
        format!("A run may have been started. {check}")
    } else {
        format!(
            "These runs were started or joined, and may still be in progress: {}. Other runs may have been started. {check}",
            runs.join(", ")
        )
    }
}

/// A run whose progress is shown.
struct Shown {
    run: Named,
    bar: Bar,
}

/// Shows the progress of the runs that the component names. Never returns.
async fn display(client: &Client, bars: &Bars, mut named: NamedRuns) -> Infallible {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = 0;
    let mut in_progress = VecDeque::new();
    // Bars stay on the terminal as long as they exist.
    let mut ended = Vec::new();
    loop {
        let is_turn = tokio::select! {
            _ = interval.tick() => true,
            Ok(()) = named.changed() => false,
        };
        let new: Vec<Named> = named
            .borrow_and_update()
            .iter()
            .skip(known)
            .copied()
            .collect();
        for run in new {
            known += 1;
            let bar = bars.add(format!("sync {}", run.0));
            bar.show(run.1, "started", &[]);
            in_progress.push_back(Shown { run, bar });
        }
        if is_turn && let Some(shown) = in_progress.pop_front() {
            if poll(client, &shown).await {
                shown.bar.end();
                ended.push(shown);
            } else {
                in_progress.push_back(shown);
            }
        }
    }
}

/// Polls a run once and shows its state. Returns whether the run has ended.
async fn poll(client: &Client, shown: &Shown) -> bool {
    let Ok(response) = client.poll(shown.run, Duration::ZERO).send().await else {
        return false;
    };
    let Ok(document) = read(response, Content::Report).await else {
        return false;
    };
    let jobs = match &document.content {
        Content::Report(report) => &report.jobs,
        Content::Problem(problem) => &problem.jobs,
        _ => return false,
    };
    let Some(job) = jobs.last() else {
        return false;
    };
    shown.bar.show(shown.run.1, &job.status, jobs);
    jobs.iter().all(|job| job.finished_at.is_some())
}
