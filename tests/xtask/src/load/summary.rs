//! The results of all callers.

use std::collections::BTreeMap;

use super::actual::Actual;
use super::caller::Caller;
use super::check::{Ending, check};
use super::record::Record;
use crate::local_hightouch::Mishap;

/// The results of all callers.
#[derive(Debug, Default)]
pub struct Summary {
    /// Number of correct records by ending.
    pub endings: BTreeMap<Ending, usize>,
    /// Number of records with an error.
    pub incorrect: usize,
    /// The records with an error, and their errors.
    pub wrong: Vec<String>,
    /// Maximum number of simultaneous conversations.
    pub at_once: usize,
    /// Number of callers that received `202` at least once and followed `Location`.
    pub followed: usize,
    /// Number of runs that were started.
    pub runs: usize,
    /// Number of requests that Hightouch received.
    pub requests: usize,
    /// Number of triggers among these requests.
    pub triggers: usize,
    /// Number of failures by kind.
    pub mishaps: BTreeMap<Mishap, usize>,
}

impl Summary {
    /// Checks each caller's record against the state of its sync. All three lists are in the
    /// callers' order.
    pub fn of(callers: &[Caller], records: &[Record], actual_states: &[Actual]) -> Self {
        let mut summary = Self {
            at_once: at_once(records),
            ..Self::default()
        };
        for ((caller, record), actual) in callers.iter().zip(records).zip(actual_states) {
            summary.note(caller, record, actual);
        }
        if callers.len() != records.len() || callers.len() != actual_states.len() {
            summary.wrong.push(format!(
                "{} callers, but {} records",
                callers.len(),
                records.len()
            ));
        }
        summary
    }

    fn note(&mut self, caller: &Caller, record: &Record, actual: &Actual) {
        self.runs += actual.runs.len();
        self.requests += actual.requests.len();
        self.triggers += actual
            .requests
            .iter()
            .filter(|request| request.method == "POST")
            .count();
        for mishap in actual.requests.iter().filter_map(|request| request.mishap) {
            *self.mishaps.entry(mishap).or_default() += 1;
        }
        let is_accepted = |response: &super::Response| response.status == 202;
        self.followed += usize::from(
            record
                .exchanges
                .iter()
                .filter_map(|one| one.response.as_ref().ok())
                .any(is_accepted),
        );
        match check(caller, record, actual) {
            Ok(ending) => *self.endings.entry(ending).or_default() += 1,
            Err(reasons) => {
                self.incorrect += 1;
                self.wrong.push(describe(caller, record, actual, &reasons));
            }
        }
    }
}

/// Returns the maximum number of simultaneous conversations.
fn at_once(records: &[Record]) -> usize {
    let spans = || records.iter().filter_map(Record::span);
    // The maximum occurs at a time at which a conversation begins.
    let running = |time| {
        spans()
            .filter(|(from, to)| *from <= time && time < *to)
            .count()
    };
    spans()
        .map(|(from, _)| running(from))
        .max()
        .unwrap_or_default()
}

/// Formats a record with errors.
fn describe(caller: &Caller, record: &Record, actual: &Actual, reasons: &[String]) -> String {
    let requests = actual.requests.iter().map(|request| {
        let query = request
            .query
            .as_deref()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let mishap = request
            .mishap
            .map(|mishap| format!(": {}", mishap.as_str()))
            .unwrap_or_default();
        format!(
            "  {:.3} s: {} {}{query}{mishap}\n",
            request.at.as_secs_f64(),
            request.method,
            request.path
        )
    });
    format!(
        "The caller of sync {}:\n  {}\nIt received:\n{record}Its runs: {:?}\nHightouch received:\n{}",
        caller.sync.id,
        reasons.join("\n  "),
        actual.runs,
        requests.collect::<String>()
    )
}
