//! What holds whatever arrives: one property for each thing that comes from outside. `cargo test` tries them on a corpus and on mutations of
//! it, `cargo fuzz` (see `tests/fuzz`) on whatever leads it to new code. Each property stands beside what it is about.
//!
//! A property takes bytes and panics where it does not hold.

#[cfg(test)]
mod tests;

pub use crate::endpoint::properties::{body, prefer, request};
pub use crate::engine::properties::operation;
pub use crate::hightouch::properties::{error, headers, runs, sequence, syncs, trigger};

/// A property: it panics where it does not hold of the bytes.
pub type Property = fn(&[u8]);

/// Every property by the name that its fuzz target and its corpus have.
pub const ALL: &[(&str, Property)] = &[
    ("runs", runs),
    ("syncs", syncs),
    ("trigger", trigger),
    ("sequence", sequence),
    ("error", error),
    ("headers", headers),
    ("request", request),
    ("body", body),
    ("prefer", prefer),
    ("operation", operation),
];

/// Whether a byte is what JSON takes for a blank.
fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Some beginnings of a text, each of which lacks more than blanks.
pub(crate) fn cuts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = text.iter().rposition(|byte| !blank(*byte)).unwrap_or(0);
    // Any place will do, as long as the same text is always cut in the same places.
    let somewhere = text.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let places = [whole, whole / 2, somewhere % (whole + 1)];
    places.into_iter().filter_map(|place| text.get(..place))
}
