//! Runs a sync through the endpoint and shows its progress.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

/// The result of a run.
pub(super) enum Followed {
    /// The report of a run that succeeded.
    Report(Value),
    /// The reason why there is no report.
    Problem(Problem),
}

/// The parts of the problem details that a user needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    kind: String,
    detail: String,
    details: Option<String>,
    sync_id: Option<u64>,
    run_id: Option<u64>,
}

impl Problem {
    /// Formats the problem as one line.
    pub(super) fn line(&self) -> String {
        let details = self
            .details
            .as_ref()
            .map(|details| format!(" ({details})"))
            .unwrap_or_default();
        match (self.sync_id, self.run_id) {
            // The details of a failed run contain its IDs already.
            (Some(sync), Some(run)) if self.kind != "sync-failed" => {
                format!("{}{details} [run {run} of sync {sync}]", self.detail)
            }
            _ => format!("{}{details}", self.detail),
        }
    }
}

/// Runs a sync and waits until it ends.
pub(super) async fn follow(
    endpoint: &str,
    sync: &str,
    key: &str,
    accept_warnings: bool,
) -> Result<Followed> {
    let client = Client::new();
    let started = Instant::now();
    let bar = Bar::new();
    let body = json!({ "acceptWarnings": accept_warnings });
    let run = client
        .post(format!("{endpoint}/syncs/{sync}/runs"))
        .json(&body);
    let mut response = send(run, key, Duration::from_secs(1)).await?;
    loop {
        let status = response.status();
        let location = response
            .headers()
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok())
            .map(String::from);
        let body = response
            .bytes()
            .await
            .context("the endpoint's response was truncated")?;
        if status != StatusCode::OK && status != StatusCode::ACCEPTED {
            let problem = serde_json::from_slice(&body).with_context(|| {
                format!("the endpoint responded with {status}, and its body is not a problem")
            })?;
            return Ok(Followed::Problem(problem));
        }
        let report: Value =
            serde_json::from_slice(&body).context("the endpoint's report is not JSON")?;
        bar.show(&report);
        if status == StatusCode::OK {
            return Ok(Followed::Report(report));
        }
        let Some(location) = location else {
            bail!("the endpoint's response has no Location, so the run cannot be polled")
        };
        // Poll often at first, to show progress. Poll rarely later, to save requests.
        let wait = (started.elapsed() / 10).clamp(Duration::from_secs(1), Duration::from_secs(20));
        // The `Location` URL contains the options of the run.
        response = send(client.get(format!("{endpoint}{location}")), key, wait).await?;
    }
}

async fn send(request: RequestBuilder, key: &str, wait: Duration) -> Result<reqwest::Response> {
    let request = request
        .bearer_auth(key)
        .header("prefer", format!("wait={}", wait.as_secs()));
    request.send().await.context("the endpoint did not respond")
}

/// Shows the progress: a bar on a terminal, otherwise a line for each new status.
struct Bar(ProgressBar);

/// Number of steps of the bar.
const STEPS: f64 = 100.0;

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(STEPS as u64);
        let style = ProgressStyle::with_template(
            "{spinner} {prefix:10} [{bar:30}] {percent:>3} % {elapsed} {msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    fn show(&self, report: &Value) {
        let status = report
            .get("status")
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned();
        let job = report.pointer("/jobs/0");
        let ratio = job
            .and_then(|job| job.get("completionRatio"))
            .and_then(Value::as_f64)
            .unwrap_or(0.0);
        let run = report
            .get("runId")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        if self.0.is_hidden() && self.0.prefix() != status {
            eprintln!("run {run}: {status}");
        }
        self.0.set_prefix(status);
        self.0.set_message(format!("run {run}"));
        self.0.set_position((ratio.clamp(0.0, 1.0) * STEPS) as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish();
    }
}
