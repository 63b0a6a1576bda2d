//! A response of any size or depth costs at most a few MiB of memory. It causes an error or is
//! ignored, but never a trap.

use xtask::build::Wasi;

use super::support::calls::{CallKind, Case, MEMORY, run_case};
use super::support::cases::each;
use super::support::raw::{Fault, Place};
use super::support::stage::stage;

/// Returns the maximum memory for a fault, in bytes.
fn most(fault: Fault) -> usize {
    match fault {
        // Irrelevant headers are not read.
        Fault::TenThousandHeaders | Fault::LongHeader => 256 << 10,
        // At most 1 MiB of a body is read.
        Fault::HugeBody | Fault::HugeChunks | Fault::HugeUntilClosed => 3 << 19,
        _ => MEMORY,
    }
}

#[test]
fn the_most_that_a_peer_can_send_fits() {
    let mut cases = Vec::new();
    for &fault in Fault::ALL.iter().filter(|fault| fault.large()) {
        for place in [Place::TriggerCarriedOut, Place::Reads] {
            for wasi in Wasi::ALL {
                cases.extend(CallKind::ALL.map(|way| Case {
                    fault,
                    place,
                    way,
                    wait: 2_000,
                    wasi,
                }));
            }
        }
    }
    cases.retain(|case| !(case.way.awaits() && case.place == Place::TriggerCarriedOut));
    each(&cases, |case| {
        stage(async |stage| {
            // A component that exceeds its memory limit traps.
            let (ended, world) = run_case(case, &stage).await;
            assert!(
                world.memory <= most(case.fault),
                "{} KiB: {ended:?}",
                world.memory >> 10
            );
        });
    });
}
