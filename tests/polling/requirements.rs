//! Requirements on the poll schedule.

use super::simulation::{Class, FIXED, Figures, Knowledge, compare, engine};

/// Number of runs of each class.
const RUNS: usize = 300;

pub fn no_fixed_interval_has_fewer_polls_and_less_lag() {
    let mut violations = Vec::new();
    for class in Class::all() {
        for known in Knowledge::ALL {
            let (engine, fixed) = compare(&class, known, RUNS);
            for (figures, (interval, client)) in fixed.iter().zip(FIXED) {
                if figures.is_better_than(&engine) {
                    violations.push(format!(
                        "{} ± {:.0} %, {}: {engine:?} by {interval} s ({client}): {figures:?}",
                        class.name,
                        class.spread * 100.0,
                        known.name()
                    ));
                }
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

pub fn a_run_of_a_minute_or_more_has_half_the_polls_of_a_three_second_interval_and_a_lag_of_three_percent()
 {
    for class in Class::all().filter(|class| class.mean >= 60.0) {
        for known in Knowledge::ALL {
            let (engine, [_, three_seconds, ..]) = compare(&class, known, RUNS);
            assert!(
                engine.polls <= three_seconds.polls / 2.0,
                "{class:?} {known:?}: {engine:?} {three_seconds:?}"
            );
            assert!(
                engine.lag <= class.mean * 0.03,
                "{class:?} {known:?}: {engine:?}"
            );
        }
    }
}

pub fn a_run_of_less_than_ten_seconds_has_a_lag_of_less_than_six_tenths_of_a_second() {
    for class in Class::all().filter(|class| class.mean < 10.0) {
        for known in Knowledge::ALL {
            let figures = Figures::of(10 * RUNS, |rng| engine(&class, known, rng));
            assert!(figures.lag < 0.6, "{class:?} {known:?}: {figures:?}");
        }
    }
}
