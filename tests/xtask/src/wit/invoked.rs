//! Tests the README's example of `wasmtime run --invoke`.

#![allow(clippy::unwrap_used)]

use std::fs;

use wasm_wave::untyped::UntypedFuncCall;
use wasm_wave::value::{Value, resolve_wit_func_type};
use wasm_wave::wasm::WasmFunc as _;

use super::Wit;
use crate::build::workspace;

#[test]
fn the_call_in_the_readme_fits_the_wit() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let call = readme
        .split("--invoke '")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    let call = UntypedFuncCall::parse(call).unwrap();

    let wit = Wit::read(&workspace().join("wit")).unwrap();
    let runs = wit.package().unwrap().interfaces.get("runs").unwrap();
    let function = wit
        .resolve
        .interfaces
        .get(*runs)
        .unwrap()
        .functions
        .get(call.name())
        .unwrap();
    let ty = resolve_wit_func_type(&wit.resolve, function).unwrap();
    let types: Vec<_> = ty.params().collect();
    let values: Vec<Value> = call.to_wasm_params(&types).unwrap();
    assert_eq!(values.len(), 3);
}
