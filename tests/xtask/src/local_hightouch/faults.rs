//! Scenarios in which requests fail.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use time::OffsetDateTime;

use super::details::DetailsFaults;
use super::rate_limit::RetryAfter;
use super::request::Call;
use super::responses::{ApiResponse, Outcome};
use super::scenario::Scenario;

/// Duration of a refusal in [`Scenario::RateLimited`].
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// A failure of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call succeeds.
    None,
    /// The call is not carried out and has this outcome.
    Instead(Outcome),
    /// The call is carried out and has this outcome.
    Afterwards(Outcome),
    /// The call is carried out, and its response is truncated.
    Truncated,
    /// The call is carried out, and its response is late by this duration.
    Late(Duration),
}

/// Counts the calls of a workspace, so that failures are deterministic.
#[derive(Debug)]
pub(super) struct Faults {
    scenario: Scenario,
    details: DetailsFaults,
    calls: usize,
    polls: usize,
    refusals: usize,
    refused_until: Option<OffsetDateTime>,
}

impl Faults {
    pub(super) fn new(scenario: Scenario, details: DetailsFaults) -> Self {
        Self {
            scenario,
            details,
            calls: 0,
            polls: 0,
            refusals: 0,
            refused_until: None,
        }
    }

    /// Returns the failure of the next call.
    pub(super) fn next(&mut self, call: Call<'_>, now: OffsetDateTime) -> Fault {
        if let Some(fault) = self.details.of(call) {
            return fault;
        }
        let page = |status| Outcome::Responded(ApiResponse::page(status));
        match self.scenario {
            Scenario::Forbidden => Fault::Instead(page(StatusCode::FORBIDDEN)),
            Scenario::ErrorEnvelope => {
                let body = json!({"error": "This workspace has been suspended"});
                Fault::Instead(Outcome::Responded(ApiResponse::json(
                    StatusCode::FORBIDDEN,
                    &body,
                )))
            }
            Scenario::RateLimited => self.refuse(now),
            Scenario::DroppedTrigger if call.triggers() => Fault::Instead(Outcome::Closed),
            Scenario::LostTriggerResponse if call.triggers() => Fault::Afterwards(Outcome::Closed),
            Scenario::TruncatedTrigger if call.triggers() => Fault::Truncated,
            Scenario::TriggerTimeout if call.triggers() => {
                Fault::Afterwards(page(StatusCode::GATEWAY_TIMEOUT))
            }
            Scenario::PollsFail if call.polls() => Fault::Instead(Outcome::Responded(
                ApiResponse::empty(StatusCode::SERVICE_UNAVAILABLE),
            )),
            Scenario::HtmlErrors if call.polls() => match self.next_poll() % 3 {
                1 => Fault::Instead(page(StatusCode::BAD_GATEWAY)),
                _ => Fault::None,
            },
            Scenario::Flaky if call.polls() => match self.next_poll() {
                poll if poll % 2 == 0 => Fault::None,
                poll => flaky(poll / 2),
            },
            _ => Fault::None,
        }
    }

    fn next_poll(&mut self) -> usize {
        self.polls += 1;
        self.polls - 1
    }

    /// Refuses every third call, starting with the first, and every call that comes before the
    /// refusal is over.
    fn refuse(&mut self, now: OffsetDateTime) -> Fault {
        if self.refused_until.is_none_or(|until| until <= now) {
            self.refused_until = None;
            self.calls += 1;
            if self.calls % 3 != 1 {
                return Fault::None;
            }
            self.refused_until = Some(now + REFUSED_FOR);
            self.refusals += 1;
        }
        let form = if self.refusals.is_multiple_of(2) {
            RetryAfter::Date
        } else {
            RetryAfter::Seconds
        };
        let until = self.refused_until.unwrap_or(now);
        Fault::Instead(Outcome::Responded(ApiResponse::too_many_requests(
            form.value(now, until),
        )))
    }
}

/// Returns each kind of failure in turn.
fn flaky(turn: usize) -> Fault {
    let responded = |response| Fault::Instead(Outcome::Responded(response));
    match turn % 7 {
        0 => responded(ApiResponse::internal_server_error()),
        1 => responded(ApiResponse::empty(StatusCode::SERVICE_UNAVAILABLE)),
        2 => Fault::Truncated,
        3 => responded(ApiResponse::page(StatusCode::BAD_GATEWAY)),
        4 => Fault::Afterwards(Outcome::Closed),
        5 => responded(ApiResponse::page(StatusCode::GATEWAY_TIMEOUT)),
        _ => responded(ApiResponse::empty(StatusCode::OK)),
    }
}

#[cfg(test)]
mod tests {
    use time::ext::NumericalDuration;
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const POLL: Call<'_> = Call::ListRuns("1");

    #[test]
    fn every_second_poll_fails_each_time_in_another_way() {
        let mut faults = Faults::new(Scenario::Flaky, DetailsFaults::default());
        assert_eq!(faults.next(Call::Trigger("1"), START), Fault::None);
        let mut seen = Vec::new();
        for _ in 0..7 {
            assert_eq!(faults.next(POLL, START), Fault::None);
            let fault = faults.next(POLL, START);
            assert!(fault != Fault::None && !seen.contains(&fault), "{fault:?}");
            seen.push(fault);
        }
    }

    #[test]
    fn an_early_retry_is_refused_again() {
        let mut faults = Faults::new(Scenario::RateLimited, DetailsFaults::default());
        assert!(matches!(faults.next(POLL, START), Fault::Instead(_)));
        assert!(matches!(
            faults.next(POLL, START + 0.5.seconds()),
            Fault::Instead(_)
        ));
        assert_eq!(faults.next(POLL, START + 1.seconds()), Fault::None);
        assert_eq!(faults.next(POLL, START + 1.seconds()), Fault::None);
        assert!(matches!(
            faults.next(POLL, START + 1.seconds()),
            Fault::Instead(_)
        ));
    }
}
