//! What may go wrong with one call on its way, by chance.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use time::OffsetDateTime;

use super::answers::{Answer, Outcome};
use super::faults::Fault;
use super::rate_limit::RetryAfter;
use super::request::Call;
use crate::dice::Dice;

/// How late [`Mishap::Slow`] is.
const LATE: Duration = Duration::from_secs(2);
/// The longest that [`Mishap::TooMany`] asks to be left alone, in seconds.
const LONGEST_REFUSAL: u64 = 3;

/// Each mishap, its name and whether the call is carried out stand here once.
macro_rules! mishaps {
    ($($variant:ident = $name:literal, $carried_out:literal: $about:literal,)+) => {
        /// What goes wrong with one call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mishap {
            $(#[doc = $about] $variant,)+
        }

        impl Mishap {
            /// Every mishap.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Whether the call is carried out all the same.
            pub fn carried_out(self) -> bool {
                match self {
                    $(Self::$variant => $carried_out,)+
                }
            }
        }
    };
}

mishaps! {
    LostRequest = "lost request", false: "The connection closes, and nothing was carried out.",
    ResetRequest = "reset request", false: "The connection is reset, and nothing was carried out.",
    LostAnswer = "lost answer", true: "The connection closes in place of the answer.",
    ResetAnswer = "reset answer", true: "The connection is reset in place of the answer.",
    CutAnswer = "cut answer", true: "The answer breaks off in the middle.",
    EmptyAnswer = "empty answer", true: "The answer is a 200 without a body.",
    TooMany = "429", false: "A 429 that says when to come back.",
    ServerError = "500", false: "A 500 of Hightouch's own.",
    Unavailable = "503", false: "An empty 503.",
    BadGateway = "502 page", true: "A proxy's 502 page in place of the answer.",
    GatewayTimeout = "504 page", true: "A proxy's 504 page in place of the answer.",
    Slow = "slow answer", true: "The answer comes two seconds late.",
    Silence = "no answer", true: "No answer ever comes.",
}

impl Mishap {
    /// Whether who triggered a run and had this happen cannot tell from it if there is a run.
    pub fn hides_a_run(self) -> bool {
        !matches!(self, Self::TooMany | Self::Slow)
    }

    /// Whether it takes its time.
    pub fn takes_time(self) -> bool {
        matches!(self, Self::Slow | Self::Silence)
    }

    /// What becomes of the call.
    pub(super) fn fault(self, dice: &mut Dice, now: OffsetDateTime) -> Fault {
        let answered = |answer| Fault::Instead(Outcome::Answered(answer));
        let afterwards = |answer| Fault::Afterwards(Outcome::Answered(answer));
        match self {
            Self::LostRequest => Fault::Instead(Outcome::Closed),
            Self::ResetRequest => Fault::Instead(Outcome::Reset),
            Self::LostAnswer => Fault::Afterwards(Outcome::Closed),
            Self::ResetAnswer => Fault::Afterwards(Outcome::Reset),
            Self::CutAnswer => Fault::CutOff,
            Self::EmptyAnswer => afterwards(Answer::empty(StatusCode::OK)),
            Self::TooMany => {
                let until = now + Duration::from_secs(dice.between(1, LONGEST_REFUSAL));
                let form = if dice.percent(50) {
                    RetryAfter::Seconds
                } else {
                    RetryAfter::Date
                };
                answered(Answer::too_many_requests(form.value(now, until)))
            }
            Self::ServerError => answered(Answer::internal_server_error()),
            Self::Unavailable => answered(Answer::empty(StatusCode::SERVICE_UNAVAILABLE)),
            Self::BadGateway => afterwards(Answer::page(StatusCode::BAD_GATEWAY)),
            Self::GatewayTimeout => afterwards(Answer::page(StatusCode::GATEWAY_TIMEOUT)),
            Self::Slow => Fault::Late(LATE),
            Self::Silence => Fault::Afterwards(Outcome::Silence),
        }
    }
}

/// How often what goes wrong. It hits triggers and lists of runs, and nothing else.
///
/// What becomes of a sync's third poll follows from the seed alone, whatever else goes on meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mishaps {
    /// Another seed, another course of events.
    pub seed: u64,
    /// With how many of a hundred calls something goes wrong.
    pub percent: u64,
    /// What may go wrong, all of it equally often.
    pub kinds: Vec<Mishap>,
}

/// Decides for one workspace's calls.
#[derive(Debug)]
pub(super) struct Fate {
    mishaps: Mishaps,
    /// How many calls of each name there were.
    calls: BTreeMap<String, u64>,
}

impl Fate {
    pub(super) fn new(mishaps: Mishaps) -> Self {
        Self {
            mishaps,
            calls: BTreeMap::new(),
        }
    }

    /// What goes wrong with the next call, and what becomes of it.
    pub(super) fn next(&mut self, call: Call<'_>, now: OffsetDateTime) -> Option<(Mishap, Fault)> {
        let name = match call {
            Call::Trigger(sync) => format!("trigger {sync}"),
            Call::ListRuns(sync) => format!("poll {sync}"),
            _ => return None,
        };
        let count = self.calls.entry(name.clone()).or_default();
        *count += 1;
        let mut dice = Dice::new(self.mishaps.seed, &format!("{name} {count}"));
        if !dice.percent(self.mishaps.percent) {
            return None;
        }
        let mishap = dice.pick(&self.mishaps.kinds)?;
        Some((mishap, mishap.fault(&mut dice, now)))
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
