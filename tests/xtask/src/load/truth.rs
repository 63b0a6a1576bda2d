//! What the local Hightouch knows.

use std::collections::BTreeMap;

use super::caller::Caller;
use crate::local_hightouch::{LocalHightouch, Mishap, Recorded, RunSnapshot};

/// What the local Hightouch knows of one caller's sync.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// The runs that were really started.
    pub runs: Vec<RunSnapshot>,
    /// The requests that arrived for it.
    pub requests: Vec<Recorded>,
    /// The requests with this caller's trace that arrived for anything else.
    pub strays: Vec<Recorded>,
}

impl Truth {
    /// What went wrong with the requests that start a run.
    pub fn mishaps_of_triggers(&self) -> impl Iterator<Item = Mishap> {
        self.requests
            .iter()
            .filter(|request| request.method == "POST")
            .filter_map(|request| request.mishap)
    }

    /// Whether Hightouch's list was ever given to who asked for it after the run was there.
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

/// The truth about each caller's sync, in the callers' order.
pub fn truths(callers: &[Caller], hightouch: &LocalHightouch) -> Vec<Truth> {
    let by = |name: fn(&Caller) -> String| -> BTreeMap<String, usize> {
        callers
            .iter()
            .enumerate()
            .map(|(index, caller)| (name(caller), index))
            .collect()
    };
    let (syncs, traces) = (by(|caller| caller.sync.id.to_string()), by(Caller::trace));
    let mut truths: Vec<Truth> = callers
        .iter()
        .map(|caller| Truth {
            runs: hightouch.runs(caller.sync.id),
            ..Truth::default()
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
        if let Some(truth) = by_trace
            .filter(|_| by_trace != by_path)
            .and_then(|index| truths.get_mut(index))
        {
            truth.strays.push(request.clone());
        }
        if let Some(truth) = by_path.and_then(|index| truths.get_mut(index)) {
            truth.requests.push(request);
        }
    }
    truths
}
