//! Random failures of single calls.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use time::OffsetDateTime;

use super::faults::Fault;
use super::rate_limit::RetryAfter;
use super::request::Call;
use super::responses::{ApiResponse, Outcome};
use crate::seeded_random::SeededRandom;

/// Delay of [`Mishap::Slow`].
const LATE: Duration = Duration::from_secs(2);
/// Maximum `Retry-After` of [`Mishap::TooMany`], in seconds.
const LONGEST_REFUSAL: u64 = 3;

/// Defines each mishap, its name, and whether the call is carried out, in one place.
macro_rules! mishaps {
    ($($variant:ident = $name:literal, $carried_out:literal: $about:literal,)+) => {
        /// A failure of one call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mishap {
            $(#[doc = $about] $variant,)+
        }

        impl Mishap {
            /// All mishaps.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the mishap's name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns whether the call is carried out.
            pub fn carried_out(self) -> bool {
                match self {
                    $(Self::$variant => $carried_out,)+
                }
            }
        }
    };
}

mishaps! {
    LostRequest = "lost request", false: "The connection closes. The call is not carried out.",
    ResetRequest = "reset request", false: "The connection is reset. The call is not carried out.",
    LostResponse = "lost response", true: "The connection closes without a response.",
    ResetResponse = "reset response", true: "The connection is reset without a response.",
    TruncatedResponse = "truncated response", true: "The response is truncated.",
    EmptyResponse = "empty response", true: "The response is a 200 without a body.",
    TooMany = "429", false: "The response is a 429 with `Retry-After`.",
    ServerError = "500", false: "The response is a 500 from Hightouch.",
    Unavailable = "503", false: "The response is an empty 503.",
    BadGateway = "502 page", true: "The response is a proxy's 502 page.",
    GatewayTimeout = "504 page", true: "The response is a proxy's 504 page.",
    Slow = "slow response", true: "The response is two seconds late.",
    Silence = "no response", true: "The server never responds.",
}

impl Mishap {
    /// Returns whether this mishap of a trigger hides from the caller whether a run was
    /// started.
    pub fn hides_a_run(self) -> bool {
        !matches!(self, Self::TooMany | Self::Slow)
    }

    /// Returns whether the mishap delays the call.
    pub fn takes_time(self) -> bool {
        matches!(self, Self::Slow | Self::Silence)
    }

    /// Returns the failure that the mishap causes.
    pub(super) fn fault(self, random: &mut SeededRandom, now: OffsetDateTime) -> Fault {
        let responded = |response| Fault::Instead(Outcome::Responded(response));
        let afterwards = |response| Fault::Afterwards(Outcome::Responded(response));
        match self {
            Self::LostRequest => Fault::Instead(Outcome::Closed),
            Self::ResetRequest => Fault::Instead(Outcome::Reset),
            Self::LostResponse => Fault::Afterwards(Outcome::Closed),
            Self::ResetResponse => Fault::Afterwards(Outcome::Reset),
            Self::TruncatedResponse => Fault::Truncated,
            Self::EmptyResponse => afterwards(ApiResponse::empty(StatusCode::OK)),
            Self::TooMany => {
                let until = now + Duration::from_secs(random.between(1, LONGEST_REFUSAL));
                let form = if random.percent(50) {
                    RetryAfter::Seconds
                } else {
                    RetryAfter::Date
                };
                responded(ApiResponse::too_many_requests(form.value(now, until)))
            }
            Self::ServerError => responded(ApiResponse::internal_server_error()),
            Self::Unavailable => responded(ApiResponse::empty(StatusCode::SERVICE_UNAVAILABLE)),
            Self::BadGateway => afterwards(ApiResponse::page(StatusCode::BAD_GATEWAY)),
            Self::GatewayTimeout => afterwards(ApiResponse::page(StatusCode::GATEWAY_TIMEOUT)),
            Self::Slow => Fault::Late(LATE),
            Self::Silence => Fault::Afterwards(Outcome::Silence),
        }
    }
}

/// The frequency and kinds of mishaps. They affect triggers, run lists, and the calls that read the
/// details of a sync or of a destination.
///
/// The seed alone determines each mishap, for example that of a sync's third poll. Other calls do
/// not affect it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mishaps {
    /// The seed, which determines all mishaps.
    pub seed: u64,
    /// Percentage of calls that have a mishap.
    pub percent: u64,
    /// The possible mishaps, all with the same probability.
    pub kinds: Vec<Mishap>,
}

/// Selects the mishaps of the calls of one workspace.
#[derive(Debug)]
pub(super) struct Fate {
    mishaps: Mishaps,
    /// Number of calls by name.
    calls: BTreeMap<String, u64>,
}

impl Fate {
    pub(super) fn new(mishaps: Mishaps) -> Self {
        Self {
            mishaps,
            calls: BTreeMap::new(),
        }
    }

    /// Returns the mishap of the next call, and the failure that it causes.
    pub(super) fn next(&mut self, call: Call<'_>, now: OffsetDateTime) -> Option<(Mishap, Fault)> {
        let name = match call {
            Call::Trigger(sync) => format!("trigger {sync}"),
            Call::ListRuns(sync) => format!("poll {sync}"),
            Call::GetSync(sync) => format!("sync {sync}"),
            Call::GetDestination(destination) => format!("destination {destination}"),
            _ => return None,
        };
        let count = self.calls.entry(name.clone()).or_default();
        *count += 1;
        let mut random = SeededRandom::new(self.mishaps.seed, &format!("{name} {count}"));
        if !random.percent(self.mishaps.percent) {
            return None;
        }
        let mishap = random.pick(&self.mishaps.kinds)?;
        Some((mishap, mishap.fault(&mut random, now)))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn fate(seed: u64) -> Fate {
        Fate::new(Mishaps {
            seed,
            percent: 50,
            kinds: Mishap::ALL.to_vec(),
        })
    }

    #[test]
    fn what_happens_to_a_call_does_not_depend_on_the_calls_of_others() {
        let (mut alone, mut among) = (fate(1), fate(1));
        for _ in 0..20 {
            let expected = alone.next(Call::ListRuns("7"), START);
            among.next(Call::ListRuns("8"), START);
            among.next(Call::Trigger("7"), START);
            assert_eq!(among.next(Call::ListRuns("7"), START), expected);
        }
    }

    #[test]
    fn in_time_everything_happens() {
        let mut fate = fate(2);
        let mut seen: Vec<_> = (0..1_000)
            .filter_map(|_| fate.next(Call::Trigger("7"), START))
            .map(|one| one.0)
            .collect();
        assert!((400..600).contains(&seen.len()), "{}", seen.len());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, Mishap::ALL);
        assert_eq!(fate.next(Call::ListSyncs, START), None);
    }
}
