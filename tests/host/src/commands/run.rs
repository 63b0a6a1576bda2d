//! `run`: one sync through the endpoint.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::RunArguments;
use super::endpoint::{Upstream, serve};
use super::follow::{Followed, follow};
use crate::hightouch;

/// Runs one sync and tells how it ended.
pub(super) async fn run(arguments: RunArguments) -> Result<ExitCode> {
    let RunArguments { sync, accept_warnings, local_hightouch, api_key } = arguments;
    let upstream = match &api_key {
        Some(_) if !local_hightouch => Upstream::from_environment(),
        _ => Upstream::local().await?,
    };
    let key = api_key.map_or_else(|| hightouch::KEY.into(), |key| key.0);
    let endpoint = serve((Ipv4Addr::LOCALHOST, 0).into(), &upstream).await?;
    eprintln!("Running sync {sync} of {} through the component", upstream.origin());
    let followed = follow(&endpoint.url(), &sync, &key, accept_warnings).await?;
    endpoint.stop().await;
    match followed {
        Followed::Report(report) => {
            let text = serde_json::to_string_pretty(&report).context("cannot print the report")?;
            println!("{text}");
            Ok(ExitCode::SUCCESS)
        }
        Followed::Problem(problem) => {
            eprintln!("error: sync {sync} did not succeed: {}", problem.sentence());
            Ok(ExitCode::FAILURE)
        }
    }
}
