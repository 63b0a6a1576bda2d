//! Cargo's build script: packs `openapi.json`, whose text would be the largest single thing in the endpoint.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let document = "src/endpoint/openapi.json";
    println!("cargo::rerun-if-changed={document}");
    // Without the blanks that are there for its readers.
    let json: serde_json::Value = serde_json::from_slice(&fs::read(document)?)?;
    let packed = lz4_flex::compress_prepend_size(json.to_string().as_bytes());
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&folder).join("openapi.json.lz4"), packed)?;
    Ok(())
}
