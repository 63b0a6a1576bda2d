//! The exported interface: `hightouch:sync/runs` for WASI 0.2, `hightouch:sync/async-runs` for
//! WASI 0.3. Both have the same calls.

mod calls;
mod connection;
mod runs;
mod sequences;

cfg_select! {
    feature = "async" => {
        mod p3;
    }
    _ => {
        mod p2;
    }
}
