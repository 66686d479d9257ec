//! Both address families, either, or neither.

use super::io::Family;

/// Which families a datagram goes to, or has been silenced on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Families {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

impl Families {
    pub(super) const BOTH: Self = Self { v4: true, v6: true };
    pub(super) const NONE: Self = Self { v4: false, v6: false };

    pub(super) fn set(&mut self, family: Family, on: bool) {
        match family {
            Family::V4 => self.v4 = on,
            Family::V6 => self.v6 = on,
        }
    }

    pub(super) fn has(self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { v4: self.v4 && other.v4, v6: self.v6 && other.v6 }
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self { v4: self.v4 || other.v4, v6: self.v6 || other.v6 }
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self { v4: self.v4 && !other.v4, v6: self.v6 && !other.v6 }
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::NONE
    }
}
