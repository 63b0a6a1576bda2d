//! How much linear memory an instance takes: the same each time.

use std::path::Path;
use std::time::Duration;

use crate::build::{Kind, components};
use crate::embedder::{
    Clock, Config, Connection, Host, IfRunning, Outbound, Report, RunOptions, SyncRef,
    in_virtual_time,
};
use crate::local_hightouch::{
    KEY, LocalHightouch, Options, RowCounts, Status, SyncFixture, Timeline,
};

/// The bytes of a page.
const PAGE: usize = 64 << 10;
/// As many entries as Hightouch puts on a page of a list.
const FULL: u64 = 100;
const MINUTE: Duration = Duration::from_secs(60);

/// The pages of an instance to which nothing has happened.
pub fn fresh(component: &Path) -> usize {
    in_virtual_time(async |_| {
        let host = Host::new(component, Config::default()).unwrap();
        host.instantiate().await.unwrap();
        host.peak_memory().div_ceil(PAGE)
    })
}

/// The most pages of an instance that reads a list of 100 earlier runs before it starts one more.
pub fn at_most_with_a_list_of_runs(kind: Kind) -> usize {
    let timeline = timeline();
    let mut sync = SyncFixture::new(1, "full", timeline.clone());
    for number in 1..=FULL {
        sync = sync.with_earlier_run(
            MINUTE * u32::try_from(number).unwrap() * 10,
            timeline.clone(),
        );
    }
    let (report, pages) = carry_out(kind, sync);
    assert!(!report.joined, "{report:?}");
    pages
}

/// The most pages of an instance that reports a run of 100 jobs.
pub fn at_most_with_a_run_of_jobs(kind: Kind) -> usize {
    let mut sync = SyncFixture::new(1, "full", timeline());
    sync.further_jobs = (1..FULL).map(|_| timeline()).collect();
    let (report, pages) = carry_out(kind, sync);
    assert_eq!(report.jobs.len() as u64, FULL);
    pages
}

fn timeline() -> Timeline {
    Timeline::over(MINUTE, Status::Success).with_rows(RowCounts::new(640, 120, 13))
}

fn carry_out(kind: Kind, sync: SyncFixture) -> (Report, usize) {
    in_virtual_time(async |time| {
        let hightouch = LocalHightouch::start(Options::default().with_sync(sync))
            .await
            .unwrap();
        let outbound = Outbound::only([hightouch.origin()]);
        let config = Config {
            outbound,
            clock: Clock::Virtual(time),
            ..Config::default()
        };
        let host = Host::new(components().unwrap().path(kind), config).unwrap();
        let connection = Connection {
            api_key: KEY.into(),
            api_origin: Some(hightouch.origin()),
        };
        // The list of runs is read where one may be joined.
        let options = RunOptions {
            if_running: IfRunning::Join,
            ..RunOptions::default()
        };
        let report = host
            .run_sync(&connection, &SyncRef::Id(1), options)
            .await
            .unwrap()
            .unwrap();
        (report, host.peak_memory().div_ceil(PAGE))
    })
}
