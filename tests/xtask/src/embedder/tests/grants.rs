//! Tests of what a guest may access.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::super::{Config, Host, Limits, Outbound, Reuse};
use super::guests::{
    self, BEGIN_AND_WAIT, ENVIRONMENT, FETCH, GROW, HELLO, VARIABLE, WRITE_STDERR,
};
use super::{config, get, send, serve, status, with_each_wasi};

/// The number of `HTTP-request-denied` among wasi:http's error codes.
const DENIED: u16 = 615;
/// The number of `connection-refused` among wasi:http's error codes.
const REFUSED: u16 = 606;

#[test]
fn a_request_to_a_forbidden_destination_is_denied_and_not_sent() {
    with_each_wasi(async |time, wasi| {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = server.local_addr().unwrap().to_string();
        let (mut config, _) = config(&time);
        config.environment = vec![("AUTHORITY".to_owned(), authority)];
        config.outbound = Outbound::only(["http://127.0.0.1:1"]);
        let serving = serve(wasi, "denied", FETCH, config).await;
        assert_eq!(status(&get(&serving).await), DENIED);
        let nobody = tokio::time::timeout(Duration::from_secs(1), server.accept()).await;
        assert!(nobody.is_err(), "a connection was made");
    });
}

#[test]
fn a_request_to_an_allowed_destination_is_sent() {
    with_each_wasi(async |time, wasi| {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = server.local_addr().unwrap().to_string();
        drop(server);
        let (mut config, _) = config(&time);
        config.outbound = Outbound::only([format!("http://{authority}")]);
        config.environment = vec![("AUTHORITY".to_owned(), authority)];
        let serving = serve(wasi, "allowed", FETCH, config).await;
        assert_eq!(status(&get(&serving).await), REFUSED);
    });
}

#[test]
fn the_environment_is_that_of_the_configuration() {
    with_each_wasi(async |time, wasi| {
        let (mut config, _) = config(&time);
        config.environment = vec![("NAME".to_owned(), "a value".to_owned())];
        let serving = serve(wasi, "environment", ENVIRONMENT, config).await;
        let response = get(&serving).await;
        assert_eq!(status(&response), 200);
        assert!(response.contains("a value"), "{response}");
    });
}

#[test]
fn a_variable_has_its_value_or_is_undefined() {
    with_each_wasi(async |time, wasi| {
        let (mut config, _) = config(&time);
        let undefined = serve(wasi, "undefined", VARIABLE, config.clone()).await;
        assert_eq!(status(&get(&undefined).await), 501);
        config.variables = [("hello".to_owned(), "world".to_owned())].into();
        let defined = serve(wasi, "defined", VARIABLE, config).await;
        let response = get(&defined).await;
        assert_eq!(status(&response), 200);
        assert!(response.contains("world"), "{response}");
    });
}

#[test]
fn standard_error_can_be_captured() {
    with_each_wasi(async |time, wasi| {
        let (config, captured) = config(&time);
        let serving = serve(wasi, "stderr", WRITE_STDERR, config).await;
        assert_eq!(status(&get(&serving).await), 200);
        assert_eq!(status(&get(&serving).await), 200);
        assert_eq!(captured.text(), "hellohello");
    });
}

/// Size of a page of linear memory, in bytes. [`GROW`] requests 64 pages.
const PAGE: usize = 64 << 10;

#[test]
fn memory_is_limited_and_its_peak_is_reported() {
    with_each_wasi(async |time, wasi| {
        let (mut config, _) = config(&time);
        let enough = serve(wasi, "enough", GROW, config.clone()).await;
        assert_eq!(status(&get(&enough).await), 200);
        let peak = enough.host.peak_memory();
        assert!(peak >= 64 * PAGE, "{peak}");
        config.limits.memory = 1 << 20;
        let little = serve(wasi, "little", GROW, config).await;
        assert_eq!(status(&get(&little).await), 507);
        assert_eq!(
            little.host.peak_memory(),
            peak - 64 * PAGE,
            "what was refused does not count"
        );
    });
}

#[test]
fn one_instance_more_than_may_be_is_refused_with_503() {
    with_each_wasi(async |time, wasi| {
        let (mut config, _) = config(&time);
        config.limits.instances = 1;
        config.reuse = Reuse::NONE;
        let serving = serve(wasi, "full", BEGIN_AND_WAIT, config).await;
        let mut first = send(&serving).await;
        first.read_u8().await.unwrap();
        assert_eq!(status(&get(&serving).await), 503);
    });
}

#[test]
fn what_the_worlds_do_not_name_cannot_be_imported() {
    let component = "(component (import \"wasi:filesystem/preopens@0.2.2\" (instance
        (export \"get-directories\" (func (result (list u32)))))))";
    let guest = guests::build("filesystem", HELLO.wat);
    std::fs::write(guest.path(), wat::parse_str(component).unwrap()).unwrap();
    let error = Host::new(&guest.path(), Config::default()).err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("wasi:filesystem/preopens"), "{error}");
}

#[test]
fn a_component_is_compiled_once() {
    let guest = guests::build("compiled", HELLO.wat);
    Host::new(&guest.path(), Config::default()).unwrap();
    let first = guest.artifacts();
    assert_eq!(first.len(), 1, "{first:?}");
    Host::new(&guest.path(), another_engine()).unwrap();
    assert_eq!(guest.artifacts(), first);
}

/// Returns a configuration with its own engine. With the same engine, a process keeps the loaded
/// component, and does not read the artifact.
fn another_engine() -> Config {
    Config {
        limits: Limits {
            instances: 7,
            ..Limits::default()
        },
        ..Config::default()
    }
}

#[test]
fn a_component_that_is_written_again_is_loaded_again() {
    let guest = guests::build("rewritten", HELLO.wat);
    Host::new(&guest.path(), Config::default()).unwrap();
    std::fs::write(guest.path(), b"no component").unwrap();
    Host::new(&guest.path(), Config::default())
        .err()
        .expect("the new file cannot be hosted");
}

#[test]
fn a_damaged_artifact_is_compiled_again() {
    let guest = guests::build("damaged", HELLO.wat);
    Host::new(&guest.path(), Config::default()).unwrap();
    for artifact in guest.artifacts() {
        std::fs::write(artifact, b"no code").unwrap();
    }
    Host::new(&guest.path(), another_engine()).unwrap();
}

#[test]
fn a_component_whose_artifact_cannot_be_written_is_hosted_all_the_same() {
    let guest = guests::build("unwritable", HELLO.wat);
    Host::new(&guest.path(), Config::default()).unwrap();
    for artifact in guest.artifacts() {
        std::fs::remove_file(&artifact).unwrap();
        std::fs::create_dir_all(artifact.join("in the way")).unwrap();
    }
    Host::new(&guest.path(), another_engine()).unwrap();
}
