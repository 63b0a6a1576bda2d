//! Creates wasmtime's engines, and links the interfaces that a component may import.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, PoolingAllocationConfig};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, io};
use wasmtime_wasi::p3::bindings as p3;
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::p3::bindings::http as p3_http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _};

use super::bindings::{async_variables, variables};
use super::instance::Instance;
use super::late_clock::LateClocks;
use super::variables::SpinVariables;

/// Time that a guest may compute before it must yield to other tasks.
const TICK: Duration = Duration::from_millis(10);

/// Address space of a linear memory, in bytes. It covers all 32-bit addresses, so that memory
/// accesses need no bounds checks.
const MEMORY: usize = 4 << 30;

/// Returns the engine for this maximum number of instances. Each process creates it once. If
/// `metered`, it counts fuel.
pub(super) fn engine(instances: u32, metered: bool) -> wasmtime::Result<Engine> {
    static ENGINES: Mutex<BTreeMap<(u32, bool), Engine>> = Mutex::new(BTreeMap::new());
    let mut engines = ENGINES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(engine) = engines.get(&(instances, metered)) {
        return Ok(engine.clone());
    }
    let engine = Engine::new(config(metered).allocation_strategy(pool(instances)))
        // If the address space is too limited for a pool, do without: instantiation is then slower.
        .or_else(|_| Engine::new(&config(metered)))?;
    tick(&engine)?;
    engines.insert((instances, metered), engine.clone());
    Ok(engine)
}

fn config(metered: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .consume_fuel(metered);
    config
}

/// Returns a pool for this number of components. A component has its own core instance, small core
/// instances that the encoder adds, and possibly those of a second component that it is composed
/// with.
fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(16))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .max_memory_size(MEMORY);
    pool
}

/// Makes computing guests yield regularly, as long as the engine exists.
fn tick(engine: &Engine) -> wasmtime::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("epochs".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
    Ok(())
}

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Returns a linker with exactly the imports of the worlds in `wit/`. A component that imports
/// anything else cannot be instantiated.
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
    // WASI 0.3.
    p3::clocks::types::add_to_linker::<_, LateClocks>(l, Instance::late_clock)?;
    p3::clocks::monotonic_clock::add_to_linker::<_, LateClocks>(l, Instance::late_clock)?;
    p3::cli::environment::add_to_linker::<_, WasiCli>(l, Instance::cli)?;
    p3::cli::stderr::add_to_linker::<_, WasiCli>(l, Instance::cli)?;
    p3_http::types::add_to_linker::<_, WasiHttp>(l, Instance::http)?;
    p3_http::client::add_to_linker::<_, WasiHttp>(l, Instance::http)?;
    async_variables::add_to_linker::<_, SpinVariables>(l, Instance::variables)?;
    Ok(linker)
}
