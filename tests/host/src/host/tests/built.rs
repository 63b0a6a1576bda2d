//! Guests that are built from Rust, as the components are.

use super::super::{Host, in_virtual_time};
use super::{ANY_PORT, config, get, status};
use crate::build::{Guest, guest};

#[test]
fn the_least_guest_answers_ok() {
    let file = guest(Guest::Ok).unwrap();
    in_virtual_time(async |time| {
        let (config, captured) = config(&time);
        let serving = Host::new(&file, config).unwrap().serve(ANY_PORT).await.unwrap();
        let answer = get(&serving).await;
        assert_eq!(status(&answer), 200);
        assert!(answer.contains("ok"), "{answer}");
        assert_eq!(captured.text(), "");
    });
}
