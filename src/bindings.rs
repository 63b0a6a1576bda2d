//! Bindings of `wit/`. The WASI interfaces are those of the wasi crate, so that each type exists once.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[cfg(not(feature = "endpoint"))]
wit_bindgen::generate!({
    path: "wit",
    world: "hightouch:sync/library",
    with: {
        "wasi:clocks/monotonic-clock@0.2.2": wasi::clocks::monotonic_clock,
        "wasi:http/outgoing-handler@0.2.2": wasi::http::outgoing_handler,
        "wasi:http/types@0.2.2": wasi::http::types,
        "wasi:io/error@0.2.2": wasi::io::error,
        "wasi:io/poll@0.2.2": wasi::io::poll,
        "wasi:io/streams@0.2.2": wasi::io::streams,
    },
});

#[cfg(all(feature = "endpoint", not(feature = "spin")))]
wit_bindgen::generate!({
    path: "wit",
    world: "hightouch:sync/endpoint",
    with: {
        "wasi:cli/environment@0.2.2": wasi::cli::environment,
        "wasi:cli/stderr@0.2.2": wasi::cli::stderr,
        "wasi:clocks/monotonic-clock@0.2.2": wasi::clocks::monotonic_clock,
        "wasi:http/outgoing-handler@0.2.2": wasi::http::outgoing_handler,
        "wasi:http/types@0.2.2": wasi::http::types,
        "wasi:io/error@0.2.2": wasi::io::error,
        "wasi:io/poll@0.2.2": wasi::io::poll,
        "wasi:io/streams@0.2.2": wasi::io::streams,
    },
});

#[cfg(feature = "spin")]
wit_bindgen::generate!({
    path: "wit",
    world: "hightouch:sync/spin-endpoint",
    with: {
        "fermyon:spin/variables@2.0.0": generate,
        "wasi:cli/stderr@0.2.2": wasi::cli::stderr,
        "wasi:clocks/monotonic-clock@0.2.2": wasi::clocks::monotonic_clock,
        "wasi:http/outgoing-handler@0.2.2": wasi::http::outgoing_handler,
        "wasi:http/types@0.2.2": wasi::http::types,
        "wasi:io/error@0.2.2": wasi::io::error,
        "wasi:io/poll@0.2.2": wasi::io::poll,
        "wasi:io/streams@0.2.2": wasi::io::streams,
    },
});
