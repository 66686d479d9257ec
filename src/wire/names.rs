//! The names of one packet, and how much may be read of them.

use super::MAX_DECOMPRESSED_BYTES;
use super::checked::{Checked, End};
use super::walk::measure;
use crate::name::MAX_NAME_BYTES;

/// What names cost, and which are known.
#[derive(Debug, Clone)]
pub(super) struct Names {
    budget: usize,
    checked: Checked,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { budget: MAX_DECOMPRESSED_BYTES, checked: Checked::new() }
    }

    /// The name at `at` and where the bytes behind it begin; `None` if it is broken, or if too
    /// much has been read already.
    pub(super) fn read(&mut self, packet: &[u8], at: usize) -> Option<(End, usize)> {
        let read = measure(packet, at, &mut self.checked);
        // Its uncompressed bytes and one for each pointer; a broken one may have taken as long as
        // the longest.
        let cost = read.map_or(MAX_NAME_BYTES, |(name, _)| {
            usize::from(name.length()).saturating_add(name.hops().into())
        });
        self.spend(cost)?;
        read
    }

    pub(super) fn spend(&mut self, cost: usize) -> Option<()> {
        let left = self.budget.checked_sub(cost);
        self.budget = left.unwrap_or_default();
        left.map(|_| ())
    }
}
