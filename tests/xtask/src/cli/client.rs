//! Sends requests to the endpoint.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, RequestBuilder, Response, Url, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::outcome::{Content, Document};

/// The error of a request that could not be sent.
pub(super) const UNREACHABLE: &str =
    "The endpoint could not be reached. No run was started. Run the command again";

/// A client of the endpoint. It does not implement `Debug`, because it contains the API key.
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Url,
    key: String,
}

impl Client {
    /// Creates a client of the endpoint at this URL.
    ///
    /// # Errors
    /// Fails if this is not a URL.
    pub(super) fn new(endpoint: &str, key: String) -> Result<Self> {
        Ok(Self {
            // The endpoint is on this machine.
            http: reqwest::Client::builder().no_proxy().build()?,
            endpoint: endpoint.parse().context("the endpoint has no valid URL")?,
            key,
        })
    }

    /// Returns the request that starts a run of a sync and follows it through events.
    pub(super) fn start(
        &self,
        sync: &str,
        body: &Map<String, Value>,
        wait: Duration,
    ) -> RequestBuilder {
        self.request(Method::POST, &["syncs", sync, "runs"], wait)
            .header(header::ACCEPT, "text/event-stream")
            .json(body)
    }

    /// Returns the request that follows a run through events. It starts no run.
    pub(super) fn resume(
        &self,
        run: (u64, u64),
        query: &[(&str, String)],
        wait: Duration,
    ) -> RequestBuilder {
        self.poll(run, wait)
            .header(header::ACCEPT, "text/event-stream")
            .query(query)
    }

    /// Returns the request that reads the state of a run.
    pub(super) fn poll(&self, (sync, run): (u64, u64), wait: Duration) -> RequestBuilder {
        let (sync, run) = (sync.to_string(), run.to_string());
        self.request(Method::GET, &["syncs", &sync, "runs", &run], wait)
    }

    /// Returns the request that runs several syncs.
    pub(super) fn start_all(&self, body: &Map<String, Value>, wait: Duration) -> RequestBuilder {
        self.request(Method::POST, &["runs"], wait).json(body)
    }

    /// Returns the request that lists the recent runs of a sync.
    pub(super) fn list(&self, sync: &str, limit: u64) -> RequestBuilder {
        let wait = Duration::from_secs(30);
        self.request(Method::GET, &["syncs", sync, "runs"], wait)
            .query(&[("limit", limit)])
    }

    fn request(&self, method: Method, path: &[&str], wait: Duration) -> RequestBuilder {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // This also encodes the segments.
            segments.clear().extend(path);
        }
        self.http
            .request(method, url)
            .bearer_auth(&self.key)
            .header("prefer", format!("wait={}", whole_seconds(wait)))
    }
}

/// Returns the span in whole seconds, rounded up, so that a wait of 1 s is not sent as 0.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
}

/// Reads a whole response: a document, or a problem.
///
/// # Errors
/// Fails if the response is cut off or is not a document of the endpoint.
pub(super) async fn read<T: DeserializeOwned>(
    response: Response,
    content: fn(T) -> Content,
) -> Result<Document> {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    let text = response
        .text()
        .await
        .context("the endpoint's response was cut off")?;
    if is_problem {
        parse(text, Content::Problem)
    } else if status.is_success() || status == reqwest::StatusCode::FAILED_DEPENDENCY {
        parse(text, content)
    } else {
        bail!("the endpoint responded with {status}, and its body is not a problem")
    }
}

/// Reads the text of a document.
///
/// # Errors
/// Fails if it is not this kind of document.
pub(super) fn parse<T: DeserializeOwned>(
    text: String,
    content: fn(T) -> Content,
) -> Result<Document> {
    let parsed = serde_json::from_str(&text).context("the endpoint's response is unreadable")?;
    Ok(Document {
        content: content(parsed),
        text,
    })
}
