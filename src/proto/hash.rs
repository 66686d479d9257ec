//! Hashing that a stranger cannot aim at and that a seed repeats.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// Builds hashers keyed by the engine's seed: names chosen to collide in one process do not
/// in the next, and one seed gives one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeded(pub(super) u64);

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}
