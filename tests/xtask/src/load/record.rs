//! Recorded requests and responses of a caller.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// The requests and responses of one caller, in order.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The requests with their responses.
    pub exchanges: Vec<Exchange>,
}

/// A request and its response.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method and target.
    pub request: String,
    /// Time at which it was sent, since the start of the test.
    pub at: Duration,
    /// Time until the response.
    pub took: Duration,
    /// The response, or the reason why there is none.
    pub response: Result<Response, String>,
}

/// The relevant parts of a response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Location`.
    pub location: Option<String>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The body. If it is not JSON, a string.
    pub body: Value,
}

impl Response {
    /// Returns a number in the body.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.body.get(field)?.as_u64()
    }

    /// Returns a text in the body.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field)?.as_str()
    }
}

impl Record {
    /// Returns the times of the start and the end, since the start of the test.
    pub fn span(&self) -> Option<(Duration, Duration)> {
        let (first, last) = (self.exchanges.first()?, self.exchanges.last()?);
        Some((first.at, last.at.saturating_add(last.took)))
    }

    /// Returns the last response, if there is one.
    pub fn last(&self) -> Option<&Response> {
        self.exchanges.last()?.response.as_ref().ok()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for exchange in &self.exchanges {
            let Exchange {
                request,
                at,
                took,
                response,
            } = exchange;
            write!(
                out,
                "  after {:.1} s: {request}, {:.1} s later ",
                at.as_secs_f64(),
                took.as_secs_f64()
            )?;
            match response {
                Ok(Response {
                    status,
                    location,
                    body,
                    ..
                }) => {
                    let location = location
                        .as_deref()
                        .map(|to| format!(" → {to}"))
                        .unwrap_or_default();
                    writeln!(out, "{status}{location} {body}")?;
                }
                Err(error) => writeln!(out, "no response: {error}")?,
            }
        }
        Ok(())
    }
}
