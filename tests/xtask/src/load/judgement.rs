//! What became of all callers.

use std::collections::BTreeMap;

use super::caller::Caller;
use super::check::{Ending, check};
use super::story::Story;
use super::truth::Truth;
use crate::local_hightouch::Mishap;

/// What became of all callers.
#[derive(Debug, Default)]
pub struct Judgement {
    /// How many true stories ended how.
    pub endings: BTreeMap<Ending, usize>,
    /// How many stories are not true.
    pub untrue: usize,
    /// What is wrong: the stories that are not true, each with what is wrong with it.
    pub wrong: Vec<String>,
    /// How many stories went on at the same moment, at most.
    pub at_once: usize,
    /// How many callers were told `202` at least once and followed `Location`.
    pub followed: usize,
    /// How many runs were really started.
    pub runs: usize,
    /// How many requests Hightouch got.
    pub requests: usize,
    /// How many of these are triggers.
    pub triggers: usize,
    /// What went wrong how often.
    pub mishaps: BTreeMap<Mishap, usize>,
}

impl Judgement {
    /// Holds each story against the truth about its caller's sync. All three are in the callers' order.
    pub fn of(callers: &[Caller], stories: &[Story], truths: &[Truth]) -> Self {
        let mut judgement = Self {
            at_once: at_once(stories),
            ..Self::default()
        };
        for ((caller, story), truth) in callers.iter().zip(stories).zip(truths) {
            judgement.note(caller, story, truth);
        }
        if callers.len() != stories.len() || callers.len() != truths.len() {
            judgement.wrong.push(format!(
                "{} callers have {} stories",
                callers.len(),
                stories.len()
            ));
        }
        judgement
    }

    fn note(&mut self, caller: &Caller, story: &Story, truth: &Truth) {
        self.runs += truth.runs.len();
        self.requests += truth.requests.len();
        self.triggers += truth
            .requests
            .iter()
            .filter(|request| request.method == "POST")
            .count();
        for mishap in truth.requests.iter().filter_map(|request| request.mishap) {
            *self.mishaps.entry(mishap).or_default() += 1;
        }
        let told_to_follow = |answer: &super::Answer| answer.status == 202;
        self.followed += usize::from(
            story
                .exchanges
                .iter()
                .filter_map(|one| one.answer.as_ref().ok())
                .any(told_to_follow),
        );
        match check(caller, story, truth) {
            Ok(ending) => *self.endings.entry(ending).or_default() += 1,
            Err(reasons) => {
                self.untrue += 1;
                self.wrong.push(told(caller, story, truth, &reasons));
            }
        }
    }
}

/// How many stories went on at the same moment, at most.
fn at_once(stories: &[Story]) -> usize {
    let spans = || stories.iter().filter_map(Story::span);
    // The most are going on at a moment when one begins.
    let going = |moment| {
        spans()
            .filter(|(from, to)| *from <= moment && moment < *to)
            .count()
    };
    spans()
        .map(|(from, _)| going(from))
        .max()
        .unwrap_or_default()
}

/// A story that is not true, for a person.
fn told(caller: &Caller, story: &Story, truth: &Truth, reasons: &[String]) -> String {
    let requests = truth.requests.iter().map(|request| {
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
        "The caller of sync {}:\n  {}\nIt was told:\n{story}Its runs are {:?}\nHightouch got:\n{}",
        caller.sync.id,
        reasons.join("\n  "),
        truth.runs,
        requests.collect::<String>()
    )
}
