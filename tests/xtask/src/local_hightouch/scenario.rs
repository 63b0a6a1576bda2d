//! Deviations of the server from normal behaviour.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::status::Status;
use super::timeline::{RowCounts, Timeline};

/// Time for which a new run is missing from lists, in the scenarios that hide it.
pub(super) const LISTED_AFTER: Duration = Duration::from_secs(2);

/// Defines each scenario's name and description in one place.
macro_rules! scenarios {
    ($($variant:ident = $name:literal: $about:literal,)+) => {
        /// A deviation of the server from normal behaviour.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Scenario {
            $(#[doc = $about] $variant,)+
        }

        impl Scenario {
            /// Returns all scenarios.
            pub fn all() -> &'static [Self] {
                &[$(Self::$variant),+]
            }

            /// Returns the name, as on the command line.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns a description of one sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about,)+
                }
            }
        }
    };
}

scenarios! {
    Faithful = "faithful": "Everything works.",
    StringIds = "string-ids": "The ID in a trigger's response is a number. All other IDs are strings of digits.",
    UpperCase = "upper-case": "Statuses are in upper case.",
    UnknownStatus = "unknown-status": "A run has the unknown status `verifying` for a part of its time.",
    UnknownFields = "unknown-fields": "Every object has unknown fields.",
    MissingFields = "missing-fields": "Fields with null are missing, and so are the figures and `hasMore`.",
    ErrorObjects = "error-objects": "A run's error is an object with a message and a code.",
    LowRatio = "low-ratio": "Runs succeed with a `completionRatio` of 0.54 and fewer rows than planned.",
    LateListing = "late-listing": "A new run is missing from all lists for two seconds.",
    NeverListed = "never-listed": "A new run is missing from all lists forever.",
    OtherRunsFirst = "other-runs-first": "For a new run's first two seconds, `runId` returns the sync's other runs.",
    IgnoresRunId = "ignores-run-id": "`runId` is ignored, so all runs of the sync are listed.",
    HtmlErrors = "html-errors": "Every third poll gets a proxy's 502 page.",
    Flaky = "flaky": "Every second poll fails: 500, 503, 502 or 504, a truncated body, an empty body, or no response.",
    PollsFail = "polls-fail": "Triggers work. Every poll gets an empty 503.",
    RateLimited = "rate-limited": "Some calls get a 429 with a `Retry-After` of 1 s, in seconds or as a date, and so do all calls in that second.",
    Forbidden = "forbidden": "Every call gets a 403 page. No run is started.",
    ErrorEnvelope = "error-envelope": "Every call gets a 403 with `{\"error\":…}`. No run is started.",
    LostTriggerResponse = "lost-trigger-response": "Triggers start a run, then the connection closes without a response.",
    TriggerTimeout = "trigger-timeout": "Triggers start a run, then a proxy responds with 504.",
    TruncatedTrigger = "truncated-trigger": "Triggers start a run, and their response is truncated.",
    DroppedTrigger = "dropped-trigger": "Triggers start no run, and the connection closes without a response.",
    Silent = "silent": "No call gets a response. No run is started.",
}

// `#[derive(Default)]` would need an attribute inside the list above.
#[allow(clippy::derivable_impls)]
impl Default for Scenario {
    fn default() -> Self {
        Self::Faithful
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A name that no scenario has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScenario(String);

impl fmt::Display for UnknownScenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Scenario::all().iter().map(|known| known.as_str()).collect();
        write!(
            formatter,
            "unknown scenario \"{}\": use one of {}",
            self.0,
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownScenario {}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .iter()
            .copied()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| UnknownScenario(name.to_owned()))
    }
}

impl Scenario {
    /// Returns the course of a run in this scenario.
    pub(super) fn adapt(self, timeline: Timeline) -> Timeline {
        match self {
            Self::UnknownStatus => verified(timeline),
            Self::LowRatio if timeline.first(|status| status == Status::Success).is_some() => {
                timeline
                    .with_rows(RowCounts::new(773, 0, 0))
                    .stopped_at(0.54)
            }
            _ => timeline,
        }
    }

    /// Returns whether the scenario has an effect only if a sync has runs before the first trigger.
    pub(super) fn needs_history(self) -> bool {
        matches!(self, Self::OtherRunsFirst | Self::IgnoresRunId)
    }
}

/// Replaces the last third of the working time with `verifying`.
fn verified(timeline: Timeline) -> Timeline {
    let from = timeline.first(|status| status != Status::Queued);
    let to = timeline.first(Status::has_ended);
    match (from, to) {
        (Some(from), Some(to)) => {
            let verifying = to - to.saturating_sub(from) / 3;
            timeline.with_status_between(verifying, to, Status::Other("verifying"))
        }
        _ => timeline,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_scenario_is_found_by_its_name() {
        for scenario in Scenario::all() {
            assert_eq!(scenario.to_string().parse::<Scenario>().unwrap(), *scenario);
        }
        let error = "nonsense".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("faithful, string-ids"), "{error}");
    }

    #[test]
    fn an_unknown_status_comes_in_mid_run_and_the_end_stays() {
        let timeline =
            Scenario::UnknownStatus.adapt(Timeline::over(Duration::from_secs(6), Status::Success));
        assert_eq!(
            timeline.status_at(Duration::from_secs(5)).as_str(),
            "verifying"
        );
        assert_eq!(timeline.status_at(Duration::from_secs(6)), Status::Success);
    }

    #[test]
    fn a_low_ratio_is_for_runs_that_succeed() {
        let failed = Timeline::over(Duration::from_secs(1), Status::Failed);
        assert_eq!(Scenario::LowRatio.adapt(failed.clone()), failed);
    }
}
