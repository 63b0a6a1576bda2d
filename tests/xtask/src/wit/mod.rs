//! The WIT package: its page, its frozen versions, and its completeness.

mod complete;
mod frozen;
#[cfg(test)]
mod invoked;
mod page;

use std::path::Path;

use anyhow::{Context as _, Result};
use wit_parser::{Package, PackageId, Resolve};

pub use frozen::{freeze, frozen, is_released, renew};
pub use page::{PAGE, page};

/// A WIT package with its dependencies.
#[derive(Debug)]
pub struct Wit {
    resolve: Resolve,
    package: PackageId,
}

impl Wit {
    /// Reads a folder of WIT files with dependencies in `deps/`.
    ///
    /// # Errors
    /// Fails if the folder cannot be read or is not a WIT package.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut resolve = Resolve::new();
        let (package, _) = resolve
            .push_dir(directory)
            .with_context(|| format!("cannot read {}", directory.display()))?;
        Ok(Self { resolve, package })
    }

    /// Parses a text that contains a package and its dependencies.
    ///
    /// # Errors
    /// Fails if the text is not a WIT package.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let mut resolve = Resolve::new();
        let package = resolve.push_source(name, text)?;
        Ok(Self { resolve, package })
    }

    /// Returns the package's version.
    ///
    /// # Errors
    /// Fails if it has none.
    pub fn version(&self) -> Result<String> {
        let version = self
            .package()?
            .name
            .version
            .as_ref()
            .context("the WIT package has no version")?;
        Ok(version.to_string())
    }

    /// Returns the package's namespace and name, such as `hightouch:sync`.
    ///
    /// # Errors
    /// Fails if the package is missing from its own resolution.
    pub fn name(&self) -> Result<String> {
        let name = &self.package()?.name;
        Ok(format!("{}:{}", name.namespace, name.name))
    }

    fn package(&self) -> Result<&Package> {
        self.resolve
            .packages
            .get(self.package)
            .context("a WIT package is missing from its own resolution")
    }

    /// Encodes the package as WebAssembly, the form in which `wkg` publishes it.
    ///
    /// # Errors
    /// Fails if the package cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>> {
        wit_component::encode(&self.resolve, self.package)
    }
}
