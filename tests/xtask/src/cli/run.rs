//! The commands `run` and `runs`.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::Instant;

use super::bars::Bars;
use super::batch::{may_be_in_progress, run_all};
use super::client::{Client, read};
use super::component_log::{NamedRuns, component_log};
use super::endpoint::{Upstream, serve};
use super::follow::Run;
use super::options::{RunArguments, RunsArguments, Target};
use super::outcome::{Content, Document, Ending};
use super::settings::Settings;
use super::summary;
use crate::embedder::Serving;
use crate::local_hightouch;

/// The API key of the caller.
const KEY: &str = "HIGHTOUCH_API_KEY";
/// Maximum time for which the component may continue to run after its response. In this time, it
/// writes its last log line. After an interrupt, the component is stopped when this time has
/// passed.
const MAX_AFTER_RESPONSE: Duration = Duration::from_secs(1);
/// The slug of the workspace, for links.
const WORKSPACE: &str = "HIGHTOUCH_WORKSPACE";

/// Runs one or several syncs and prints the results.
pub(super) async fn run(arguments: RunArguments) -> ExitCode {
    let result = run_syncs(&arguments).await;
    let workspace = workspace(arguments.target).ok().flatten();
    let context = summary::Context {
        syncs: &arguments.syncs(),
        lists: false,
        workspace: workspace.as_deref(),
    };
    finish(result, arguments.json, &context)
}

/// Lists the recent runs of a sync.
pub(super) async fn list(arguments: RunsArguments) -> ExitCode {
    let result = list_runs(&arguments).await;
    let context = summary::Context {
        syncs: &[arguments.sync],
        lists: true,
        workspace: None,
    };
    finish(result, arguments.json, &context)
}

async fn run_syncs(arguments: &RunArguments) -> Result<Document> {
    let syncs = arguments.syncs();
    let session = Session::start(arguments.target).await?;
    let Session {
        client,
        bars,
        named,
        origin,
        ..
    } = &session;
    let plural = if syncs.len() == 1 { "" } else { "s" };
    bars.print(&format!(
        "Running sync{plural} {} at {origin}",
        syncs.join(", ")
    ));
    let deadline = Instant::now() + arguments.wait();
    let work = async {
        if let [sync] = &syncs[..] {
            let bar = bars.add(format!("sync {sync}"));
            let run = Run {
                sync,
                body: arguments.body(),
                query: arguments.query(),
                deadline,
            };
            run.follow(client, &bar, named).await
        } else {
            let request = client.start_all(&arguments.batch_body(&syncs), arguments.wait());
            run_all(client, request, bars, named.clone()).await
        }
    };
    let result = tokio::select! {
        result = work => result,
        interrupt = tokio::signal::ctrl_c() => interrupt
            .context("cannot wait for an interrupt")
            .map(|()| interrupted(named)),
    };
    session.stop().await;
    result
}

async fn list_runs(arguments: &RunsArguments) -> Result<Document> {
    let session = Session::start(arguments.target).await?;
    let request = session.client.list(&arguments.sync, arguments.limit);
    let response = request.send().await.context("the endpoint did not respond");
    let result = match response {
        Ok(response) => read(response, Content::Recent).await,
        Err(error) => Err(error),
    };
    session.stop().await;
    result
}

/// Returns the problem of a command that was interrupted.
fn interrupted(named: &NamedRuns) -> Document {
    let detail = format!(
        "The command was interrupted. This does not cancel a run. {}",
        may_be_in_progress(named)
    );
    let title = "The command was interrupted";
    Document::problem("trigger-unconfirmed", title, &detail, None)
}

/// The embedded host that serves the endpoint, and its client.
struct Session {
    client: Client,
    bars: Bars,
    named: NamedRuns,
    origin: String,
    endpoint: Serving,
    /// The local Hightouch runs as long as this exists.
    _upstream: Upstream,
}

impl Session {
    /// Serves the endpoint on a free port.
    ///
    /// # Errors
    /// Fails if there is no API key, unless the local Hightouch was requested: a job without its
    /// secret must not succeed.
    async fn start(target: Target) -> Result<Self> {
        let key = if target.ignores_key {
            None
        } else {
            variable(KEY)?
        };
        // This program is the only caller, so settings for other callers do not apply.
        let mut settings = Settings::none();
        let (upstream, key) = match (key, target.local_hightouch) {
            (Some(key), false) => (Upstream::from_environment(), key),
            (key, true) => (
                Upstream::local().await?,
                key.unwrap_or_else(|| local_hightouch::KEY.into()),
            ),
            (None, false) => bail!(
                "HIGHTOUCH_API_KEY is not set. No request was sent and no run was started. Set HIGHTOUCH_API_KEY to a Hightouch \
                 API key, or pass --local-hightouch to call the local Hightouch, a mock of the Hightouch API."
            ),
        };
        if let Some(workspace) = workspace(target)? {
            settings.set(WORKSPACE, &workspace);
        }
        let bars = Bars::default();
        let (stderr, named) = component_log(bars.clone(), target.verbose);
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = serve(listen, &upstream, settings, stderr).await?;
        Ok(Self {
            client: Client::new(&endpoint.url(), key)?,
            bars,
            named,
            origin: upstream.origin(),
            endpoint,
            _upstream: upstream,
        })
    }

    /// Stops the endpoint after the component has written its last log line.
    async fn stop(self) {
        let deadline = Instant::now() + MAX_AFTER_RESPONSE;
        while self.endpoint.requests() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.endpoint.stop().await;
        self.bars.clear();
    }
}

/// Returns the slug of the workspace. Runs of the local Hightouch have no page, so it is not used for
/// them.
fn workspace(target: Target) -> Result<Option<String>> {
    if target.local_hightouch {
        Ok(None)
    } else {
        variable(WORKSPACE)
    }
}

/// Reads an environment variable. An empty one counts as not set.
///
/// # Errors
/// Fails if it is not valid Unicode. The error does not show the value.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim_ascii().is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!(
            "{name} is not valid UTF-8. No request was sent and no run was started. Set {name} to valid text, or unset it."
        ),
    }
}

/// Prints the result and returns the exit code.
fn finish(result: Result<Document>, json: bool, context: &summary::Context<'_>) -> ExitCode {
    let (document, is_endpoints) = match result {
        Ok(document) => (document, true),
        Err(error) => {
            let detail = format!("{error:#}");
            let title = "The command could not be carried out";
            (Document::problem("other", title, &detail, None), false)
        }
    };
    let ending = document.ending();
    let printed = if json {
        writeln!(std::io::stdout().lock(), "{}", document.text.trim_end())
    } else {
        match &document.content {
            // The error is about the command, not about a sync.
            Content::Problem(problem) if !is_endpoints => {
                summary::error(&problem.detail);
                Ok(())
            }
            _ => summary::print(&document, context),
        }
    };
    match printed {
        Ok(()) => ending.into(),
        Err(error) => {
            summary::error(&format!("The result could not be printed: {error}."));
            // A result that nobody could read must not look like a success.
            match ending {
                Ending::Success => Ending::Failed.into(),
                other => other.into(),
            }
        }
    }
}
