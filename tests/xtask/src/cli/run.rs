//! The `run` command: runs one sync through the endpoint.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use super::RunArguments;
use super::endpoint::{Upstream, serve};
use super::follow::{Followed, follow};
use super::settings::Settings;
use crate::local_hightouch;

/// Runs one sync and prints its result.
///
/// # Errors
/// Fails if there is no API key, unless the local Hightouch was requested: a job without its secret
/// must not succeed.
pub(super) async fn run(arguments: RunArguments) -> Result<ExitCode> {
    let RunArguments {
        sync,
        accept_warnings,
        local_hightouch,
        api_key,
    } = arguments;
    // An empty setting counts as unset.
    let api_key = api_key
        .map(|key| key.0)
        .filter(|key| !key.trim_ascii().is_empty());
    let (upstream, key) = match (api_key, local_hightouch) {
        (Some(key), false) => (Upstream::from_environment(), key),
        (key, true) => (
            Upstream::local().await?,
            key.unwrap_or_else(|| local_hightouch::KEY.into()),
        ),
        (None, false) => bail!(
            "HIGHTOUCH_API_KEY is not set. No request was sent and no run was started. Set HIGHTOUCH_API_KEY to a Hightouch API key, or \
             pass --local-hightouch to call the local Hightouch, a mock of the Hightouch API."
        ),
    };
    // This program is the only caller, so settings for other callers do not apply.
    let endpoint = serve((Ipv4Addr::LOCALHOST, 0).into(), &upstream, Settings::none()).await?;
    eprintln!(
        "Running sync {sync} at {} through the component",
        upstream.origin()
    );
    let followed = follow(&endpoint.url(), &sync, &key, accept_warnings).await?;
    endpoint.stop().await;
    match followed {
        Followed::Report(report) => {
            let text = serde_json::to_string_pretty(&report).context("cannot print the report")?;
            println!("{text}");
            Ok(ExitCode::SUCCESS)
        }
        Followed::Problem(problem) => {
            eprintln!("error: sync {sync} did not succeed: {}", problem.line());
            Ok(ExitCode::FAILURE)
        }
    }
}
