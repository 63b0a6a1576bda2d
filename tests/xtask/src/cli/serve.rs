//! The `serve` command: serves the endpoint until interrupted.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::endpoint::{self, Upstream};
use super::settings::{ORIGIN, Settings, TOKEN};
use crate::local_hightouch;

/// Serves the endpoint and prints example requests.
pub(super) async fn serve(listen: SocketAddr, local: bool) -> Result<ExitCode> {
    let mut settings = Settings::from_environment()?;
    let upstream = if local {
        Upstream::local().await?
    } else {
        Upstream::from_environment()
    };
    settings.set(ORIGIN, &upstream.origin());
    let key = match settings.get(TOKEN) {
        Some(_) => "$ENDPOINT_TOKEN",
        None if local => local_hightouch::KEY,
        None => "$HIGHTOUCH_API_KEY",
    };
    // Print only names, because most values are secrets.
    let names = settings.names().collect::<Vec<_>>().join(", ");
    let refused = settings.needs_token().map(|name| {
        format!(
            "{name} is set and {TOKEN} is not. The endpoint answers every run with an error. Set {TOKEN} to the token that callers show, or \
             unset {name}."
        )
    });
    let serving = endpoint::serve(listen, &upstream, settings).await?;
    let url = serving.url();
    println!(
        "The endpoint listens on {url} and speaks to {}.",
        upstream.origin()
    );
    println!("Settings passed to it: {names}.");
    if let Some(refused) = refused {
        eprintln!("warning: {refused}");
    }
    println!("Try, in another terminal:");
    for (line, what) in [
        ("/healthz", "is it there?"),
        ("/openapi.json", "what it answers to"),
        (
            "/syncs/1/runs -X POST KEY",
            "run a sync and wait for its report",
        ),
        (
            "/syncs/demo/runs -X POST KEY -H 'Prefer: respond-async'",
            "start it by its slug and come back at once",
        ),
        (
            "/syncs/1/runs/RUN KEY -H 'Prefer: wait=60'",
            "take a run up, with the ID that the line above told",
        ),
        (
            "/syncs/1/runs -N -X POST KEY -H 'Accept: text/event-stream'",
            "follow it by events",
        ),
        (
            "/syncs/1/runs -X POST KEY --json '{\"ifRunning\":\"join\"}'",
            "wait for a run that is going, or start one",
        ),
        (
            "/syncs/2/runs -X POST KEY --json '{\"acceptWarnings\":true}'",
            "rejected rows are fine",
        ),
        ("/syncs/3/runs -X POST KEY", "a problem, if the sync fails"),
    ] {
        println!("  # {what}");
        println!(
            "  curl {url}{}",
            line.replace("KEY", &format!("-H 'Authorization: Bearer {key}'"))
        );
    }
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for an interrupt")?;
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}
