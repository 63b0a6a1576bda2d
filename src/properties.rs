//! The properties that hold for any input, one for each kind of input from outside. A property
//! takes bytes and panics if it does not hold.
//!
//! `cargo test` checks the properties on a corpus and on mutations of it. `cargo fuzz` (see
//! `tests/fuzz`) checks them on inputs that reach new code. Each property is in the module whose
//! code it checks.

#[cfg(test)]
mod tests;

pub use crate::endpoint::properties::{access, body, prefer, request};
pub use crate::engine::properties::operation;
pub use crate::hightouch::properties::{details, error, headers, runs, sequence, syncs, trigger};

/// A property: panics if it does not hold for the bytes.
pub type Property = fn(&[u8]);

/// Every property and its name, which is also the name of its fuzz target and of its corpus.
pub const ALL: &[(&str, Property)] = &[
    ("runs", runs),
    ("syncs", syncs),
    ("details", details),
    ("trigger", trigger),
    ("sequence", sequence),
    ("error", error),
    ("headers", headers),
    ("access", access),
    ("request", request),
    ("body", body),
    ("prefer", prefer),
    ("operation", operation),
];
