//! From a core module to a component.

use anyhow::Result;
use wit_component::ComponentEncoder;

/// Wraps a core module that says in a custom section which world it is written for.
pub(super) fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    // Names of what only the encoder counts: some kilobytes that nobody reads.
    encoder.validate(true).debug_names(false);
    encoder.module(module)?.encode()
}
