//! Runs one sync and follows it through the endpoint's server-sent events.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use reqwest::{Body, RequestBuilder, Response, header};
use serde_json::{Map, Value};
use sse_stream::SseStream;
use tokio::time::Instant;

use super::bars::Bar;
use super::client::{Client, UNREACHABLE, parse, read};
use super::component_log::{Named, NamedRuns};
use super::outcome::{Content, Document};
use super::report::Report;

/// Maximum number of consecutive attempts to resume a stream without receiving an event.
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
                return Err(error).context(UNREACHABLE);
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
    // If the run is known, it was certainly started.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::super::bars::Bars;
    use super::super::outcome::Ending;
    use super::*;

    const PROGRESS: &str = r#"event: progress
data: {"syncId":1,"runId":15,"status":"processing","jobs":[],"joined":false,"url":null}

"#;
    const REPORT: &str = r#"event: report
data: {"syncId":1,"runId":15,"status":"success","jobs":[],"joined":false,"url":null}

"#;

    /// Follows a run at an endpoint that sends these events, one text for each request, and then
    /// closes the connection. `None` closes it without a response. Returns the result and the
    /// request lines.
    async fn follow(
        responses: &[Option<&'static str>],
        named: &[Named],
    ) -> (Result<Document>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::new(&url, "key".into()).unwrap();
        let bar = Bars::default().add("sync 1".into());
        let (_sender, named) = watch::channel(named.to_vec());
        let run = Run {
            sync: "1",
            body: Map::new(),
            query: vec![("acceptWarnings", "true".into())],
            deadline: Instant::now() + Duration::from_secs(60),
        };
        let endpoint = async {
            let mut lines = Vec::new();
            for response in responses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                lines.push(request.lines().next().unwrap_or_default().to_owned());
                if let Some(events) = response {
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                                connection: close\r\ncontent-length: 99999\r\n\r\n";
                    let text = format!("{head}{events}");
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
            }
            lines
        };
        tokio::join!(run.follow(&client, &bar, &named), endpoint)
    }

    #[tokio::test]
    async fn a_lost_stream_is_resumed_with_get_and_never_with_another_post() {
        let responses = [Some(PROGRESS), None, Some(PROGRESS), Some(REPORT)];
        let (result, requests) = follow(&responses, &[]).await;
        assert_eq!(result.unwrap().ending(), Ending::Success);
        let get = "GET /syncs/1/runs/15?acceptWarnings=true HTTP/1.1";
        assert_eq!(requests, ["POST /syncs/1/runs HTTP/1.1", get, get, get]);
    }

    #[tokio::test]
    async fn the_log_names_the_run_if_no_event_does() {
        let (result, requests) = follow(&[None, Some(REPORT)], &[(1, 15)]).await;
        assert_eq!(result.unwrap().ending(), Ending::Success);
        assert!(requests[1].starts_with("GET /syncs/1/runs/15?"));
    }

    #[tokio::test]
    async fn without_the_id_of_the_run_the_result_is_unconfirmed_and_nothing_is_repeated() {
        let (result, requests) = follow(&[None], &[]).await;
        let document = result.unwrap();
        assert_eq!(document.ending(), Ending::Unconfirmed);
        assert!(document.text.contains("A run may have been started"));
        assert_eq!(requests.len(), 1);
    }

    #[tokio::test]
    async fn a_run_that_cannot_be_followed_any_more_is_named() {
        let responses = [Some(PROGRESS), None, None, None, None, None];
        let (result, requests) = follow(&responses, &[]).await;
        let document = result.unwrap();
        assert_eq!(document.ending(), Ending::Unconfirmed);
        assert!(
            document.text.contains("Run 15 of sync 1"),
            "{}",
            document.text
        );
        assert_eq!(requests.len(), 6);
        assert!(requests[1..].iter().all(|line| line.starts_with("GET ")));
    }
}
