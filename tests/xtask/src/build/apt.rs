//! Calls apt as an ordinary user. It reads the system's package sources and keeps its lists, cache
//! and archives in a separate folder, so that it changes nothing on the system.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::control::Package;
use super::process;

/// Maximum duration of one apt call. apt gives up on a silent server well before this.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// An apt that keeps its files in a separate folder.
pub(super) struct Apt {
    configuration: PathBuf,
}

impl Apt {
    /// Creates `folder` and keeps all of apt's files in it.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("state/lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        let configuration = folder.join("apt.conf");
        fs::write(&configuration, configure(folder)?)?;
        Ok(Self { configuration })
    }

    /// Fetches the package lists. Fails if any package source cannot be reached, even if the lists
    /// of the others were fetched.
    pub(super) fn update(&self) -> Result<()> {
        process::run(self.command("apt-get").arg("update"), Some(LIMIT)).map(drop)
    }

    /// Returns the records of these packages. It leaves out packages that apt does not know.
    pub(super) fn show(&self, names: &[String]) -> Result<Vec<Package>> {
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions"]).args(names);
        // apt fails if it does not know one of the packages. Its output still has the others.
        let (_, output) = process::run_any(&mut command, Some(LIMIT))?;
        Ok(Package::parse_all(&output.stdout))
    }

    /// Creates `folder` and downloads the packages into it.
    pub(super) fn download(&self, packages: &[Package], folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let exact = packages
            .iter()
            .map(|package| format!("{}={}", package.name, package.version));
        let mut command = self.command("apt-get");
        command.arg("download").args(exact).current_dir(folder);
        process::run(&mut command, Some(LIMIT)).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--quiet")
            .arg("--config-file")
            .arg(&self.configuration);
        // The output is parsed, so it must not be translated.
        command
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// Downloads the packages that `choose` returns into `partial`. Returns the folder inside `partial`
/// that contains the unpacked files.
pub(super) fn download_and_unpack(
    partial: &Path,
    choose: impl FnOnce(&Apt) -> Result<Vec<Package>>,
) -> Result<PathBuf> {
    let apt = Apt::new(&partial.join("apt"))?;
    let updated = apt.update();
    let packages = choose(&apt).map_err(|error| match updated {
        Ok(()) => error,
        Err(update) => error.context(format!("{update:#}")),
    })?;
    let archives = partial.join("archives");
    apt.download(&packages, &archives)?;
    let root = partial.join("root");
    unpack(&archives, &root)?;
    Ok(root)
}

/// Checks that apt is available.
pub(super) fn check_available() -> Result<()> {
    process::run(Command::new("apt-get").arg("--version"), None)
        .context("this system is neither Debian nor Ubuntu")
        .map(drop)
}

/// Returns the packages of this list that the system has installed.
pub(super) fn installed(names: &[String]) -> Result<BTreeSet<String>> {
    let mut command = Command::new("dpkg-query");
    command
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(names);
    // dpkg-query fails if it does not know one of the packages. Its output still has the others.
    let (_, output) = process::run_any(&mut command, None)?;
    let lines = output
        .stdout
        .lines()
        .filter_map(|line| line.split_once(' '));
    Ok(lines
        .filter(|(_, status)| *status == "installed")
        .map(|(name, _)| name.to_owned())
        .collect())
}

/// Unpacks every archive in the folder `archives` into the folder `into`. It installs nothing.
pub(super) fn unpack(archives: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    for archive in fs::read_dir(archives)? {
        let archive = archive?.path();
        if archive
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            process::run(
                Command::new("dpkg")
                    .arg("--extract")
                    .arg(&archive)
                    .arg(into),
                None,
            )
            .context("cannot unpack an archive")?;
        }
    }
    Ok(())
}

/// Writes an apt configuration file for one call. The format of that file has no escape characters.
fn configure(folder: &Path) -> Result<String> {
    let Some(folder) = folder
        .to_str()
        .filter(|folder| !folder.contains(['"', '\n']))
    else {
        bail!(
            "apt cannot use the folder {}: its path contains a character that apt's configuration cannot express",
            folder.display()
        );
    };
    Ok(format!(
        r#"Dir::State "{folder}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{folder}/cache";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_that_apts_configuration_cannot_name_is_refused() {
        assert!(configure(Path::new("/a\"; Dir \"/b")).is_err());
        assert!(
            configure(Path::new("/a b"))
                .unwrap()
                .contains("\"/a b/state\"")
        );
    }
}
