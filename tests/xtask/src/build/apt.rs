//! apt, as an ordinary user and without a trace on the system: the system's sources of packages, but lists, cache and
//! archives in a folder of our own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::control::Package;
use super::process;

/// How long one call may take; apt gives up on a server that is silent well before.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// apt with a folder of its own.
pub(super) struct Apt {
    configuration: PathBuf,
}

impl Apt {
    /// Keeps everything in `folder`, which is made.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("state/lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        let configuration = folder.join("apt.conf");
        fs::write(&configuration, configure(folder)?)?;
        Ok(Self { configuration })
    }

    /// Fetches the lists of packages. A source that cannot be reached fails it, though the others' lists are there.
    pub(super) fn update(&self) -> Result<()> {
        process::run(self.command("apt-get").arg("update"), Some(LIMIT)).map(drop)
    }

    /// The records of packages, leaving out those that apt does not know.
    pub(super) fn show(&self, names: &[String]) -> Result<Vec<Package>> {
        let mut command = self.command("apt-cache");
        command.args(["show", "--no-all-versions"]).args(names);
        // It fails where it does not know one of them.
        let (_, output) = process::run_any(&mut command, Some(LIMIT))?;
        Ok(Package::parse_all(&output.stdout))
    }

    /// Fetches packages into a folder, which is made.
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
        // What it prints is read.
        command
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// Fetches the packages that `choose` names into `partial`, and gives the folder in it that they were unpacked into.
pub(super) fn fetch(
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

/// Whether there is an apt here.
pub(super) fn is_there() -> Result<()> {
    process::run(Command::new("apt-get").arg("--version"), None)
        .context("this is neither Debian nor Ubuntu")
        .map(drop)
}

/// Which of these packages the system has.
pub(super) fn installed(names: &[String]) -> Result<BTreeSet<String>> {
    let mut command = Command::new("dpkg-query");
    command
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(names);
    // It fails where it does not know one of them.
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

/// Unpacks every archive of one folder into another, without installing anything.
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
            .context("an archive could not be unpacked")?;
        }
    }
    Ok(())
}

/// apt's own way to change settings for one call. Its format knows no escapes.
fn configure(folder: &Path) -> Result<String> {
    let Some(folder) = folder
        .to_str()
        .filter(|folder| !folder.contains(['"', '\n']))
    else {
        bail!("apt cannot work in {}", folder.display());
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
