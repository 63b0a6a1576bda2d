//! Runs one sync and follows it by the endpoint's server-sent events.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use reqwest::{Body, RequestBuilder, Response, header};
use serde_json::{Map, Value};
use sse_stream::SseStream;
use tokio::time::Instant;

use super::bars::Bar;
use super::client::{Client, parse, read};
use super::component_log::{Named, NamedRuns};
use super::outcome::{Content, Document};
use super::report::Report;

/// Maximum number of consecutive attempts to follow a run again without receiving an event.
const MAX_ATTEMPTS: u32 = 5;
/// Delay before each attempt.
const DELAY: Duration = Duration::from_secs(1);

/// A sync to run.
pub(super) struct Run<'a> {
    pub(super) sync: &'a str,
    pub(super) body: Map<String, Value>,
    /// The query that accepts the same warnings as the body.
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) deadline: Instant,
}

/// The end of a stream of events.
enum End {
    /// The last event, or a problem instead of the stream.
    Document(Document),
    /// The stream broke off.
    Lost(anyhow::Error),
}

impl Run<'_> {
    /// Starts a run and waits for its end.
    ///
    /// Sends only one `POST`. If its stream is lost, it follows the run with `GET`, which never
    /// starts a run.
    ///
    /// # Errors
    /// Fails if no run was started.
    pub(super) async fn follow(
        self,
        client: &Client,
        bar: &Bar,
        named: &NamedRuns,
    ) -> Result<Document> {
        let mut run = None;
        let start = client.start(self.sync, &self.body, self.remaining());
        let mut lost = match start.send().await {
            Ok(response) => match self.read(response, bar, &mut run).await {
                End::Document(document) => return Ok(document),
                End::Lost(error) => error,
            },
            // The request was not sent.
            Err(error) if error.is_connect() => {
                return Err(error).context(
                    "The endpoint could not be reached. No run was started. Run the command again",
                );
            }
            Err(error) => error.into(),
        };
        // The log can name the run before the first event does.
        let Some(run) = run.or_else(|| named.borrow().last().copied()) else {
            return Ok(unconfirmed(self.sync, None, &lost));
        };
        let mut attempts = 0;
        while attempts < MAX_ATTEMPTS {
            attempts += 1;
            tokio::time::sleep(DELAY).await;
            let mut seen = None;
            let resume = client.resume(run, &self.query, self.remaining());
            match self.send(resume, bar, &mut seen).await {
                End::Document(document) => return Ok(document),
                End::Lost(error) => lost = error,
            }
            if seen.is_some() {
                attempts = 0;
            }
        }
        Ok(unconfirmed(self.sync, Some(run), &lost))
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    async fn send(&self, request: RequestBuilder, bar: &Bar, run: &mut Option<Named>) -> End {
        match request.send().await {
            Ok(response) => self.read(response, bar, run).await,
            Err(error) => End::Lost(error.into()),
        }
    }

    /// Reads the events of a response and shows the progress. Sets `run` to the run that they name.
    async fn read(&self, response: Response, bar: &Bar, run: &mut Option<Named>) -> End {
        let is_stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if !is_stream {
            return read(response, Content::Report)
                .await
                .map_or_else(End::Lost, End::Document);
        }
        let mut events = pin!(SseStream::new(Body::from(response)));
        loop {
            let event = poll_fn(|context| {
                use futures_core::Stream as _;
                events.as_mut().poll_next(context)
            })
            .await;
            let event = match event {
                Some(Ok(event)) => event,
                Some(Err(error)) => return End::Lost(error.into()),
                None => return End::Lost(anyhow!("the events ended before the run did")),
            };
            let data = event.data.unwrap_or_default();
            let end = match event.event.as_deref() {
                Some("progress") => {
                    if let Ok(report) = serde_json::from_str::<Report>(&data) {
                        *run = Some((report.sync_id, report.run_id));
                        bar.show(report.run_id, &report.status, &report.jobs);
                    }
                    continue;
                }
                Some("report") => parse(data, Content::Report),
                Some("problem") => parse(data, Content::Problem),
                _ => continue,
            };
            return end.map_or_else(End::Lost, End::Document);
        }
    }
}

/// Returns the problem of a run whose end is not known because the endpoint stopped responding.
fn unconfirmed(sync: &str, run: Option<Named>, lost: &anyhow::Error) -> Document {
    let title = "The connection to the endpoint was lost";
    // A known run makes it certain that a run was started.
    let kind = if run.is_some() {
        "unreachable"
    } else {
        "trigger-unconfirmed"
    };
    let detail = match run {
        Some((sync, run)) => format!(
            "The connection to the endpoint was lost ({lost:#}). Run {run} of sync {sync} may still be in progress. Check its \
             status with `hightouch-sync runs {sync}` before you run the sync again."
        ),
        None => format!(
            "The connection to the endpoint was lost ({lost:#}). A run may have been started. Check with `hightouch-sync runs \
             {sync}` before you run the sync again."
        ),
    };
    Document::problem(kind, title, &detail, run)
}
