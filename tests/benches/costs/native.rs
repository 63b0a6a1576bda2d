//! The same engine without a component: its operation is stepped natively and fed with the same answers.

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use hightouch_sync::engine::{
    Action, Event, Goal, IfRunning, Instant as Timestamp, Operation, Options, Report,
};
use hightouch_sync::hightouch::{Method, Response, SyncRef};

use super::machine::on_processor;
use super::scene::{Hightouch, REQUESTS, SLUG};

/// The argument with which this program runs syncs and does nothing else, so that they can be counted from outside.
pub const COMMAND: &str = "native-syncs";

/// Runs so many syncs.
pub fn run(syncs: u32) {
    let hightouch = Hightouch::default();
    (0..syncs).for_each(|_| sync(&hightouch));
}

/// How long one has the processor, over so many of them.
pub fn time(syncs: u32) -> Option<Duration> {
    // Caches and branches get used to it.
    run(syncs);
    let began = on_processor()?;
    run(syncs);
    Some(on_processor()?.saturating_sub(began) / syncs)
}

fn sync(hightouch: &Hightouch) {
    let mut now = Timestamp::after_start(Duration::ZERO);
    let options = Options {
        if_running: IfRunning::Join,
        ..Options::default()
    };
    let mut operation = Operation::new(
        Goal::Run(SyncRef::Slug(SLUG.parse().unwrap())),
        options,
        now,
        1,
    );
    let mut event = Event::Woke;
    loop {
        match operation.step(now, event) {
            Action::Send { request, .. } => {
                let method = if request.method == Method::Get {
                    "GET"
                } else {
                    "POST"
                };
                event = Event::Response(Response::new(
                    200,
                    hightouch.answer(method, &request.target),
                ));
            }
            Action::Wait { until } => {
                now = until;
                event = Event::Woke;
            }
            Action::Done(outcome) => {
                let Ok(Report::Sync(report)) = *black_box(outcome) else {
                    panic!("the run ends in success")
                };
                assert_eq!(report.requests, REQUESTS);
                return;
            }
        }
    }
}

/// The processor's instructions for one sync, and who counted them; none where nobody can.
pub fn instructions() -> Option<(f64, &'static str)> {
    // What the program does beside is the same for either number of syncs.
    const SYNCS: u32 = 500;
    let count = |counter: fn(u32) -> Option<f64>| {
        Some((counter(2 * SYNCS)? - counter(SYNCS)?) / f64::from(SYNCS))
    };
    let by_perf = || count(perf).map(|count| (count, "natively, by perf"));
    let by_valgrind = || count(valgrind).map(|count| (count, "natively, by valgrind"));
    by_perf().or_else(by_valgrind)
}

/// By the processor's own counter. Few virtual machines have it.
fn perf(syncs: u32) -> Option<f64> {
    let told = told(
        Command::new("perf").args(["stat", "-x", ",", "-e", "instructions:u", "--"]),
        syncs,
    )?;
    told.lines()
        .find(|line| line.contains("instructions"))?
        .split(',')
        .next()?
        .parse()
        .ok()
}

/// By a simulated processor.
fn valgrind(syncs: u32) -> Option<f64> {
    let told = told(
        Command::new("valgrind").args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ]),
        syncs,
    )?;
    let line = told
        .lines()
        .find(|line| line.contains("I refs:") || line.contains("I   refs:"))?;
    line.rsplit(':')
        .next()?
        .trim()
        .replace(',', "")
        .parse()
        .ok()
}

/// What a counter prints of this program running syncs.
fn told(counter: &mut Command, syncs: u32) -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let output = counter
        .arg(program)
        .arg(COMMAND)
        .arg(syncs.to_string())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
