//! The bindings of the world in `wit/` that the features select. For the interfaces of WASI 0.2, the
//! bindings of the crates waki (clocks, io, http) and wasi (cli) are used, so that nothing is
//! generated twice. The worlds of WASI 0.3 use the crate wasi for all interfaces of WASI 0.2.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_macros,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

/// Generates the bindings of a world of WASI 0.2, with these interfaces in addition to those that all
/// of its worlds import.
macro_rules! generate_p2 {
    ($world:tt, { $($interfaces:tt)* }) => {
        wit_bindgen::generate!({
            path: "wit",
            world: $world,
            with: {
                $($interfaces)*
                "wasi:clocks/monotonic-clock@0.2.2": waki::bindings::wasi::clocks::monotonic_clock,
                "wasi:http/outgoing-handler@0.2.2": waki::bindings::wasi::http::outgoing_handler,
                "wasi:http/types@0.2.2": waki::bindings::wasi::http::types,
                "wasi:io/error@0.2.2": waki::bindings::wasi::io::error,
                "wasi:io/poll@0.2.2": waki::bindings::wasi::io::poll,
                "wasi:io/streams@0.2.2": waki::bindings::wasi::io::streams,
            },
        });
    };
}

/// Generates the bindings of a world of WASI 0.3 that has the stderr of WASI 0.2.
macro_rules! generate_service {
    ($world:tt) => {
        wit_bindgen::generate!({
            path: "wit",
            world: $world,
            with: {
                "wasi:cli/stderr@0.2.2": ::wasi::cli::stderr,
                "wasi:io/error@0.2.2": ::wasi::io::error,
                "wasi:io/poll@0.2.2": ::wasi::io::poll,
                "wasi:io/streams@0.2.2": ::wasi::io::streams,
            },
            generate_all,
        });
    };
}

cfg_select! {
    feature = "spin-service" => {
        generate_service!("hightouch:sync/spin-service");
    }
    feature = "service" => {
        generate_service!("hightouch:sync/service");
    }
    feature = "async" => {
        wit_bindgen::generate!({
            path: "wit",
            world: "hightouch:sync/async-library",
            generate_all,
        });
    }
    feature = "spin" => {
        generate_p2!("hightouch:sync/spin-endpoint", {
            "fermyon:spin/variables@2.0.0": generate,
            "wasi:cli/stderr@0.2.2": wasi::cli::stderr,
        });
    }
    feature = "endpoint" => {
        generate_p2!("hightouch:sync/endpoint", {
            "wasi:cli/environment@0.2.2": wasi::cli::environment,
            "wasi:cli/stderr@0.2.2": wasi::cli::stderr,
        });
    }
    _ => {
        generate_p2!("hightouch:sync/library", {});
    }
}

/// The component. The module of each exported interface implements that interface for it.
pub(crate) struct Component;

// The exported symbols have the names of the WIT functions. Linkers for other targets do not know
// such names.
#[cfg(target_arch = "wasm32")]
export!(Component with_types_in self);
