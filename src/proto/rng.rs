//! The one source of chance: small, seeded, and the same on every run with one seed.

use std::time::Duration;

/// SplitMix64. Chance here spreads packets in time and picks suffixes; nothing secret
/// depends on it.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn up_to(&mut self, most: u32) -> u32 {
        let drawn = self.next().checked_rem(u64::from(most)).unwrap_or_default();
        u32::try_from(drawn).unwrap_or_default().saturating_add(1)
    }

    /// A duration drawn evenly from `low` to `high`, to the microsecond.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high.saturating_sub(low).as_micros();
        let span = u64::try_from(span).unwrap_or(u64::MAX).saturating_add(1);
        low.saturating_add(Duration::from_micros(self.next().checked_rem(span).unwrap_or_default()))
    }
}
