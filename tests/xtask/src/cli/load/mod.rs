//! `load`: many callers at once, held against the truth, and what they cost.
//!
//! The host is a process of its own. This one holds the local Hightouch, the callers and all that is kept to judge by, so none
//! of that is in what is measured.

mod door;
mod guest_host;
mod measure;
mod open_files;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tokio::time::Instant;

use self::measure::{Figures, Watch};
use crate::build::{self, Kind};
use crate::load::{Judgement, Plan, client, converse_all, truths};
use crate::local_hightouch::{
    self, LocalHightouch, Mishap, Mishaps, Options, RateLimit, RetryAfter,
};

pub use self::guest_host::{Counts, GuestHost, Sample};
pub(super) use self::guest_host::{HostArguments, host};

/// How long the host may take to end every instance once the last caller has its answer.
const QUIET: Duration = Duration::from_secs(40);

#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// How many callers call at once, each with a run of its own.
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// How often that is done, each time with other callers.
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Which component: `endpoint`, `spin-endpoint`, or `library` behind a door of HTTP.
    #[arg(long, default_value = "endpoint", value_parser = kind_of)]
    kind: Kind,
    /// With how many of a hundred requests to Hightouch something goes wrong.
    #[arg(long, default_value_t = 20)]
    mishaps: u64,
    /// What callers, runs and mishaps follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seconds a run takes at most; the shortest take one.
    #[arg(long, default_value_t = 20)]
    longest: u64,
    /// Keep Hightouch's rate limit of 200 requests in 10 s, which is otherwise lifted.
    #[arg(long)]
    rate_limit: bool,
}

/// The kind of this name.
fn kind_of(name: &str) -> Result<Kind> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.world() == name);
    kind.with_context(|| format!("there are {}", Kind::ALL.map(Kind::world).join(", ")))
}

/// Runs the load and prints a table; fails where a caller was not told the truth.
pub(super) async fn load(arguments: Arguments) -> Result<ExitCode> {
    let Arguments {
        runs,
        rounds,
        kind,
        mishaps: percent,
        seed,
        longest,
        rate_limit,
    } = arguments;
    ensure!(
        runs > 0 && longest > 0,
        "callers and the longest run are at least one"
    );
    open_files::suffice_for(runs)?;
    tokio::task::spawn_blocking(|| build::build(&build::Options::terminal()?)).await??;

    // The first comes alone, so that what is made only once is there before anything is measured.
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
        syncs: callers.iter().map(|caller| caller.sync.clone()).collect(),
        sequences: Vec::new(),
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
        ..Options::default()
    });
    let hightouch = hightouch
        .await
        .context("cannot start the local Hightouch")?;
    let instances = u32::try_from(runs.saturating_mul(2)).unwrap_or(u32::MAX);
    let mut host = GuestHost::start(kind, &hightouch.origin(), instances).await?;
    let (url, client, began) = (host.url().to_owned(), client()?, Instant::now());

    eprintln!(
        "{runs} callers call the {} at once; {percent} % of the requests to Hightouch go wrong",
        kind.world()
    );
    let (first, others) = callers.split_at(1);
    let mut stories = converse_all(first, began, &url, local_hightouch::KEY, &client).await;
    let mut left = host.until_quiet(QUIET).await?;
    let mut figures = Figures::begin(host.sample().await?);
    for round in others.chunks(usize::try_from(runs).unwrap_or(usize::MAX)) {
        let watch = Watch::start(host, figures);
        let at = Instant::now();
        stories.extend(converse_all(round, began, &url, local_hightouch::KEY, &client).await);
        let took = at.elapsed();
        (host, figures) = watch.stop().await?;
        left += host.until_quiet(QUIET).await?;
        figures.after(took, host.sample().await?);
    }
    let complaints = host.stop().await?;

    let mut judgement = Judgement::of(&callers, &stories, &truths(&callers, &hightouch));
    if left > 0 {
        judgement.wrong.push(format!(
            "{left} instances were alive {QUIET:?} after the last answer"
        ));
    }
    judgement.wrong.extend(complaints);
    for wrong in &judgement.wrong {
        eprintln!("{wrong}\n");
    }
    print!("{}", table::of(&arguments, &judgement, &figures));
    Ok(if judgement.wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
