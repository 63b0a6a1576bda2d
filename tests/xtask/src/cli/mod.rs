//! The commands of the `hightouch-sync` program.

mod bars;
mod batch;
mod client;
mod component_log;
mod endpoint;
mod follow;
mod load;
mod options;
mod outcome;
mod report;
mod run;
mod serve;
mod settings;
mod summary;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::build;
use crate::local_hightouch::{self, LocalHightouch, Scenario};
use crate::wit;

use self::options::{RunArguments, RunsArguments};
use self::outcome::EXIT_CODES;

pub use self::load::{Counts, GuestHost, HostPlan, Memory, Sample};

/// Runs a Hightouch sync through the WebAssembly component and reports how it ended.
///
/// Without a command, it builds the endpoint, starts a local mock of the Hightouch API ("local
/// Hightouch") and the embedded host, and runs sync 1 through the HTTP endpoint.
#[derive(Debug, Parser)]
#[command(version, name = "hightouch-sync", after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one or several syncs through the HTTP endpoint. Exits with 0 only if all of them
    /// succeeded. Reads the API key from HIGHTOUCH_API_KEY. If HIGHTOUCH_WORKSPACE is the slug of
    /// the workspace, the summary contains links.
    #[command(after_help = EXIT_CODES)]
    Run(RunArguments),
    /// Lists the recent runs of a sync, newest first. Reads the API key from HIGHTOUCH_API_KEY.
    #[command(after_help = EXIT_CODES)]
    Runs(RunsArguments),
    /// Serves the HTTP endpoint until interrupted. Reads the endpoint's settings from the
    /// environment.
    Serve {
        /// The address to listen on.
        #[arg(long, default_value = "127.0.0.1:3000")]
        listen: SocketAddr,
        /// Call the local Hightouch, a mock of the Hightouch API. Its keys are `local` and
        /// `local-two`.
        #[arg(long)]
        local_hightouch: bool,
    },
    /// Serves only the local Hightouch, a mock of the Hightouch API, until interrupted. Use it with
    /// `spin up` or `wasmtime serve`.
    Hightouch {
        /// The address to listen on.
        #[arg(long, default_value = "127.0.0.1:4000")]
        listen: SocketAddr,
        /// A deviation from normal behaviour. `list` prints all scenarios.
        #[arg(long, default_value_t = Scenario::default().to_string())]
        scenario: String,
    },
    /// Builds the components into target/components/.
    Build {
        /// The folder of the workspace to build, if it is not the one that this program was
        /// compiled in.
        #[arg(long)]
        workspace: Option<PathBuf>,
    },
    /// Generates wit/README.md from the WIT. Also freezes the WIT's current version, unless
    /// CHANGELOG.md lists it as released.
    Wit,
    /// Makes many calls at the same time while requests to Hightouch fail, checks that each caller
    /// received the result of its own run, and measures the host.
    Load(load::Arguments),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// The host of `load`. It is a separate process, so that it is measured alone.
    #[command(hide = true)]
    LoadHost(load::HostArguments),
}

/// Runs the command that the program's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().carry_out() {
        Ok(code) => code,
        Err(error) => {
            summary::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// Fails if the command cannot do its work. A sync that does not succeed is not an error here:
    /// the command prints the failure and returns a failing exit code.
    pub fn carry_out(self) -> Result<ExitCode> {
        let command = match self.command {
            Some(command) => command,
            None => Command::Run(run_locally()?),
        };
        match command {
            Command::Build { workspace } => {
                let mut options = build::Options::terminal()?;
                if let Some(workspace) = workspace {
                    // The build changes into this folder, so a relative path would become wrong.
                    options.workspace = workspace
                        .canonicalize()
                        .with_context(|| format!("cannot read {}", workspace.display()))?;
                }
                let components = build::build(&options)?;
                for kind in build::Kind::ALL {
                    let path = components.path(kind);
                    let bytes = path
                        .metadata()
                        .with_context(|| format!("cannot read {}", path.display()))?
                        .len();
                    println!("{} ({:.1} KiB)", path.display(), bytes as f64 / 1024.0);
                }
                Ok(ExitCode::SUCCESS)
            }
            Command::Wit => {
                for path in wit::renew(&build::workspace())? {
                    println!("{}", path.display());
                }
                Ok(ExitCode::SUCCESS)
            }
            Command::Run(arguments) => Ok(runtime()?.block_on(run::run(arguments))),
            Command::Runs(arguments) => Ok(runtime()?.block_on(run::list(arguments))),
            Command::Completions { shell } => {
                let mut command = Self::command();
                let name = command.get_name().to_owned();
                clap_complete::generate(shell, &mut command, name, &mut std::io::stdout());
                Ok(ExitCode::SUCCESS)
            }
            Command::Load(arguments) => runtime()?.block_on(load::load(arguments)),
            Command::LoadHost(arguments) => runtime()?.block_on(load::host(arguments)),
            Command::Serve {
                listen,
                local_hightouch,
            } => runtime()?.block_on(serve::serve(listen, local_hightouch)),
            Command::Hightouch { listen, scenario } => {
                runtime()?.block_on(serve_hightouch(listen, &scenario))
            }
        }
    }
}

/// Returns the arguments of a run of sync 1 of the local Hightouch, with the local Hightouch's key.
fn run_locally() -> Result<RunArguments> {
    let words = ["hightouch-sync", "run", "--local-hightouch"];
    match Arguments::try_parse_from(words)?.command {
        Some(Command::Run(mut arguments)) => {
            arguments.target.ignores_key = true;
            Ok(arguments)
        }
        _ => anyhow::bail!("internal error: the arguments of `run` were parsed as another command"),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().context("cannot start a runtime")
}

/// The `hightouch` command.
async fn serve_hightouch(listen: SocketAddr, scenario: &str) -> Result<ExitCode> {
    if scenario == "list" {
        for scenario in Scenario::all() {
            println!("{:<22}{}", scenario.as_str(), scenario.about());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let scenario = scenario
        .parse::<Scenario>()
        .context("pass `--scenario list` to see all scenarios")?;
    let options = local_hightouch::Options {
        listen,
        scenario,
        ..local_hightouch::Options::default()
    };
    let local = LocalHightouch::start(options)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    println!(
        "The local Hightouch, a mock of the Hightouch API, listens on {} (scenario {scenario}).",
        local.origin()
    );
    println!(
        "Its keys are `{}` and `{}`.",
        local_hightouch::KEY,
        local_hightouch::KEY_OF_ANOTHER_WORKSPACE
    );
    println!(
        "To call it from a component, set HIGHTOUCH_API_ORIGIN={}",
        local.origin()
    );
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for an interrupt")?;
    Ok(ExitCode::SUCCESS)
}
