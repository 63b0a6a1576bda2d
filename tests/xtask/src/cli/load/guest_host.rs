//! Starts a separate process that runs only the embedded host, and reads its measurements.

use std::net::Ipv4Addr;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::http_adapter;
use super::measure::Memory;
use crate::build::{self, Kind};
use crate::embedder::{Config, Host, Limits, Outbound};

/// Prefix of the host's own lines on stderr. The other lines are the guests' logs.
const OWN_LINE: &str = "hightouch-sync host: ";

#[derive(Args, Clone, Debug)]
pub(crate) struct HostArguments {
    #[arg(long, value_parser = super::kind_of)]
    kind: Kind,
    #[arg(long)]
    origin: String,
    #[arg(long)]
    instances: u32,
}

/// Measurements that the host process makes of itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Number of live instances.
    pub instances: usize,
    /// Peak linear memory of any instance, in bytes.
    pub peak_memory: usize,
}

/// Measurements of the host process at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Measurements that the process makes of itself.
    pub counts: Counts,
    /// The memory of the process, if the system provides it.
    pub memory: Option<Memory>,
}

impl Sample {
    /// Returns the resident memory in bytes, if the system provides it.
    pub(super) fn resident(&self) -> Option<u64> {
        self.memory.map(|memory| memory.resident)
    }
}

/// Serves a component and prints its URL. Then prints its measurements after each line that it
/// reads, until the input ends.
pub(crate) async fn host(arguments: HostArguments) -> Result<ExitCode> {
    let HostArguments {
        kind,
        origin,
        instances,
    } = arguments;
    let components =
        tokio::task::spawn_blocking(|| build::build(&build::Options::quiet()?)).await??;
    let config = Config {
        outbound: Outbound::only([origin.as_str()]),
        environment: vec![("HIGHTOUCH_API_ORIGIN".into(), origin.clone())],
        variables: [("hightouch_api_origin".into(), origin.clone())].into(),
        limits: Limits {
            instances,
            ..Limits::default()
        },
        ..Config::default()
    };
    let host = Host::new(components.path(kind), config)?;
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    // Dropping either of them stops the server.
    let (_serving, _door);
    let url = if kind == Kind::Library {
        let http_adapter = http_adapter::open(host.clone(), origin, listen).await?;
        let url = http_adapter.url();
        _door = http_adapter;
        url
    } else {
        let serving = host.serve(listen).await?;
        let url = serving.url();
        _serving = serving;
        url
    };
    println!("{url}");
    let mut requests = BufReader::new(tokio::io::stdin()).lines();
    while requests.next_line().await?.is_some() {
        let counts = Counts {
            instances: host.instances(),
            peak_memory: host.peak_memory(),
        };
        println!("{}", serde_json::to_string(&counts)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// A process that only hosts a component, so that a measurement of the process covers only the
/// host. It runs the current program, which must call [`main`](super::super::main) if its first
/// argument is `load-host`.
#[derive(Debug)]
pub struct GuestHost {
    child: Child,
    stdin: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    errors: JoinHandle<Vec<String>>,
    url: String,
}

impl GuestHost {
    /// Starts the process for a component that may call this origin, with this maximum number of
    /// instances.
    ///
    /// # Errors
    /// Fails if the process cannot be started or ends immediately.
    pub async fn start(kind: Kind, origin: &str, instances: u32) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .args([
                "load-host",
                "--kind",
                kind.world(),
                "--origin",
                origin,
                "--instances",
                &instances.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the host's process")?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("cannot read the output of the host's process");
        };
        let errors = tokio::spawn(async move {
            let (mut lines, mut errors) = (BufReader::new(stderr).lines(), Vec::new());
            while let Ok(Some(line)) = lines.next_line().await {
                // A line of a guest's log is JSON.
                if line.starts_with(OWN_LINE) || !line.starts_with('{') {
                    errors.push(line);
                }
            }
            errors
        });
        let mut host = Self {
            child,
            stdin,
            output: BufReader::new(stdout).lines(),
            errors,
            url: String::new(),
        };
        match host.output.next_line().await? {
            Some(url) => host.url = url,
            None => bail!(
                "the host's process ended: {}",
                host.errors.await?.join("\n")
            ),
        }
        Ok(host)
    }

    /// Returns the URL that it serves.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its current measurements.
    ///
    /// # Errors
    /// Fails if the process has ended.
    pub async fn sample(&mut self) -> Result<Sample> {
        self.stdin
            .write_all(b"\n")
            .await
            .context("the host's process has ended")?;
        let line = self
            .output
            .next_line()
            .await?
            .context("the host's process has ended")?;
        Ok(Sample {
            counts: serde_json::from_str(&line)?,
            memory: self.child.id().and_then(Memory::of),
        })
    }

    /// Waits until no instance is live, up to this time limit. Returns the number of instances that
    /// are still live.
    ///
    /// # Errors
    /// Fails if the process has ended.
    pub async fn until_quiet(&mut self, most: Duration) -> Result<usize> {
        let began = std::time::Instant::now();
        loop {
            let alive = self.sample().await?.counts.instances;
            if alive == 0 || began.elapsed() >= most {
                return Ok(alive);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops the process. Returns its error messages.
    ///
    /// # Errors
    /// Fails if it cannot wait for the process.
    pub async fn stop(self) -> Result<Vec<String>> {
        let Self {
            mut child,
            stdin,
            errors,
            ..
        } = self;
        drop(stdin);
        let ended = child.wait().await?;
        let mut errors = errors.await?;
        if !ended.success() {
            errors.push(format!("the host's process ended with {ended}"));
        }
        Ok(errors)
    }
}
