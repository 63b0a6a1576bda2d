//! wasmtime's engines.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use wasmtime::{Config, Engine, PoolingAllocationConfig};

/// How long a guest may compute before it has to let others run.
const TICK: Duration = Duration::from_millis(10);

/// Address space that a linear memory gets: all that 32 bits can name, so that no access needs a check.
const MEMORY: usize = 4 << 30;

/// The engine of this process for so many instances at once, which counts their fuel or does not.
pub(super) fn engine(instances: u32, metered: bool) -> wasmtime::Result<Engine> {
    static ENGINES: Mutex<BTreeMap<(u32, bool), Engine>> = Mutex::new(BTreeMap::new());
    let mut engines = ENGINES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(engine) = engines.get(&(instances, metered)) {
        return Ok(engine.clone());
    }
    let engine = Engine::new(config(metered).allocation_strategy(pool(instances)))
        // Where address space is limited: slower to instantiate, but it runs.
        .or_else(|_| Engine::new(&config(metered)))?;
    tick(&engine)?;
    engines.insert((instances, metered), engine.clone());
    Ok(engine)
}

fn config(metered: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .consume_fuel(metered);
    config
}

/// Room for so many components, each with a core instance of its own, the small ones that the encoder adds, and one more
/// that was composed with it.
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

/// Lets guests that compute give way, for as long as the engine is in use.
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
