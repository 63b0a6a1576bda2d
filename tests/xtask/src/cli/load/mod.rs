//! The `load` command: makes many calls at the same time, checks the results, and measures the
//! host.
//!
//! The host is a separate process. The local Hightouch, the callers and the recorded results are in
//! this process, so the measurement does not include them.

mod guest_host;
mod http_adapter;
mod measure;
mod open_files;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tokio::time::Instant;

use self::measure::{Figures, Watch};
use crate::build::{self, Kind};
use crate::embedder::Reuse;
use crate::load::{Plan, Summary, actual_states, client, options_for, run_callers};
use crate::local_hightouch::{LocalHightouch, Mishap, Mishaps, Options, RateLimit, RetryAfter};

pub use self::guest_host::{Counts, GuestHost, HostPlan, Sample};
pub(super) use self::guest_host::{HostArguments, host};
pub use self::measure::Memory;

/// Maximum time until the host has ended all instances, after the last caller received its
/// response.
const QUIET: Duration = Duration::from_secs(40);

#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// Number of callers at the same time. Each has its own run.
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// Number of rounds. Each round has new callers.
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// The component. `library` and `async-library` are called through an HTTP adapter.
    #[arg(long, default_value = "endpoint", value_parser = kind_of)]
    kind: Kind,
    /// Percentage of the triggers and polls that fail.
    #[arg(long, default_value_t = 20)]
    mishaps: u64,
    /// The seed of the callers, runs and failures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Maximum duration of a run in seconds. The minimum is one second.
    #[arg(long, default_value_t = 20)]
    longest: u64,
    /// Apply Hightouch's rate limit of 200 requests in 10 s. By default there is no limit.
    #[arg(long)]
    rate_limit: bool,
    /// Maximum number of callers that share an instance at the same time. Only components of WASI
    /// 0.3 share instances. The default is that of `wasmtime serve`.
    #[arg(long, default_value_t = Reuse::default().at_once)]
    callers_per_instance: usize,
    /// Host the component with this `wasmtime` command, not with the embedded host. It can host
    /// `endpoint`, with room for 1,200 instances, and `service`, with its defaults.
    #[arg(long, value_name = "COMMAND")]
    wasmtime: Option<PathBuf>,
}

/// Returns the kind with this name.
fn kind_of(name: &str) -> Result<Kind> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.world() == name);
    kind.with_context(|| {
        format!(
            "unknown component: use {}",
            Kind::ALL.map(Kind::world).join(", ")
        )
    })
}

/// Runs the load test and prints a table. Fails if a caller received a wrong result.
pub(super) async fn load(arguments: Arguments) -> Result<ExitCode> {
    let Arguments {
        runs,
        rounds,
        kind,
        mishaps: percent,
        seed,
        longest,
        rate_limit,
        callers_per_instance,
        wasmtime,
    } = arguments.clone();
    ensure!(
        runs > 0 && longest > 0,
        "--runs and --longest must be at least 1. No run was started."
    );
    ensure!(
        wasmtime.is_none() || matches!(kind, Kind::Endpoint | Kind::Service),
        "The wasmtime command can host only `endpoint` and `service`. No run was started."
    );
    open_files::check_limit(runs)?;
    let components =
        tokio::task::spawn_blocking(|| build::build(&build::Options::terminal()?)).await??;

    // One caller comes first and alone, so that one-time initialisation is not measured.
    let count = runs.saturating_mul(rounds).saturating_add(1);
    let callers = Plan {
        callers: count,
        seed,
        longest: Duration::from_secs(longest),
    }
    .callers();
    let requests = if rate_limit {
        RateLimit::default().requests
    } else {
        usize::MAX
    };
    let hightouch = LocalHightouch::start(Options {
        mishaps: (percent > 0).then(|| Mishaps {
            seed,
            percent,
            kinds: Mishap::ALL.to_vec(),
        }),
        rate_limit: RateLimit {
            requests,
            retry_after: RetryAfter::Seconds,
            ..RateLimit::default()
        },
        ..options_for(&callers)
    });
    let hightouch = hightouch
        .await
        .context("cannot start the local Hightouch")?;
    let instances = u32::try_from(runs.saturating_mul(2)).unwrap_or(u32::MAX);
    let origin = hightouch.origin();
    let mut host = match &wasmtime {
        Some(command) => {
            GuestHost::start_wasmtime(command, kind, components.path(kind), &origin).await?
        }
        None => {
            GuestHost::start(HostPlan {
                kind,
                origin: &origin,
                instances,
                callers_per_instance,
            })
            .await?
        }
    };
    let (url, client, began) = (host.url().to_owned(), client()?, Instant::now());

    eprintln!(
        "{runs} callers call the {} at the same time. {percent} % of the triggers and polls fail.",
        kind.world()
    );
    let (first, others) = callers.split_at(1);
    let mut records = run_callers(first, began, Duration::ZERO, &url, &client).await;
    let mut left = host.until_quiet(QUIET).await?;
    let mut figures = Figures::begin(host.sample().await?);
    for round in others.chunks(usize::try_from(runs).unwrap_or(usize::MAX)) {
        let watch = Watch::start(host, figures);
        let at = Instant::now();
        records.extend(run_callers(round, began, Duration::ZERO, &url, &client).await);
        let took = at.elapsed();
        (host, figures) = watch.stop().await?;
        left += host.until_quiet(QUIET).await?;
        figures.after(took, host.sample().await?);
    }
    let errors = host.stop().await?;

    let mut summary = Summary::of(&callers, &records, &actual_states(&callers, &hightouch));
    if left > 0 {
        summary.wrong.push(format!(
            "{left} instances were still live {QUIET:?} after the last response"
        ));
    }
    summary.wrong.extend(errors);
    for wrong in &summary.wrong {
        eprintln!("{wrong}\n");
    }
    print!("{}", table::of(&arguments, &summary, &figures));
    Ok(if summary.wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
