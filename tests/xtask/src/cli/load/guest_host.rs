//! Starts a separate process that runs only the embedded host, and reads its measurements.

use std::net::Ipv4Addr;
use std::path::Path;
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
use crate::build::{self, Kind, Wasi};
use crate::embedder::{Config, Host, Limits, Outbound, Reuse, Serving};

/// Prefix of the host's own lines on stderr. The other lines are the guests' logs.
const OWN_LINE: &str = "hightouch-sync host: ";

/// Beginning of a line of a guest's log.
const LOG_LINE: &str = r#"{"event":"#;

/// The options of README.md, which let 1,200 callers wait at once.
const POOL_OPTIONS: [&str; 5] = [
    "--max-concurrent-requests=1200",
    "--max-concurrent-connections=1200",
    "-Opooling-total-component-instances=1300,pooling-total-core-instances=3900",
    "-Opooling-total-memories=1300,pooling-total-stacks=1300",
    "-Opooling-total-tables=2600",
];

#[derive(Args, Clone, Debug)]
pub(crate) struct HostArguments {
    #[arg(long, value_parser = super::kind_of)]
    kind: Kind,
    #[arg(long)]
    origin: String,
    #[arg(long)]
    instances: u32,
    #[arg(long)]
    callers_per_instance: usize,
}

/// A host to start.
#[derive(Clone, Copy, Debug)]
pub struct HostPlan<'a> {
    /// The component.
    pub kind: Kind,
    /// The origin that the component may call.
    pub origin: &'a str,
    /// Maximum number of instances.
    pub instances: u32,
    /// Maximum number of callers that share an instance at the same time. Only components of
    /// WASI 0.3 share instances.
    pub callers_per_instance: usize,
}

/// Measurements that the host process makes of itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Number of live instances.
    pub instances: usize,
    /// Number of callers that wait for a response.
    pub waiting: usize,
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
        callers_per_instance,
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
        reuse: Reuse {
            at_once: callers_per_instance,
            ..Reuse::default()
        },
        ..Config::default()
    };
    let host = Host::new(components.path(kind), config)?;
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    // Dropping either of them stops the server.
    let (adapter, serving) = if kind.is_library() {
        let adapter = http_adapter::open(host.clone(), origin, listen).await?;
        println!("{}", adapter.url());
        (Some(adapter), None)
    } else {
        let serving = host.serve(listen).await?;
        println!("{}", serving.url());
        (None, Some(serving))
    };
    let mut requests = BufReader::new(tokio::io::stdin()).lines();
    while requests.next_line().await?.is_some() {
        let counts = Counts {
            instances: host.instances(),
            // Each call of a library has its own instance.
            waiting: serving.as_ref().map_or(host.instances(), Serving::clients),
            peak_memory: host.peak_memory(),
        };
        println!("{}", serde_json::to_string(&counts)?);
    }
    drop((adapter, serving));
    Ok(ExitCode::SUCCESS)
}

/// A process that only hosts a component, so that a measurement of the process covers only the
/// host.
#[derive(Debug)]
pub struct GuestHost {
    child: Child,
    /// The pipes over which the embedded host reports its measurements. The `wasmtime` command
    /// reports none.
    pipes: Option<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    errors: JoinHandle<Vec<String>>,
    url: String,
}

impl GuestHost {
    /// Starts a process with the embedded host. It runs the current program, which must call
    /// [`main`](super::super::main) if its first argument is `load-host`.
    ///
    /// # Errors
    /// Fails if the process cannot be started or ends immediately.
    pub async fn start(plan: HostPlan<'_>) -> Result<Self> {
        let HostPlan {
            kind,
            origin,
            instances,
            callers_per_instance,
        } = plan;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .args(["load-host", "--kind", kind.world(), "--origin", origin])
            .args(["--instances", &instances.to_string()])
            .args(["--callers-per-instance", &callers_per_instance.to_string()])
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
        let mut output = BufReader::new(stdout).lines();
        let Some(url) = output.next_line().await? else {
            bail!("the host's process ended: {}", errors.await?.join("\n"));
        };
        Ok(Self {
            child,
            pipes: Some((stdin, output)),
            errors,
            url,
        })
    }

    /// Starts a process of the `wasmtime` command. It reports no measurements of itself.
    ///
    /// A component of WASI 0.3 is served with the command's defaults. They let 1,000 callers wait. A
    /// component of WASI 0.2 has an instance for each caller, and the defaults have room for 333
    /// instances, so it is served with [`POOL_OPTIONS`].
    ///
    /// # Errors
    /// Fails if the process cannot be started or does not serve.
    pub async fn start_wasmtime(
        command: &Path,
        kind: Kind,
        component: &Path,
        origin: &str,
    ) -> Result<Self> {
        let options = match kind.wasi() {
            Wasi::V0_2 => &POOL_OPTIONS[..],
            Wasi::V0_3 => &[],
        };
        let mut child = Command::new(command)
            .args(["serve", "--addr", "127.0.0.1:0"])
            .args(options)
            .args(["-Scli", "--env"])
            .arg(format!("HIGHTOUCH_API_ORIGIN={origin}"))
            .arg(component)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", command.display()))?;
        let stderr = child.stderr.take().context("the process has no stderr")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut before = Vec::new();
        let url = loop {
            let Some(line) = lines.next_line().await? else {
                bail!("wasmtime ended: {}", before.join("\n"));
            };
            match line.strip_prefix("Serving HTTP on ") {
                Some(url) => break url.trim_end_matches('/').to_owned(),
                None => before.push(line),
            }
        };
        let errors = tokio::spawn(async move {
            let mut errors = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                // wasmtime puts a prefix before most lines of a guest's log.
                if !line.contains(LOG_LINE) {
                    errors.push(line);
                }
            }
            errors
        });
        Ok(Self {
            child,
            pipes: None,
            errors,
            url,
        })
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
        let counts = match &mut self.pipes {
            None => Counts::default(),
            Some((stdin, output)) => {
                let ended = "the host's process has ended";
                stdin.write_all(b"\n").await.context(ended)?;
                let line = output.next_line().await?.context(ended)?;
                serde_json::from_str(&line)?
            }
        };
        Ok(Sample {
            counts,
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
            pipes,
            errors,
            ..
        } = self;
        if pipes.is_none() {
            // The `wasmtime` command does not end by itself.
            child.kill().await?;
            return Ok(errors.await?);
        }
        drop(pipes);
        let ended = child.wait().await?;
        let mut errors = errors.await?;
        if !ended.success() {
            errors.push(format!("the host's process ended with {ended}"));
        }
        Ok(errors)
    }
}
