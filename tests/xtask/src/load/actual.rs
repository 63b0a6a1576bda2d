//! The state of the local Hightouch.

use std::collections::BTreeMap;

use super::caller::Caller;
use crate::local_hightouch::{LocalHightouch, Mishap, Recorded, RunSnapshot};

/// The state of the local Hightouch for one caller's sync.
#[derive(Clone, Debug, Default)]
pub struct Actual {
    /// The runs that were started.
    pub runs: Vec<RunSnapshot>,
    /// The received requests for the sync.
    pub requests: Vec<Recorded>,
    /// Received requests that have this caller's trace, but are for other objects.
    pub strays: Vec<Recorded>,
}

impl Actual {
    /// Returns the failures of the requests that start a run.
    pub fn mishaps_of_triggers(&self) -> impl Iterator<Item = Mishap> {
        self.requests
            .iter()
            .filter(|request| request.method == "POST")
            .filter_map(|request| request.mishap)
    }

    /// Returns whether the caller received the run list at least once after the run existed.
    pub fn list_was_shown(&self) -> bool {
        let triggered = self.requests.iter().position(|request| {
            request.method == "POST" && request.mishap.is_none_or(Mishap::carried_out)
        });
        let after = triggered
            .and_then(|index| self.requests.get(index..))
            .unwrap_or_default();
        after
            .iter()
            .any(|request| request.method == "GET" && request.mishap.is_none())
    }
}

/// Returns the state of each caller's sync, in the callers' order.
pub fn actual_states(callers: &[Caller], hightouch: &LocalHightouch) -> Vec<Actual> {
    let by = |name: fn(&Caller) -> String| -> BTreeMap<String, usize> {
        callers
            .iter()
            .enumerate()
            .map(|(index, caller)| (name(caller), index))
            .collect()
    };
    let (syncs, traces) = (by(|caller| caller.sync.id.to_string()), by(Caller::trace));
    let mut actual_states: Vec<Actual> = callers
        .iter()
        .map(|caller| Actual {
            runs: hightouch.runs(caller.sync.id),
            ..Actual::default()
        })
        .collect();
    for request in hightouch.requests() {
        let by_path = request
            .path
            .split('/')
            .find_map(|segment| syncs.get(segment))
            .copied();
        let by_trace = request
            .header("traceparent")
            .and_then(|trace| traces.get(trace))
            .copied();
        if let Some(actual) = by_trace
            .filter(|_| by_trace != by_path)
            .and_then(|index| actual_states.get_mut(index))
        {
            actual.strays.push(request.clone());
        }
        if let Some(actual) = by_path.and_then(|index| actual_states.get_mut(index)) {
            actual.requests.push(request);
        }
    }
    actual_states
}
