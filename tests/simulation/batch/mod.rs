//! Batches in simulated worlds: up to 100 operations that share an API key and its rate limit.
//!
//! In half of the worlds, a second batch follows the runs that are still in progress after the
//! first one. In a third of the worlds, the details of the syncs are read meanwhile.
//!
//! `HIGHTOUCH_SYNC_BATCH_SEEDS=100000 cargo test --test simulation batch` simulates more batches.
//! `HIGHTOUCH_SYNC_BATCH_SEEDS=47..48` simulates the batch of seed 47 only.

mod play;
mod server;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use play::{PlayedBatch, Sender};
use truth::{Broken, Situation};
use world::{BatchWorld, OperationPlan};

use crate::seeds;

/// Number of batches that `cargo test` simulates.
const BATCHES: u64 = 1_000;
/// Maximum number of requests that a story shows.
const MAX_STORY: usize = 120;

/// Drives the batch of a world and checks every promise.
///
/// # Errors
///
/// Returns the promise that was broken, and the story of the batch.
fn run(world: &BatchWorld) -> Result<BTreeMap<Situation, u64>, (Broken, String)> {
    let played = std::panic::catch_unwind(|| play::play(world)).map_err(|_| {
        let broken = Broken {
            promise: "no panic",
            how: "the batch panicked".into(),
        };
        (broken, String::new())
    })?;
    let played = played.map_err(|found| {
        let (broken, played) = *found;
        (broken, story(&played))
    })?;
    truth::check(&played).map_err(|broken| (broken, story(&played)))
}

/// Describes a batch: its requests, the runs, and the outcomes.
fn story(played: &PlayedBatch<'_>) -> String {
    let mut story = String::new();
    let world = played.world;
    writeln!(story, "{world:?}").unwrap();
    let first = played.sent.len().saturating_sub(MAX_STORY);
    if first > 0 {
        writeln!(story, "... {first} earlier requests").unwrap();
    }
    for sent in &played.sent[first..] {
        let back = sent.back.map_or("-".into(), |back| back.to_string());
        let status = sent
            .status
            .map_or("no response".into(), |status| status.to_string());
        let fault = sent.fault.as_ref();
        let fault = fault.map_or(String::new(), |fault| format!(" ({fault:?})"));
        let (at, request) = (sent.at, &sent.request);
        let sender = match sent.sender {
            Sender::Operation(index) => format!("#{index}"),
            Sender::Follower(index) => format!("follower {index}"),
            Sender::Details => "details".into(),
        };
        let method = if sent.is_trigger() { "POST" } else { "GET" };
        writeln!(
            story,
            "{at:>8} ms {sender:<4} {method:<4} {} -> {back} ms: {status}{fault}",
            request.target
        )
        .unwrap();
    }
    if played.ended.len() <= 4 {
        for run in &played.server.runs {
            writeln!(story, "{run:?} ends {:?}", run.ends()).unwrap();
        }
        for (index, ended) in played.ended.iter().enumerate() {
            writeln!(story, "#{index}: {ended:#?}").unwrap();
        }
        for (index, followed) in played.followed.iter().enumerate() {
            writeln!(story, "follower {index}: {followed:#?}").unwrap();
        }
    }
    story
}

/// Returns the world with as few operations as possible in which the promise is still broken. Runs
/// are followed and details are read only if that is necessary.
fn shrink(world: &BatchWorld, promise: &str) -> BatchWorld {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let is_broken =
        |world: &BatchWorld| run(world).is_err_and(|(broken, _)| broken.promise == promise);
    let mut small = world.clone();
    for simpler in [BatchWorld::without_following, BatchWorld::without_details] {
        let simpler = simpler(&small);
        if is_broken(&simpler) {
            small = simpler;
        }
    }
    let mut part = small.operations.len().div_ceil(2);
    while part > 0 {
        let without = |from: usize| -> Vec<OperationPlan> {
            let (before, rest) = small.operations.split_at(from);
            let after = rest.get(part..).unwrap_or_default();
            [before, after].concat()
        };
        let smaller = (0..small.operations.len())
            .step_by(part)
            .map(|from| small.with_operations(without(from)))
            .find(|world| !world.operations.is_empty() && is_broken(world));
        match smaller {
            Some(smaller) => small = smaller,
            None => part /= 2,
        }
        part = part.min(small.operations.len());
    }
    std::panic::set_hook(hook);
    small
}

#[test]
fn every_promise_is_kept_in_every_batch() {
    let seeds = seeds("HIGHTOUCH_SYNC_BATCH_SEEDS", BATCHES);
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut reached: BTreeMap<Situation, u64> = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (None, reached);
            }
            match run(&BatchWorld::of(seed)) {
                Ok(situations) => {
                    for (situation, times) in situations {
                        *reached.entry(situation).or_default() += times;
                    }
                }
                Err((broken, _)) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    return (Some((seed, broken)), reached);
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let mut first: Option<(u64, Broken)> = None;
    let mut all: BTreeMap<Situation, u64> = BTreeMap::new();
    for (broken, reached) in results {
        for (situation, times) in reached {
            *all.entry(situation).or_default() += times;
        }
        first = [first, broken]
            .into_iter()
            .flatten()
            .min_by_key(|(seed, _)| *seed);
    }
    if let Some((seed, Broken { promise, .. })) = first {
        let small = shrink(&BatchWorld::of(seed), promise);
        let (broken, story) = run(&small).expect_err("the smaller world breaks the same promise");
        panic!(
            "seed {seed}, {} operations: the promise \"{promise}\" is broken: {}\n\n{story}",
            small.operations.len(),
            broken.how
        );
    }
    println!("{} batches: {all:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start >= BATCHES {
        for situation in Situation::ALL {
            assert!(
                all.get(&situation).is_some_and(|times| *times >= 20),
                "the situation {situation:?} hardly occurred: {all:?}"
            );
        }
    }
}

#[test]
fn a_batch_seed_gives_the_same_requests_each_time() {
    let requests = |seed: u64| {
        let world = BatchWorld::of(seed);
        let played = play::play(&world).map_err(|found| found.0).unwrap();
        format!("{:?}", played.sent)
    };
    assert_eq!(requests(11), requests(11));
    assert_ne!(requests(11), requests(12));
}
