//! From a core module to a component.

use anyhow::{Context as _, Result};
use wasmparser::BinaryReader;
use wit_component::ComponentEncoder;

/// Wraps a core module that says in a custom section which world it is written for.
pub(super) fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).debug_names(false);
    without_names(&encoder.module(module)?.encode()?)
}

/// The component less the names that the encoder gives to what only it counts: some kilobytes that nobody reads.
fn without_names(component: &[u8]) -> Result<Vec<u8>> {
    const HEADER: usize = 8;
    const CUSTOM: u8 = 0;
    let mut reader = BinaryReader::new(component, 0);
    let mut kept = reader.read_bytes(HEADER)?.to_vec();
    while !reader.eof() {
        let begin = reader.current_position();
        let id = reader.read_u8()?;
        let length = reader.read_var_u32()?;
        let content = reader.read_bytes(length as usize)?;
        let names =
            id == CUSTOM && BinaryReader::new(content, 0).read_string()? == "component-name";
        if !names {
            kept.extend_from_slice(
                component
                    .get(begin..reader.current_position())
                    .context("a section ends within")?,
            );
        }
    }
    Ok(kept)
}
