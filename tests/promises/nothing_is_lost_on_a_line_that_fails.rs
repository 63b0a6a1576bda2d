//! Whatever happens to the connection to Hightouch: no call takes longer than its timeout or makes
//! a false statement, no run is lost or started twice, and no key appears anywhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use xtask::build::Wasi;

use super::support::calls::{CallKind, CallResult, Case, FinalState, SECRETS, run_case};
use super::support::cases::{each, find_leak, panic_message};
use super::support::raw::{Arrived, Fault, Place};
use super::support::stage::stage;

/// Maximum host time of a call beyond its timeout.
const GRACE: Duration = Duration::from_millis(250);

/// A timeout after which every temporary fault has ended, in milliseconds.
const LONG: u64 = 60_000;

/// Returns every useful combination.
fn all() -> Vec<Case> {
    let mut all = Vec::new();
    for &fault in Fault::ALL {
        for &place in Place::ALL {
            for way in CallKind::ALL {
                let waits: &[u64] = match way {
                    CallKind::RunSync => &[0, 1_500, LONG],
                    CallKind::AwaitRun => &[0],
                    CallKind::Post | CallKind::Get => &[2_000],
                    CallKind::Events => &[2_000, LONG],
                };
                for wasi in Wasi::ALL {
                    let cases = waits.iter().map(|&wait| Case {
                        fault,
                        place,
                        way,
                        wait,
                        wasi,
                    });
                    all.extend(cases.filter(makes_sense));
                }
            }
        }
    }
    all
}

fn makes_sense(case: &Case) -> bool {
    let Case {
        fault,
        place,
        way,
        wait,
        ..
    } = *case;
    // Virtual time is instant, but large bodies take real time, so they are tested in fewer
    // combinations.
    if fault.large()
        && (way != CallKind::RunSync || wait == 0 || wait == LONG && fault.makes_false_statements())
    {
        return false;
    }
    match place {
        Place::TriggerCarriedOut | Place::TriggerLost if way.awaits() => false,
        // Combinations in which no request arrives or the server denies the run cannot start a run.
        Place::TriggerCarriedOut => !fault.prevents_connection() && !fault.denies_run(),
        Place::TwoReads | Place::Reads if way.awaits() => !fault.prevents_connection(),
        _ => true,
    }
}

/// Checks the results against the promises.
fn check_promises(case: &Case, ended: &CallResult, world: &FinalState) {
    let Case {
        fault,
        place,
        way,
        wait,
        ..
    } = *case;
    let kind = ended.kind.as_deref();

    let bound = way.bound(wait) + GRACE;
    assert!(ended.took <= bound, "it took {:?}", ended.took);
    assert!(
        ended.elapsed.is_none_or(|elapsed| elapsed <= bound),
        "it says that it took {:?}",
        ended.elapsed
    );

    assert!(world.started <= 1, "{} runs were started", world.started);
    assert!(
        world.arrived.iter().all(|arrived| arrived.identity),
        "no content coding is accepted"
    );
    let triggers: Vec<&Arrived> = world
        .arrived
        .iter()
        .filter(|arrived| arrived.triggers)
        .collect();
    for pair in triggers.windows(2) {
        let looked = world.arrived.iter().any(|other| {
            !other.triggers
                && !other.damaged
                && other.at >= pair[0].at + SETTLE
                && other.at <= pair[1].at
        });
        assert!(
            looked || fault.denies_run(),
            "sent again at {:?} before the list was seen: {:?}",
            pair[1].at,
            world.arrived
        );
    }
    // The last poll is sent when the timeout ends, not after it.
    for pair in world.arrived.windows(2).filter(|pair| {
        pair[0].damaged && pair[0].at + 2 * fault.retry_after() < Duration::from_millis(wait)
    }) {
        assert!(
            pair[1].at - pair[0].at >= fault.retry_after(),
            "it must wait for `Retry-After`: {:?}",
            world.arrived
        );
    }

    match (kind, world.run) {
        (None, Some((run, succeeded))) => assert!(
            succeeded && ended.run == Some(run),
            "it reports a success, but its run did not succeed"
        ),
        (None, None) => panic!("it reports a success, but there is no run"),
        (Some(kind), Some((run, _))) => {
            assert!(
                !ended.output.contains("No run was started"),
                "a run was started"
            );
            assert!(
                ended.run.is_none_or(|received| received == run),
                "another run than {run}"
            );
            let was_told = way.awaits() || matches!(place, Place::TwoReads | Place::Reads);
            // The component trusts a list that does not contain a run.
            let may_be_unknown =
                !was_told && (kind == "trigger-unconfirmed" || fault.makes_false_statements());
            assert!(ended.run.is_some() || may_be_unknown, "run {run} is lost");
        }
        (Some(_), None) => assert!(
            ended.run.is_none() && !ended.reported_before,
            "there is no run"
        ),
    }
    // The permitted failures for a known run and for an unknown one.
    if let Some(kind) = kind {
        let may = match ended.run {
            // The only permitted reason to give up a run is a list that is too long to read. If the
            // existence of an awaited run was never confirmed, the failure is the connection's.
            Some(_) if fault.makes_false_statements() => &["still-running", "malformed-answer"][..],
            Some(_) if way.awaits() => &["still-running", "unreachable", "api", "malformed-answer"],
            Some(_) => &["still-running"],
            None if fault.proves_that_nothing_was_sent() => &["unreachable"],
            None => &[
                "trigger-unconfirmed",
                "unreachable",
                "api",
                "malformed-answer",
            ],
        };
        assert!(may.contains(&kind), "{kind} is not a permitted failure");
    }

    let long = wait == LONG;
    if long && !fault.makes_false_statements() && place == Place::TwoReads
        || fault.harmless() && place == Place::Everything && long
    {
        assert_eq!(kind, None, "the fault has passed, so it must succeed");
    }
    if long && place == Place::TriggerCarriedOut {
        assert_eq!(kind, None, "Hightouch's list shows the run");
    }

    for secret in SECRETS {
        assert_eq!(find_leak(secret, &ended.output), None);
    }
}

/// Maximum time until a run is listed.
const SETTLE: Duration = Duration::from_secs(8);

#[test]
fn whatever_fails_wherever_it_fails_however_long_the_wait() {
    each(&all(), |case| {
        stage(async |stage| {
            let (ended, world) = run_case(case, &stage).await;
            let judged = catch_unwind(AssertUnwindSafe(|| {
                check_promises(case, &ended, &world);
                for secret in SECRETS {
                    assert_eq!(find_leak(secret, &stage.stderr.text()), None, "on stderr");
                }
            }));
            if let Err(cause) = judged {
                panic!("{}\n    {ended:?}", panic_message(cause.as_ref()));
            }
        });
    });
}
