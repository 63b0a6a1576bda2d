//! Reproducible random numbers.

/// A random number generator (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct SeededRandom(u64);

impl SeededRandom {
    /// Creates a generator. The same seed and name give the same numbers. Another name gives other
    /// numbers.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a. Unlike std's hashers, it does not change between versions of Rust.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(seed ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + self.next().checked_rem(span).unwrap_or_default()
    }

    /// Returns true with this probability.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.between(0, 99) < percent
    }

    /// Returns one of the elements, or `None` if there are none.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let last = u64::try_from(of.len()).ok()?.checked_sub(1)?;
        usize::try_from(self.between(0, last))
            .ok()
            .and_then(|index| of.get(index).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_name_give_the_same_numbers() {
        let roll = |seed, name| {
            let mut random = SeededRandom::new(seed, name);
            [(); 5].map(|()| random.between(1, 1000))
        };
        assert_eq!(roll(1, "poll 7"), roll(1, "poll 7"));
        assert_ne!(roll(1, "poll 7"), roll(2, "poll 7"));
        assert_ne!(roll(1, "poll 7"), roll(1, "poll 8"));
    }

    #[test]
    fn chances_are_kept_to() {
        let mut random = SeededRandom::new(7, "");
        let hits = (0..10_000).filter(|_| random.percent(30)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert_eq!(random.pick::<u8>(&[]), None);
        assert_eq!(random.pick(&[5]), Some(5));
    }
}
