//! The native engine, without a component and with the same responses.

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use hightouch_sync::engine::{
    Action, Event, IfRunning, Instant as Timestamp, Operation, Options, SyncGoal,
};
use hightouch_sync::hightouch::{Method, Response, SyncRef};

use super::machine::processor_time;
use super::scene::{Hightouch, REQUESTS, SLUG};

/// The argument with which this program only runs syncs, so that another program can count its
/// instructions.
pub const COMMAND: &str = "native-syncs";

/// Runs this number of syncs.
pub fn run(syncs: u32) {
    let hightouch = Hightouch::default();
    (0..syncs).for_each(|_| sync(&hightouch));
}

/// Returns the processor time of one sync, measured over this number of syncs.
pub fn time(syncs: u32) -> Option<Duration> {
    // Warms up caches and branch prediction.
    run(syncs);
    let began = processor_time()?;
    run(syncs);
    Some(processor_time()?.saturating_sub(began) / syncs)
}

fn sync(hightouch: &Hightouch) {
    let mut now = Timestamp::after_start(Duration::ZERO);
    let options = Options {
        if_running: IfRunning::Join,
        ..Options::default()
    };
    let mut operation = Operation::new(
        SyncGoal::Run(SyncRef::Slug(SLUG.parse().unwrap())),
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
                    hightouch.respond(method, &request.target),
                ));
            }
            Action::Wait { until } => {
                now = until;
                event = Event::Woke;
            }
            Action::Done(outcome) => {
                let Ok(report) = *black_box(outcome) else {
                    panic!("the run succeeds")
                };
                assert_eq!(report.requests, REQUESTS);
                return;
            }
        }
    }
}

/// Returns the number of processor instructions of one sync, and the program that counted them.
/// `None` if no such program is available.
pub fn instructions() -> Option<(f64, &'static str)> {
    // Two counts are subtracted, because the rest of the program is the same in both.
    const SYNCS: u32 = 500;
    let count = |counter: fn(u32) -> Option<f64>| {
        Some((counter(2 * SYNCS)? - counter(SYNCS)?) / f64::from(SYNCS))
    };
    let by_perf = || count(perf).map(|count| (count, "natively, by perf"));
    let by_valgrind = || count(valgrind).map(|count| (count, "natively, by valgrind"));
    by_perf().or_else(by_valgrind)
}

/// Uses the processor's counter, which few virtual machines have.
fn perf(syncs: u32) -> Option<f64> {
    let output = output_of(
        Command::new("perf").args(["stat", "-x", ",", "-e", "instructions:u", "--"]),
        syncs,
    )?;
    output
        .lines()
        .find(|line| line.contains("instructions"))?
        .split(',')
        .next()?
        .parse()
        .ok()
}

/// Uses a simulated processor.
fn valgrind(syncs: u32) -> Option<f64> {
    let output = output_of(
        Command::new("valgrind").args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ]),
        syncs,
    )?;
    let line = output
        .lines()
        .find(|line| line.contains("I refs:") || line.contains("I   refs:"))?;
    line.rsplit(':')
        .next()?
        .trim()
        .replace(',', "")
        .parse()
        .ok()
}

/// Returns the output of a counter program that runs this program.
fn output_of(counter: &mut Command, syncs: u32) -> Option<String> {
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
