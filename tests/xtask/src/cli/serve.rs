//! The `serve` command: serves the endpoint until interrupted.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::endpoint::{self, Upstream};
use super::settings::{ORIGIN, Settings, TOKEN};
use crate::embedder::Stderr;
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
    // The key in the examples, and a description of it for people.
    let (key, token) = match settings.get(TOKEN) {
        // The shell replaces this with the first of the tokens.
        Some(_) => ("${ENDPOINT_TOKEN%%,*}", "one of ENDPOINT_TOKEN"),
        None if local => (local_hightouch::KEY, local_hightouch::KEY),
        None => ("$HIGHTOUCH_API_KEY", "a Hightouch API key"),
    };
    // Print only names, because most values are secrets.
    let names = settings.names().collect::<Vec<_>>().join(", ");
    let rejected = settings.needs_token().map(|name| {
        format!(
            "{name} is set and {TOKEN} is not. The endpoint rejects every run. Set {TOKEN} to the token that callers send, or unset \
             {name}."
        )
    });
    let serving = endpoint::serve(listen, &upstream, settings, Stderr::Inherit).await?;
    let url = serving.url();
    println!(
        "The endpoint listens on {url} and calls {}.",
        upstream.origin()
    );
    println!("Its settings: {names}.");
    if let Some(rejected) = rejected {
        eprintln!("warning: {rejected}");
    }
    println!("A page for your browser: {url}/ (token: {token})");
    println!("Examples for another terminal:");
    for (line, what) in [
        ("/healthz", "check that it runs"),
        ("/openapi.json", "read its OpenAPI document"),
        (
            "/syncs/1/runs -X POST KEY",
            "run a sync and wait for the report",
        ),
        (
            "/syncs/demo/runs -X POST KEY -H 'Prefer: respond-async'",
            "start a sync by its slug, and do not wait",
        ),
        (
            "/syncs/1/runs/RUN KEY -H 'Prefer: wait=60'",
            "poll the run. Replace RUN with the ID in the response above",
        ),
        (
            "/syncs/1/runs -N -X POST KEY -H 'Accept: text/event-stream'",
            "run a sync and stream its progress",
        ),
        (
            "/syncs/1/runs -X POST KEY --json '{\"ifRunning\":\"join\"}'",
            "join a run in progress, or start one",
        ),
        (
            "/syncs/2/runs -X POST KEY --json '{\"acceptWarnings\":true}'",
            "accept rejected rows",
        ),
        ("/syncs/3/runs -X POST KEY", "a sync that fails"),
    ] {
        println!("  # {what}");
        println!(
            "  curl {url}{}",
            line.replace("KEY", &format!("-H \"Authorization: Bearer {key}\""))
        );
    }
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for an interrupt")?;
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}
