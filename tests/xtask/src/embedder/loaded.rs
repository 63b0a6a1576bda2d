//! Keeps the loaded components of this process. A test suite creates thousands of hosts for a few
//! components, and each load takes milliseconds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context as _;
use wasmtime::Engine;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use super::bindings::{AsyncHostedPre, HostedPre};
use super::config::Config;
use super::instance::Instance;
use super::{artifact, engine, into_anyhow};

/// A component with all its imports. It has no settings.
pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) pre: InstancePre<Instance>,
    /// Set if the component exports `hightouch:sync/runs`.
    pub(super) runs: Option<HostedPre<Instance>>,
    /// Set if the component exports `hightouch:sync/async-runs`.
    pub(super) async_runs: Option<AsyncHostedPre<Instance>>,
    /// Set if the component exports `wasi:http/incoming-handler` of WASI 0.2.
    pub(super) handler: Option<ProxyPre<Instance>>,
    /// Set if the component exports `wasi:http/handler` of WASI 0.3.
    pub(super) service: Option<ServicePre<Instance>>,
}

/// Everything that a loaded component depends on. A file that is written again gets another key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
    instances: u32,
    metered: bool,
}

impl Loaded {
    /// Returns the component in this file for a host with this configuration. Loads it if this
    /// process has not done so.
    ///
    /// # Errors
    ///
    /// As [`Host::new`](super::Host::new).
    pub(super) fn get(path: &Path, config: &Config) -> anyhow::Result<Arc<Self>> {
        static LOADED: Mutex<BTreeMap<Key, Arc<Loaded>>> = Mutex::new(BTreeMap::new());
        let file = fs::metadata(path).with_context(|| format!("cannot host {}", path.display()))?;
        let key = Key {
            path: path.to_owned(),
            modified: file.modified()?,
            bytes: file.len(),
            instances: config.limits.instances,
            metered: config.metered,
        };
        let known = || LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = known().get(&key) {
            return Ok(Arc::clone(loaded));
        }
        let loaded = Arc::new(Self::load(path, config)?);
        known().insert(key, Arc::clone(&loaded));
        Ok(loaded)
    }

    fn load(path: &Path, config: &Config) -> anyhow::Result<Self> {
        let engine =
            engine::engine(config.limits.instances, config.metered).map_err(into_anyhow)?;
        let linker = engine::linker(&engine).map_err(into_anyhow)?;
        let pre = artifact::load(&engine, path)
            .and_then(|component| linker.instantiate_pre(&component).map_err(into_anyhow))
            .with_context(|| format!("cannot host {}", path.display()))?;
        Ok(Self {
            runs: HostedPre::new(pre.clone()).ok(),
            async_runs: AsyncHostedPre::new(pre.clone()).ok(),
            handler: ProxyPre::new(pre.clone()).ok(),
            service: ServicePre::new(pre.clone()).ok(),
            pre,
            engine,
        })
    }
}
