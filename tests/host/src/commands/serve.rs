//! `serve`: the endpoint, until interrupted.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::endpoint::{self, Upstream};
use crate::hightouch;

/// Serves the endpoint and prints what to try.
pub(super) async fn serve(listen: SocketAddr, local: bool) -> Result<ExitCode> {
    let upstream = if local { Upstream::local().await? } else { Upstream::from_environment() };
    let serving = endpoint::serve(listen, &upstream).await?;
    let url = serving.url();
    let key = if local { hightouch::KEY } else { "$HIGHTOUCH_API_KEY" };
    println!("The endpoint listens on {url} and speaks to {}.", upstream.origin());
    println!("Try, in another terminal:");
    println!("  curl {url}/healthz");
    println!("  curl -X POST {url}/syncs/1/runs -H 'Authorization: Bearer {key}'");
    println!("  curl -X POST {url}/syncs/demo/runs -H 'Authorization: Bearer {key}' -H 'Prefer: respond-async'");
    println!("  curl {url}/syncs/1/runs/RUN -H 'Authorization: Bearer {key}'");
    tokio::signal::ctrl_c().await.context("cannot wait for an interrupt")?;
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}
