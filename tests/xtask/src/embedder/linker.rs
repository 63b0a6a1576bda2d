//! What a component may import.

use wasmtime::Engine;
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, io};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _};

use super::bindings::variables;
use super::instance::Instance;
use super::late_clock::LateClocks;

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Exactly what the worlds in `wit/` name: a component that imports anything else cannot be instantiated.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    io::error::add_to_linker::<_, Io>(l, Instance::table)?;
    io::poll::add_to_linker::<_, Io>(l, Instance::table)?;
    io::streams::add_to_linker::<_, Io>(l, Instance::table)?;
    clocks::monotonic_clock::add_to_linker::<_, LateClocks>(l, Instance::late_clock)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, Instance::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, Instance::cli)?;
    let options = http::types::LinkOptions::default();
    http::types::add_to_linker::<_, WasiHttp>(l, &options, Instance::http)?;
    http::outgoing_handler::add_to_linker::<_, WasiHttp>(l, Instance::http)?;
    variables::add_to_linker::<_, HasSelf<_>>(l, Instance::variables)?;
    Ok(linker)
}
