//! A component that imports `hightouch:sync/runs` can be composed with the library. Every host of
//! wasi:http runs the result.

use std::path::PathBuf;
use std::sync::Mutex;

use xtask::build::{Guest, Kind, components, exports, guest, imports};
use xtask::embedder::{Config, Host, Outbound};
use xtask::local_hightouch::{KEY, LocalHightouch, Status};

use super::support::compose::{check_imports, compose};
use super::support::stage::{Endpoint, Stage, stage};

/// Locked while a file is written, so that no other test of this process writes it.
static WRITING: Mutex<()> = Mutex::new(());

/// Composes the consumer with the library.
fn pipeline() -> PathBuf {
    let (consumer, library) = (
        guest(Guest::Consumer).unwrap(),
        components().unwrap().path(Kind::Library),
    );
    let _writing = WRITING.lock();
    compose("pipeline", &consumer, library).unwrap()
}

/// Composes the consumer with the library and the adapter that Spin adds if `inherit_configuration`
/// is not set.
fn pipeline_that_inherits_nothing() -> PathBuf {
    let (consumer, denies_run) = (
        guest(Guest::Consumer).unwrap(),
        guest(Guest::Denies).unwrap(),
    );
    let library = components().unwrap().path(Kind::Library);
    let _writing = WRITING.lock();
    let library = compose("library-denied", library, &denies_run).unwrap();
    compose("pipeline-denied", &consumer, &library).unwrap()
}

/// Makes the pipeline run these syncs in order. Returns the status and text of its response.
async fn run(
    stage: &Stage,
    component: PathBuf,
    outbound: Outbound,
    local: &LocalHightouch,
    syncs: &str,
) -> (u16, String) {
    let config = Config {
        outbound,
        ..stage.config(&local.origin())
    };
    let endpoint = Endpoint::serve(&Host::new(&component, config).unwrap()).await;
    let response = endpoint
        .post("/")
        .body(format!("{}\n{KEY}\n{syncs}", local.origin()))
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[test]
fn the_composition_imports_nothing_that_the_library_does_not() {
    check_imports(
        &pipeline(),
        Kind::Library,
        "wasi:http/outgoing-handler@0.2.2",
        "hightouch:sync/runs",
    );
    assert_eq!(
        exports(&pipeline()).unwrap(),
        ["wasi:http/incoming-handler@0.2.2"]
    );
}

#[test]
fn syncs_run_in_order_each_to_its_end_before_the_next_begins() {
    stage(async |stage| {
        let local = stage.local().await;
        let outbound = Outbound::only([local.origin()]);
        let (status, text) = run(&stage, pipeline(), outbound, &local, "1\n1").await;
        assert_eq!(status, 200, "{text}");
        let runs = local.runs(1);
        assert_eq!(runs.len(), 2);
        assert!(
            runs.iter().all(|run| run.status == Status::Success),
            "{runs:?}"
        );
        assert!(
            runs[0].finished_at.as_ref().unwrap() <= &runs[1].created_at,
            "{runs:?}"
        );
        for (line, run) in text.lines().zip(&runs) {
            assert_eq!(line, format!("sync 1 run {}: RunStatus::Success", run.id));
        }
    });
}

#[test]
fn after_a_sync_that_failed_the_next_is_never_started() {
    stage(async |stage| {
        let local = stage.local().await;
        let outbound = Outbound::only([local.origin()]);
        let (status, text) = run(&stage, pipeline(), outbound, &local, "3\n1").await;
        assert_eq!(status, 424, "{text}");
        assert!(
            text.contains("sync 3: FailureKind::SyncFailed: INVALID_SESSION_ID"),
            "{text}"
        );
        assert_eq!((local.runs(3).len(), local.runs(1).len()), (1, 0));
        assert_eq!(local.triggers(), 1);
    });
}

#[test]
fn where_the_host_grants_nothing_the_failure_names_the_setting_and_nothing_is_sent() {
    stage(async |stage| {
        let local = stage.local().await;
        let (status, text) = run(&stage, pipeline(), Outbound::default(), &local, "1\n1").await;
        assert_eq!(status, 424, "{text}");
        assert!(
            text.contains("FailureKind::NotGranted") && text.contains("allowed_outbound_hosts"),
            "{text}"
        );
        assert!(local.requests().is_empty());
    });
}

/// Returns the response of the pipeline without inherited configuration. Checks that it sends
/// nothing.
async fn denied(stage: &Stage) -> String {
    let local = stage.local().await;
    let component = pipeline_that_inherits_nothing();
    assert!(
        !imports(&component)
            .unwrap()
            .contains(&"wasi:http/outgoing-handler@0.2.2".into())
    );
    let (status, text) = run(
        stage,
        component,
        Outbound::only([local.origin()]),
        &local,
        "1\n1",
    )
    .await;
    assert_eq!(status, 424, "{text}");
    assert!(local.requests().is_empty());
    text
}

#[test]
fn as_a_dependency_that_inherits_nothing_from_spin_it_sends_nothing_and_says_why() {
    let text = stage(async |stage| denied(&stage).await);
    assert!(
        text.contains("sync 1: FailureKind::") && !text.contains("sync 1 run"),
        "{text}"
    );
    assert!(
        text.contains("denied") || text.contains("allowed_outbound_hosts"),
        "{text}"
    );
}

#[test]
fn as_a_dependency_that_inherits_nothing_from_spin_it_names_the_setting() {
    let text = stage(async |stage| denied(&stage).await);
    assert!(
        text.contains("FailureKind::NotGranted") && text.contains("inherit_configuration"),
        "{text}"
    );
}
