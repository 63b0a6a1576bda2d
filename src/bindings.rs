//! The bindings of the world in `wit/` that the features select. For the interfaces of WASI 0.2, the
//! bindings of the crates waki (clocks, io, http) and wasi (cli) are used, so that nothing is
//! generated twice. The worlds of WASI 0.3 use the crate wasi for all interfaces of WASI 0.2.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

cfg_select! {
    feature = "spin-service" => {
        wit_bindgen::generate!({
            path: "wit",
            world: "hightouch:sync/spin-service",
            with: {
                "wasi:cli/stderr@0.2.2": ::wasi::cli::stderr,
                "wasi:io/error@0.2.2": ::wasi::io::error,
                "wasi:io/poll@0.2.2": ::wasi::io::poll,
                "wasi:io/streams@0.2.2": ::wasi::io::streams,
            },
            generate_all,
        });
    }
    feature = "service" => {
        wit_bindgen::generate!({
            path: "wit",
            world: "hightouch:sync/service",
            with: {
                "wasi:cli/stderr@0.2.2": ::wasi::cli::stderr,
                "wasi:io/error@0.2.2": ::wasi::io::error,
                "wasi:io/poll@0.2.2": ::wasi::io::poll,
                "wasi:io/streams@0.2.2": ::wasi::io::streams,
            },
            generate_all,
        });
    }
    feature = "async" => {
        wit_bindgen::generate!({
            path: "wit",
            world: "hightouch:sync/async-library",
            generate_all,
        });
    }
    feature = "spin" => {
        wit_bindgen::generate!({
            path: "wit",
            world: "hightouch:sync/spin-endpoint",
            with: {
                "fermyon:spin/variables@2.0.0": generate,
                "wasi:cli/stderr@0.2.2": wasi::cli::stderr,
                "wasi:clocks/monotonic-clock@0.2.2": waki::bindings::wasi::clocks::monotonic_clock,
                "wasi:http/outgoing-handler@0.2.2": waki::bindings::wasi::http::outgoing_handler,
                "wasi:http/types@0.2.2": waki::bindings::wasi::http::types,
                "wasi:io/error@0.2.2": waki::bindings::wasi::io::error,
                "wasi:io/poll@0.2.2": waki::bindings::wasi::io::poll,
                "wasi:io/streams@0.2.2": waki::bindings::wasi::io::streams,
            },
        });
    }
    feature = "endpoint" => {
        wit_bindgen::generate!({
            path: "wit",
            world: "hightouch:sync/endpoint",
            with: {
                "wasi:cli/environment@0.2.2": wasi::cli::environment,
                "wasi:cli/stderr@0.2.2": wasi::cli::stderr,
                "wasi:clocks/monotonic-clock@0.2.2": waki::bindings::wasi::clocks::monotonic_clock,
                "wasi:http/outgoing-handler@0.2.2": waki::bindings::wasi::http::outgoing_handler,
                "wasi:http/types@0.2.2": waki::bindings::wasi::http::types,
                "wasi:io/error@0.2.2": waki::bindings::wasi::io::error,
                "wasi:io/poll@0.2.2": waki::bindings::wasi::io::poll,
                "wasi:io/streams@0.2.2": waki::bindings::wasi::io::streams,
            },
        });
    }
    _ => {
        wit_bindgen::generate!({
            path: "wit",
            world: "hightouch:sync/library",
            with: {
                "wasi:clocks/monotonic-clock@0.2.2": waki::bindings::wasi::clocks::monotonic_clock,
                "wasi:http/outgoing-handler@0.2.2": waki::bindings::wasi::http::outgoing_handler,
                "wasi:http/types@0.2.2": waki::bindings::wasi::http::types,
                "wasi:io/error@0.2.2": waki::bindings::wasi::io::error,
                "wasi:io/poll@0.2.2": waki::bindings::wasi::io::poll,
                "wasi:io/streams@0.2.2": waki::bindings::wasi::io::streams,
            },
        });
    }
}

/// The component. The module of each exported interface implements that interface for it.
pub(crate) struct Component;

// The exported symbols have the names of the WIT functions. Linkers for other targets do not know
// such names.
#[cfg(target_arch = "wasm32")]
export!(Component with_types_in self);
