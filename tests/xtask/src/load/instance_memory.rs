//! Measures the peak linear memory of one instance. The result is the same each time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use crate::build::{Kind, components};
use crate::embedder::{
    Clock, Config, Connection, Host, IfRunning, Outbound, Report, RunOptions, SyncRef,
    in_virtual_time,
};
use crate::local_hightouch::{
    KEY, LocalHightouch, Options, RowCounts, Status, SyncFixture, Timeline,
};

/// Size of a page of linear memory, in bytes.
const PAGE: usize = 64 << 10;
/// Maximum number of entries on a page of a Hightouch list.
const FULL_PAGE: u32 = 100;
const MINUTE: Duration = Duration::from_secs(60);

/// Returns the memory of a new instance, in pages.
///
/// # Errors
/// Fails if the component cannot be instantiated.
pub fn new_instance_pages(component: &Path) -> Result<usize> {
    in_virtual_time(async |_| {
        let host = Host::new(component, Config::default())?;
        host.instantiate().await?;
        Ok(host.peak_memory().div_ceil(PAGE))
    })
}

/// Returns the peak memory of an instance that reads a list of 100 earlier runs and starts another
/// run, in pages.
///
/// # Errors
/// Fails if the sync does not succeed or joins another run.
pub fn peak_pages_with_100_runs(kind: Kind) -> Result<usize> {
    let timeline = timeline();
    let mut sync = SyncFixture::new(1, "full", timeline.clone());
    for number in 1..=FULL_PAGE {
        sync = sync.with_earlier_run(MINUTE * number * 10, timeline.clone());
    }
    let (report, pages) = run(kind, sync)?;
    ensure!(!report.joined, "the sync joined another run: {report:?}");
    Ok(pages)
}

/// Returns the peak memory of an instance that reports a run of 100 jobs, in pages.
///
/// # Errors
/// Fails if the sync does not succeed or its report does not contain 100 jobs.
pub fn peak_pages_with_100_jobs(kind: Kind) -> Result<usize> {
    let mut sync = SyncFixture::new(1, "full", timeline());
    sync.further_jobs = (1..FULL_PAGE).map(|_| timeline()).collect();
    let (report, pages) = run(kind, sync)?;
    let jobs = report.jobs.len();
    ensure!(jobs == FULL_PAGE as usize, "the report has {jobs} jobs");
    Ok(pages)
}

fn timeline() -> Timeline {
    Timeline::over(MINUTE, Status::Success).with_rows(RowCounts::new(640, 120, 13))
}

fn run(kind: Kind, sync: SyncFixture) -> Result<(Report, usize)> {
    in_virtual_time(async |time| {
        let hightouch = LocalHightouch::start(Options::default().with_sync(sync)).await?;
        let config = Config {
            outbound: Outbound::only([hightouch.origin()]),
            clock: Clock::Virtual(time),
            ..Config::default()
        };
        let host = Host::new(components()?.path(kind), config)?;
        let connection = Connection {
            api_key: KEY.into(),
            api_origin: Some(hightouch.origin()),
        };
        // With `join`, the component reads the list of runs.
        let options = RunOptions {
            if_running: IfRunning::Join,
            ..RunOptions::default()
        };
        let report = host
            .run_sync(&connection, &SyncRef::Id(1), options)
            .await?
            .map_err(|failure| anyhow!("the sync failed: {failure:?}"))?;
        Ok((report, host.peak_memory().div_ceil(PAGE)))
    })
}
