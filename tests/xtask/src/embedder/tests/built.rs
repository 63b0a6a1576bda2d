//! Guests that are built from Rust, as the components are.

use super::super::{Config, Host, in_virtual_time};
use super::{ANY_PORT, config, get, status};
use crate::build::{Guest, guest};

#[test]
fn the_least_guest_answers_ok() {
    let file = guest(Guest::Ok).unwrap();
    in_virtual_time(async |time| {
        let (config, captured) = config(&time);
        let serving = Host::new(&file, config)
            .unwrap()
            .serve(ANY_PORT)
            .await
            .unwrap();
        let answer = get(&serving).await;
        assert_eq!(status(&answer), 200);
        assert!(answer.contains("ok"), "{answer}");
        assert_eq!(captured.text(), "");
    });
}

#[test]
fn a_request_needs_no_socket_and_burns_the_same_fuel_each_time() {
    let file = guest(Guest::Ok).unwrap();
    in_virtual_time(async |time| {
        let (config, _) = config(&time);
        let host = Host::new(
            &file,
            Config {
                metered: true,
                ..config
            },
        )
        .unwrap();
        let answer = host.get("/").await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.body().as_ref()),
            (200, &b"ok"[..])
        );
        let burnt = host.fuel();
        assert!(burnt > 100, "{burnt}");
        host.get("/").await.unwrap();
        assert_eq!(host.fuel(), 2 * burnt);
        assert_eq!(host.instances(), 0);
    });
}
