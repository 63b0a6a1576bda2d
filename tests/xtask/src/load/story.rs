//! What a caller asked and was told.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// What one caller asked and was told, in order.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Each request with its answer.
    pub exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Method and target.
    pub request: String,
    /// When it was sent, since all stories began.
    pub at: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// The answer, or why there is none.
    pub answer: Result<Answer, String>,
}

/// An answer, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Location`.
    pub location: Option<String>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// The body; a string where it is no JSON.
    pub body: Value,
}

impl Answer {
    /// A number of the body.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.body.get(field)?.as_u64()
    }

    /// A text of the body.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field)?.as_str()
    }
}

impl Story {
    /// From when to when it went on, since all stories began.
    pub fn span(&self) -> Option<(Duration, Duration)> {
        let (first, last) = (self.exchanges.first()?, self.exchanges.last()?);
        Some((first.at, last.at.saturating_add(last.took)))
    }

    /// The last answer, if there is one.
    pub fn last(&self) -> Option<&Answer> {
        self.exchanges.last()?.answer.as_ref().ok()
    }
}

impl fmt::Display for Story {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for exchange in &self.exchanges {
            let Exchange {
                request,
                at,
                took,
                answer,
            } = exchange;
            write!(
                out,
                "  after {:.1} s: {request}, {:.1} s later ",
                at.as_secs_f64(),
                took.as_secs_f64()
            )?;
            match answer {
                Ok(Answer {
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
                Err(error) => writeln!(out, "no answer: {error}")?,
            }
        }
        Ok(())
    }
}
