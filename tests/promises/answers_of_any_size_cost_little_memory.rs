//! An answer of any size or depth costs a few MiB of memory, and ends in an error or is passed over: never in a trap.

use super::support::calls::{Case, MEMORY, Way, carry_out};
use super::support::cases::each;
use super::support::raw::{Fault, Place};
use super::support::stage::stage;

/// The most memory that a fault may cost, in bytes.
fn most(fault: Fault) -> usize {
    match fault {
        // Headers that matter to nobody are not read.
        Fault::TenThousandHeaders | Fault::LongHeader => 256 << 10,
        // 1 MiB is read of a body, and no more.
        Fault::HugeBody | Fault::HugeChunks | Fault::HugeUntilClosed => 3 << 19,
        _ => MEMORY,
    }
}

#[test]
fn the_most_that_a_peer_can_send_fits() {
    let mut cases = Vec::new();
    for &fault in Fault::ALL.iter().filter(|fault| fault.large()) {
        for place in [Place::TriggerCarriedOut, Place::Reads] {
            cases.extend(Way::ALL.map(|way| Case {
                fault,
                place,
                way,
                wait: 2_000,
            }));
        }
    }
    cases.retain(|case| !(case.way.awaits() && case.place == Place::TriggerCarriedOut));
    each(&cases, |case| {
        stage(async |stage| {
            // A component that asks for more than it may have traps.
            let (ended, world) = carry_out(case, &stage).await;
            assert!(
                world.memory <= most(case.fault),
                "{} KiB: {ended:?}",
                world.memory >> 10
            );
        });
    });
}
