//! Serves the endpoint in the embedded host, and selects the Hightouch API that it calls.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

use super::settings::{ORIGIN, Settings};
use crate::build;
use crate::embedder::{Config, Host, Outbound, Serving, Stderr};
use crate::local_hightouch::{self, LocalHightouch};

/// The default origin.
const HIGHTOUCH: &str = "https://api.hightouch.com";

/// The Hightouch API that the endpoint calls.
pub(super) enum Upstream {
    /// The local Hightouch, which runs as long as this exists.
    Local(LocalHightouch),
    /// The API at this origin.
    At(String),
}

impl Upstream {
    /// Starts the local Hightouch on a free port.
    pub(super) async fn local() -> Result<Self> {
        let local = LocalHightouch::start(local_hightouch::Options::default()).await;
        local
            .map(Self::Local)
            .context("cannot start the local Hightouch")
    }

    /// Returns the API that the environment names, or the public one.
    pub(super) fn from_environment() -> Self {
        Self::At(
            std::env::var(ORIGIN)
                .ok()
                .map(|origin| origin.trim().to_owned())
                .filter(|origin| !origin.is_empty())
                .unwrap_or_else(|| HIGHTOUCH.into()),
        )
    }

    /// Returns its origin.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::Local(local) => local.origin(),
            Self::At(origin) => origin.clone(),
        }
    }
}

/// Builds the endpoint and serves it with these settings. The endpoint may call this
/// Hightouch and the URLs in the settings, and nothing else. Its log goes to `stderr`.
pub(super) async fn serve(
    listen: SocketAddr,
    upstream: &Upstream,
    mut settings: Settings,
    stderr: Stderr,
) -> Result<Serving> {
    let origin = upstream.origin();
    settings.set(ORIGIN, &origin);
    let mut allowed = settings.called_origins();
    allowed.push(origin);
    let component = tokio::task::spawn_blocking(|| {
        build::build_one(build::Kind::Endpoint, &build::Options::terminal()?)
    })
    .await??;
    let config = Config {
        outbound: Outbound::only(allowed),
        environment: settings.into_environment(),
        stderr,
        ..Config::default()
    };
    let host = Host::new(&component, config)?;
    host.serve(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))
}
