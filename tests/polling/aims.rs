//! Requirements on the poll schedule.

use super::course::{Class, FIXED, Figures, Known, compare, ours};

/// Number of runs of each class.
const RUNS: usize = 300;

pub fn no_fixed_interval_takes_fewer_looks_and_lags_less() {
    let mut beaten = Vec::new();
    for class in Class::all() {
        for known in Known::ALL {
            let (ours, fixed) = compare(&class, known, RUNS);
            for (figures, (interval, whose)) in fixed.iter().zip(FIXED) {
                if figures.beat(&ours) {
                    beaten.push(format!(
                        "{} ± {:.0} %, {}: {ours:?} by {interval} s ({whose}): {figures:?}",
                        class.name,
                        class.spread * 100.0,
                        known.name()
                    ));
                }
            }
        }
    }
    assert!(beaten.is_empty(), "{}", beaten.join("\n"));
}

pub fn a_run_of_a_minute_and_more_takes_half_the_looks_of_every_three_seconds_and_lags_by_a_thirtieth()
 {
    for class in Class::all().filter(|class| class.mean >= 60.0) {
        for known in Known::ALL {
            let (ours, [_, three_seconds, ..]) = compare(&class, known, RUNS);
            assert!(
                ours.looks <= three_seconds.looks / 2.0,
                "{class:?} {known:?}: {ours:?} {three_seconds:?}"
            );
            assert!(
                ours.lag <= class.mean * 0.03,
                "{class:?} {known:?}: {ours:?}"
            );
        }
    }
}

pub fn a_run_of_less_than_ten_seconds_is_reported_within_six_tenths_of_one() {
    for class in Class::all().filter(|class| class.mean < 10.0) {
        for known in Known::ALL {
            let figures = Figures::of(10 * RUNS, |rng| ours(&class, known, rng));
            assert!(figures.lag < 0.6, "{class:?} {known:?}: {figures:?}");
        }
    }
}
