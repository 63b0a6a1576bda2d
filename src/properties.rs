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
pub use crate::hightouch::properties::{error, headers, runs, sequence, syncs, trigger};

/// A property: panics if it does not hold for the bytes.
pub type Property = fn(&[u8]);

/// Every property and its name, which is also the name of its fuzz target and of its corpus.
pub const ALL: &[(&str, Property)] = &[
    ("runs", runs),
    ("syncs", syncs),
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

/// Whether a byte is a blank in JSON (RFC 8259, section 2).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Returns three prefixes of a text. Each lacks at least one byte that is not a blank.
pub(crate) fn cuts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = text.iter().rposition(|byte| !is_blank(*byte)).unwrap_or(0);
    // Any position serves, but the same text must always be cut at the same positions.
    let anywhere = text.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let positions = [last, last / 2, anywhere % (last + 1)];
    positions
        .into_iter()
        .filter_map(|position| text.get(..position))
}
