//! A caller's part of the conversation: starts a run and follows it to its end, each request on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, header};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::caller::Caller;
use super::story::{Answer, Exchange, Story};

/// The most requests of one caller. Far more than any needs who gets on.
const MOST: usize = 60;

/// A client that opens a connection for each request.
///
/// # Errors
/// When the system has no resources for one.
pub fn client() -> reqwest::Result<Client> {
    Client::builder().pool_max_idle_per_host(0).build()
}

/// Lets every caller call at once; their stories, which count time from `began`, come back in the callers' order.
pub async fn converse_all(
    callers: &[Caller],
    began: Instant,
    endpoint: &str,
    key: &str,
    client: &Client,
) -> Vec<Story> {
    let endpoint: Arc<str> = endpoint.into();
    let key: Arc<str> = key.into();
    let mut going = JoinSet::new();
    for (index, caller) in callers.iter().enumerate() {
        let (caller, endpoint, key, client) = (
            caller.clone(),
            endpoint.clone(),
            key.clone(),
            client.clone(),
        );
        going.spawn(async move {
            (
                index,
                converse(&caller, began, &endpoint, &key, &client).await,
            )
        });
    }
    let mut stories = going.join_all().await;
    stories.sort_by_key(|(index, _)| *index);
    stories.into_iter().map(|(_, story)| story).collect()
}

/// Starts a run as this caller and follows it to its end, as the endpoint's answers say that one may: what names its run is
/// asked for again, and a run is asked for again only where none was started because of the rate limit.
async fn converse(
    caller: &Caller,
    began: Instant,
    endpoint: &str,
    key: &str,
    client: &Client,
) -> Story {
    let mut story = Story::default();
    let start = format!("/syncs/{}/runs", caller.sync.id);
    let mut next = Next {
        run: None,
        after: Duration::ZERO,
    };
    while story.exchanges.len() < MOST {
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
        let answer = ask(sending
            .bearer_auth(key)
            .header("traceparent", caller.trace()))
        .await;
        let exchange = Exchange {
            request,
            at,
            took: began.elapsed().saturating_sub(at),
            answer,
        };
        let then = exchange
            .answer
            .as_ref()
            .ok()
            .and_then(|answer| next.after(answer));
        story.exchanges.push(exchange);
        match then {
            Some(then) => next = then,
            None => break,
        }
    }
    story
}

/// What to ask for, and when.
struct Next {
    /// Where the run is to be found, once there is one.
    run: Option<String>,
    after: Duration,
}

impl Next {
    /// What to do after this answer; nothing where it is the last word.
    fn after(&self, answer: &Answer) -> Option<Self> {
        let after = Duration::from_secs(answer.retry_after.unwrap_or(1));
        let run = match (answer.status, &self.run) {
            (202, _) => Some(answer.location.clone()?),
            // How the run ended is not known yet; asking starts nothing.
            (502 | 503, Some(run)) => Some(run.clone()),
            (503, None) if answer.number("runId").is_none() => None,
            _ => return None,
        };
        Some(Self { run, after })
    }
}

async fn ask(request: RequestBuilder) -> Result<Answer, String> {
    let told = async {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, answer.text().await?))
    };
    let (status, headers, text) = told
        .await
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Ok(Answer {
        status,
        location: header(header::LOCATION).map(String::from),
        retry_after: header(header::RETRY_AFTER).and_then(|value| value.parse().ok()),
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    })
}
