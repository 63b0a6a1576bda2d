//! A component of WASI 0.3 that imports `hightouch:sync/async-runs` can be composed with the async
//! library. It awaits several runs at once. If it drops a call, the call sends nothing more.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use xtask::build::{Guest, Kind, components, exports, guest};
use xtask::embedder::{Config, Host, Outbound, RunRef};
use xtask::local_hightouch::{
    KEY, LocalHightouch, Options, RunSnapshot, Status, SyncFixture, Timeline,
};

use super::support::compose::{check_imports, compose};
use super::support::stage::{Endpoint, Stage, options, stage};

/// Locked while the file is written, so that no other test of this process writes it.
static WRITING: Mutex<()> = Mutex::new(());

/// Time for which the consumer waits after it has dropped calls, before it responds.
const PAUSE: Duration = Duration::from_secs(60);
/// Maximum time between the event that makes the consumer drop a call, and the last request.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Composes the consumer with the async library.
fn pipeline() -> PathBuf {
    let consumer = guest(Guest::AsyncConsumer).unwrap();
    let library = components().unwrap().path(Kind::AsyncLibrary);
    let _writing = WRITING.lock();
    compose("async-pipeline", &consumer, library).unwrap()
}

/// Starts a local Hightouch with one sync for each duration of its runs. The IDs of the syncs are 1,
/// 2 and so on.
async fn hightouch(durations: &[Duration]) -> LocalHightouch {
    let syncs = durations.iter().zip(1..).map(|(duration, id)| {
        let timeline = Timeline::over(*duration, Status::Success);
        SyncFixture::new(id, format!("sync-{id}"), timeline)
    });
    let options = Options {
        syncs: syncs.collect(),
        ..Options::default()
    };
    LocalHightouch::start(options).await.unwrap()
}

/// Calls the pipeline with these syncs. Returns the lines of its response.
async fn call(stage: &Stage, hightouch: &LocalHightouch, path: &str, syncs: &[u64]) -> Vec<String> {
    let origin = hightouch.origin();
    let config = Config {
        outbound: Outbound::only([origin.as_str()]),
        ..stage.config(&origin)
    };
    let endpoint = Endpoint::serve(&Host::new(&pipeline(), config).unwrap()).await;
    let syncs: Vec<String> = syncs.iter().map(u64::to_string).collect();
    let request = endpoint
        .post(path)
        .body(format!("{origin}\n{KEY}\n{}", syncs.join("\n")));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Returns the only run of a sync.
fn run_of(hightouch: &LocalHightouch, sync: u64) -> RunSnapshot {
    let runs = hightouch.runs(sync);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.into_iter().next().unwrap()
}

/// Returns the time of the last request, since the start of the local Hightouch.
fn last_request(hightouch: &LocalHightouch) -> Duration {
    hightouch.requests().last().unwrap().at
}

#[test]
fn the_composition_imports_nothing_that_the_library_does_not() {
    check_imports(
        &pipeline(),
        Kind::AsyncLibrary,
        "wasi:http/client@0.3.0",
        "hightouch:sync/async-runs",
    );
    assert_eq!(exports(&pipeline()).unwrap(), ["wasi:http/handler@0.3.0"]);
}

#[test]
fn several_runs_are_awaited_at_once() {
    stage(async |stage| {
        let minutes = [1, 2, 3].map(|minutes| Duration::from_secs(60 * minutes));
        let hightouch = hightouch(&minutes).await;
        let begun = stage.time.elapsed();
        let lines = call(&stage, &hightouch, "/all", &[1, 2, 3]).await;
        let took = stage.time.elapsed() - begun;
        assert!(took < minutes[2] + Duration::from_secs(15), "{took:?}");
        for (line, sync) in lines.iter().zip(1..) {
            let run = run_of(&hightouch, sync);
            assert_eq!(run.status, Status::Success);
            assert_eq!(
                *line,
                format!("sync {sync} run {}: RunStatus::Success", run.id)
            );
        }
        assert_eq!((lines.len(), hightouch.triggers()), (3, 3));
    });
}

#[test]
fn calls_that_are_dropped_send_nothing_more_and_cancel_no_run() {
    stage(async |stage| {
        let hour = Duration::from_secs(3600);
        let hightouch = hightouch(&[Duration::from_secs(20), hour, hour, hour]).await;
        let lines = call(&stage, &hightouch, "/first", &[1, 2, 3, 4]).await;
        let ended = run_of(&hightouch, 1);
        assert_eq!(
            lines,
            [format!("sync 1 run {}: RunStatus::Success", ended.id)]
        );
        // The last poll of the first run is the last request: the other calls end with it. The
        // consumer then waits, and the other calls would have polled several times.
        let requests = hightouch.requests();
        let last_poll = requests
            .iter()
            .rfind(|request| request.path.contains("/syncs/1/"))
            .unwrap();
        let (last, now) = (last_request(&hightouch), stage.time.elapsed());
        assert!(last <= last_poll.at + AT_ONCE, "{last:?}");
        assert!(now >= last + PAUSE, "{now:?}");
        assert_eq!(hightouch.triggers(), 4);
        for sync in [2, 3, 4] {
            assert_eq!(run_of(&hightouch, sync).finished_at, None);
        }
    });
}

#[test]
fn the_id_of_a_run_whose_wait_is_dropped_is_kept_and_can_be_awaited_again() {
    stage(async |stage| {
        let hightouch = hightouch(&[Duration::from_secs(300); 2]).await;
        let began = stage.time.elapsed();
        let lines = call(&stage, &hightouch, "/within/30", &[1, 2]).await;
        let last = last_request(&hightouch);
        assert!(
            last <= began + Duration::from_secs(30) + Duration::from_millis(25),
            "{last:?}"
        );
        assert!(stage.time.elapsed() >= last + PAUSE);
        let library = Stage {
            library: Kind::AsyncLibrary,
            ..stage
        }
        .library(&hightouch.origin());
        for (line, sync_id) in lines.iter().zip(1..) {
            let run_id = run_of(&hightouch, sync_id).id;
            assert_eq!(*line, format!("sync {sync_id} run {run_id}: not awaited"));
            let run = RunRef { sync_id, run_id };
            let awaited = library.host.await_run(&library.connection, run, options());
            assert_eq!(awaited.await.unwrap().unwrap().run.run_id, run_id);
        }
        assert_eq!((lines.len(), hightouch.triggers()), (2, 2));
    });
}

#[test]
fn a_batch_that_is_dropped_starts_no_further_sync() {
    stage(async |stage| {
        let hightouch = hightouch(&[Duration::from_secs(60); 3]).await;
        let lines = call(&stage, &hightouch, "/in-order/90", &[1, 2, 3]).await;
        assert_eq!(lines, ["not awaited"]);
        assert!(stage.time.elapsed() >= Duration::from_secs(90) + PAUSE);
        assert_eq!(hightouch.triggers(), 2);
        assert!(hightouch.runs(3).is_empty());
    });
}

#[test]
fn a_consumer_of_the_sync_interface_is_refused() {
    let consumer = guest(Guest::Consumer).unwrap();
    let library = components().unwrap().path(Kind::AsyncLibrary);
    let error = compose("refused", &consumer, library).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "the socket component had no matching imports for the plugs that were provided"
    );
}
