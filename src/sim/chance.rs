//! The LAN's own luck: one series of numbers for loss, delay and duplication.

use std::time::Duration;

/// SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Whether something happens that happens in this part of all cases, 0 to 1.
    pub(super) fn happens(&mut self, part: f64) -> bool {
        part > 0.0 && ((self.next() >> 11) as f64 / (1_u64 << 53) as f64) < part
    }

    /// Evenly from `low` to `high`, to the microsecond.
    pub(super) fn between(&mut self, (low, high): (Duration, Duration)) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_micros()).unwrap_or(u64::MAX);
        if span == 0 {
            return low;
        }
        low.saturating_add(Duration::from_micros(self.next() % span.saturating_add(1)))
    }
}
