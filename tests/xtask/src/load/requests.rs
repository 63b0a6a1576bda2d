//! Makes the requests of the callers. Each caller starts a run and follows it until it ends. Each
//! request uses its own connection.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, header};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::caller::Caller;
use super::record::{Exchange, Record, Response};

/// Maximum number of requests of one caller, far more than any caller needs.
const MAX_REQUESTS: usize = 60;

/// Creates a client that opens a connection for each request.
///
/// # Errors
/// Fails if the system has no resources for it.
pub fn client() -> reqwest::Result<Client> {
    Client::builder().pool_max_idle_per_host(0).build()
}

/// Makes the requests of all callers at the same time. Each caller begins this long after the one
/// before it. Returns their records in the callers' order. Times are relative to `began`.
pub async fn run_callers(
    callers: &[Caller],
    began: Instant,
    spacing: Duration,
    endpoint: &str,
    client: &Client,
) -> Vec<Record> {
    let endpoint: Arc<str> = endpoint.into();
    let mut conversations = JoinSet::new();
    let mut start = Duration::ZERO;
    for (index, caller) in callers.iter().enumerate() {
        let (caller, endpoint, client) = (caller.clone(), endpoint.clone(), client.clone());
        conversations.spawn(async move {
            tokio::time::sleep(start).await;
            (index, run_caller(&caller, began, &endpoint, &client).await)
        });
        start = start.saturating_add(spacing);
    }
    let mut records = conversations.join_all().await;
    records.sort_by_key(|(index, _)| *index);
    records.into_iter().map(|(_, record)| record).collect()
}

/// Starts a run as this caller and follows it until it ends. It does only what the endpoint's
/// responses allow: it polls the run if a response names one, and sends the trigger again only if
/// the rate limit prevented the start.
async fn run_caller(caller: &Caller, began: Instant, endpoint: &str, client: &Client) -> Record {
    let mut record = Record::default();
    let start = format!("/syncs/{}/runs", caller.sync.id);
    let mut next = Next {
        run: None,
        after: Duration::ZERO,
    };
    while record.exchanges.len() < MAX_REQUESTS {
        tokio::time::sleep(next.after).await;
        let (request, mut sending) = match &next.run {
            None => {
                let body = json!({ "acceptWarnings": caller.accept_warnings });
                (
                    format!("POST {start}"),
                    client.post(format!("{endpoint}{start}")).json(&body),
                )
            }
            Some(run) => (format!("GET {run}"), client.get(format!("{endpoint}{run}"))),
        };
        if let Some(prefer) = caller.wait.prefer() {
            sending = sending.header("prefer", prefer);
        }
        let at = began.elapsed();
        let response = ask(sending
            .bearer_auth(&caller.key)
            .header("traceparent", caller.trace()))
        .await;
        let exchange = Exchange {
            request,
            at,
            took: began.elapsed().saturating_sub(at),
            response,
        };
        let then = exchange
            .response
            .as_ref()
            .ok()
            .and_then(|response| next.after(response));
        record.exchanges.push(exchange);
        match then {
            Some(then) => next = then,
            None => break,
        }
    }
    record
}

/// The next request and its time.
struct Next {
    /// The URL of the run, if it is known.
    run: Option<String>,
    after: Duration,
}

impl Next {
    /// Returns the next request after this response, or `None` after a final response.
    fn after(&self, response: &Response) -> Option<Self> {
        let after = Duration::from_secs(response.retry_after.unwrap_or(1));
        let run = match (response.status, &self.run) {
            (202, _) => Some(response.location.clone()?),
            // The result of the run is not known yet. A poll starts nothing.
            (502 | 503, Some(run)) => Some(run.clone()),
            (503, None) if response.number("runId").is_none() => None,
            _ => return None,
        };
        Some(Self { run, after })
    }
}

async fn ask(request: RequestBuilder) -> Result<Response, String> {
    let received = async {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, response.text().await?))
    };
    let (status, headers, text) = received
        .await
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Ok(Response {
        status,
        location: header(header::LOCATION).map(String::from),
        retry_after: header(header::RETRY_AFTER).and_then(|value| value.parse().ok()),
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    })
}
