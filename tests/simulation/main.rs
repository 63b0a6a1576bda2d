//! Runs the engine in thousands of worlds. A world is a simulated Hightouch and a network with
//! faults, generated from a seed, in virtual time. The simulation knows every run, so it can check
//! every promise.
//!
//! `HIGHTOUCH_SYNC_SEEDS=1000000 cargo test --test simulation` simulates a million worlds.
//! `HIGHTOUCH_SYNC_SEEDS=4711..4712` simulates the world of seed 4711 only.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod batch;
mod hightouch;
mod play;
mod sequences;
mod shrink;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use shrink::shrunk;
use truth::{Broken, Situation};
use world::World;

/// Number of worlds that `cargo test` simulates.
const WORLDS: u64 = 80_000;

/// Returns the seeds that an environment variable names, or the first `default` seeds.
fn seeds(variable: &str, default: u64) -> Range<u64> {
    let Ok(value) = std::env::var(variable) else {
        return 0..default;
    };
    let number = |text: &str| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is neither a number of seeds nor FROM..TO"))
    };
    match value.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&value),
    }
}

/// Plays a world and checks every promise. Returns the situations that occurred.
///
/// # Errors
///
/// Returns the promise that was broken, and the story of the world.
fn run(world: &World) -> Result<Vec<Situation>, (Broken, String)> {
    let played = std::panic::catch_unwind(|| play::play(world));
    let played = match played {
        Ok(Ok(played)) => played,
        Ok(Err((how, sent))) => {
            return Err((
                Broken {
                    promise: "never hangs",
                    how,
                },
                story(&sent),
            ));
        }
        Err(_) => {
            return Err((
                Broken {
                    promise: "no panic",
                    how: "it panicked".into(),
                },
                String::new(),
            ));
        }
    };
    truth::check(played).map_err(|found| {
        let (broken, played) = *found;
        let mut story = String::new();
        for call in &played.calls {
            writeln!(story, "call {} begins at {} ms", call.nth, call.began).unwrap();
            story += &self::story(&call.sent);
            writeln!(story, "over at {} ms: {:#?}", call.over, call.outcome).unwrap();
        }
        for run in &played.hightouch.runs {
            writeln!(story, "{run:?} ends {:?}", run.ends()).unwrap();
        }
        if let Some(sequences) = &played.hightouch.sequences {
            for run in &sequences.runs {
                writeln!(story, "{run:?} ends {:?}", run.ends()).unwrap();
            }
            writeln!(
                story,
                "the triggers started or joined the runs {:?}",
                sequences.effects
            )
            .unwrap();
        }
        (broken, story)
    })
}

/// Describes the requests of a call.
fn story(sent: &[play::Sent]) -> String {
    let mut story = String::new();
    for sent in sent {
        let play::Sent {
            at,
            back,
            target,
            fault,
            what,
            ..
        } = sent;
        let method = if sent.trigger { "POST" } else { "GET" };
        writeln!(
            story,
            "{at:>8} ms {method} {target}\n{back:>8} ms   {fault:?}: {what}"
        )
        .unwrap();
    }
    story
}

/// Fails with the story of the smallest world that breaks the promise.
fn report(world: &World, broken: &Broken, from: &str) -> ! {
    let small = shrunk(world, broken.promise);
    let (broken, story) = run(&small).expect_err("the smaller world breaks the same promise");
    panic!(
        "{from} breaks the promise \"{}\": {}\n\n{story}\nKeep this smallest world in tests/simulation/regressions:\n{}",
        broken.promise,
        broken.how,
        serde_json::to_string(&small).unwrap()
    );
}

#[test]
fn every_promise_is_kept_in_every_world() {
    let seeds = seeds("HIGHTOUCH_SYNC_SEEDS", WORLDS);
    let next = AtomicU64::new(seeds.start);
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let (found, situations) = thread::scope(|scope| {
        let work = || {
            let mut situations: BTreeMap<Situation, u64> = BTreeMap::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return (None, situations);
                }
                match run(&World::of(seed)) {
                    Ok(all) => all
                        .into_iter()
                        .for_each(|one| *situations.entry(one).or_default() += 1),
                    Err((broken, _)) => {
                        next.store(seeds.end, Ordering::Relaxed);
                        return (Some((seed, broken)), situations);
                    }
                }
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut first: Option<(u64, Broken)> = None;
        let mut all: BTreeMap<Situation, u64> = BTreeMap::new();
        for worker in workers {
            let (found, situations) = worker.join().unwrap();
            situations
                .into_iter()
                .for_each(|(situations, times)| *all.entry(situations).or_default() += times);
            first = [first, found]
                .into_iter()
                .flatten()
                .min_by_key(|(seed, _)| *seed);
        }
        (first, all)
    });
    if let Some((seed, broken)) = found {
        report(&World::of(seed), &broken, &format!("seed {seed}"));
    }
    println!("{} worlds: {situations:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start >= WORLDS {
        for one in Situation::ALL {
            assert!(
                situations.get(&one).is_some_and(|times| *times >= 20),
                "the situation hardly occurred: {one:?}: {situations:?}"
            );
        }
    }
}

#[test]
fn worlds_in_which_a_promise_was_once_broken_keep_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/regressions");
    let mut worlds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let world: World = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if let Err((broken, _)) = run(&world) {
            report(&world, &broken, &path.display().to_string());
        }
        worlds += 1;
    }
    assert!(worlds > 0);
}

#[test]
fn a_seed_gives_the_same_world_each_time() {
    let world = serde_json::to_string(&World::of(4711)).unwrap();
    assert_eq!(world, serde_json::to_string(&World::of(4711)).unwrap());
    assert_ne!(world, serde_json::to_string(&World::of(4712)).unwrap());
    let read: World = serde_json::from_str(&world).unwrap();
    assert_eq!(world, serde_json::to_string(&read).unwrap());
}
